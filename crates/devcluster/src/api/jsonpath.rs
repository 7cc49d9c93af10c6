//! The JSONPath of columns: fields, `[*]`, and the one filter that definitions use, `[?(@.type=="X")]`. Pure.

use serde_json::Value;

/// What a path leads to, as a column shows it: texts joined by commas, nothing where it leads nowhere.
pub(crate) fn shown(object: &Value, path: &str) -> String {
    let mut found = vec![object];
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = next(rest);
        found = found.into_iter().flat_map(|value| taken(value, &step)).collect();
        rest = after;
    }
    let texts = found.into_iter().filter(|value| !value.is_null()).map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    texts.collect::<Vec<_>>().join(",")
}

#[derive(Debug, PartialEq)]
enum Step {
    Field(String),
    Each,
    Where { field: String, equals: String },
}

fn next(path: &str) -> (Step, &str) {
    if let Some(inside) = path.strip_prefix('[') {
        // Quotes may hold brackets.
        let quoted = inside.starts_with('\'') || inside.starts_with('"');
        let end = if quoted { inside[1..].find(&inside[..1]).map(|at| at + 2) } else { inside.find(']') };
        let end = end.unwrap_or(inside.len());
        let after = inside.get(end..).unwrap_or_default().trim_start_matches(']');
        let filter = inside[..end].strip_prefix("?(@.").and_then(|filter| filter.strip_suffix(')'));
        let step = match filter.and_then(|filter| filter.split_once("==")) {
            Some((field, value)) => {
                let unquoted = value.trim().trim_matches(['"', '\'']).to_owned();
                Step::Where { field: field.trim().to_owned(), equals: unquoted }
            }
            None if &inside[..end] == "*" => Step::Each,
            None => Step::Field(inside[..end].trim_matches(['"', '\'']).to_owned()),
        };
        return (step, after);
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    // A backslash keeps a dot inside a name.
    let mut name = String::new();
    let mut letters = path.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => name.extend(letters.next().map(|(_, kept)| kept)),
            '.' | '[' => return (Step::Field(name), &path[at..]),
            _ => name.push(letter),
        }
    }
    (Step::Field(name), "")
}

fn taken<'a>(value: &'a Value, step: &Step) -> Vec<&'a Value> {
    let items = || value.as_array().into_iter().flatten();
    match step {
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::Each => items().collect(),
        Step::Where { field, equals } => items().filter(|item| item[field] == **equals).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_through_fields_lists_and_conditions() {
        let object = json!({
            "spec": { "class": "kong", "rules": [{ "host": "a" }, { "host": "b" }, {}] },
            "status": { "conditions": [{ "type": "Ready", "status": "False" }, { "type": "Up", "status": "True" }] },
            "metadata": { "labels": { "a.b/c": "x" } }, "count": 3,
        });
        for (path, expected) in [
            (".spec.class", "kong"),
            (".spec.rules[*].host", "a,b"),
            (".status.conditions[?(@.type==\"Up\")].status", "True"),
            (".status.conditions[?(@.type=='Gone')].status", ""),
            (".metadata.labels.a\\.b/c", "x"),
            (".metadata.labels['a.b/c']", "x"),
            (".count", "3"),
            (".nowhere.at.all", ""),
            (".spec[", ""),
        ] {
            assert_eq!(shown(&object, path), expected, "{path}");
        }
    }
}

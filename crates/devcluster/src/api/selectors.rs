//! Label and field selectors, as lists and watches take them. Pure.

use serde_json::Value;

use super::failure::{Failure, Outcome};

#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// The value is one of these.
    In(Vec<String>),
    /// The value is none of these, or there is none.
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        match self {
            Self::In(wanted) => value.is_some_and(|value| wanted.iter().any(|wanted| wanted == value)),
            Self::NotIn(unwanted) => value.is_none_or(|value| unwanted.iter().all(|unwanted| unwanted != value)),
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
        }
    }
}

/// Which objects are meant. By default, all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selection {
    labels: Vec<(String, Test)>,
    fields: Vec<(String, Test)>,
}

impl Selection {
    /// Reads both selectors; empty ones select everything. `type_field` says whether the kind has a `type` to select by.
    pub(crate) fn parse(labels: &str, fields: &str, type_field: bool) -> Outcome<Self> {
        let labels = split(labels).map(label).collect::<Outcome<_>>()?;
        let fields: Vec<(String, Test)> = split(fields).map(field).collect::<Outcome<_>>()?;
        let known =
            |path: &str| matches!(path, "metadata.name" | "metadata.namespace") || (type_field && path == "type");
        if let Some((path, _)) = fields.iter().find(|(path, _)| !known(path)) {
            return Err(Failure::bad_request(format!(
                "field label not supported: {path:?}; this development cluster selects by metadata.name, \
                 metadata.namespace and, for Secrets, type"
            )));
        }
        Ok(Self { labels, fields })
    }

    pub(crate) fn is_all(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn takes(&self, object: &Value) -> bool {
        let label = |name: &str| object["metadata"]["labels"].get(name).and_then(Value::as_str);
        let field = |path: &str| match path {
            "metadata.name" => object["metadata"]["name"].as_str(),
            "metadata.namespace" => Some(object["metadata"]["namespace"].as_str().unwrap_or_default()),
            path => Some(object[path].as_str().unwrap_or_default()),
        };
        self.labels.iter().all(|(name, test)| test.holds(label(name)))
            && self.fields.iter().all(|(path, test)| test.holds(field(path)))
    }
}

/// Parts between commas, but for those inside parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let parts = text.split(move |letter: char| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => (),
        }
        letter == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

fn equality(part: &str) -> Option<(String, Test)> {
    let (name, value, differs) = if let Some((name, value)) = part.split_once("!=") {
        (name, value, true)
    } else {
        let (name, value) = part.split_once("==").or_else(|| part.split_once('='))?;
        (name, value, false)
    };
    let values = vec![value.trim().to_owned()];
    Some((name.trim().to_owned(), if differs { Test::NotIn(values) } else { Test::In(values) }))
}

fn field(part: &str) -> Outcome<(String, Test)> {
    equality(part).ok_or_else(|| {
        Failure::bad_request(format!("unable to parse field selector {part:?}: invalid selector; can't understand it"))
    })
}

fn label(part: &str) -> Outcome<(String, Test)> {
    let unreadable = || Failure::bad_request(format!("unable to parse requirement of label selector: {part:?}"));
    let (name, test) = if let Some(found) = set(part) {
        found
    } else if let Some(found) = equality(part) {
        found
    } else if let Some(name) = part.strip_prefix('!') {
        (name.trim().to_owned(), Test::Absent)
    } else {
        (part.to_owned(), Test::Exists)
    };
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if name.is_empty() || !name.chars().all(letters) { Err(unreadable()) } else { Ok((name, test)) }
}

/// `name in (a, b)` or `name notin (a, b)`.
fn set(part: &str) -> Option<(String, Test)> {
    let (head, values) = part.strip_suffix(')')?.split_once('(')?;
    let values = values.split(',').map(|value| value.trim().to_owned()).collect();
    let head = head.trim_end();
    match head.strip_suffix(" notin") {
        Some(name) => Some((name.trim().to_owned(), Test::NotIn(values))),
        None => Some((head.strip_suffix(" in")?.trim().to_owned(), Test::In(values))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn takes(labels: &str, fields: &str) -> bool {
        let object = json!({
            "metadata": { "name": "a", "namespace": "shop", "labels": { "app": "cart", "tier": "" } }, "type": "tls",
        });
        Selection::parse(labels, fields, true).unwrap().takes(&object)
    }

    #[test]
    fn labels_are_selected_by_every_operator() {
        for yes in [
            "",
            "app",
            "app=cart",
            "app==cart",
            "app!=shop",
            "app in (cart, shop)",
            "app notin (shop)",
            "!gone",
            "gone!=x",
            "gone notin (x)",
            "tier=",
            "app in (x,cart),tier",
        ] {
            assert!(takes(yes, ""), "{yes}");
        }
        for no in ["gone", "app=shop", "app!=cart", "app in (shop)", "app notin (cart)", "!app", "app,gone"] {
            assert!(!takes(no, ""), "{no}");
        }
        for unreadable in ["a b", "=x", "app in cart)"] {
            assert!(Selection::parse(unreadable, "", false).is_err(), "{unreadable}");
        }
    }

    #[test]
    fn fields_are_selected_by_name_namespace_and_type() {
        assert!(takes("", "metadata.name=a,metadata.namespace==shop,type!=helm.sh/release.v1"));
        assert!(!takes("", "metadata.name!=a"));
        assert!(!takes("", "type=other"));
        assert!(Selection::parse("", "type=x", false).is_err());
        assert!(Selection::parse("", "status.phase=x", true).is_err());
        assert!(Selection::parse("", "metadata.name", true).is_err());
    }
}

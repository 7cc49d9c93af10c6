//! Why a gateway refused a config: its 400 answer, without anything secret that it echoes.
//!
//! Shapes as recorded from Kong 3.9: with `flatten_errors=1` faults are listed by entity in `flattened_errors` (an
//! empty Lua table, so `{}`, when there are none) and the rest is in `fields`; without it everything is in `fields`,
//! nested as the config is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use silverback_model::{Digest, canonical};

/// Why a gateway refused a config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Kong's words for the whole.
    pub message: String,
    /// The entities it names.
    pub entities: Vec<RejectedEntity>,
    /// Faults that it names no entity for.
    pub fields: Vec<FieldError>,
}

/// One entity that a gateway refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedEntity {
    /// Singular, e.g. `route`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name, if Kong gives one: it does not for consumers, targets and credentials.
    pub name: Option<String>,
    /// Its id, if the config gave one.
    pub id: Option<String>,
    /// Its tags: they name the object it was made from.
    pub tags: Vec<String>,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
    /// Digests of the fields it was given, to tell apart what has neither name nor id; their values may be secret.
    #[serde(skip)]
    pub fields: BTreeMap<String, Digest>,
}

/// One fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Where, e.g. `paths.1` (Kong counts from 1); empty when it concerns the whole entity.
    pub path: String,
    /// What.
    pub message: String,
}

/// Longest text kept of one message.
const LONGEST: usize = 1_000;

impl Rejection {
    /// Reads the body of a 400 answer. An answer of another shape gives a rejection that has its words and no more.
    pub fn parse(body: &[u8]) -> Self {
        let Ok(answer) = serde_json::from_slice::<Value>(body) else {
            return Self { message: clean(&String::from_utf8_lossy(body)), ..Self::default() };
        };
        let entities = answer.get("flattened_errors").and_then(Value::as_array);
        let mut fields = Vec::new();
        if let Some(found) = answer.get("fields") {
            flatten(found, &mut String::new(), &mut fields);
        }
        Self {
            message: clean(answer.get("message").and_then(Value::as_str).unwrap_or("no reason given")),
            entities: entities.into_iter().flatten().map(RejectedEntity::read).collect(),
            fields,
        }
    }

    /// Whether it says where the fault is. Kong does not for a missing reference, unless asked without
    /// `flatten_errors`.
    pub fn names_a_cause(&self) -> bool {
        !self.entities.is_empty() || !self.fields.is_empty()
    }
}

impl std::fmt::Display for Rejection {
    /// The first few faults.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 3;
        if !self.names_a_cause() {
            return f.write_str(&self.message);
        }
        let entities = self.entities.iter().flat_map(|entity| {
            let name = entity.name.as_deref().or(entity.id.as_deref()).unwrap_or("(unnamed)");
            entity.errors.iter().map(move |error| format!("{} {name}: {error}", entity.kind))
        });
        let all: Vec<String> = entities.chain(self.fields.iter().map(FieldError::to_string)).collect();
        f.write_str(&all[..all.len().min(SHOWN)].join("; "))?;
        if all.len() > SHOWN {
            write!(f, "; and {} more", all.len() - SHOWN)?;
        }
        Ok(())
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl RejectedEntity {
    fn read(found: &Value) -> Self {
        let text = |name: &str| found.get(name).and_then(Value::as_str).map(str::to_owned);
        let list = |name: &str| found.get(name).and_then(Value::as_array).into_iter().flatten();
        let mut errors = Vec::new();
        for error in list("errors") {
            let path = error.get("field").and_then(Value::as_str).unwrap_or_default();
            let one = error.get("message").into_iter();
            let many = error.get("messages").and_then(Value::as_array).into_iter().flatten();
            for message in one.chain(many).filter_map(Value::as_str) {
                errors.push(FieldError { path: path.to_owned(), message: clean(message) });
            }
        }
        Self {
            kind: text("entity_type").unwrap_or_default(),
            name: text("entity_name"),
            id: text("entity_id"),
            tags: list("entity_tags").filter_map(Value::as_str).map(str::to_owned).collect(),
            errors,
            fields: given(found),
        }
    }
}

/// Digests of the fields that an entity was given.
fn given(found: &Value) -> BTreeMap<String, Digest> {
    let fields = found.get("entity").and_then(Value::as_object).into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), Digest::of(canonical::to_string(value).as_bytes()))).collect()
}

/// Writes every text in a tree of `fields`, with its path counted as Kong counts.
fn flatten(found: &Value, path: &mut String, out: &mut Vec<FieldError>) {
    let mut inside = |name: &str, value: &Value| {
        let length = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        flatten(value, path, out);
        path.truncate(length);
    };
    match found {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| inside(name, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| inside(&(at + 1).to_string(), item)),
        Value::String(message) => out.push(FieldError { path: path.clone(), message: clean(message) }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Cuts a message, and takes out the values that Kong echoes in `with <field> set to '<value>'`: for credentials they
/// are the secret itself.
fn clean(message: &str) -> String {
    const MARK: &str = " set to '";
    const TELLS_NO_SECRET: [&str; 6] = ["name", "id", "username", "custom_id", "prefix", "target"];
    let (mut out, mut rest) = (String::with_capacity(message.len().min(LONGEST)), message);
    while let Some(at) = rest.find(MARK) {
        let (before, after) = rest.split_at(at + MARK.len());
        let field = before[..at].rsplit([' ', '(']).next().unwrap_or_default();
        out.push_str(before);
        rest = after;
        if !TELLS_NO_SECRET.contains(&field) {
            // The value may hold quotes itself: it ends where Kong's sentence goes on, or nowhere.
            let end = ["' already", "' and "].iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
            out.push_str("(hidden)");
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    if let Some((cut, _)) = out.char_indices().nth(LONGEST) {
        out.truncate(cut);
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(answer: &Value) -> Rejection {
        Rejection::parse(answer.to_string().as_bytes())
    }

    #[test]
    fn names_entities_with_their_tags() {
        let rejection = parse(
            &json!({"fields": {}, "message": "declarative config is invalid: {}", "flattened_errors": [
            {"entity_name": "r1", "entity_type": "route", "entity_tags": ["k8s-name:a"], "entity_id": "x",
             "errors": [{"field": "paths.1", "type": "field", "message": "bad"}, {"type": "entity", "messages": ["p", "q"]}],
             "entity": {"secret": "never kept"}},
            {"entity_type": "consumer", "errors": [{"type": "entity", "message": "empty"}]}]}),
        );
        let route = &rejection.entities[0];
        assert_eq!((route.kind.as_str(), route.name.as_deref(), route.id.as_deref()), ("route", Some("r1"), Some("x")));
        assert_eq!(route.tags, ["k8s-name:a"]);
        assert_eq!(route.errors.len(), 3);
        assert_eq!(rejection.entities[1].name, None);
        assert!(!format!("{rejection:?}").contains("never kept"));
        assert_eq!(rejection.to_string(), "route r1: paths.1: bad; route r1: p; route r1: q; and 1 more");
    }

    #[test]
    fn reads_nested_fields_and_counts_from_one() {
        let rejection = parse(&json!({"message": "m", "flattened_errors": {}, "fields":
            {"services": [{"routes": [null, {"paths": ["no slash"], "strip_path": "expected a boolean"}]}]}}));
        let paths: Vec<_> = rejection.fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["services.1.routes.2.paths.1", "services.1.routes.2.strip_path"]);
        assert!(rejection.entities.is_empty() && rejection.names_a_cause());
    }

    #[test]
    fn a_missing_reference_names_nothing() {
        let rejection =
            parse(&json!({"message": "declarative config is invalid: {}", "fields": {}, "flattened_errors": {}}));
        assert!(!rejection.names_a_cause());
        assert_eq!(rejection.to_string(), "declarative config is invalid: {}");
    }

    #[test]
    fn secrets_in_messages_are_hidden() {
        let text = "uniqueness violation: 'keyauth_credentials' entity with key set to 's3c'ret' already declared";
        let rejection = parse(&json!({"message": text, "fields": {"keyauth_credentials": [text]}}));
        assert!(!format!("{rejection:?}").contains("s3c"), "{rejection:?}");
        assert!(rejection.message.ends_with("key set to '(hidden)' already declared"), "{}", rejection.message);
        assert_eq!(clean("with name set to 'dup' already declared"), "with name set to 'dup' already declared");
        assert!(!clean("with key set to 'unended").contains("unended"));
    }

    #[test]
    fn any_answer_gives_words() {
        assert_eq!(Rejection::parse(b"<html>no</html>").message, "<html>no</html>");
        assert_eq!(Rejection::parse(b"{}").message, "no reason given");
        assert!(Rejection::parse(&[0xff; 5000]).message.chars().count() <= LONGEST + 1);
    }

    /// Every 400 answer recorded from a real gateway is read; those said to name entities do.
    #[test]
    fn reads_every_recorded_answer() {
        let Some(folder) = crate::tests::recordings() else { return };
        let (mut read, mut named) = (0, 0);
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let Some((_, answer)) = text.split_once("\nHTTP/1.1 400 ") else { continue };
            let Some(body) = answer.split("\n\n").nth(1) else { continue };
            let rejection = Rejection::parse(body.as_bytes());
            assert!(!rejection.message.is_empty());
            read += 1;
            named += usize::from(rejection.names_a_cause());
        }
        assert!(read > 50, "only {read} recordings found");
        assert!(named > 40, "only {named} of {read} name a cause");
    }
}

//! What an API server would have checked and filled in: names, namespaces, uids, and text where text must be.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use silverback_model::ObjectKey;
use uuid::Uuid;

use crate::registry::{self, Kind, KindId};

/// An object that an API server would not have taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{cause}", .object.as_ref().map(|name| format!("{name}: ")).unwrap_or_default())]
pub struct Incomplete {
    /// Kind and name, where known.
    pub object: Option<String>,
    /// What is wrong, and what to do about it.
    pub cause: String,
}

/// Checks an object and fills in what an API server would have: the namespace `default` for namespaced kinds (and
/// none for the others), a uid made from kind, namespace and name, and a Secret's `stringData` merged into `data`.
///
/// Gives its kind — `None` for one that is not in the registry, of which nothing but type and name is checked — and key.
///
/// # Errors
/// When `apiVersion`, `kind` or `metadata.name` is missing or of the wrong type, when the name is left to the server
/// (`generateName`), when the version is not read, or when a label or annotation is no text.
pub fn complete(object: &mut Value) -> Result<(Option<&'static Kind>, ObjectKey), Incomplete> {
    let unnamed = |cause: String| Incomplete { object: None, cause };
    let what = type_of(object);
    let Value::Object(fields) = object else {
        return Err(unnamed(format!("is {what}, not an object with apiVersion, kind and metadata")));
    };
    let api_version = required_text(fields, "apiVersion").map_err(unnamed)?.to_owned();
    let kind_name = required_text(fields, "kind").map_err(unnamed)?.to_owned();
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let kind = registry::by_kind(group, &kind_name);

    let mut label = kind_name.clone();
    let checked = (|| {
        if let Some(kind) = kind.filter(|kind| !kind.versions.contains(&version)) {
            return Err(format!("apiVersion {api_version} is not read; write {}", kind.api_version(None)));
        }
        let Some(Value::Object(metadata)) = fields.get_mut("metadata") else {
            return Err("metadata is missing".to_owned());
        };
        let key = complete_metadata(metadata, kind)?;
        label = format!("{kind_name} {key}");
        if let Some(kind) = kind {
            for map in ["labels", "annotations"] {
                complete_entries(metadata, map)?;
            }
            fill_uid(metadata, kind.id, &key);
            if kind.id == KindId::SECRET {
                merge_string_data(fields)?;
            }
        }
        Ok(key)
    })();
    match checked {
        Ok(key) => Ok((kind, key)),
        Err(cause) => Err(Incomplete { object: Some(label), cause }),
    }
}

/// The same checks, and nothing filled in: namespace, uid and a Secret's texts stay as they are written.
///
/// # Errors
/// As [`complete`].
pub(super) fn check(object: &mut Value) -> Result<(Option<&'static Kind>, ObjectKey), Incomplete> {
    let written = object.clone();
    let checked = complete(object)?;
    for (at, fields) in [("/metadata", &["namespace", "uid"][..]), ("", &["data", "stringData"])] {
        let Some(Value::Object(into)) = object.pointer_mut(at) else { continue };
        for field in fields {
            match written.pointer(at).and_then(|fields| fields.get(field)) {
                Some(value) => drop(into.insert((*field).to_owned(), value.clone())),
                None => drop(into.remove(*field)),
            }
        }
    }
    Ok(checked)
}

fn complete_metadata(metadata: &mut Map<String, Value>, kind: Option<&Kind>) -> Result<ObjectKey, String> {
    if !metadata.contains_key("name") && metadata.contains_key("generateName") {
        return Err("metadata.generateName leaves the name to an API server; write metadata.name".into());
    }
    let name = required_text(metadata, "name").map_err(|cause| format!("metadata.{cause}"))?.to_owned();
    if name.contains(['/', '%']) || matches!(name.as_str(), "." | "..") {
        return Err(format!("metadata.name {name:?} is no name: it must do as a part of a URL's path"));
    }
    let namespace = match metadata.get("namespace") {
        None | Some(Value::Null) => "",
        Some(Value::String(namespace)) => namespace,
        Some(other) => return Err(not_text("metadata.namespace", other)),
    };
    let namespace = match kind {
        Some(kind) if !kind.namespaced() => String::new(),
        Some(_) if namespace.is_empty() => "default".to_owned(),
        _ => namespace.to_owned(),
    };
    if namespace.is_empty() {
        metadata.remove("namespace");
    } else {
        metadata.insert("namespace".into(), namespace.clone().into());
    }
    Ok(ObjectKey::new(namespace, name))
}

/// Labels and annotations are maps of text; a bare `key:` is the empty text.
fn complete_entries(metadata: &mut Map<String, Value>, map: &str) -> Result<(), String> {
    match metadata.get_mut(map) {
        None | Some(Value::Null) => {
            metadata.remove(map);
            Ok(())
        }
        Some(Value::Object(entries)) => entries.iter_mut().try_for_each(|(name, value)| match value {
            Value::String(_) => Ok(()),
            Value::Null => {
                *value = Value::String(String::new());
                Ok(())
            }
            other => Err(not_text(&format!("metadata.{map}[{name:?}]"), other)),
        }),
        Some(other) => Err(format!("metadata.{map} is {}, not a map of texts", type_of(other))),
    }
}

/// The uid of an object that no API server has given one: the same wherever and whenever it is read.
fn fill_uid(metadata: &mut Map<String, Value>, kind: KindId, key: &ObjectKey) {
    if metadata.get("uid").and_then(Value::as_str).is_none_or(str::is_empty) {
        let space = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"manifests.silverback");
        let name = format!("{kind}/{}/{}", key.namespace, key.name);
        metadata.insert("uid".into(), Uuid::new_v5(&space, name.as_bytes()).to_string().into());
    }
}

fn merge_string_data(secret: &mut Map<String, Value>) -> Result<(), String> {
    let plain = match secret.remove("stringData") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(plain)) => plain,
        Some(other) => return Err(format!("stringData is {}, not a map of texts", type_of(&other))),
    };
    let data = secret.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    let Value::Object(data) = data else {
        return Err(format!("data is {}, not a map of texts", type_of(data)));
    };
    for (name, value) in plain {
        let text = match &value {
            Value::String(text) => text.as_str(),
            Value::Null => "",
            other => return Err(not_text(&format!("stringData[{name:?}]"), other)),
        };
        data.insert(name, STANDARD.encode(text).into());
    }
    Ok(())
}

fn required_text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    match fields.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        None | Some(Value::Null | Value::String(_)) => Err(format!("{name} is missing")),
        Some(other) => Err(not_text(name, other)),
    }
}

/// Names the type and never the value, which may be a secret.
fn not_text(name: &str, value: &Value) -> String {
    format!("{name} is {}, not a text; put it in quotes", type_of(value))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

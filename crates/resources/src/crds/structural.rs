//! From JSON Schema as it is derived to the structural schemas that CustomResourceDefinitions take.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

/// The structural schema of a type: everything inline, nothing nullable, only keywords that the API server knows.
pub(super) fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().for_deserialize().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    make_structural(&mut schema);
    schema
}

fn make_structural(schema: &mut Value) {
    let Value::Object(keywords) = schema else { return };
    for unknown in ["$schema", "title", "definitions"] {
        keywords.remove(unknown);
    }
    drop_null(keywords);
    // Made of `serde(default)`: it says that a field may be missing, not what the API server is to fill in.
    if keywords.get("default").is_some_and(is_empty) {
        keywords.remove("default");
    }
    if keywords.get("format").is_some_and(|format| format != "int32") {
        keywords.remove("format");
    }
    if let Some(Value::Object(properties)) = keywords.get_mut("properties") {
        properties.values_mut().for_each(make_structural);
    }
    for below in ["items", "additionalProperties"] {
        if let Some(schema) = keywords.get_mut(below) {
            make_structural(schema);
        }
    }
}

/// An optional field may be missing; `null` is no value of it.
fn drop_null(keywords: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = keywords.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            keywords.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(mut choices)) = keywords.remove("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        // The outer description is the field's and is nearer than that of its type.
        for (name, keyword) in choices.into_iter().filter_map(|choice| choice.as_object().cloned()).flatten() {
            keywords.entry(name).or_insert(keyword);
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Any value at all.
pub(super) fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

/// Any object.
pub(super) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// Protocols that plugins run on.
pub(super) fn protocols(_: &mut SchemaGenerator) -> Schema {
    let protocol = json_schema!({"type": "string", "enum": ["http", "https", "grpc", "grpcs", "tcp", "tls", "udp"]});
    json_schema!({"type": "array", "items": protocol})
}

/// Status codes of HTTP.
pub(super) fn http_statuses(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": "integer", "minimum": 100, "maximum": 599}})
}

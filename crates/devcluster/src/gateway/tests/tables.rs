//! Compares our tables of fields with the schemas a real Kong told.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::entities::Registry;
use super::super::schema::{Record, document};
use super::super::*;
use super::recordings;

#[test]
fn tables_are_those_of_kong() {
    let Some(folder) = recordings::folder("kong-schemas") else { return };
    let fields = Registry::new(RouterFlavor::TraditionalCompatible, None, &BTreeMap::new());
    let expressions = Registry::new(RouterFlavor::Expressions, None, &BTreeMap::new());
    let mut compared = 0;
    let mut differences = Vec::new();
    let mut compare = |name: &str, ours: &Record, file: &str| {
        let Ok(text) = std::fs::read(folder.join(file)) else { return };
        let theirs = document::record(&serde_json::from_slice(&text).unwrap());
        let (ours, theirs) = (by_name(&document::write(ours)["fields"]), by_name(&document::write(&theirs)["fields"]));
        compared += 1;
        // What a variant takes from its base is not in its document.
        for (field, theirs) in &theirs {
            let ours = ours.get(field).cloned().unwrap_or_default();
            // Kong holds the names of a certificate as a field too; here they are only what is nested in it.
            if ours != *theirs && (name, field.as_str()) != ("certificates", "snis") {
                differences.push(format!("{name}.{field}\n  ours   {ours}\n  theirs {theirs}"));
            }
        }
    };
    for schema in fields.all() {
        compare(schema.name, &schema.record, &format!("{}.json", schema.name));
    }
    if let Some(routes) = expressions.get("routes") {
        compare("routes with expressions", &routes.record, "routes-expressions.json");
    }
    let plugins = fields.get("plugins").and_then(|schema| schema.variants.clone()).unwrap();
    for (name, record) in &plugins.known {
        let is_known = !matches!(record.fields["config"].kind, super::super::schema::Kind::Any);
        if is_known {
            compare(name, record, &format!("plugins/{name}.json"));
        }
    }
    println!("{compared} tables compared");
    assert!(compared > 25, "the documents were not found");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Lists of fields as objects, at every depth.
fn by_name(fields: &Value) -> Map<String, Value> {
    let named = fields.as_array().into_iter().flatten().filter_map(Value::as_object).flatten();
    named.map(|(name, field)| (name.clone(), inner(field.clone()))).collect()
}

fn inner(mut field: Value) -> Value {
    for part in ["elements", "values", "keys"] {
        if let Some(within) = field.get_mut(part) {
            *within = inner(within.take());
        }
    }
    // Their own defaults add up to those of a record.
    if field["type"] == "record" {
        field["fields"] = by_name(&field["fields"]).into();
        field.as_object_mut().unwrap().remove("default");
    }
    numbers(field)
}

/// Numbers without a kind.
fn numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(values) => values.into_iter().map(numbers).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, numbers(value))).collect(),
        other => other,
    }
}

//! How objects are shown: in the version asked for, as lists, as tables for people, as metadata alone. Pure.

use serde_json::{Value, json};

use super::jsonpath;
use super::kinds::{Column, Kind};
use super::request::Form;

/// An object in a version of its kind. All versions look the same.
pub(crate) fn in_version(object: &Value, kind: &Kind, version: &str) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = kind.api_version(version).into();
    object["kind"] = kind.kind.as_str().into();
    object
}

/// One object.
pub(crate) fn one(object: &Value, kind: &Kind, version: &str, form: Form, now: i64) -> Value {
    match form {
        Form::Table => table(kind, &[object], &object["metadata"], now),
        Form::Metadata => metadata(object),
        Form::Plain | Form::Discovery => in_version(object, kind, version),
    }
}

/// A page of a list; `meta` is the list's metadata.
pub(crate) fn many(objects: &[&Value], kind: &Kind, version: &str, form: Form, meta: Value, now: i64) -> Value {
    match form {
        Form::Table => table(kind, objects, &meta, now),
        Form::Metadata => json!({
            "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta,
            "items": objects.iter().map(|object| metadata(object)).collect::<Vec<_>>(),
        }),
        Form::Plain | Form::Discovery => json!({
            "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(version), "metadata": meta,
            "items": objects.iter().map(|object| in_version(object, kind, version)).collect::<Vec<_>>(),
        }),
    }
}

fn metadata(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

fn table(kind: &Kind, objects: &[&Value], meta: &Value, now: i64) -> Value {
    let column = |name: &str, of: &str, format: &str, priority: i64| json!({ "name": name, "type": of, "format": format, "description": "", "priority": priority });
    let shown = kind.columns.iter().map(|it| column(&it.name, shown_type(&it.of), "", it.priority));
    let columns: Vec<Value> = [column("Name", "string", "name", 0)].into_iter().chain(shown).collect();
    let rows = objects.iter().map(|object| {
        let cells = kind.columns.iter().map(|column| cell(object, column, now));
        let cells: Vec<Value> = [object["metadata"]["name"].clone()].into_iter().chain(cells).collect();
        json!({ "cells": cells, "object": metadata(object) })
    });
    let list = ["resourceVersion", "continue", "remainingItemCount"];
    let meta: serde_json::Map<String, Value> =
        list.iter().filter_map(|field| Some(((*field).to_owned(), meta.get(field)?.clone()))).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "columnDefinitions": columns,
        "rows": rows.collect::<Vec<_>>(),
    })
}

/// Ages are texts.
fn shown_type(of: &str) -> &str {
    if of == "date" { "string" } else { of }
}

fn cell(object: &Value, column: &Column, now: i64) -> Value {
    let text = jsonpath::shown(object, &column.path);
    match column.of.as_str() {
        "date" => {
            text.parse::<jiff::Timestamp>().map_or_else(|_| "<unknown>".into(), |at| age(now - at.as_second()).into())
        }
        "integer" => text.parse::<i64>().map_or(Value::Null, Value::from),
        "number" => text.parse::<f64>().map_or(Value::Null, Value::from),
        "boolean" => text.parse::<bool>().map_or(Value::Null, Value::from),
        _ => text.into(),
    }
}

/// A time span the way `kubectl` shows it.
fn age(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{}s", seconds.max(0)),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let shown = [-1, 0, 119, 120, 7_199, 7_200, 172_800].map(age);
        assert_eq!(shown, ["0s", "0s", "119s", "2m", "119m", "2h", "2d"]);
    }
}

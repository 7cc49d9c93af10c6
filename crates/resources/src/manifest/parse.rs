//! One document to values: JSON where it is JSON, else YAML; lists expanded.

use serde_json::{Number, Value};

use super::{Entry, ManifestError, Place};

/// Deeper than any Kubernetes object (CRDs reach 24), and shallow enough for the stack of any thread.
const MAX_DEPTH: usize = 40;
/// What aliases may blow a document up to, in bytes.
const MAX_REPLAYED_BYTES: usize = 256 << 20;

/// Parses one document and appends its objects.
pub(super) fn entries(file: &str, place: Place, text: &str, into: &mut Vec<Entry>) {
    let error = |line: usize, cause: String| {
        let place = Place { line, ..place };
        Entry { place, object: Err(ManifestError { file: file.to_owned(), place, object: None, cause }) }
    };
    if let Some(read) = json(text) {
        for value in read {
            match value {
                Ok(value) => expand(place, value, into),
                Err(cause) => {
                    let line = place.line + cause.line().saturating_sub(1);
                    into.push(error(line, format!("is no valid JSON: {}", without_place(&cause))));
                }
            }
        }
        return;
    }
    match yaml(text) {
        Ok(value) => expand(place, value, into),
        Err(cause) => {
            let location = cause.location();
            let line = location.map_or(place.line, |at| place.line + (at.line() as usize).saturating_sub(1));
            let text = cause.to_string();
            let place_of = |at: serde_saphyr::Location| format!(" at line {}, column {}", at.line(), at.column());
            let text = location.and_then(|at| text.strip_suffix(&place_of(at))).unwrap_or(&text);
            let text = text.split(", set DuplicateKeyPolicy").next().unwrap_or(text);
            into.push(error(line, format!("is no valid YAML: {text}")));
        }
    }
}

/// A stream of JSON objects, up to its first fault; `None` if not even the first one can be read.
fn json(text: &str) -> Option<Vec<serde_json::Result<Value>>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut read = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let failed = value.is_err();
        read.push(value);
        if failed {
            break;
        }
    }
    matches!(read.first(), Some(Ok(_))).then_some(read)
}

fn without_place(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

fn yaml(text: &str) -> Result<Value, serde_saphyr::Error> {
    let replayed = (MAX_REPLAYED_BYTES / text.len().max(1)).clamp(100, 100_000);
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: replayed },
        // The text is in memory already, so its size bounds what it holds; aliases and depth are what can explode.
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
        },
    };
    serde_saphyr::from_str_with_options(text, options)
}

/// Appends an object, or the items of a list.
fn expand(place: Place, mut value: Value, into: &mut Vec<Entry>) {
    whole_numbers(&mut value);
    if value.is_null() {
        return;
    }
    match take_items(&mut value) {
        None => into.push(Entry { place, object: Ok(value) }),
        Some((item_type, items)) => {
            for (at, mut item) in items.into_iter().enumerate() {
                fill_type(&mut item, &value, item_type.as_deref());
                into.push(Entry { place: Place { item: Some(at + 1), ..place }, object: Ok(item) });
            }
        }
    }
}

/// The items of a `List`, or of an `IngressList` and the like, and the kind that the list's own name gives them.
fn take_items(value: &mut Value) -> Option<(Option<String>, Vec<Value>)> {
    let kind = value.get("kind")?.as_str()?.strip_suffix("List")?;
    let kind = (!kind.is_empty()).then(|| kind.to_owned());
    match value.get_mut("items")?.take() {
        Value::Array(items) => Some((kind, items)),
        Value::Null => Some((kind, Vec::new())),
        other => {
            value["items"] = other;
            None
        }
    }
}

/// Items of a typed list may leave out what the list says already.
fn fill_type(item: &mut Value, list: &Value, kind: Option<&str>) {
    let (Some(kind), Some(item)) = (kind, item.as_object_mut()) else { return };
    item.entry("kind").or_insert_with(|| kind.into());
    if let Some(version) = list.get("apiVersion") {
        item.entry("apiVersion").or_insert_with(|| version.clone());
    }
}

/// `80.0` and `1e3` become whole numbers, as they do on their way through an API server.
fn whole_numbers(value: &mut Value) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(float) = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT) {
                *number = Number::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

//! Tells a refusal as `POST /config` answers it, per entity when asked to. It never finds errors of its own.

use serde_json::{Map, Value, json};

use super::super::entities::Registry;
use super::super::schema::errors::{self, ENTITY, Errors, Key, Table};
use super::super::schema::rule;

/// The body of the 400. `None` where Kong crashes over telling.
pub(crate) fn body(registry: &Registry, mut errors: Table, input: Map<String, Value>, flatten: bool) -> Option<Value> {
    if Errors::Table(errors.clone()).has_crashed() {
        return None;
    }
    let flattened = if flatten { Some(flatten_errors(registry, &mut errors, input)?) } else { None };
    let mut body = declarative(&errors)?;
    if let Some(flattened) = flattened {
        // Kong's JSON writer does not tell an empty list from an empty object.
        body["flattened_errors"] = if flattened.is_empty() { json!({}) } else { flattened.into() };
    }
    Some(body)
}

/// The body without errors per entity.
pub(crate) fn declarative(errors: &Table) -> Option<Value> {
    Some(json!({
        "code": 14,
        "name": "invalid declarative configuration",
        "message": format!("declarative config is invalid: {}", errors::table_to_lua(errors)),
        "fields": errors::table_to_json(errors)?,
    }))
}

/// The body of an answer about one entity.
pub(crate) fn violation(errors: &Table) -> Option<Value> {
    let entity = errors.get(&Key::Name(ENTITY.to_owned()));
    let mut told: Vec<String> = match entity {
        Some(Errors::Table(list)) => list.values().map(plain).collect(),
        _ => Vec::new(),
    };
    for (key, error) in errors {
        let name = errors::key_text(key);
        match error {
            _ if name == ENTITY => {}
            Errors::Table(below) => told
                .extend(below.iter().map(|(key, error)| format!("{name}.{}: {}", errors::key_text(key), plain(error)))),
            error => told.push(format!("{name}: {}", plain(error))),
        }
    }
    let message = match told.as_slice() {
        [one] => format!("schema violation ({one})"),
        several => format!("{} schema violations ({})", several.len(), several.join("; ")),
    };
    Some(json!({
        "code": 2,
        "name": "schema violation",
        "message": message,
        "fields": errors::table_to_json(errors)?,
    }))
}

fn plain(error: &Errors) -> String {
    match error {
        Errors::Text(text) => text.clone(),
        other => other.to_lua(),
    }
}

/// Takes the errors that belong to entities out of the tree, last first. What is left stays under `fields`, unless
/// its place is not in the input: then Kong loses it.
fn flatten_errors(registry: &Registry, errors: &mut Table, mut input: Map<String, Value>) -> Option<Vec<Value>> {
    let mut flattened = Vec::new();
    for key in last_first(errors)? {
        let kind = errors::key_text(&key);
        let Some(Errors::Table(section)) = errors.get(&key) else { continue };
        let Some(Value::Array(entities)) = input.get_mut(&kind) else { continue };
        let mut section = section.clone();
        errors.remove(&key);
        for key in last_first(&section)? {
            let Key::Index(index) = key else { continue };
            if let (Some(entity), Some(error)) = (entities.get_mut(index - 1), section.remove(&key)) {
                add(registry, &kind, entity.take(), error, &mut flattened)?;
            }
        }
    }
    Some(flattened)
}

/// Kong cannot sort numbers among names.
fn last_first(table: &Table) -> Option<Vec<Key>> {
    let names = table.keys().filter(|key| matches!(key, Key::Name(_))).count();
    (names == 0 || names == table.len()).then(|| table.keys().rev().cloned().collect())
}

fn add(registry: &Registry, kind: &str, entity: Value, error: Errors, flattened: &mut Vec<Value>) -> Option<()> {
    let mut errors = match error {
        Errors::Text(text) => Table::from([(Key::Name(ENTITY.to_owned()), Errors::Text(text))]),
        Errors::Table(table) => table,
        Errors::Crash => return None,
    };
    let Value::Object(mut entity) = entity else { return Some(()) };
    if errors.is_empty() {
        return Some(());
    }
    let key = primary_key(&entity);
    add_referred(registry, kind, &mut entity, &mut errors, flattened)?;
    for (child, field) in registry.children(kind) {
        let Some(Value::Array(items)) = entity.get_mut(*child).map(Value::take) else { continue };
        entity.remove(*child);
        let Some(Errors::Table(mut below)) = errors.remove(&Key::Name((*child).to_owned())) else { continue };
        for (index, mut item) in (1..).zip(items) {
            if let (Value::Object(item), Some(key)) = (&mut item, &key) {
                item.entry(field.clone()).or_insert_with(|| key.clone());
            }
            if let Some(error) = below.remove(&Key::Index(index)) {
                add(registry, child, item, error, flattened)?;
            }
        }
    }
    if errors.is_empty() {
        return Some(());
    }
    let mut told = Vec::new();
    categorize(&errors, "", &mut told)?;
    if !told.is_empty() {
        flattened.push(entry(kind, entity, told));
    }
    Some(())
}

/// Errors in an entity that stands where a reference was expected belong to that entity.
fn add_referred(
    registry: &Registry,
    kind: &str,
    entity: &mut Map<String, Value>,
    errors: &mut Table,
    flattened: &mut Vec<Value>,
) -> Option<()> {
    for (field, refers_to) in registry.get(kind).into_iter().flat_map(|schema| schema.references()) {
        let Some(referred @ Value::Object(_)) = entity.get(field).cloned() else { continue };
        match referred.as_object().and_then(primary_key) {
            Some(key) => drop(entity.insert(field.to_owned(), key)),
            None => drop(entity.remove(field)),
        }
        if let Some(error) = errors.remove(&Key::Name(field.to_owned())) {
            add(registry, refers_to, referred, error, flattened)?;
        }
    }
    Some(())
}

fn primary_key(entity: &Map<String, Value>) -> Option<Value> {
    let id = entity.get("id")?.as_str().filter(|id| rule::is_uuid(id))?;
    Some(json!({ "id": id }))
}

fn categorize(errors: &Table, path: &str, told: &mut Vec<Value>) -> Option<()> {
    for key in last_first(errors)? {
        let name = errors::key_text(&key);
        let field = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match errors.get(&key)? {
            error if name == ENTITY => entity_errors(error, told),
            Errors::Text(text) => told.push(json!({ "type": "field", "field": field, "message": text })),
            Errors::Table(below) => categorize(below, &field, told)?,
            Errors::Crash => return None,
        }
    }
    Some(())
}

fn entity_errors(error: &Errors, told: &mut Vec<Value>) {
    match error {
        Errors::Table(list) => list.values().for_each(|error| entity_errors(error, told)),
        error => told.push(json!({ "type": "entity", "message": plain(error) })),
    }
}

fn entry(kind: &str, entity: Map<String, Value>, told: Vec<Value>) -> Value {
    let mut entry = Map::new();
    entry.insert("entity_type".to_owned(), kind.strip_suffix('s').unwrap_or(kind).into());
    if let Some(name) = entity.get("name").filter(|name| name.as_str().is_some_and(|name| !name.is_empty())) {
        entry.insert("entity_name".to_owned(), name.clone());
    }
    if let Some(Value::Object(key)) = primary_key(&entity) {
        entry.extend(key.into_iter().map(|(_, id)| ("entity_id".to_owned(), id)));
    }
    let tags = entity.get("tags").filter(|tags| tags.as_array().is_some_and(|tags| tags.iter().all(Value::is_string)));
    if let Some(tags) = tags {
        entry.insert("entity_tags".to_owned(), tags.clone());
    }
    entry.insert("errors".to_owned(), told.into());
    entry.insert("entity".to_owned(), entity.into());
    Value::Object(entry)
}

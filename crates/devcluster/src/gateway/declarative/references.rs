//! Takes a completed table apart into entities, and checks on the way that names and ids are unique and that
//! references lead somewhere.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::super::entities::Registry;
use super::super::schema::errors::{Errors, Key, Table};
use super::super::schema::{Kind, Schema};
use super::{Entities, name};

type Entity = Map<String, Value>;

/// The entities of a completed, valid table.
///
/// # Errors
/// The errors' tree, or `None` where Kong crashes over it.
pub(super) fn resolve(registry: &Registry, mut table: Entity) -> Result<Entities, Option<Table>> {
    let mut collected = Collected {
        registry,
        ids: HashMap::new(),
        names: HashMap::new(),
        list: Vec::new(),
        expected: Vec::new(),
        errors: Table::new(),
        crashed: false,
    };
    for schema in registry.all() {
        let list = table.remove(schema.name);
        collected.collect(schema, list, None);
    }
    collected.check_references();
    if collected.crashed {
        return Err(None);
    }
    if !collected.errors.is_empty() {
        return Err(Some(collected.errors));
    }
    collected.flatten()
}

/// A reference that was met.
struct Expected {
    kind: &'static str,
    field: String,
    refers_to: &'static str,
    value: Value,
    /// Where errors about it go: Kong uses the name, else the id. Without a name that is null it fails.
    at: Option<Key>,
}

struct Collected<'a> {
    registry: &'a Registry,
    ids: HashMap<&'static str, HashSet<String>>,
    /// Ids by name, of the kinds whose names are unique.
    names: HashMap<&'static str, HashMap<String, String>>,
    list: Vec<(&'static str, String, Entity)>,
    expected: Vec<Expected>,
    errors: Table,
    crashed: bool,
}

struct Above<'a> {
    kind: &'static str,
    index: usize,
    id: String,
    field: &'a str,
}

impl Collected<'_> {
    /// Nested entities come before the one they are in.
    fn collect(&mut self, schema: &Schema, list: Option<Value>, above: Option<&Above<'_>>) {
        let Some(Value::Array(entities)) = list else { return };
        for (index, entity) in (1..).zip(entities) {
            let Value::Object(mut entity) = entity else { continue };
            let id = entity.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            for (kind, field) in self.registry.children(schema.name) {
                let nested = entity.remove(*kind);
                if let Some(child) = self.registry.get(kind) {
                    let above = Above { kind: schema_name(schema), index, id: id.clone(), field };
                    self.collect(child, nested, Some(&above));
                }
            }
            self.add(schema, index, id, entity, above);
        }
    }

    fn add(&mut self, schema: &Schema, index: usize, id: String, mut entity: Entity, above: Option<&Above<'_>>) {
        let kind = schema_name(schema);
        let unique_key = schema.unique_key();
        let key = unique_key.and_then(|key| entity.get(key)).cloned();
        let mut is_new = true;
        if let (Some(field), Some(Value::String(key))) = (unique_key, &key) {
            let names = self.names.entry(kind).or_default();
            is_new = !names.contains_key(key);
            if is_new {
                names.insert(key.clone(), id.clone());
            } else {
                self.put(&[name(kind), Key::Index(index)], violation(kind, field, key));
            }
        }
        let seen = !self.ids.entry(kind).or_default().insert(id.clone());
        if seen && is_new {
            let at = match above {
                Some(above) => vec![name(above.kind), Key::Index(above.index), name(kind), Key::Index(index)],
                None => vec![name(kind), Key::Index(index)],
            };
            self.put(&at, violation(kind, "primary key", &id));
        }
        self.expect(schema, &entity, &id, key.as_ref());
        if let Some(above) = above {
            entity.insert(above.field.to_owned(), json!({ "id": above.id }));
        }
        if !(seen && is_new) {
            self.list.push((kind, id, entity));
        }
    }

    fn expect(&mut self, schema: &Schema, entity: &Entity, id: &str, key: Option<&Value>) {
        for (field, refers_to) in schema.references() {
            if let Some(value) = entity.get(field).filter(|value| !value.is_null()) {
                let at = match key {
                    Some(Value::Null) => None,
                    Some(Value::String(key)) => Some(name(key)),
                    _ => Some(name(id)),
                };
                let (kind, field, value) = (schema_name(schema), field.to_owned(), value.clone());
                self.expected.push(Expected { kind, field, refers_to, value, at });
            }
        }
    }

    fn check_references(&mut self) {
        for expected in std::mem::take(&mut self.expected) {
            let key = match &expected.value {
                Value::Object(fields) => fields.get("id").and_then(Value::as_str),
                value => value.as_str(),
            };
            if key.is_some_and(|key| self.find(expected.refers_to, key).is_some()) {
                continue;
            }
            let Some(at) = expected.at else {
                self.crashed = true;
                continue;
            };
            let shown = expected.value.as_str().map_or_else(|| expected.value.to_string(), str::to_owned);
            let message =
                format!("invalid reference '{}: {shown}' (no such entry in '{}')", expected.field, expected.refers_to);
            self.push(&[name(expected.kind), at], message);
        }
    }

    fn find(&self, kind: &str, key: &str) -> Option<String> {
        let by_name = self.names.get(kind).and_then(|names| names.get(key)).cloned();
        by_name.or_else(|| self.ids.get(kind).filter(|ids| ids.contains(key)).map(|_| key.to_owned()))
    }

    fn flatten(self) -> Result<Entities, Option<Table>> {
        let mut entities = Entities::new();
        let mut errors = Table::new();
        let mut uniques: HashMap<(&str, &str, String), ()> = HashMap::new();
        for (kind, id, entity) in &self.list {
            let Some(schema) = self.registry.get(kind) else { continue };
            let mut flat = Entity::new();
            for (field_name, field) in &schema.record.fields {
                let value = match (&field.kind, entity.get(field_name)) {
                    (_, None) => continue,
                    (Kind::Foreign(refers_to), Some(Value::String(key))) => {
                        json!({ "id": self.find(refers_to, key) })
                    }
                    (_, Some(value)) => value.clone(),
                };
                if field.unique
                    && let Some(text) = unique_text(&value)
                    && uniques.insert((*kind, field_name, text.clone()), ()).is_some()
                {
                    let at = schema.endpoint_key.and_then(|key| entity.get(key)).unwrap_or(&Value::Null);
                    let at = if schema.endpoint_key.is_none() { id } else { at.as_str().ok_or(None)? };
                    let error = Errors::Table(Table::from([(name(at), violation(kind, field_name, &text))]));
                    errors.insert(name(kind), error);
                }
                flat.insert(field_name.clone(), value);
            }
            if schema.ttl
                && let Some(ttl) = entity.get("ttl").filter(|ttl| !ttl.is_null())
            {
                flat.insert("ttl".to_owned(), ttl.clone());
            }
            entities.entry(*kind).or_default().insert(id.clone(), flat);
        }
        if errors.is_empty() { Ok(entities) } else { Err(Some(errors)) }
    }

    /// Puts an error at a place. A text on the way is one step too many for Kong.
    fn put(&mut self, path: &[Key], error: Errors) {
        let Some((last, way)) = path.split_last() else { return };
        match walk(&mut self.errors, way) {
            Some(table) => drop(table.insert(last.clone(), error)),
            None => self.crashed = true,
        }
    }

    fn push(&mut self, path: &[Key], message: String) {
        match walk(&mut self.errors, path) {
            Some(table) => drop(table.insert(Key::Index(table.len() + 1), Errors::Text(message))),
            None => self.crashed = true,
        }
    }
}

fn walk<'a>(table: &'a mut Table, path: &[Key]) -> Option<&'a mut Table> {
    path.iter().try_fold(table, |table, key| {
        match table.entry(key.clone()).or_insert_with(|| Errors::Table(Table::new())) {
            Errors::Table(below) => Some(below),
            _ => None,
        }
    })
}

fn violation(kind: &str, field: &str, value: &str) -> Errors {
    Errors::text(format!("uniqueness violation: '{kind}' entity with {field} set to '{value}' already declared"))
}

fn unique_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Object(fields) => fields.get("id").and_then(Value::as_str).map(str::to_owned),
        value => Some(super::super::schema::rule::plain(value)),
    }
}

fn schema_name(schema: &Schema) -> &'static str {
    schema.name
}

//! The ids of entities that were posted without: made from their names, so that they stay the same, where the name
//! tells one entity from all others.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::entities::Registry;
use super::super::schema::{Kind, Schema};

/// Kong fails on such an input without a reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Crash;

/// The root of all ids that Kong makes from names.
const NAMESPACE: Uuid = Uuid::from_u128(0xfd02_801f_0957_4a15_a55a_c8d9_606f_30b5);

/// What stands for the workspace in keys: there is only one.
const ANY_WORKSPACE: &str = "*";

fn id_of(kind: &str, key: &str) -> String {
    let of_kind = Uuid::new_v5(&NAMESPACE, kind.as_bytes());
    Uuid::new_v5(&of_kind, key.as_bytes()).to_string()
}

/// What is above an entity in the tree.
struct Parent<'a> {
    /// The field by which the entity refers to it.
    field: &'a str,
    id: Option<String>,
}

/// Gives ids to the entities that have none, where their names allow it. Goes on after a crash, for the answer may
/// be another.
pub(super) fn assign(registry: &Registry, table: &mut Map<String, Value>) -> Result<(), Crash> {
    let mut result = Ok(());
    for schema in registry.all() {
        let crashed = assign_list(registry, schema, table.get_mut(schema.name), None);
        result = result.and(crashed);
    }
    result
}

fn assign_list(
    registry: &Registry,
    schema: &Schema,
    list: Option<&mut Value>,
    parent: Option<&Parent<'_>>,
) -> Result<(), Crash> {
    let mut result = Ok(());
    for entity in list.and_then(Value::as_array_mut).into_iter().flatten() {
        let Value::Object(entity) = entity else { continue };
        match key_for_id(schema, entity, parent) {
            Ok(Some(key)) => drop(entity.insert("id".to_owned(), id_of(schema.name, &key).into())),
            Ok(None) => {}
            Err(crash) => result = Err(crash),
        }
        let id = entity.get("id").and_then(Value::as_str).map(str::to_owned);
        for (kind, field) in registry.children(schema.name) {
            // The names of a certificate are a field of it too, and Kong takes them for that here.
            if (schema.name, *kind) == ("certificates", "snis") {
                continue;
            }
            if let Some(child) = registry.get(kind) {
                let parent = Parent { field, id: id.clone() };
                result = result.and(assign_list(registry, child, entity.get_mut(*kind), Some(&parent)));
            }
        }
    }
    result
}

/// What to make the id from; `None` when there is one already or nothing to make it from.
fn key_for_id(
    schema: &Schema,
    entity: &Map<String, Value>,
    parent: Option<&Parent<'_>>,
) -> Result<Option<String>, Crash> {
    if entity.contains_key("id") {
        return Ok(None);
    }
    if let Some(fields) = schema.cache_key {
        return Ok(cache_key(schema, fields, entity, parent));
    }
    match schema.endpoint_key.and_then(|key| entity.get(key)) {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(name.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(Crash),
    }
}

fn cache_key(
    schema: &Schema,
    fields: &[&str],
    entity: &Map<String, Value>,
    parent: Option<&Parent<'_>>,
) -> Option<String> {
    let mut parts = vec![schema.name, ANY_WORKSPACE];
    for name in fields {
        let field = schema.record.fields.get(*name)?;
        if field.auto {
            return None;
        }
        match entity.get(*name) {
            Some(Value::String(text)) => parts.push(text),
            Some(_) => {}
            None => match parent.filter(|parent| parent.field == *name) {
                Some(parent) => parts.push(parent.id.as_deref()?),
                None if field.required => return None,
                None => parts.push(""),
            },
        }
    }
    Some(parts.join(":"))
}

/// Gives an id to every entity, its parent's to every nested one, and resolves references that are names.
pub(super) fn populate(registry: &Registry, table: &mut Map<String, Value>) -> Result<(), Crash> {
    let mut known = Vec::new();
    for schema in registry.all() {
        populate_list(registry, schema, table.get_mut(schema.name), None, &mut known)?;
    }
    for schema in registry.all() {
        resolve_list(registry, schema, table.get_mut(schema.name), &Known::new(&known));
    }
    Ok(())
}

/// Kind, name if it has one, id.
type Entry = (&'static str, Option<String>, String);

/// Ids by name and by id, of each kind.
struct Known<'a>(HashMap<&'static str, HashMap<&'a str, &'a str>>);

impl<'a> Known<'a> {
    fn new(entries: &'a [Entry]) -> Self {
        let mut known: HashMap<&'static str, HashMap<&'a str, &'a str>> = HashMap::new();
        for (kind, name, id) in entries {
            let ids = known.entry(kind).or_default();
            ids.insert(id, id);
            ids.extend(name.as_deref().map(|name| (name, id.as_str())));
        }
        Self(known)
    }

    fn find(&self, kind: &str, name: &str) -> Option<&'a str> {
        self.0.get(kind)?.get(name).copied()
    }
}

fn populate_list(
    registry: &Registry,
    schema: &Schema,
    list: Option<&mut Value>,
    parent: Option<&Parent<'_>>,
    known: &mut Vec<Entry>,
) -> Result<(), Crash> {
    for entity in list.and_then(Value::as_array_mut).into_iter().flatten() {
        let Value::Object(entity) = entity else { return Err(Crash) };
        if !entity.contains_key("id") {
            let key = key_for_id(schema, entity, parent)?;
            let id = key.map_or_else(|| Uuid::new_v4().to_string(), |key| id_of(schema.name, &key));
            entity.insert("id".to_owned(), id.into());
        }
        let id = entity.get("id").and_then(Value::as_str).map(str::to_owned);
        for (kind, field) in registry.children(schema.name) {
            if (schema.name, *kind) == ("certificates", "snis") {
                continue;
            }
            if let Some(child) = registry.get(kind) {
                let parent = Parent { field, id: id.clone() };
                populate_list(registry, child, entity.get_mut(*kind), Some(&parent), known)?;
            }
        }
        let name = schema.endpoint_key.and_then(|key| entity.get(key)).and_then(Value::as_str).map(str::to_owned);
        if let Some(id) = &id {
            known.push((schema.name, name, id.clone()));
        }
        if let Some(Parent { field, id }) = parent
            && !entity.contains_key(*field)
        {
            entity.insert((*field).to_owned(), json!({ "id": id }));
        }
    }
    Ok(())
}

fn resolve_list(registry: &Registry, schema: &Schema, list: Option<&mut Value>, known: &Known<'_>) {
    for entity in list.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
        for (name, field) in &schema.record.fields {
            if let (Kind::Foreign(kind), Some(Value::String(text))) = (&field.kind, entity.get(name))
                && let Some(id) = known.find(kind, text)
            {
                entity.insert(name.clone(), json!({ "id": id }));
            }
        }
        for (kind, _) in registry.children(schema.name) {
            if let Some(child) = registry.get(kind) {
                resolve_list(registry, child, entity.get_mut(*kind), known);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::super::settings::RouterFlavor;
    use super::*;

    #[test]
    fn ids_are_those_of_kong() {
        let registry = Registry::new(RouterFlavor::default(), None, &BTreeMap::new());
        let config = json!({
            "services": [{"name": "echo", "host": "h", "routes": [{"name": "r1"}], "plugins": [{"name": "cors"}]}],
            "plugins": [{"name": "prometheus"}, {"name": "cors", "route": "r"}],
            "consumers": [{"username": "alice", "keyauth_credentials": [{"key": "k"}]}],
        });
        let mut table = config.as_object().unwrap().clone();
        assert_eq!(assign(&registry, &mut table), Ok(()));
        let id = |path: &str| Value::Object(table.clone()).pointer(path).cloned();
        assert_eq!(id("/services/0/id"), Some("adbd70b3-4224-5183-a52a-179d7b34ab5b".into()));
        assert_eq!(id("/services/0/routes/0/id"), Some("4726a05a-d550-537e-9fc3-a07c7a1188c7".into()));
        assert_eq!(id("/services/0/plugins/0/id"), Some("81159902-5678-5dfc-9b39-5ea8184f79ba".into()));
        assert_eq!(id("/plugins/0/id"), Some("18f2f6e2-5e0a-5bfa-93be-849850c0c527".into()));
        assert_eq!(id("/plugins/1/id"), Some("18b90e3b-2ae6-5243-a357-866f82b90e18".into()));
        // Keys are secrets: no id is made from them.
        assert_eq!(id("/consumers/0/keyauth_credentials/0/id"), None);
    }
}

//! A whole declarative config, assembled from rendered entities without copying them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{Collection, EntityKey, Rendered, Upstream};

/// A config: all its entities, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    entities: BTreeMap<EntityKey, Rendered>,
}

/// A document that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Not as JSON.
    #[error("the config cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Not as YAML.
    #[error("the config cannot be written as YAML: {0}")]
    Yaml(String),
}

impl FromIterator<(EntityKey, Rendered)> for Document {
    fn from_iter<T: IntoIterator<Item = (EntityKey, Rendered)>>(entities: T) -> Self {
        Self { entities: entities.into_iter().collect() }
    }
}

impl Document {
    /// The entities, in order.
    pub fn entities(&self) -> &BTreeMap<EntityKey, Rendered> {
        &self.entities
    }

    /// The body to send to a gateway: see [`pieces`].
    pub fn pieces(&self) -> Vec<Arc<[u8]>> {
        pieces(&self.entities)
    }

    /// The config as one value, as the gateway takes it.
    pub fn value(&self) -> Value {
        let mut lists: Map<String, Value> = Map::new();
        lists.insert("_format_version".into(), "3.0".into());
        for (key, entity) in &self.entities {
            let list = lists.entry(key.collection.as_str()).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(entity.value());
            }
        }
        if self.entities.keys().all(is_custom) {
            lists.insert(Collection::Upstreams.as_str().into(), json!([stub_upstream()]));
        }
        Value::Object(lists)
    }

    /// The config as decK has it: memberships of groups are in their consumers.
    pub fn deck_value(&self) -> Value {
        let mut value = self.value();
        if let Value::Object(lists) = &mut value
            && let Some(Value::Array(members)) = lists.remove(Collection::ConsumerGroupConsumers.as_str())
            && let Some(Value::Array(consumers)) = lists.get_mut(Collection::Consumers.as_str())
        {
            nest_groups(consumers, &members);
        }
        value
    }

    /// decK's form as indented JSON.
    ///
    /// # Errors
    /// When it has no text form.
    pub fn to_json(&self) -> Result<String, WriteError> {
        Ok(serde_json::to_string_pretty(&self.deck_value())?)
    }

    /// decK's form as YAML.
    ///
    /// # Errors
    /// When it has no text form.
    pub fn to_yaml(&self) -> Result<String, WriteError> {
        serde_saphyr::to_string(&self.deck_value()).map_err(|error| WriteError::Yaml(error.to_string()))
    }
}

fn nest_groups(consumers: &mut [Value], members: &[Value]) {
    for consumer in consumers {
        let Value::Object(fields) = consumer else { continue };
        let name = fields.get("username").or_else(|| fields.get("custom_id")).cloned();
        let groups: Vec<Value> = members
            .iter()
            .filter(|member| name.is_some() && member.get("consumer") == name.as_ref())
            .filter_map(|member| member.get("consumer_group"))
            .map(|group| json!({"name": group}))
            .collect();
        if !groups.is_empty() {
            fields.insert("groups".into(), groups.into());
        }
    }
}

/// Custom entities configure nothing by themselves.
fn is_custom(key: &EntityKey) -> bool {
    matches!(key.collection, Collection::Custom(_))
}

/// What an otherwise empty config holds: with nothing at all a gateway reports no hash and never gets ready.
pub fn stub_upstream() -> Upstream {
    Upstream { name: "kong".into(), ..Upstream::default() }
}

/// The body of a config as a sequence of byte strings: entities are shared, not copied.
///
/// `entities` must come in the order of their keys, as from a `BTreeMap`: one list per collection is written.
pub fn pieces<'a>(entities: impl IntoIterator<Item = (&'a EntityKey, &'a Rendered)>) -> Vec<Arc<[u8]>> {
    let comma: Arc<[u8]> = Arc::from(&b","[..]);
    let mut out: Vec<Arc<[u8]>> = vec![Arc::from(&br#"{"_format_version":"3.0""#[..])];
    let mut open: Option<&Collection> = None;
    for (key, entity) in entities {
        if open.is_none() && is_custom(key) {
            push_stub(&mut out);
            out.push(Arc::from(&b"]"[..]));
        }
        if open == Some(&key.collection) {
            out.push(comma.clone());
        } else {
            let name = Value::from(key.collection.as_str());
            let close = if open.is_some() { "]" } else { "" };
            out.push(format!("{close},{name}:[").into_bytes().into());
            open = Some(&key.collection);
        }
        out.push(entity.bytes().clone());
    }
    if open.is_none() {
        push_stub(&mut out);
    }
    out.push(Arc::from(&b"]}"[..]));
    out
}

/// Writes a list of the stub alone, left open.
fn push_stub(out: &mut Vec<Arc<[u8]>>) {
    let key = EntityKey::new(Collection::Upstreams, "kong");
    out.push(Arc::from(&br#","upstreams":["#[..]));
    out.push(Rendered::new(&key, &stub_upstream()).bytes().clone());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn document(entities: &[(&str, &str)]) -> Document {
        entities
            .iter()
            .map(|(collection, name)| {
                let key = EntityKey::new(Collection::from(*collection), *name);
                let rendered = Rendered::of_value(&key, &json!({"name": name}));
                (key, rendered)
            })
            .collect()
    }

    fn body(document: &Document) -> String {
        String::from_utf8(document.pieces().concat()).unwrap()
    }

    #[test]
    fn an_empty_config_holds_the_stub() {
        assert_eq!(body(&Document::default()), r#"{"_format_version":"3.0","upstreams":[{"name":"kong"}]}"#);
    }

    #[test]
    fn lists_come_in_a_fixed_order() {
        let document = document(&[("zeta", "z"), ("upstreams", "u"), ("services", "b"), ("services", "a")]);
        assert_eq!(
            body(&document),
            r#"{"_format_version":"3.0","services":[{"name":"a"},{"name":"b"}],"upstreams":[{"name":"u"}],"zeta":[{"name":"z"}]}"#
        );
    }

    #[test]
    fn groups_are_nested_in_decks_form() {
        let consumer = EntityKey::new(Collection::Consumers, "anna");
        let member = EntityKey::new(Collection::ConsumerGroupConsumers, "anna/gold");
        let document = Document::from_iter([
            (consumer.clone(), Rendered::of_value(&consumer, &json!({"username": "anna"}))),
            (member.clone(), Rendered::of_value(&member, &json!({"consumer": "anna", "consumer_group": "gold"}))),
        ]);
        let deck = document.deck_value();
        assert_eq!(deck["consumers"], json!([{"username": "anna", "groups": [{"name": "gold"}]}]));
        assert_eq!(deck.get("consumer_group_consumers"), None);
    }

    #[test]
    fn yaml_reads_back() {
        let document = document(&[("services", "a"), ("upstreams", "y")]);
        let back: Value = serde_saphyr::from_str(&document.to_yaml().unwrap()).unwrap();
        assert_eq!(back, document.deck_value());
    }

    proptest! {
        #[test]
        fn the_body_is_the_value(entities in proptest::collection::vec(("[a-z\"]{1,3}", "[a-z]{1,3}"), 0..20)) {
            let entities: Vec<_> = entities.iter().map(|(c, n)| (c.as_str(), n.as_str())).collect();
            let document = document(&entities);
            let back: Value = serde_json::from_str(&body(&document)).unwrap();
            prop_assert_eq!(back, document.value());
        }
    }
}

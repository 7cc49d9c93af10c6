//! Canonical rendering: the same entity is always the same bytes.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use silverback_model::{Digest, canonical};

use crate::EntityKey;

/// An entity's JSON text (keys sorted, no white space) and the digest that names it.
///
/// Cheap to clone: the text is shared. `Debug` shows the digest only, since the text may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    bytes: Arc<[u8]>,
    digest: Digest,
}

impl Rendered {
    /// Renders an entity under its key. The key counts in the digest, so that the digests of a document are distinct.
    pub fn new(key: &EntityKey, entity: &impl Serialize) -> Self {
        // Entities are structs and JSON values: they have a JSON form whatever their content.
        Self::of_value(key, &serde_json::to_value(entity).unwrap_or_default())
    }

    /// Renders a JSON value under its key.
    pub fn of_value(key: &EntityKey, value: &Value) -> Self {
        Self::of_canonical(key, canonical::to_string(value).into_bytes().into())
    }

    /// Takes text that was rendered before, e.g. received from a peer.
    pub fn of_canonical(key: &EntityKey, bytes: Arc<[u8]>) -> Self {
        let digest = Digest::of_parts([key.collection.as_str().as_bytes(), key.name.as_bytes(), &bytes]);
        Self { bytes, digest }
    }

    /// The JSON text.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// Names the text and the key it is rendered under.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The text as a JSON value.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rendered({}, {} bytes)", self.digest, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Collection, Service};

    #[test]
    fn equal_entities_are_equal_bytes_and_absent_fields_leave_none() {
        let key = EntityKey::new(Collection::Services, "a");
        let service = Service { name: "a".into(), host: "b".into(), ..Service::default() };
        let rendered = Rendered::new(&key, &service);
        assert_eq!(std::str::from_utf8(rendered.bytes()).unwrap(), r#"{"host":"b","name":"a"}"#);
        assert_eq!(rendered, Rendered::new(&key, &service.clone()));
    }

    #[test]
    fn the_key_counts_in_the_digest() {
        let entity = serde_json::json!({"a": 1});
        let one = Rendered::of_value(&EntityKey::new(Collection::Vaults, "a"), &entity);
        let other = Rendered::of_value(&EntityKey::new(Collection::Vaults, "b"), &entity);
        assert_eq!(one.bytes(), other.bytes());
        assert_ne!(one.digest(), other.digest());
    }
}

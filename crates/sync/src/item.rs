//! An item: what travels, with the digest that names its content.

use std::fmt;
use std::sync::Arc;

use silverback_model::{Digest, ObjectKey, Provenance, Sources, Version};
use silverback_proto::{InvalidFrame, key_from_wire, v1};

/// An object of a collection, or an entity of a configuration. `Debug` shows the digest of its body only, which may hold
/// secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// Name within the collection.
    pub key: ObjectKey,
    /// Version its content dates from.
    pub version: Version,
    /// Canonical JSON.
    pub body: Arc<str>,
    /// The objects it was made from; empty for objects themselves. Not part of the digest.
    pub sources: Sources,
    digest: Digest,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("key", &self.key)
            .field("version", &self.version)
            .field("digest", &self.digest)
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

impl Item {
    /// An item; its digest covers key and body, so that equal content is equal at any version.
    pub fn new(key: ObjectKey, version: Version, body: impl Into<Arc<str>>) -> Self {
        let body = body.into();
        let digest = Digest::of_parts([key.namespace.as_bytes(), key.name.as_bytes(), body.as_bytes()]);
        Self { key, version, body, sources: Sources::default(), digest }
    }

    /// The same item, made from `sources`.
    pub fn with_sources(self, sources: impl Into<Sources>) -> Self {
        Self { sources: sources.into(), ..self }
    }

    /// Names key and body.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Names key, body and sources: all that a consumer may hold of it.
    pub fn seal(&self) -> Digest {
        if self.sources.is_empty() {
            return self.digest;
        }
        let digest = self.digest.0.to_be_bytes();
        let sources = self.sources.fields();
        Digest::of_parts(std::iter::once(&digest[..]).chain(sources.iter().map(String::as_bytes)))
    }

    /// The wire form.
    pub fn to_wire(&self) -> v1::Item {
        v1::Item {
            key: Some((&self.key).into()),
            version: self.version.to_string(),
            body: self.body.to_string(),
            sources: self.sources.iter().map(|source| v1::Source::from(&source)).collect(),
        }
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// When the key is missing or the version is none.
    pub fn from_wire(item: v1::Item) -> Result<Self, InvalidFrame> {
        let version = Version::parse(&item.version)
            .map_err(|error| InvalidFrame { field: "item.version", cause: error.to_string() })?;
        let sources: Vec<_> = item.sources.into_iter().map(Provenance::from).collect();
        Ok(Self::new(key_from_wire(item.key)?, version, item.body).with_sources(sources))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_body_shows() {
        let item = Item::new(ObjectKey::new("a", "b"), Version::zero(), "hunter2");
        assert!(!format!("{item:?}").contains("hunter2"));
    }
}

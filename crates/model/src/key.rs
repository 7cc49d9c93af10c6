//! Names of things: an object within its collection, an object anywhere, and a collection.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names one object within a collection. `namespace` is empty for cluster-scoped objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Namespace, or empty when the kind has none.
    pub namespace: String,
    /// Name within the namespace.
    pub name: String,
}

impl ObjectKey {
    /// A key from its two parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// `namespace/name`, or `name` alone for cluster-scoped objects: the way people write it.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// Names one object in the whole cluster: its kind (`Kind.group`, or `Kind` alone for the core group) and key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Kind and group, e.g. `Ingress.networking.k8s.io` or `Service`.
    pub kind: String,
    /// Namespace and name.
    #[serde(flatten)]
    pub key: ObjectKey,
}

impl ObjectRef {
    /// A reference from kind and key.
    pub fn new(kind: impl Into<String>, key: ObjectKey) -> Self {
        Self { kind: kind.into(), key }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

/// One list/watch stream: a kind, in one namespace where watching is namespaced.
///
/// Versions are compared only within one collection's resource type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CollectionId {
    /// Kind and group, as in [`ObjectRef::kind`]; on the config hop the entity collection, e.g. `services`.
    pub kind: String,
    /// The one namespace watched, or empty for all of them.
    pub namespace: String,
}

impl CollectionId {
    /// All objects of `kind`.
    pub fn all(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), namespace: String::new() }
    }

    /// The objects of `kind` in one namespace.
    pub fn in_namespace(kind: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self { kind: kind.into(), namespace: namespace.into() }
    }
}

impl fmt::Display for CollectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, " in namespace {}", self.namespace)?;
        }
        Ok(())
    }
}

//! What goes in and comes out: changes of objects, entities, diagnostics.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use silverback_kong::{EntityKey, Rendered};
use silverback_model::{ObjectKey, ObjectRef, Provenance};
use silverback_status::ObjectStatus;

/// A change of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectChange {
    /// Which object.
    pub object: ObjectRef,
    /// Its resourceVersion; recorded in provenance and never judged.
    pub version: String,
    /// Its JSON text; `None` when it was deleted.
    pub content: Option<Arc<str>>,
}

impl ObjectChange {
    /// The object is now this. `kind` is e.g. `Ingress.networking.k8s.io` or `Service`.
    pub fn upsert(
        kind: impl Into<String>,
        key: ObjectKey,
        version: impl Into<String>,
        content: impl Into<Arc<str>>,
    ) -> Self {
        Self { object: ObjectRef::new(kind, key), version: version.into(), content: Some(content.into()) }
    }

    /// The object is gone.
    pub fn delete(kind: impl Into<String>, key: ObjectKey) -> Self {
        Self { object: ObjectRef::new(kind, key), version: String::new(), content: None }
    }
}

/// A top-level entity of Kong, with the objects it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its text and digest. The digest says nothing about provenance.
    pub rendered: Rendered,
    /// Which objects, at which versions, it was made from; sorted.
    pub provenance: Vec<Provenance>,
}

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A part of the object has no effect.
    Error,
    /// The object has its effect, yet something about it is off.
    Warning,
}

/// Something wrong with an object, in words for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Which object.
    pub object: ObjectRef,
    /// Where in it, e.g. `spec.rules[0].http.paths[1].backend` or `metadata.annotations[konghq.com/plugins]`; empty:
    /// the object as a whole.
    pub field: String,
    /// How bad it is.
    pub severity: Severity,
    /// A stable word for programs, e.g. `ServiceNotFound`.
    pub reason: Reason,
    /// What is wrong, what it leads to and what to do.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.object)?;
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {} ({:?})", self.message, self.reason)
    }
}

/// Why: stable words for programs, metrics and status conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// The object's text does not have the shape of its kind.
    Undecodable,
    /// A Service that is referred to does not exist.
    ServiceNotFound,
    /// A port that is referred to does not exist.
    PortNotFound,
    /// A backend of a kind we cannot send requests to.
    UnsupportedBackend,
    /// A feature that is switched off, or that the gateways do not have.
    UnsupportedFeature,
    /// A Secret or ConfigMap that is referred to does not exist.
    SecretNotFound,
    /// A Secret or ConfigMap whose content is not what it is used for.
    InvalidSecret,
    /// A plugin that is referred to does not exist.
    PluginNotFound,
    /// A plugin whose configuration cannot be put together.
    InvalidPlugin,
    /// Any other object that is referred to does not exist.
    ReferenceNotFound,
    /// A reference into another namespace that no ReferenceGrant allows.
    ReferenceNotGranted,
    /// A value that is out of range, or that Kong would refuse.
    InvalidValue,
    /// Another object claims the same thing and was first.
    Conflict,
    /// The gateways refuse what is made from it.
    RefusedByGateways,
}

/// What one batch of changes led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Entities whose text or provenance changed, `None` for those gone; sorted by key, one each.
    pub changed: Vec<(EntityKey, Option<Arc<Entity>>)>,
    /// All diagnostics of each object that has other ones than before; empty: cleared. Sorted by object.
    pub diagnostics: Vec<(ObjectRef, Vec<Diagnostic>)>,
    /// Statuses of the Gateway API's objects that are other than before, `None` for those that have none any more.
    /// Sorted by object.
    pub statuses: Vec<(ObjectRef, Option<Arc<ObjectStatus>>)>,
    /// How many derivations ran.
    pub reran: usize,
}

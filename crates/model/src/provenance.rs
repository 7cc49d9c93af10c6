//! Provenance: which object, at which version, an entity was made from.

use serde::{Deserialize, Serialize};

use crate::ObjectRef;

/// One source object of an entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Provenance {
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// Its uid, or empty when it has none.
    pub uid: String,
    /// Its resourceVersion when the entity was made.
    pub version: String,
}

//! Cursors: what a consumer holds of a collection, so that a server can send just the rest.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CollectionId, Digest, Version};

/// The space in which versions are comparable: one etcd history of one cluster, or one process for a folder.
///
/// Versions of two lineages say nothing about each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lineage(pub String);

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// States that a consumer holds `collection` complete up to `seen`, in `lineage`, trimmed as `trim` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// What is held.
    pub collection: CollectionId,
    /// The version space of `seen`.
    pub lineage: Lineage,
    /// Digest of the trimming rules the held objects went through.
    pub trim: Digest,
    /// Complete up to here.
    pub seen: Version,
    /// The items held, each by a digest of all there is to it, where versions alone do not say: translators count
    /// their own.
    pub held: Vec<Digest>,
}

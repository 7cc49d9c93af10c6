//! Frontiers: how far a collection is known, and when it last changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CollectionId, Version};

/// How far a collection is known.
///
/// Invariant: `changed <= seen`. Both only rise within one lineage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    /// The collection is complete up to here. Moved by operations, list versions and bookmarks. It is the tombstone
    /// of every key that is absent.
    pub seen: Version,
    /// Version of the last operation that altered a trimmed object; after a snapshot swap that altered anything,
    /// the list's version. Updates that trimming makes equal do not move it.
    pub changed: Version,
}

impl Frontier {
    /// Moves `seen` up to `version`; never back.
    pub fn see(&mut self, version: &Version) {
        if *version > self.seen {
            self.seen = version.clone();
        }
    }

    /// Moves `changed`, and `seen` with it, up to `version`; never back.
    pub fn change(&mut self, version: &Version) {
        self.see(version);
        if *version > self.changed {
            self.changed = version.clone();
        }
    }
}

/// The frontier of every collection that is an input, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(CollectionId, Frontier)>", into = "Vec<(CollectionId, Frontier)>")]
pub struct Frontiers(pub BTreeMap<CollectionId, Frontier>);

/// As pairs: JSON has no keys but texts.
impl From<Vec<(CollectionId, Frontier)>> for Frontiers {
    fn from(pairs: Vec<(CollectionId, Frontier)>) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl From<Frontiers> for Vec<(CollectionId, Frontier)> {
    fn from(frontiers: Frontiers) -> Self {
        frontiers.0.into_iter().collect()
    }
}

impl Frontiers {
    /// The frontier of one collection; nothing seen when it is not known.
    pub fn get(&self, collection: &CollectionId) -> Frontier {
        self.0.get(collection).cloned().unwrap_or_default()
    }
}

//! Commits: a config that is whole, with the names of everything it was made from.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{CollectionId, Digest, Frontiers, Generation, Lineage, SetDigest};

/// Everything that decides a config: equal inputs give equal configs at every replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The version space of `frontiers`.
    pub lineage: Lineage,
    /// How far each collection was known.
    pub frontiers: Frontiers,
    /// What each collection held.
    #[serde(default, with = "pairs")]
    pub digests: BTreeMap<CollectionId, SetDigest>,
    /// Digest of the translation settings.
    pub settings: Digest,
    /// Version of the software that translated.
    pub software: String,
    /// Digest of the gateways' feedback that was taken into account.
    pub feedback: Digest,
    /// The minute that counts as now, in minutes since 1970-01-01 UTC: certificates expire, so time is an input.
    pub minute: u64,
}

/// A whole config: what was translated last, never torn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Counts the commits of the translator that made it.
    pub generation: Generation,
    /// What it was made from.
    pub inputs: Inputs,
    /// Wrapping sum of the entities' digests: the config's identity.
    pub content: SetDigest,
    /// Number of entities.
    pub entities: u64,
    /// Whether its routes match by expressions: only gateways of that router flavour can take it.
    pub expressions: bool,
    /// Whether what a plugin was bound to that gateways refuse goes on without it, instead of answering with an error.
    #[serde(default)]
    pub fail_open: bool,
    /// When the watcher learned of the oldest change that it brings, since 1970-01-01 UTC by the watcher's clock. None
    /// where that is not known. For reports: nothing is decided by it.
    pub changed_at: Option<Duration>,
}

/// A map as pairs: JSON has no keys but texts.
mod pairs {
    use super::{BTreeMap, CollectionId, Deserialize, Serialize, SetDigest};

    pub(super) fn serialize<S: serde::Serializer>(
        map: &BTreeMap<CollectionId, SetDigest>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<CollectionId, SetDigest>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Frontier;

    #[test]
    fn a_commit_can_be_kept_as_json() {
        let id = CollectionId::in_namespace("Secret", "shop");
        let inputs = Inputs {
            frontiers: Frontiers([(id.clone(), Frontier::default())].into()),
            digests: [(id, SetDigest(Digest(7)))].into(),
            ..Inputs::default()
        };
        let commit = Commit { generation: Generation(3), inputs, ..Commit::default() };
        let text = serde_json::to_string(&commit).unwrap();
        assert_eq!(serde_json::from_str::<Commit>(&text).unwrap(), commit, "{text}");
    }
}

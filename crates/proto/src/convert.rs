//! Conversions between wire types and `model`: the only place where a missing or odd field is judged.

use std::time::Duration;

use silverback_model::{
    CollectionId, Commit, Cursor, Digest, Frontier, Frontiers, Generation, Inputs, Lineage, ObjectKey, ObjectRef,
    Provenance, SetDigest, Version,
};
use std::collections::BTreeMap;

use crate::v1;

/// A frame the other side should never have sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the other side sent a frame without a usable `{field}`: {cause}; its version may not fit this one")]
pub struct InvalidFrame {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub cause: String,
}

impl InvalidFrame {
    fn missing(field: &'static str) -> Self {
        Self { field, cause: "it is missing".into() }
    }

    fn bad(field: &'static str, cause: impl ToString) -> Self {
        Self { field, cause: cause.to_string() }
    }
}

impl From<&CollectionId> for v1::CollectionId {
    fn from(id: &CollectionId) -> Self {
        Self { kind: id.kind.clone(), namespace: id.namespace.clone() }
    }
}

impl From<v1::CollectionId> for CollectionId {
    fn from(id: v1::CollectionId) -> Self {
        Self { kind: id.kind, namespace: id.namespace }
    }
}

impl From<&ObjectKey> for v1::Key {
    fn from(key: &ObjectKey) -> Self {
        Self { namespace: key.namespace.clone(), name: key.name.clone() }
    }
}

impl From<v1::Key> for ObjectKey {
    fn from(key: v1::Key) -> Self {
        Self { namespace: key.namespace, name: key.name }
    }
}

/// The key of an item, which every item must have.
///
/// # Errors
/// When it is missing.
pub fn key_from_wire(key: Option<v1::Key>) -> Result<ObjectKey, InvalidFrame> {
    key.map(ObjectKey::from).ok_or(InvalidFrame::missing("key"))
}

impl From<&ObjectRef> for v1::ObjectRef {
    fn from(object: &ObjectRef) -> Self {
        Self { kind: object.kind.clone(), key: Some((&object.key).into()) }
    }
}

impl From<&Provenance> for v1::Source {
    fn from(source: &Provenance) -> Self {
        Self {
            kind: source.object.kind.clone(),
            key: Some((&source.object.key).into()),
            uid: source.uid.clone(),
            version: source.version.clone(),
        }
    }
}

impl From<v1::Source> for Provenance {
    fn from(source: v1::Source) -> Self {
        let key = source.key.map(ObjectKey::from).unwrap_or_default();
        Self { object: ObjectRef::new(source.kind, key), uid: source.uid, version: source.version }
    }
}

impl From<&Frontier> for v1::Frontier {
    fn from(frontier: &Frontier) -> Self {
        Self { seen: frontier.seen.to_string(), changed: frontier.changed.to_string() }
    }
}

fn version(field: &'static str, text: &str) -> Result<Version, InvalidFrame> {
    Version::parse(text).map_err(|error| InvalidFrame::bad(field, error))
}

fn digest(field: &'static str, text: &str) -> Result<Digest, InvalidFrame> {
    Digest::parse(text).map_err(|error| InvalidFrame::bad(field, error))
}

/// The frontier of a frame, which it must have.
///
/// # Errors
/// When it is missing, its versions are none, or `changed` is ahead of `seen`.
pub fn frontier_from_wire(frontier: Option<v1::Frontier>) -> Result<Frontier, InvalidFrame> {
    let frontier = frontier.ok_or(InvalidFrame::missing("frontier"))?;
    let frontier = Frontier {
        seen: version("frontier.seen", &frontier.seen)?,
        changed: version("frontier.changed", &frontier.changed)?,
    };
    if frontier.changed > frontier.seen {
        return Err(InvalidFrame::bad("frontier", "it changed later than it was seen"));
    }
    Ok(frontier)
}

/// Digests one after the other, 16 bytes each.
pub fn digests_to_wire(digests: &[Digest]) -> Vec<u8> {
    digests.iter().flat_map(|digest| digest.0.to_be_bytes()).collect()
}

/// Reads digests of 16 bytes each.
///
/// # Errors
/// When there are some bytes too many.
pub fn digests_from_wire(field: &'static str, bytes: &[u8]) -> Result<Vec<Digest>, InvalidFrame> {
    let (digests, rest) = bytes.as_chunks();
    if rest.is_empty() {
        Ok(digests.iter().map(|digest| Digest(u128::from_be_bytes(*digest))).collect())
    } else {
        Err(InvalidFrame::bad(field, format!("{} bytes are no digests of 16", bytes.len())))
    }
}

impl From<&Cursor> for v1::Cursor {
    fn from(cursor: &Cursor) -> Self {
        Self {
            collection: Some((&cursor.collection).into()),
            lineage: cursor.lineage.to_string(),
            trim: cursor.trim.to_string(),
            seen: cursor.seen.to_string(),
            held: digests_to_wire(&cursor.held),
        }
    }
}

impl TryFrom<v1::Cursor> for Cursor {
    type Error = InvalidFrame;
    fn try_from(cursor: v1::Cursor) -> Result<Self, Self::Error> {
        Ok(Self {
            collection: cursor.collection.ok_or(InvalidFrame::missing("collection"))?.into(),
            lineage: Lineage(cursor.lineage),
            trim: digest("cursor.trim", &cursor.trim)?,
            seen: version("cursor.seen", &cursor.seen)?,
            held: digests_from_wire("cursor.held", &cursor.held)?,
        })
    }
}

impl From<&Inputs> for v1::Inputs {
    fn from(inputs: &Inputs) -> Self {
        let frontiers = inputs.frontiers.0.iter().map(|(collection, frontier)| v1::CollectionFrontier {
            collection: Some(collection.into()),
            frontier: Some(frontier.into()),
            digest: inputs.digests.get(collection).map(SetDigest::to_string).unwrap_or_default(),
        });
        Self {
            lineage: inputs.lineage.to_string(),
            frontiers: frontiers.collect(),
            settings: inputs.settings.to_string(),
            software: inputs.software.clone(),
            feedback: inputs.feedback.to_string(),
            minute: inputs.minute,
        }
    }
}

impl TryFrom<v1::Inputs> for Inputs {
    type Error = InvalidFrame;
    fn try_from(inputs: v1::Inputs) -> Result<Self, Self::Error> {
        let (mut frontiers, mut digests) = (Frontiers::default(), BTreeMap::new());
        for entry in inputs.frontiers {
            let collection = entry.collection.ok_or(InvalidFrame::missing("inputs.frontiers.collection"))?;
            let collection = CollectionId::from(collection);
            if !entry.digest.is_empty() {
                let held = SetDigest(digest("inputs.frontiers.digest", &entry.digest)?);
                digests.insert(collection.clone(), held);
            }
            frontiers.0.insert(collection, frontier_from_wire(entry.frontier)?);
        }
        Ok(Self {
            lineage: Lineage(inputs.lineage),
            frontiers,
            digests,
            settings: digest("inputs.settings", &inputs.settings)?,
            software: inputs.software,
            feedback: digest("inputs.feedback", &inputs.feedback)?,
            minute: inputs.minute,
        })
    }
}

impl From<&Commit> for v1::Commit {
    fn from(commit: &Commit) -> Self {
        Self {
            generation: commit.generation.0,
            inputs: Some((&commit.inputs).into()),
            content: commit.content.to_string(),
            entities: commit.entities,
            expressions: commit.expressions,
            fail_open: commit.fail_open,
            changed_at: commit.changed_at.map(timestamp),
            ..Self::default()
        }
    }
}

impl TryFrom<v1::Commit> for Commit {
    type Error = InvalidFrame;
    fn try_from(commit: v1::Commit) -> Result<Self, Self::Error> {
        Ok(Self {
            generation: Generation(commit.generation),
            inputs: commit.inputs.ok_or(InvalidFrame::missing("inputs"))?.try_into()?,
            content: SetDigest(digest("content", &commit.content)?),
            entities: commit.entities,
            expressions: commit.expressions,
            fail_open: commit.fail_open,
            changed_at: commit.changed_at.and_then(since_1970),
        })
    }
}

/// A time since 1970-01-01 UTC.
pub fn timestamp(since_1970: Duration) -> prost_types::Timestamp {
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    prost_types::Timestamp { seconds, nanos: i32::try_from(since_1970.subsec_nanos()).unwrap_or_default() }
}

/// A time since 1970-01-01 UTC; none for one before that.
pub fn since_1970(timestamp: prost_types::Timestamp) -> Option<Duration> {
    Some(Duration::new(u64::try_from(timestamp.seconds).ok()?, u32::try_from(timestamp.nanos).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_survives_the_wire() {
        let frontier = Frontier { seen: Version::from_counter(12), changed: Version::from_counter(9) };
        let secrets = CollectionId::in_namespace("Secret", "shop");
        let commit = Commit {
            generation: Generation(7),
            inputs: Inputs {
                lineage: Lineage("l".into()),
                frontiers: Frontiers([(secrets.clone(), frontier)].into()),
                digests: [(secrets, SetDigest(Digest::of(b"d")))].into(),
                settings: Digest::of(b"s"),
                software: "1.2.3".into(),
                feedback: Digest::of(b"f"),
                minute: 29_000_000,
            },
            content: SetDigest(Digest::of(b"c")),
            entities: 3,
            expressions: true,
            fail_open: true,
            changed_at: Some(Duration::new(1_800_000_000, 123_456_789)),
        };
        assert_eq!(Commit::try_from(v1::Commit::from(&commit)), Ok(commit));
    }

    #[test]
    fn frames_without_sense_are_named() {
        let backwards = v1::Frontier { seen: "1".into(), changed: "2".into() };
        assert!(frontier_from_wire(Some(backwards)).is_err());
        assert_eq!(frontier_from_wire(None).unwrap_err().field, "frontier");
        assert_eq!(Commit::try_from(v1::Commit::default()).unwrap_err().field, "inputs");
    }
}

//! Projection: which fields of an object are kept.
//!
//! Compiled from the paths of a registry entry and applied while JSON is parsed, so that what is dropped is never
//! built. Knows no meaning of any field.

mod seed;
mod short;

use std::fmt::Write as _;

use serde::de::DeserializeSeed;
use serde_json::{Map, Value};
use silverback_model::ObjectKey;

use crate::registry::{Entries, Kind, KindId};

/// Raised when the same paths come to mean something else.
const FORMAT: u32 = 1;

/// What is kept at one place of an object.
///
/// Arrays are passed through: each item is kept the same way. A scalar where fields were expected is kept as it is, so
/// that whoever reads the object says what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The whole subtree.
    All,
    /// All but some fields.
    Except(&'static [&'static str]),
    /// These fields only.
    Fields(Vec<(&'static str, Keep)>),
}

impl Keep {
    /// What to keep below a field; `None` when the field is dropped.
    fn below(&self, field: &str) -> Option<&Keep> {
        match self {
            Self::All => Some(self),
            Self::Except(dropped) => (!dropped.contains(&field)).then_some(&Self::All),
            Self::Fields(fields) => fields.iter().find(|(name, _)| *name == field).map(|(_, keep)| keep),
        }
    }

    fn add(&mut self, path: &'static str, keep: Keep) {
        let Self::Fields(fields) = self else { return };
        let (head, rest) = match path.split_once('.') {
            Some((head, rest)) => (head, Some(rest)),
            None => (path, None),
        };
        let at = match fields.iter().position(|(name, _)| *name == head) {
            Some(at) => at,
            None => {
                fields.push((head, Self::Fields(Vec::new())));
                fields.len() - 1
            }
        };
        match rest {
            None => fields[at].1 = keep,
            Some(rest) => fields[at].1.add(rest, keep),
        }
    }

    fn apply(&self, value: &mut Value) {
        match (self, value) {
            (Self::All, _) => {}
            (_, Value::Array(items)) => items.iter_mut().for_each(|item| self.apply(item)),
            (_, Value::Object(fields)) => fields.retain(|name, field| match self.below(name) {
                Some(keep) => {
                    keep.apply(field);
                    true
                }
                None => false,
            }),
            _ => {}
        }
    }

    /// A text that is the same for equal trees whatever the order of their paths was.
    fn describe(&self, out: &mut String) {
        match self {
            Self::All => out.push('*'),
            Self::Except(dropped) => {
                let mut dropped = dropped.to_vec();
                dropped.sort_unstable();
                let _ = write!(out, "*-{dropped:?}");
            }
            Self::Fields(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_unstable_by_key(|(name, _)| *name);
                out.push('{');
                for (name, keep) in fields {
                    let _ = write!(out, "{name:?}:");
                    keep.describe(out);
                    out.push(',');
                }
                out.push('}');
            }
        }
    }
}

impl From<Entries> for Keep {
    fn from(entries: Entries) -> Self {
        match entries {
            Entries::Except([]) => Self::All,
            Entries::Except(dropped) => Self::Except(dropped),
            Entries::Only(kept) => Self::Fields(kept.iter().map(|name| (*name, Self::All)).collect()),
        }
    }
}

/// An object that is no JSON, or no object.
#[derive(Debug, thiserror::Error)]
#[error("{kind}{} cannot be read: {cause}", .object.as_ref().map(|key| format!(" {key}")).unwrap_or_default())]
pub struct ProjectionError {
    /// What was being read.
    pub kind: KindId,
    /// Which object, where its metadata came before the fault.
    pub object: Option<ObjectKey>,
    /// What is wrong with it, and where in the text.
    pub cause: serde_json::Error,
}

/// A page of a list as the API server answers it, its items trimmed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListPage {
    /// `metadata.resourceVersion` of the list, empty if it gave none.
    pub version: String,
    /// `metadata.continue`, where more pages follow.
    pub continue_token: Option<String>,
    /// The objects, trimmed.
    pub items: Vec<Value>,
}

/// What is kept of the objects of one kind.
///
/// Kept are the fields at the entry's paths with all that is below them, and what the entry says of the metadata, labels
/// and annotations. Endpoints are written in short: an address alone is an endpoint that takes requests. `apiVersion` and
/// `kind` are dropped: lists leave them out and watches do not, and equal objects must be equal. Never kept:
/// `metadata.managedFields`, and what is nested deeper than any object has reason to.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    kind: KindId,
    keep: Keep,
    short_endpoints: bool,
}

impl Projection {
    /// The projection of a registry entry.
    pub fn of(kind: &Kind) -> Self {
        let mut metadata: Vec<_> = kind.metadata.iter().map(|name| (*name, Keep::All)).collect();
        let entries = [("labels", kind.labels), ("annotations", kind.annotations)];
        let entries = entries.into_iter().filter(|(_, kept)| *kept != Entries::Only(&[]));
        metadata.extend(entries.map(|(name, kept)| (name, kept.into())));
        let mut keep = Keep::Fields(vec![("metadata", Keep::Fields(metadata))]);
        kind.fields.iter().for_each(|path| keep.add(path, Keep::All));
        Self { kind: kind.id, keep, short_endpoints: kind.short_endpoints }
    }

    /// Reads one object from JSON text, trimmed.
    ///
    /// # Errors
    /// When the text is no JSON object; the error names the object if it came far enough to know.
    pub fn read(&self, json: &[u8]) -> Result<Value, ProjectionError> {
        let mut fields = Map::new();
        let mut text = serde_json::Deserializer::from_slice(json);
        let read = seed::FieldsSeed { keep: &self.keep, into: &mut fields }.deserialize(&mut text);
        match read.and_then(|()| text.end()) {
            Ok(()) => Ok(self.finish(Value::Object(fields))),
            Err(cause) => Err(ProjectionError { kind: self.kind, object: key_of(&fields), cause }),
        }
    }

    /// Reads a page of a list from JSON text, its items trimmed.
    ///
    /// # Errors
    /// When the text is no list; the error names the last object whose metadata was read.
    pub fn read_list(&self, json: &[u8]) -> Result<ListPage, ProjectionError> {
        let mut page = ListPage::default();
        let mut text = serde_json::Deserializer::from_slice(json);
        let read = seed::ListSeed { keep: &self.keep, into: &mut page }.deserialize(&mut text);
        match read.and_then(|()| text.end()) {
            Ok(()) => {
                page.items = page.items.into_iter().map(|object| self.finish(object)).collect();
                Ok(page)
            }
            Err(cause) => {
                let last = page.items.last().and_then(Value::as_object).and_then(key_of);
                Err(ProjectionError { kind: self.kind, object: last, cause })
            }
        }
    }

    /// Trims an object that was parsed whole.
    pub fn trim(&self, object: &mut Value) {
        self.keep.apply(object);
        if self.short_endpoints {
            short::shorten(object);
        }
    }

    fn finish(&self, mut object: Value) -> Value {
        if self.short_endpoints {
            short::shorten(&mut object);
        }
        object
    }

    /// A text that changes whenever what is kept changes.
    pub(crate) fn describe(&self) -> String {
        let mut out = format!("{FORMAT} {} ", self.kind);
        self.keep.describe(&mut out);
        if self.short_endpoints {
            out.push_str(" short endpoints");
        }
        out
    }
}

/// Takes `metadata.resourceVersion` out of an object: the version travels beside an object, never in it, so that
/// objects that differ in nothing else are equal.
pub fn take_version(object: &mut Value) -> Option<String> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    match metadata.remove("resourceVersion")? {
        Value::String(version) => Some(version),
        _ => None,
    }
}

/// Namespace (empty for a cluster-scoped object) and name of an object that has a name.
pub fn key(object: &Value) -> Option<ObjectKey> {
    object.as_object().and_then(key_of)
}

fn key_of(object: &Map<String, Value>) -> Option<ObjectKey> {
    let metadata = object.get("metadata")?;
    let name = metadata.get("name")?.as_str().filter(|name| !name.is_empty())?;
    Some(ObjectKey::new(metadata.get("namespace").and_then(Value::as_str).unwrap_or_default(), name))
}

#[cfg(test)]
mod tests;

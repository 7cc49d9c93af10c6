//! Kubernetes manifests: YAML or JSON text to objects, as an API server would have stored them.
//!
//! Scalars are read the way kubectl reads them (YAML 1.1: `yes` and `on` are booleans, `0644` is octal, dates stay
//! text), so that a folder and a cluster give the same objects. Two deviations: keys stay as they are written (`on:`
//! stays `on`), and a key given twice is an error. One bad document never hides the others. Knows no file system.

mod complete;
mod parse;
mod split;

use std::fmt;

use serde_json::Value;
use silverback_model::ObjectKey;

use crate::registry::Kind;

pub use complete::{Incomplete, complete};

/// Where in the text something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the document in the file, from 1; blank documents do not count.
    pub document: usize,
    /// Line in the file, from 1: of the fault where one is known, else where the document begins.
    pub line: usize,
    /// Number of the item, from 1, inside a list.
    pub item: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "document {}, line {}", self.document, self.line)?;
        self.item.map_or(Ok(()), |item| write!(f, ", item {item}"))
    }
}

/// A document, or an object of it, that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {place}: {}{cause}", .object.as_ref().map(|name| format!("{name}: ")).unwrap_or_default())]
pub struct ManifestError {
    /// The file, as the caller called it.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// Kind and name, where known.
    pub object: Option<String>,
    /// What is wrong, and what to do about it.
    pub cause: String,
}

/// One object of a text, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where it is.
    pub place: Place,
    /// The object as written; lists are expanded into their items.
    pub object: Result<Value, ManifestError>,
}

/// An object fit for use.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Where it is.
    pub place: Place,
    /// Its kind, or `None` for one that Silverback does not read.
    pub kind: Option<&'static Kind>,
    /// Namespace and name.
    pub key: ObjectKey,
    /// The completed object, untrimmed.
    pub object: Value,
}

/// Every object of a text, as written. `file` only names the text in errors.
pub fn parse(file: &str, text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (at, document) in split::documents(text).enumerate() {
        let place = Place { document: at + 1, line: document.line, item: None };
        parse::entries(file, place, document.text, &mut entries);
    }
    entries
}

/// Every object of a text, checked and completed: see [`complete`].
pub fn load(file: &str, text: &str) -> Vec<Result<Manifest, ManifestError>> {
    load_with(file, text, complete)
}

/// Every object of a text, checked and not completed, but for labels and annotations that are put in order: see
/// [`complete`]. For text that an API server gave out.
pub fn load_as_written(file: &str, text: &str) -> Vec<Result<Manifest, ManifestError>> {
    load_with(file, text, complete::check)
}

type Fit = fn(&mut Value) -> Result<(Option<&'static Kind>, ObjectKey), Incomplete>;

fn load_with(file: &str, text: &str, fit: Fit) -> Vec<Result<Manifest, ManifestError>> {
    parse(file, text)
        .into_iter()
        .map(|Entry { place, object }| {
            let mut object = object?;
            match fit(&mut object) {
                Ok((kind, key)) => Ok(Manifest { place, kind, key, object }),
                Err(Incomplete { object, cause }) => Err(ManifestError { file: file.to_owned(), place, object, cause }),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;

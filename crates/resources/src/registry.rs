//! The one registry of kinds: what is watched, in which versions, how much of it is kept, and what it refers to.
//!
//! Facts about Kubernetes' APIs only. Whether a kind is installed, switched on or in use is not known here.

mod kinds;
mod references;

use std::fmt;
use std::sync::LazyLock;

use silverback_model::{CollectionId, Digest};

use crate::projection::Projection;

pub use kinds::KINDS;
pub use references::{Reference, Target, references};

/// Identity of a kind, printed `Kind.group` (or `Kind` for the core group), e.g. `Ingress.networking.k8s.io`.
///
/// Only kinds of this registry have one, so it always leads to a [`Kind`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(&'static str);

impl KindId {
    /// The kind of that name, if the registry has it.
    pub fn parse(text: &str) -> Option<Self> {
        KINDS.iter().map(|kind| kind.id).find(|id| id.0 == text)
    }

    /// `Kind.group`, as in [`silverback_model::ObjectRef::kind`] and [`CollectionId::kind`].
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Its entry in the registry.
    pub fn kind(self) -> &'static Kind {
        // Ids are made only by the table's own entries; the first entry is never reached, but needs no panic.
        KINDS.iter().find(|kind| kind.id == self).unwrap_or(&KINDS[0])
    }

    /// The collection of all its objects.
    pub fn collection(self) -> CollectionId {
        CollectionId::all(self.0)
    }
}

impl fmt::Display for KindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for KindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// One per cluster.
    Cluster,
}

/// Where a kind comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Part of every cluster.
    BuiltIn,
    /// Installed by a CustomResourceDefinition, so it may be missing, appear and vanish.
    Crd,
}

/// How many objects a kind has, and how often they change: decides where scans are tolerable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// A handful to some dozens.
    Small,
    /// Grows with the applications.
    Normal,
    /// Tens of thousands, changing all the time.
    Hot,
}

/// Which entries of a map of labels or annotations are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// All but these.
    Except(&'static [&'static str]),
    /// These only.
    Only(&'static [&'static str]),
}

/// A kind: where it is served, what is kept of it, what it refers to.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// Its identity.
    pub id: KindId,
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Versions that can be read, best first. Their schemas are the same as far as [`Self::fields`] go.
    pub versions: &'static [&'static str],
    /// `kind` of its objects.
    pub kind: &'static str,
    /// Name in API paths.
    pub plural: &'static str,
    /// Whether it is namespaced.
    pub scope: Scope,
    /// Built in, or from a CRD.
    pub origin: Origin,
    /// How large its collections get.
    pub volume: Volume,
    /// Paths kept below the object, beside the common metadata: see [`Projection`].
    pub fields: &'static [&'static str],
    /// Metadata kept beside labels and annotations.
    pub metadata: &'static [&'static str],
    /// Whether its endpoints are written in short: see `projection/short.rs`.
    pub short_endpoints: bool,
    /// Labels kept.
    pub labels: Entries,
    /// Annotations kept.
    pub annotations: Entries,
    /// Field selector of every list and watch.
    pub field_selector: Option<&'static str>,
    /// Where it is kept only when referred to: the labels that keep an object anyway.
    pub kept_for_labels: &'static [&'static str],
    /// Flags of which all must be on (they are by default) for it to be read.
    pub switches: &'static [&'static str],
    /// Feature gate that must be on for it to be read.
    pub gate: Option<&'static str>,
    /// Where it refers to Secrets and ConfigMaps.
    pub references: &'static [Reference],
}

impl Kind {
    /// A collection of it can never be absent: before it was complete once, nothing may be derived.
    ///
    /// The collections of the other kinds may be complete or absent, as the CustomResourceDefinitions tell.
    pub fn required(&self) -> bool {
        self.origin == Origin::BuiltIn
    }

    /// Whether its objects live in namespaces.
    pub fn namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }

    /// `group/version`, or the version alone for the core group; in the best version unless one is given.
    pub fn api_version(&self, version: Option<&str>) -> String {
        let version = version.unwrap_or(self.best_version());
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// The version to read where all are served.
    pub fn best_version(&self) -> &'static str {
        self.versions.first().copied().unwrap_or_default()
    }

    /// The best version among those that a server serves.
    pub fn served_version<'a>(&self, served: impl IntoIterator<Item = &'a str> + Clone) -> Option<&'static str> {
        self.versions.iter().copied().find(|ours| served.clone().into_iter().any(|theirs| theirs == *ours))
    }

    /// Path of its collection at the API server: in one namespace, or of the whole cluster.
    pub fn path(&self, version: &str, namespace: Option<&str>) -> String {
        let root =
            if self.group.is_empty() { format!("/api/{version}") } else { format!("/apis/{}/{version}", self.group) };
        match namespace {
            Some(namespace) if self.namespaced() => format!("{root}/namespaces/{namespace}/{}", self.plural),
            _ => format!("{root}/{}", self.plural),
        }
    }

    /// Name of its CustomResourceDefinition; `None` for a kind that is built in.
    pub fn crd_name(&self) -> Option<String> {
        (self.origin == Origin::Crd).then(|| format!("{}.{}", self.plural, self.group))
    }

    /// What is kept of its objects; compiled once.
    pub fn projection(&self) -> &'static Projection {
        static COMPILED: LazyLock<Vec<Projection>> = LazyLock::new(|| KINDS.iter().map(Projection::of).collect());
        let at = KINDS.iter().position(|kind| kind.id == self.id).unwrap_or_default();
        &COMPILED[at]
    }
}

/// The kind of that group and name, as objects give it in `apiVersion` and `kind`.
pub fn by_kind(group: &str, kind: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|entry| entry.group == group && entry.kind == kind)
}

/// The kind a person means: `Ingress.networking.k8s.io`, or `ingress` or `ingresses` where only one kind is called so.
pub fn by_name(text: &str) -> Option<&'static Kind> {
    let exact = KINDS.iter().find(|entry| entry.id.0 == text);
    exact.or_else(|| {
        let called = |entry: &&Kind| entry.kind.eq_ignore_ascii_case(text) || entry.plural.eq_ignore_ascii_case(text);
        let mut found = KINDS.iter().filter(called);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    })
}

/// The trim digest: changes whenever what is kept of any kind changes, so that a cursor of another build is refused.
pub fn trim_digest() -> Digest {
    static DIGEST: LazyLock<Digest> = LazyLock::new(|| {
        let parts: Vec<String> = KINDS.iter().map(|kind| kind.projection().describe()).collect();
        Digest::of_parts(parts.iter().map(String::as_bytes))
    });
    *DIGEST
}

#[cfg(test)]
mod tests;

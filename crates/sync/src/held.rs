//! What a replica holds of one collection: a version and two digests a key, and how views and batches change that.
//!
//! Judges no order of frames; bodies pass through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use silverback_model::{
    CollectionId, Cursor, Digest, Frontier, Lineage, ObjectKey, SetDigest, SharedMap, Version, rules,
};
use silverback_proto::v1::begin::View;

use crate::{Desync, Item};

/// Keys that are different now.
pub(crate) type Changed = Vec<(ObjectKey, Option<Arc<Item>>)>;

/// What is held of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    version: Version,
    digest: Digest,
    seal: Digest,
}

/// What is held of one collection.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) lineage: Lineage,
    pub(crate) trim: Digest,
    pub(crate) entries: SharedMap<ObjectKey, Entry>,
    pub(crate) frontier: Frontier,
    pub(crate) digest: SetDigest,
    pub(crate) complete: bool,
    pub(crate) absent: bool,
    pub(crate) stale: Option<String>,
    /// Whether the server that is followed has told of it.
    pub(crate) told: bool,
    pub(crate) staged: Option<Staged>,
    pub(crate) pending: Changed,
}

/// A view that is being received.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) lineage: Lineage,
    trim: Digest,
    view: View,
    pub(crate) items: BTreeMap<ObjectKey, Arc<Item>>,
    pub(crate) unchanged: Vec<ObjectKey>,
    pub(crate) dropped: BTreeSet<Digest>,
}

impl Staged {
    pub(crate) fn new(lineage: Lineage, trim: Digest, view: View) -> Self {
        Self { lineage, trim, view, items: BTreeMap::new(), unchanged: Vec::new(), dropped: BTreeSet::new() }
    }
}

impl Held {
    /// Starts to receive a view, unless it builds on what is not held.
    pub(crate) fn begin(&mut self, staged: Staged) -> bool {
        let fits = match staged.view {
            View::Delta => self.complete && self.lineage == staged.lineage && self.trim == staged.trim,
            View::Difference => self.complete,
            View::Snapshot | View::Unspecified => true,
        };
        self.staged = fits.then_some(staged);
        fits
    }

    /// Moves the frontier, within one history never back.
    pub(crate) fn advance(&mut self, id: &CollectionId, lineage: Lineage, mut to: Frontier) -> Result<(), Desync> {
        if self.lineage == lineage {
            // Servers may date the last change differently: a list dates all that it brings alike. Either is true.
            to.change(&self.frontier.changed.clone().min(to.seen.clone()));
            if !rules::frontier_advances(&self.frontier, &to) {
                let from = self.frontier.seen.clone();
                return Err(Desync::WentBack { collection: id.clone(), from, to: to.seen });
            }
        }
        (self.lineage, self.frontier) = (lineage, to);
        Ok(())
    }

    /// Swaps a whole view in, and tells what is different from what was held.
    pub(crate) fn swap(&mut self, staged: Staged) -> Changed {
        let stays: BTreeSet<&ObjectKey> = match staged.view {
            View::Delta => staged.unchanged.iter().collect(),
            View::Difference => {
                let kept = self.entries.iter().filter(|(_, entry)| !staged.dropped.contains(&entry.seal));
                kept.map(|(key, _)| key).collect()
            }
            View::Snapshot | View::Unspecified => BTreeSet::new(),
        };
        let gone = self.entries.keys().filter(|key| !stays.contains(key) && !staged.items.contains_key(key));
        let mut changed: Changed = gone.map(|key| (key.clone(), None)).collect();
        changed.extend(staged.items.into_iter().map(|(key, item)| (key, Some(item))));
        changed.retain(|(key, item)| self.store(key, item.as_deref()));
        self.trim = staged.trim;
        (self.complete, self.absent, self.stale, self.told) = (true, false, None, true);
        changed
    }

    /// Applies the batches received since the last time.
    pub(crate) fn apply_pending(&mut self) -> Changed {
        let mut changed = std::mem::take(&mut self.pending);
        changed.retain(|(key, item)| self.store(key, item.as_deref()));
        changed
    }

    /// Empties the collection: its kind is not installed.
    pub(crate) fn vanish(&mut self) -> Changed {
        let (lineage, frontier) = (self.lineage.clone(), self.frontier.clone());
        let held = std::mem::replace(self, Self { lineage, frontier, absent: true, told: true, ..Self::default() });
        held.entries.keys().map(|key| (key.clone(), None)).collect()
    }

    /// Has a whole view follow at the next connection; its swap finds what differs from what is held.
    pub(crate) fn distrust(&mut self) {
        self.complete = false;
    }

    /// Another stream begins: what was received in part is forgotten.
    pub(crate) fn begin_stream(&mut self) {
        (self.staged, self.told) = (None, false);
        self.pending.clear();
    }

    /// What to tell the next server; nothing before anything was complete.
    pub(crate) fn cursor(&self, id: &CollectionId, names_items: bool) -> Option<Cursor> {
        let seen = self.frontier.seen.clone();
        let held = if names_items && self.complete {
            self.entries.values().map(|entry| entry.seal).collect()
        } else {
            Vec::new()
        };
        // A trimming that nobody has asks for everything, and still keeps a server that is behind from sending it.
        let trim = if self.complete { self.trim } else { Digest::default() };
        let known = !seen.is_zero() || !held.is_empty();
        known.then(|| Cursor { collection: id.clone(), lineage: self.lineage.clone(), trim, seen, held })
    }

    /// Whether this made a difference.
    fn store(&mut self, key: &ObjectKey, item: Option<&Item>) -> bool {
        let after = item.map(|item| Entry { version: item.version.clone(), digest: item.digest(), seal: item.seal() });
        let differs = after.as_ref() != self.entries.get(key);
        if let Some(entry) = &after {
            self.digest.add(entry.digest);
        }
        let before = match after {
            Some(entry) => self.entries.insert(key.clone(), entry),
            None => self.entries.remove(key),
        };
        if let Some(before) = before {
            self.digest.remove(before.digest);
        }
        differs
    }
}

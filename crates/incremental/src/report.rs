//! What a batch did: which keys ran and which outputs are different now. As large as the change, never larger.

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::edges::Slot;
use crate::handle::{Collection, Data, Key};

pub(crate) struct Section<K, V> {
    pub(crate) reran: Vec<K>,
    pub(crate) changed: Vec<Changed<K, V>>,
}

/// A value that is different now.
#[derive(Debug)]
pub struct Changed<K, V> {
    /// The key's place.
    pub slot: Slot,
    /// The key.
    pub key: K,
    /// The value; none where it is gone.
    pub value: Option<Arc<V>>,
}

/// What a batch did.
#[derive(Default)]
pub struct Report {
    pub(crate) sections: HashMap<u32, Box<dyn Any + Send>>,
    pub(crate) runs: usize,
    pub(crate) scans: usize,
    pub(crate) missed: BTreeSet<u32>,
    pub(crate) faults: Vec<String>,
}

impl Report {
    fn section<K: Key, V: Data>(&self, collection: &impl Collection<K, V>) -> Option<&Section<K, V>> {
        self.sections.get(&collection.place().node)?.downcast_ref()
    }

    /// The keys a collection's function ran for, sorted.
    pub fn reran<K: Key, V: Data>(&self, collection: &impl Collection<K, V>) -> Vec<K> {
        self.section(collection).map(|section| section.reran.clone()).unwrap_or_default()
    }

    /// The keys whose value is different now, sorted.
    pub fn changed<K: Key, V: Data>(&self, collection: &impl Collection<K, V>) -> &[Changed<K, V>] {
        self.section(collection).map_or(&[], |section| &section.changed)
    }

    /// How many times any function ran.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// How many times a function read a whole collection.
    pub fn scans(&self) -> usize {
        self.scans
    }

    /// Whether a key was looked for here in vain that its reader had not looked for before.
    pub fn missed<K: Key, V: Data>(&self, collection: &impl Collection<K, V>) -> bool {
        self.missed.contains(&collection.place().node)
    }

    /// Reads that are not allowed: each is a defect of a function, which saw nothing there.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

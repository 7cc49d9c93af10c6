//! Why a value is what it is: what its function read, and why that is what it is, down to the inputs.

use std::collections::BTreeSet;
use std::fmt;

use crate::edges::{Slot, WHOLE};
use crate::graph::Graph;
use crate::handle::{Collection, Data, Key};

/// Members of one group, and reads of one function, that are told; of more only the number is.
const MOST: usize = 50;

/// A read that was recorded, or the element of its source that a value is made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// Name of the collection.
    pub collection: &'static str,
    /// The key; `*` for all of it.
    pub key: String,
    /// Whether there was a value.
    pub present: bool,
}

/// A value with all that it hangs on. `Display` shows a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The value.
    pub read: Read,
    /// What it was made from, each with its own; empty where that was told before.
    pub because: Vec<Trace>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f, 0)
    }
}

impl Trace {
    fn tell(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let Read { collection, key, present } = &self.read;
        let miss = if *present { "" } else { " (not there)" };
        writeln!(f, "{:indent$}{collection} {key}{miss}", "", indent = 2 * depth)?;
        for part in &self.because {
            part.tell(f, depth + 1)?;
        }
        if self.more > 0 {
            writeln!(f, "{:indent$}and {} more", "", self.more, indent = 2 * depth + 2)?;
        }
        Ok(())
    }
}

impl Graph {
    /// What the function read when it last ran for a key, the key of its source first: why a value is what it is.
    pub fn explain<K: Key, V: Data>(&self, collection: &impl Collection<K, V>, key: &K) -> Vec<Read> {
        let Some(at) = self.own_table(collection).and_then(|table| table.find(key)) else { return Vec::new() };
        let slot = Slot { node: collection.place().node, at };
        self.because(slot).into_iter().filter_map(|slot| self.read(slot)).collect()
    }

    /// Why the value at a place is what it is, down to the inputs. None for a place of another graph, or one that is
    /// free.
    pub fn trace(&self, slot: Slot) -> Option<Trace> {
        self.trace_beyond(slot, &mut BTreeSet::new())
    }

    fn trace_beyond(&self, slot: Slot, told: &mut BTreeSet<Slot>) -> Option<Trace> {
        let read = self.read(slot)?;
        let parts = if told.insert(slot) { self.because(slot) } else { Vec::new() };
        let because = parts.iter().take(MOST).filter_map(|part| self.trace_beyond(*part, told)).collect();
        Some(Trace { read, because, more: parts.len().saturating_sub(MOST) })
    }

    /// What a value was made from: elements of the source of its collection, and what was read.
    fn because(&self, slot: Slot) -> Vec<Slot> {
        let Some(node) = self.node(slot.node).filter(|_| slot.at != WHOLE) else { return Vec::new() };
        let source = self.source(slot.node);
        let origins = source.into_iter().flat_map(|source| {
            let keys = node.origins(slot.at).into_iter();
            keys.filter_map(move |key| Some(Slot { node: source, at: self.node(source)?.find(&*key)? }))
        });
        let origins: Vec<Slot> = origins.collect();
        let reads = node.reads(slot.at).iter().copied().filter(|read| !origins.contains(read));
        origins.iter().copied().chain(reads).collect()
    }

    fn read(&self, slot: Slot) -> Option<Read> {
        let node = self.node(slot.node)?;
        let whole = slot.at == WHOLE;
        let key = if whole { "*".to_owned() } else { node.describe_key(slot.at) };
        Some(Read { collection: self.name(slot.node), key, present: whole || node.has_value(slot.at) })
    }
}

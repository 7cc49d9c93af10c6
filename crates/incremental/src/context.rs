//! The only way a function reads: what it reads is recorded, hits and misses alike.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::edges::{Slot, WHOLE};
use crate::graph::Graph;
use crate::handle::{Collection, Data, Index, Key, Place};
use crate::members::Members;

/// A key of any collection.
pub(crate) type AnyKey = Box<dyn Any + Send>;

/// What a function read.
pub(crate) enum Recorded {
    /// A slot that exists, or a whole collection.
    Slot(Slot),
    /// A key that has no slot yet.
    Missing(u32, AnyKey),
}

/// Given to a function while it runs for one key.
pub struct Ctx<'a> {
    graph: &'a Graph,
    /// Collections from here on are not made yet.
    node: u32,
    recorded: RefCell<Vec<Recorded>>,
    scans: Cell<usize>,
    fault: RefCell<Option<String>>,
}

impl<'a> Ctx<'a> {
    pub(crate) fn new(graph: &'a Graph, node: u32) -> Self {
        let (recorded, fault) = (RefCell::default(), RefCell::default());
        Self { graph, node, recorded, scans: Cell::new(0), fault }
    }

    pub(crate) fn finish(self) -> (Vec<Recorded>, usize, Option<String>) {
        (self.recorded.into_inner(), self.scans.get(), self.fault.into_inner())
    }

    /// The value of a key, if it has one. The function runs again when that changes.
    pub fn get<K: Key, V: Data>(&self, collection: &impl Collection<K, V>, key: &K) -> Option<Arc<V>> {
        let place = self.readable(collection.place())?;
        let table = self.graph.table::<K, V>(place.node)?;
        match table.find(key) {
            Some(at) => {
                self.recorded.borrow_mut().push(Recorded::Slot(Slot { node: place.node, at }));
                table.row(at)?.value.clone()
            }
            None => {
                self.recorded.borrow_mut().push(Recorded::Missing(place.node, Box::new(key.clone())));
                None
            }
        }
    }

    /// The members of a group; none when there is no such group. The function runs again when a member comes or goes,
    /// not when one changes: read the members for that.
    pub fn members<G: Key, K: Key>(&self, index: &Index<G, K>, group: &G) -> Arc<Members<K>> {
        self.get(index, group).unwrap_or_default()
    }

    /// Everything, in the order of keys. The function runs again whenever anything changes there, so this is for small
    /// collections; it is counted in the report, and refused (as empty) on hot ones.
    pub fn scan<K: Key, V: Data>(&self, collection: &impl Collection<K, V>) -> Vec<(K, Arc<V>)> {
        let Some(place) = self.readable(collection.place()) else { return Vec::new() };
        if self.graph.is_hot(place.node) {
            self.fault(format!("a scan of `{}`, which is hot", self.graph.name(place.node)));
            return Vec::new();
        }
        self.scans.set(self.scans.get() + 1);
        self.recorded.borrow_mut().push(Recorded::Slot(Slot { node: place.node, at: WHOLE }));
        self.graph.iter(collection)
    }

    fn readable(&self, place: Place) -> Option<Place> {
        if place.graph != self.graph.id() {
            self.fault("a read of another graph's collection".to_owned());
            return None;
        }
        if place.node >= self.node {
            self.fault(format!("a read of `{}`, which is made later", self.graph.name(place.node)));
            return None;
        }
        Some(place)
    }

    fn fault(&self, what: String) {
        self.fault.borrow_mut().get_or_insert(what);
    }
}

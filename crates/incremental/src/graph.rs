//! The graph: registration, batches, and looking inside.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::context::Ctx;
use crate::context::Recorded;
use crate::edges::{Edges, Slot, WHOLE};
use crate::handle::{Collection, Data, Derived, Index, Input, Key, Place};
use crate::members::Members;
use crate::node::{DerivedNode, IndexNode, InputNode, Node, table_of};
use crate::report::Report;
use crate::table::Table;

static GRAPHS: AtomicU64 = AtomicU64::new(0);

struct Entry {
    name: &'static str,
    hot: bool,
    /// Whether its keys are groups.
    grouped: bool,
    /// Whose keys are its keys.
    source: Option<u32>,
    /// Slots that read the whole of it.
    scanners: Edges,
    /// Out of its place while it is visited.
    node: Option<Box<dyn Node>>,
}

/// Collections and the functions between them. Registration order is the order of visits, which is topological,
/// because a function can capture handles of earlier collections only.
pub struct Graph {
    id: u64,
    entries: Vec<Entry>,
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

/// A key whose value is not what a fresh run of its function gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Name of the collection.
    pub collection: &'static str,
    /// The key.
    pub key: String,
}

/// Sizes of all tables; all zero when everything was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Interned keys.
    pub slots: usize,
    /// Edges from what is read to who reads it.
    pub readers: usize,
    /// Recorded reads.
    pub reads: usize,
    /// Index memberships.
    pub memberships: usize,
}

/// Edits of inputs, applied together.
pub struct Batch<'a> {
    graph: &'a mut Graph,
    changed: BTreeMap<u32, BTreeSet<u32>>,
    /// How to take back what was edited, while that is noted.
    noted: Option<Vec<Undo>>,
    rerun: bool,
}

type Undo = Box<dyn FnOnce(&mut Batch<'_>) + Send>;

/// Edits that can be taken back.
#[derive(Default)]
pub struct Edits(Vec<Undo>);

impl Batch<'_> {
    /// Sets a key's value. An equal value is no change.
    pub fn set<K: Key, V: Data>(&mut self, input: &Input<K, V>, key: K, value: V) {
        self.store(input, &key, Some(Arc::new(value)));
    }

    /// Has every function run for every key: something that functions captured is other now.
    pub fn rerun(&mut self) {
        self.rerun = true;
    }

    /// Removes a key.
    pub fn remove<K: Key, V: Data>(&mut self, input: &Input<K, V>, key: &K) {
        self.store(input, key, None);
    }

    fn store<K: Key, V: Data>(&mut self, input: &Input<K, V>, key: &K, value: Option<Arc<V>>) {
        let place = input.place();
        let Some(table) = self.graph.table_mut::<K, V>(place) else {
            debug_assert!(false, "an input of another graph");
            return;
        };
        if value.is_none() && table.find(key).is_none() {
            return;
        }
        let before = table.value(key).cloned();
        let at = table.intern(key);
        if table.store(at, value) {
            self.changed.entry(place.node).or_default().insert(at);
            if let Some(noted) = &mut self.noted {
                let (input, key) = (*input, key.clone());
                noted.push(Box::new(move |batch: &mut Batch<'_>| batch.store(&input, &key, before)));
            }
        }
    }

    /// Makes edits of which it is noted how to take them back.
    pub fn note(&mut self, edit: impl FnOnce(&mut Self)) -> Edits {
        let outer = self.noted.replace(Vec::new());
        edit(self);
        Edits(std::mem::replace(&mut self.noted, outer).unwrap_or_default())
    }

    /// Sets what was edited back to what it was before. Whatever was set there since is lost.
    pub fn take_back(&mut self, edits: Edits) {
        edits.0.into_iter().rev().for_each(|undo| undo(self));
    }
}

/// What is under way while a batch is carried out.
#[derive(Default)]
struct Work {
    rerun: bool,
    dirty: HashMap<u32, BTreeSet<u32>>,
    changed: BTreeMap<u32, Vec<u32>>,
    reran: BTreeMap<u32, Vec<u32>>,
    idle: Vec<Slot>,
    report: Report,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self { id: GRAPHS.fetch_add(1, Ordering::Relaxed), entries: Vec::new() }
    }

    /// A collection that is set from outside.
    pub fn input<K: Key, V: Data>(&mut self, name: &'static str) -> Input<K, V> {
        Input::at(self.register(name, None, false, Box::new(InputNode::<K, V> { table: Table::new() })))
    }

    /// The same, for many keys that change all the time: it must not be scanned.
    pub fn input_hot<K: Key, V: Data>(&mut self, name: &'static str) -> Input<K, V> {
        Input::at(self.register(name, None, true, Box::new(InputNode::<K, V> { table: Table::new() })))
    }

    /// A collection with at most one value per key of `source`, made by a pure function of recorded reads.
    pub fn derive<K: Key, V: Data, W: Data>(
        &mut self,
        name: &'static str,
        source: &impl Collection<K, V>,
        function: impl Fn(&Ctx<'_>, &K, &V) -> Option<W> + Send + Sync + 'static,
    ) -> Derived<K, W> {
        let source = self.own(source.place());
        let node = DerivedNode { table: Table::<K, W>::new(), source, function: Box::new(function) };
        Derived::at(self.register(name, Some(source), self.is_hot(source), Box::new(node)))
    }

    /// The keys of `source` by group; an element may be in any number of groups.
    pub fn index<K: Key, V: Data, G: Key>(
        &mut self,
        name: &'static str,
        source: &impl Collection<K, V>,
        grouping: impl Fn(&K, &V) -> Vec<G> + Send + Sync + 'static,
    ) -> Index<G, K> {
        let source = self.own(source.place());
        let (table, groups) = (Table::new(), Vec::new());
        let node = IndexNode::<K, V, G> { table, source, groups, grouping: Box::new(grouping) };
        let place = self.register(name, Some(source), self.is_hot(source), Box::new(node));
        self.entries[place.node as usize].grouped = true;
        Index::at(place)
    }

    /// A collection with at most one value per group: the group is the unit of rerun. It runs when a member comes or
    /// goes; the function reads the members whose changes matter to it.
    pub fn group<G: Key, K: Key, V: Data>(
        &mut self,
        name: &'static str,
        index: &Index<G, K>,
        function: impl Fn(&Ctx<'_>, &G, &Members<K>) -> Option<V> + Send + Sync + 'static,
    ) -> Derived<G, V> {
        self.derive(name, index, function)
    }

    fn register(&mut self, name: &'static str, source: Option<u32>, hot: bool, node: Box<dyn Node>) -> Place {
        let place = Place { graph: self.id, node: self.entries.len() as u32 };
        self.entries.push(Entry { name, hot, grouped: false, source, scanners: Edges::default(), node: Some(node) });
        place
    }

    /// A handle of another graph leads nowhere here, and so does its collection: it stays empty.
    fn own(&self, place: Place) -> u32 {
        debug_assert!(place.graph == self.id, "a collection of another graph");
        if place.graph == self.id { place.node } else { u32::MAX }
    }

    /// Applies edits of inputs together, and runs what depends on them.
    pub fn update(&mut self, edit: impl FnOnce(&mut Batch<'_>)) -> Report {
        let mut batch = Batch { graph: self, changed: BTreeMap::new(), noted: None, rerun: false };
        edit(&mut batch);
        let Batch { changed, rerun, .. } = batch;
        let mut work = Work { rerun, ..Work::default() };
        for (node, slots) in changed {
            self.spread(node, slots.into_iter().collect(), &mut work);
        }
        for node in 0..self.entries.len() as u32 {
            self.visit(node, &mut work);
        }
        self.close(work)
    }

    fn visit(&mut self, node: u32, work: &mut Work) {
        let source = self.entries[node as usize].source;
        let source_changed = match source {
            Some(source) if work.rerun => self.node(source).map(|node| node.slots()).unwrap_or_default(),
            source => source.and_then(|source| work.changed.get(&source)).cloned().unwrap_or_default(),
        };
        let dirty: Vec<u32> = work.dirty.remove(&node).into_iter().flatten().collect();
        if source_changed.is_empty() && dirty.is_empty() {
            return;
        }
        let Some(mut taken) = self.entries[node as usize].node.take() else { return };
        let visit = taken.visit(self, node, &dirty, &source_changed);
        self.entries[node as usize].node = Some(taken);
        work.report.runs += visit.ran.len();
        work.report.scans += visit.scans;
        work.report.faults.extend(visit.faults);
        let reran = visit.ran.iter().map(|(at, _)| *at).collect();
        work.reran.insert(node, reran);
        for (at, recorded) in visit.ran {
            self.record(Slot { node, at }, recorded, work);
        }
        self.spread(node, visit.changed, work);
    }

    /// Marks everybody who read what changed.
    fn spread(&mut self, node: u32, changed: Vec<u32>, work: &mut Work) {
        if changed.is_empty() {
            return;
        }
        let mut mark = |reader: Slot| {
            work.dirty.entry(reader.node).or_default().insert(reader.at);
        };
        let entry = &mut self.entries[node as usize];
        entry.scanners.iter().for_each(&mut mark);
        if let Some(node) = &mut entry.node {
            for at in &changed {
                if let Some(edges) = node.readers(*at) {
                    edges.iter().for_each(&mut mark);
                }
            }
        }
        work.idle.extend(changed.iter().map(|at| Slot { node, at: *at }));
        work.changed.insert(node, changed);
    }

    /// Replaces what a slot read by what it read this time.
    fn record(&mut self, reader: Slot, recorded: Vec<Recorded>, work: &mut Work) {
        let mut reads: Vec<Slot> = recorded.into_iter().filter_map(|read| self.resolve(read)).collect();
        reads.sort_unstable();
        reads.dedup();
        let before: Vec<Slot> = self.node(reader.node).map(|node| node.reads(reader.at).to_vec()).unwrap_or_default();
        if before != reads {
            for read in before.iter().filter(|read| reads.binary_search(read).is_err()) {
                self.edit_readers(*read, |edges| edges.remove(reader));
                work.idle.push(*read);
            }
            for read in reads.iter().filter(|read| before.binary_search(read).is_err()) {
                self.edit_readers(*read, |edges| edges.insert(reader));
                self.note_miss(*read, &mut work.report.missed);
            }
            if let Some(node) = self.node_mut(reader.node) {
                node.set_reads(reader.at, reads.into_boxed_slice());
            }
        }
        work.idle.push(reader);
    }

    /// Notes where a key was looked for that has no value. What is made key by key lacks it for its source does.
    fn note_miss(&self, read: Slot, missed: &mut BTreeSet<u32>) {
        if read.at == WHOLE || self.node(read.node).is_none_or(|node| node.has_value(read.at)) {
            return;
        }
        let mut place = Some(read.node);
        while let Some(node) = place {
            missed.insert(node);
            place = self.entries.get(node as usize).filter(|entry| !entry.grouped).and_then(|entry| entry.source);
        }
    }

    fn resolve(&mut self, read: Recorded) -> Option<Slot> {
        match read {
            Recorded::Slot(slot) => Some(slot),
            Recorded::Missing(node, key) => {
                let at = self.node_mut(node)?.intern(&*key)?;
                Some(Slot { node, at })
            }
        }
    }

    fn edit_readers(&mut self, read: Slot, edit: impl FnOnce(&mut Edges)) {
        let Some(entry) = self.entries.get_mut(read.node as usize) else { return };
        if read.at == WHOLE {
            edit(&mut entry.scanners);
        } else if let Some(edges) = entry.node.as_mut().and_then(|node| node.readers(read.at)) {
            edit(edges);
        }
    }

    /// Makes the report, and lets go of slots that nothing keeps.
    fn close(&mut self, work: Work) -> Report {
        let Work { changed, reran, idle, mut report, .. } = work;
        let nodes: BTreeSet<u32> = changed.keys().chain(reran.keys()).copied().collect();
        for node in nodes {
            let slots = |of: &BTreeMap<u32, Vec<u32>>| of.get(&node).cloned().unwrap_or_default();
            if let Some(entry) = self.node(node) {
                report.sections.insert(node, entry.section(node, &slots(&reran), &slots(&changed)));
            }
        }
        for slot in idle.into_iter().filter(|slot| slot.at != WHOLE) {
            if let Some(node) = self.node_mut(slot.node) {
                node.release(slot.at);
            }
        }
        report
    }

    pub(crate) fn node(&self, node: u32) -> Option<&dyn Node> {
        self.entries.get(node as usize)?.node.as_deref()
    }

    fn node_mut(&mut self, node: u32) -> Option<&mut (dyn Node + 'static)> {
        self.entries.get_mut(node as usize)?.node.as_deref_mut()
    }

    pub(crate) fn table<K: Key, V: Data>(&self, node: u32) -> Option<&Table<K, V>> {
        self.node(node).and_then(table_of)
    }

    fn table_mut<K: Key, V: Data>(&mut self, place: Place) -> Option<&mut Table<K, V>> {
        if place.graph != self.id {
            return None;
        }
        self.node_mut(place.node)?.as_any_mut().downcast_mut()
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn name(&self, node: u32) -> &'static str {
        self.entries.get(node as usize).map_or("?", |entry| entry.name)
    }

    pub(crate) fn source(&self, node: u32) -> Option<u32> {
        self.entries.get(node as usize)?.source
    }

    pub(crate) fn is_hot(&self, node: u32) -> bool {
        self.entries.get(node as usize).is_some_and(|entry| entry.hot)
    }

    pub(crate) fn own_table<K: Key, V: Data>(&self, collection: &impl Collection<K, V>) -> Option<&Table<K, V>> {
        let place = collection.place();
        if place.graph == self.id { self.table(place.node) } else { None }
    }

    /// The value of a key.
    pub fn get<K: Key, V: Data>(&self, collection: &impl Collection<K, V>, key: &K) -> Option<Arc<V>> {
        self.own_table(collection)?.value(key).cloned()
    }

    /// Everything, in the order of keys.
    pub fn iter<K: Key, V: Data>(&self, collection: &impl Collection<K, V>) -> Vec<(K, Arc<V>)> {
        let rows = self.own_table(collection).into_iter().flat_map(Table::rows);
        let mut all: Vec<_> = rows.filter_map(|(_, row)| Some((row.key.clone(), row.value.clone()?))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Number of values.
    pub fn len<K: Key, V: Data>(&self, collection: &impl Collection<K, V>) -> usize {
        self.own_table(collection).map_or(0, Table::len)
    }

    /// Runs every function for every key, and tells where the outcome is not what is held. Empty unless a function is
    /// not pure, or reads past its [`Ctx`]. As costly as starting over: for tests.
    pub fn verify(&self) -> Vec<Mismatch> {
        let nodes = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| Some((at as u32, entry.name, entry.node.as_ref()?)));
        nodes
            .flat_map(|(at, collection, node)| {
                node.mismatches(self, at).into_iter().map(move |key| Mismatch { collection, key })
            })
            .collect()
    }

    /// Sizes of all tables.
    pub fn footprint(&self) -> Footprint {
        let mut sum = Footprint::default();
        for entry in &self.entries {
            sum.readers += entry.scanners.len();
            let [slots, readers, reads, memberships] =
                entry.node.as_ref().map(|node| node.footprint()).unwrap_or_default();
            sum.slots += slots;
            sum.readers += readers;
            sum.reads += reads;
            sum.memberships += memberships;
        }
        sum
    }
}

//! The three kinds of collections, and what the graph asks of any of them.

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::context::{AnyKey, Ctx, Recorded};
use crate::edges::{Edges, Slot};
use crate::graph::Graph;
use crate::handle::{Data, Key};
use crate::members::Members;
use crate::report::{Changed, Section};
use crate::table::Table;

/// What came out of visiting a collection.
#[derive(Default)]
pub(crate) struct Visit {
    /// Slots whose value is different now.
    pub(crate) changed: Vec<u32>,
    /// Slots that ran, with what they read.
    pub(crate) ran: Vec<(u32, Vec<Recorded>)>,
    pub(crate) scans: usize,
    pub(crate) faults: Vec<String>,
}

/// A collection of any type.
pub(crate) trait Node: Send {
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    /// Runs what is dirty, and what the source changed. The node is out of the graph meanwhile.
    fn visit(&mut self, graph: &Graph, node: u32, dirty: &[u32], source_changed: &[u32]) -> Visit;
    /// The slot of a key of this collection's type.
    fn intern(&mut self, key: &dyn Any) -> Option<u32>;
    fn readers(&mut self, at: u32) -> Option<&mut Edges>;
    fn reads(&self, at: u32) -> &[Slot];
    fn set_reads(&mut self, at: u32, reads: Box<[Slot]>);
    fn release(&mut self, at: u32);
    fn has_value(&self, at: u32) -> bool;
    /// All slots.
    fn slots(&self) -> Vec<u32>;
    fn describe_key(&self, at: u32) -> String;
    /// The keys of the source that a slot's value is made from.
    fn origins(&self, at: u32) -> Vec<AnyKey>;
    /// The slot of a key of this collection's type, if it has one.
    fn find(&self, key: &dyn Any) -> Option<u32>;
    /// The report's section, in the order of keys.
    fn section(&self, node: u32, reran: &[u32], changed: &[u32]) -> Box<dyn Any + Send>;
    /// Keys whose value is not what a fresh run gives.
    fn mismatches(&self, graph: &Graph, node: u32) -> Vec<String>;
    /// Number of slots, of edges to readers, of recorded reads, and of other entries.
    fn footprint(&self) -> [usize; 4];
}

pub(crate) type Function<K, V, W> = Box<dyn Fn(&Ctx<'_>, &K, &V) -> Option<W> + Send + Sync>;
pub(crate) type Grouping<K, V, G> = Box<dyn Fn(&K, &V) -> Vec<G> + Send + Sync>;

/// Set from outside.
pub(crate) struct InputNode<K, V> {
    pub(crate) table: Table<K, V>,
}

/// One value per key of its source.
pub(crate) struct DerivedNode<K, V, W> {
    pub(crate) table: Table<K, W>,
    pub(crate) source: u32,
    pub(crate) function: Function<K, V, W>,
}

/// The keys of its source by group.
pub(crate) struct IndexNode<K, V, G: Ord> {
    pub(crate) table: Table<G, Members<K>>,
    pub(crate) source: u32,
    /// The slots of the groups that a key is in, by the slot it has in the source.
    pub(crate) groups: Vec<Box<[u32]>>,
    pub(crate) grouping: Grouping<K, V, G>,
}

/// Gives a node's table by type, whatever kind of node it is.
pub(crate) fn table_of<K: Key, V: Data>(node: &dyn Node) -> Option<&Table<K, V>> {
    node.as_any().downcast_ref::<Table<K, V>>()
}

/// What is the same for every node with a `table`.
macro_rules! with_table {
    ($key:ty, $value:ty) => {
        fn as_any(&self) -> &dyn Any {
            &self.table
        }

        fn as_any_mut(&mut self) -> &mut dyn Any {
            &mut self.table
        }

        fn intern(&mut self, key: &dyn Any) -> Option<u32> {
            key.downcast_ref::<$key>().map(|key| self.table.intern(key))
        }

        fn readers(&mut self, at: u32) -> Option<&mut Edges> {
            self.table.row_mut(at).map(|row| &mut row.readers)
        }

        fn reads(&self, at: u32) -> &[Slot] {
            self.table.row(at).map_or(&[], |row| &row.reads)
        }

        fn set_reads(&mut self, at: u32, reads: Box<[Slot]>) {
            if let Some(row) = self.table.row_mut(at) {
                row.reads = reads;
            }
        }

        fn release(&mut self, at: u32) {
            self.table.release(at);
        }

        fn has_value(&self, at: u32) -> bool {
            self.table.row(at).is_some_and(|row| row.value.is_some())
        }

        fn slots(&self) -> Vec<u32> {
            self.table.rows().map(|(at, _)| at).collect()
        }

        fn find(&self, key: &dyn Any) -> Option<u32> {
            key.downcast_ref::<$key>().and_then(|key| self.table.find(key))
        }

        fn describe_key(&self, at: u32) -> String {
            self.table.row(at).map(|row| format!("{:?}", row.key)).unwrap_or_default()
        }

        fn section(&self, node: u32, reran: &[u32], changed: &[u32]) -> Box<dyn Any + Send> {
            let reran = reran.iter().filter_map(|at| Some(self.table.row(*at)?.key.clone()));
            let mut reran: Vec<$key> = reran.collect();
            reran.sort();
            let changed = changed.iter().filter_map(|at| {
                let row = self.table.row(*at)?;
                Some(Changed { slot: Slot { node, at: *at }, key: row.key.clone(), value: row.value.clone() })
            });
            let mut changed: Vec<Changed<$key, $value>> = changed.collect();
            changed.sort_by(|a, b| a.key.cmp(&b.key));
            Box::new(Section { reran, changed })
        }
    };
}

fn edges_of<K: Key, V: Data>(table: &Table<K, V>) -> [usize; 3] {
    let readers = table.rows().map(|(_, row)| row.readers.len()).sum();
    let reads = table.rows().map(|(_, row)| row.reads.len()).sum();
    [table.rows().count(), readers, reads]
}

impl<K: Key, V: Data> Node for InputNode<K, V> {
    with_table!(K, V);

    fn origins(&self, _: u32) -> Vec<AnyKey> {
        Vec::new()
    }

    fn visit(&mut self, _: &Graph, _: u32, _: &[u32], _: &[u32]) -> Visit {
        Visit::default()
    }

    fn mismatches(&self, _: &Graph, _: u32) -> Vec<String> {
        Vec::new()
    }

    fn footprint(&self) -> [usize; 4] {
        let [slots, readers, reads] = edges_of(&self.table);
        [slots, readers, reads, 0]
    }
}

impl<K: Key, V: Data, W: Data> DerivedNode<K, V, W> {
    fn run(&self, graph: &Graph, node: u32, key: &K, visit: &mut Visit) -> (Option<W>, Vec<Recorded>) {
        let Some(value) = graph.table::<K, V>(self.source).and_then(|table| table.value(key)) else {
            return (None, Vec::new());
        };
        let ctx = Ctx::new(graph, node);
        let output = (self.function)(&ctx, key, value);
        let (recorded, scans, fault) = ctx.finish();
        visit.scans += scans;
        visit.faults.extend(fault.map(|fault| format!("{} {key:?}: {fault}", graph.name(node))));
        (output, recorded)
    }
}

impl<K: Key, V: Data, W: Data> Node for DerivedNode<K, V, W> {
    with_table!(K, W);

    fn origins(&self, at: u32) -> Vec<AnyKey> {
        self.table.row(at).map(|row| Box::new(row.key.clone()) as AnyKey).into_iter().collect()
    }

    fn visit(&mut self, graph: &Graph, node: u32, dirty: &[u32], source_changed: &[u32]) -> Visit {
        let mut due: BTreeSet<u32> = dirty.iter().copied().collect();
        if let Some(source) = graph.table::<K, V>(self.source) {
            let keys = source_changed.iter().filter_map(|at| source.row(*at));
            due.extend(keys.map(|row| self.table.intern(&row.key)));
        }
        let mut visit = Visit::default();
        for at in due {
            let Some(key) = self.table.row(at).map(|row| row.key.clone()) else { continue };
            let (output, recorded) = self.run(graph, node, &key, &mut visit);
            if self.table.store(at, output.map(Arc::new)) {
                visit.changed.push(at);
            }
            visit.ran.push((at, recorded));
        }
        visit
    }

    fn mismatches(&self, graph: &Graph, node: u32) -> Vec<String> {
        let mut visit = Visit::default();
        let held = self.table.rows().filter(|(_, row)| row.value.is_some()).map(|(_, row)| &row.key);
        let source = graph.table::<K, V>(self.source);
        let made = source.into_iter().flat_map(|table| table.rows().map(|(_, row)| &row.key));
        let keys: BTreeSet<&K> = held.chain(made).collect();
        let wrong = keys.into_iter().filter(|key| {
            let (fresh, _) = self.run(graph, node, key, &mut visit);
            fresh.as_ref() != self.table.value(key).map(|value| &**value)
        });
        wrong.map(|key| format!("{key:?}")).collect()
    }

    fn footprint(&self) -> [usize; 4] {
        let [slots, readers, reads] = edges_of(&self.table);
        [slots, readers, reads, 0]
    }
}

impl<K: Key, V: Data, G: Key> IndexNode<K, V, G> {
    /// A key, at its slot in the source, is in these groups from now on.
    fn move_member(&mut self, at: u32, key: &K, to: &[G], changed: &mut BTreeSet<u32>) {
        let to: Box<[u32]> = to.iter().map(|group| self.table.intern(group)).collect();
        if self.groups.len() <= at as usize {
            if to.is_empty() {
                return;
            }
            self.groups.resize_with(at as usize + 1, Box::default);
        }
        let from = std::mem::replace(&mut self.groups[at as usize], to.clone());
        for group in from.iter().filter(|group| !to.contains(group)) {
            self.alter(*group, changed, |members| members.remove(key));
        }
        for group in to.iter().filter(|group| !from.contains(group)) {
            self.alter(*group, changed, |members| members.insert(key.clone()));
        }
        while self.groups.last().is_some_and(|groups| groups.is_empty()) {
            self.groups.pop();
        }
    }

    fn alter(&mut self, at: u32, changed: &mut BTreeSet<u32>, alter: impl FnOnce(&mut Members<K>)) {
        changed.insert(at);
        // Taken out of the table, it is ours alone and altered in place, unless a reader kept it.
        let mut members = self.table.row_mut(at).and_then(|row| row.value.take()).unwrap_or_default();
        let was = !members.is_empty();
        alter(Arc::make_mut(&mut members));
        if let Some(row) = self.table.row_mut(at) {
            row.value = (!members.is_empty()).then_some(members);
            let is = row.value.is_some();
            self.table.count(was, is);
        }
    }
}

impl<K: Key, V: Data, G: Key> Node for IndexNode<K, V, G> {
    with_table!(G, Members<K>);

    fn origins(&self, at: u32) -> Vec<AnyKey> {
        let members = self.table.row(at).and_then(|row| row.value.as_ref());
        members.into_iter().flat_map(|members| members.iter()).map(|key| Box::new(key.clone()) as AnyKey).collect()
    }

    fn visit(&mut self, graph: &Graph, _: u32, _: &[u32], source_changed: &[u32]) -> Visit {
        let mut changed = BTreeSet::new();
        let Some(source) = graph.table::<K, V>(self.source) else { return Visit::default() };
        for (at, row) in source_changed.iter().filter_map(|at| Some((*at, source.row(*at)?))) {
            let mut groups = row.value.as_ref().map(|value| (self.grouping)(&row.key, value)).unwrap_or_default();
            groups.sort();
            groups.dedup();
            self.move_member(at, &row.key, &groups, &mut changed);
        }
        Visit { changed: changed.into_iter().collect(), ..Visit::default() }
    }

    fn mismatches(&self, graph: &Graph, _: u32) -> Vec<String> {
        let Some(source) = graph.table::<K, V>(self.source) else { return Vec::new() };
        let mut fresh: HashMap<G, Members<K>> = HashMap::new();
        for (_, row) in source.rows() {
            for group in row.value.iter().flat_map(|value| (self.grouping)(&row.key, value)) {
                fresh.entry(group).or_default().insert(row.key.clone());
            }
        }
        let held = self.table.rows().filter_map(|(_, row)| Some((&row.key, row.value.as_deref()?)));
        let mut wrong: BTreeSet<&G> =
            held.filter(|(group, members)| fresh.get(group) != Some(members)).map(|(g, _)| g).collect();
        wrong.extend(fresh.keys().filter(|group| self.table.value(group).is_none()));
        wrong.into_iter().map(|group| format!("{group:?}")).collect()
    }

    fn footprint(&self) -> [usize; 4] {
        let [slots, readers, reads] = edges_of(&self.table);
        [slots, readers, reads, self.groups.iter().map(|groups| groups.len()).sum()]
    }
}

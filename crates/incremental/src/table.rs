//! A table: keys interned to slots, each with its value, its readers and what it read itself.
//!
//! A slot lives while it has a value, is read by somebody (then it stands for a miss), or has read something.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::edges::{Edges, Slot};
use crate::handle::{Data, Key};

#[derive(Debug)]
pub(crate) struct Row<K, V> {
    pub(crate) key: K,
    pub(crate) value: Option<Arc<V>>,
    pub(crate) readers: Edges,
    pub(crate) reads: Box<[Slot]>,
}

#[derive(Debug)]
pub(crate) struct Table<K, V> {
    rows: Vec<Option<Row<K, V>>>,
    free: Vec<u32>,
    /// Slots by the hash of their keys, which are in the rows alone.
    slots: HashTable<u32>,
    hasher: RandomState,
    values: usize,
}

impl<K: Key, V: Data> Table<K, V> {
    pub(crate) fn new() -> Self {
        let (slots, hasher) = (HashTable::new(), RandomState::new());
        Self { rows: Vec::new(), free: Vec::new(), slots, hasher, values: 0 }
    }

    pub(crate) fn find(&self, key: &K) -> Option<u32> {
        let same = |at: &u32| self.row(*at).is_some_and(|row| row.key == *key);
        self.slots.find(self.hasher.hash_one(key), same).copied()
    }

    pub(crate) fn intern(&mut self, key: &K) -> u32 {
        if let Some(at) = self.find(key) {
            return at;
        }
        let row = Some(Row { key: key.clone(), value: None, readers: Edges::default(), reads: Box::default() });
        let at = match self.free.pop() {
            Some(at) => {
                self.rows[at as usize] = row;
                at
            }
            None => {
                self.rows.push(row);
                (self.rows.len() - 1) as u32
            }
        };
        let (rows, hasher) = (&self.rows, &self.hasher);
        let rehash = |at: &u32| rows[*at as usize].as_ref().map_or(0, |row| hasher.hash_one(&row.key));
        self.slots.insert_unique(hasher.hash_one(key), at, rehash);
        at
    }

    pub(crate) fn row(&self, at: u32) -> Option<&Row<K, V>> {
        self.rows.get(at as usize)?.as_ref()
    }

    pub(crate) fn row_mut(&mut self, at: u32) -> Option<&mut Row<K, V>> {
        self.rows.get_mut(at as usize)?.as_mut()
    }

    pub(crate) fn value(&self, key: &K) -> Option<&Arc<V>> {
        self.row(self.find(key)?)?.value.as_ref()
    }

    /// Whether this makes a difference.
    pub(crate) fn store(&mut self, at: u32, value: Option<Arc<V>>) -> bool {
        let Some(row) = self.row_mut(at) else { return false };
        let equal = match (&row.value, &value) {
            (Some(held), Some(next)) => Arc::ptr_eq(held, next) || held == next,
            (None, None) => true,
            _ => false,
        };
        if equal {
            return false;
        }
        let (was, is) = (row.value.is_some(), value.is_some());
        row.value = value;
        self.count(was, is);
        true
    }

    /// Keeps the number of values right when one came or went.
    pub(crate) fn count(&mut self, was: bool, is: bool) {
        self.values = self.values + usize::from(is) - usize::from(was);
    }

    /// Lets a slot go if nothing keeps it.
    pub(crate) fn release(&mut self, at: u32) {
        let idle = |row: &Row<K, V>| row.value.is_none() && row.readers.is_empty() && row.reads.is_empty();
        if self.row(at).is_some_and(idle)
            && let Some(row) = self.rows[at as usize].take()
        {
            if let Ok(entry) = self.slots.find_entry(self.hasher.hash_one(&row.key), |slot| *slot == at) {
                entry.remove();
            }
            self.free.push(at);
        }
        if self.slots.is_empty() {
            (self.rows, self.free, self.slots) = (Vec::new(), Vec::new(), HashTable::new());
        }
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.values
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (u32, &Row<K, V>)> {
        self.rows.iter().enumerate().filter_map(|(at, row)| Some((at as u32, row.as_ref()?)))
    }
}

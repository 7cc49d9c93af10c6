//! What the API server keeps: every object with its history, in one order of revisions. Pure; it never knows what an
//! object means, nor HTTP.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

/// Namespace (empty for what has none) and name.
pub(crate) type Key = (String, String);

/// An object that was written, or a deletion.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) revision: u64,
    /// `plural.group` of the collection.
    pub(crate) resource: Arc<str>,
    /// As it is now; for a deletion, as it was last, with the deletion's version.
    pub(crate) object: Arc<Value>,
    pub(crate) previous: Option<Arc<Value>>,
    pub(crate) deleted: bool,
}

/// The version that was asked for is no longer known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compacted;

/// One object at one revision; none where it was deleted.
type Past = (u64, Option<Arc<Value>>);

/// The store. A revision is one write.
#[derive(Debug)]
pub(crate) struct Store {
    revision: u64,
    /// Nothing is known of what was before this one.
    compacted: u64,
    collections: BTreeMap<Arc<str>, BTreeMap<Key, Vec<Past>>>,
    log: VecDeque<Event>,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { revision: 1, compacted: 1, collections: BTreeMap::new(), log: VecDeque::new() }
    }

    /// The revision of the last write.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The oldest revision that can still be read.
    pub(crate) fn oldest(&self) -> u64 {
        self.compacted
    }

    pub(crate) fn get(&self, resource: &str, key: &Key) -> Option<Arc<Value>> {
        self.collections.get(resource)?.get(key)?.last()?.1.clone()
    }

    /// Every object of a collection as of a revision, by namespace and name, from `start` on.
    pub(crate) fn list(&self, resource: &str, at: u64, start: &Key) -> Result<Vec<(&Key, Arc<Value>)>, Compacted> {
        if at < self.compacted {
            return Err(Compacted);
        }
        let objects = self.collections.get(resource).into_iter().flat_map(|objects| objects.range(start.clone()..));
        let as_of = |past: &Vec<Past>| past.iter().rev().find(|(revision, _)| *revision <= at)?.1.clone();
        Ok(objects.filter_map(|(key, past)| Some((key, as_of(past)?))).collect())
    }

    /// Every object that there is now and that satisfies a test of its collection and key.
    pub(crate) fn keys(&self, meant: impl Fn(&str, &Key) -> bool) -> Vec<(Arc<str>, Key)> {
        let all = self.collections.iter().flat_map(|(resource, objects)| objects.iter().map(move |it| (resource, it)));
        all.filter(|(resource, (key, past))| {
            meant(resource, key) && past.last().is_some_and(|(_, object)| object.is_some())
        })
        .map(|(resource, (key, _))| (Arc::clone(resource), key.clone()))
        .collect()
    }

    /// What happened in a collection after a revision.
    pub(crate) fn since(&self, resource: &str, after: u64) -> Result<Vec<Event>, Compacted> {
        if after < self.compacted {
            return Err(Compacted);
        }
        let first = self.log.partition_point(|event| event.revision <= after);
        Ok(self.log.range(first..).filter(|event| &*event.resource == resource).cloned().collect())
    }

    /// Writes an object, whose `metadata.resourceVersion` becomes the new revision.
    pub(crate) fn put(&mut self, resource: &str, key: Key, object: Value) -> Arc<Value> {
        self.write(resource, key, object, false)
    }

    /// Deletes an object; gives it as it was last. The deletion has a version of its own.
    pub(crate) fn delete(&mut self, resource: &str, key: &Key) -> Option<Arc<Value>> {
        let last = self.get(resource, key)?;
        Some(self.write(resource, key.clone(), (*last).clone(), true))
    }

    fn write(&mut self, resource: &str, key: Key, mut object: Value, deleted: bool) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Arc::new(object);
        let resource = match self.collections.get_key_value(resource) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(resource),
        };
        let past = self.collections.entry(Arc::clone(&resource)).or_default().entry(key).or_default();
        let previous = past.last().and_then(|(_, object)| object.clone());
        past.push((self.revision, (!deleted).then(|| Arc::clone(&object))));
        self.log.push_back(Event { revision: self.revision, resource, object: Arc::clone(&object), previous, deleted });
        object
    }

    /// Forgets what was before a revision, as etcd does every five minutes.
    pub(crate) fn compact(&mut self, at: u64) {
        let at = at.min(self.revision).max(self.compacted);
        self.compacted = at;
        let kept = self.log.partition_point(|event| event.revision <= at);
        self.log.drain(..kept);
        for objects in self.collections.values_mut() {
            objects.retain(|_, past| {
                let newest = past.partition_point(|(revision, _)| *revision <= at);
                past.drain(..newest.saturating_sub(1));
                past.iter().any(|(_, object)| object.is_some())
            });
        }
    }

    /// Back to a revision, as if etcd had been restored from a backup made then. What came later never was, and
    /// revisions are given out anew.
    pub(crate) fn rewind(&mut self, to: u64) -> Result<(), Compacted> {
        if to < self.compacted {
            return Err(Compacted);
        }
        self.revision = to.min(self.revision);
        let kept = self.log.partition_point(|event| event.revision <= to);
        self.log.truncate(kept);
        for objects in self.collections.values_mut() {
            objects.retain(|_, past| {
                past.retain(|(revision, _)| *revision <= to);
                !past.is_empty()
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, u8),
        Delete(u8),
        Compact(u8),
        Rewind(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..4u8, any::<u8>()).prop_map(|(name, value)| Step::Put(name, value)),
            3 => (0..4u8).prop_map(Step::Delete),
            1 => (0..30u8).prop_map(Step::Compact),
            1 => (0..30u8).prop_map(Step::Rewind),
        ];
        prop::collection::vec(step, 0..40)
    }

    type State = BTreeMap<String, u64>;

    fn seen(store: &Store, at: u64) -> Result<State, Compacted> {
        let objects = store.list("things", at, &Key::default())?;
        Ok(objects.into_iter().map(|(key, object)| (key.1.clone(), object["value"].as_u64().unwrap())).collect())
    }

    proptest! {
        /// The oracle keeps a whole copy of the state at every revision.
        #[test]
        fn every_revision_since_the_compaction_reads_as_it_was(steps in steps()) {
            let mut store = Store::new();
            let mut states: Vec<State> = vec![State::new(); 2];
            let mut oldest = 1;
            for step in steps {
                let now = states.last().cloned().unwrap();
                match step {
                    Step::Put(name, value) => {
                        let name = name.to_string();
                        let key = (String::new(), name.clone());
                        store.put("things", key, json!({"metadata": {"name": name}, "value": value}));
                        let mut next = now;
                        next.insert(name, u64::from(value));
                        states.push(next);
                    }
                    Step::Delete(name) => {
                        let name = name.to_string();
                        let deleted = store.delete("things", &(String::new(), name.clone()));
                        prop_assert_eq!(deleted.is_some(), now.contains_key(&name));
                        if deleted.is_some() {
                            let mut next = now;
                            next.remove(&name);
                            states.push(next);
                        }
                    }
                    Step::Compact(at) => {
                        store.compact(u64::from(at));
                        oldest = oldest.max(u64::from(at).min(states.len() as u64 - 1));
                    }
                    Step::Rewind(to) => {
                        let rewound = store.rewind(u64::from(to));
                        prop_assert_eq!(rewound.is_err(), u64::from(to) < oldest);
                        if rewound.is_ok() {
                            states.truncate(usize::from(to) + 1);
                        }
                    }
                }
                prop_assert_eq!(store.revision(), states.len() as u64 - 1);
                for (at, state) in states.iter().enumerate().skip(1) {
                    let expected = if (at as u64) < oldest { Err(Compacted) } else { Ok(state.clone()) };
                    prop_assert_eq!(seen(&store, at as u64), expected);
                }
                // Replaying the events from any revision on leads to the newest state.
                for (at, state) in states.iter().enumerate().skip(usize::try_from(oldest).unwrap()) {
                    let mut replayed = state.clone();
                    for event in store.since("things", at as u64).unwrap() {
                        prop_assert!(event.revision > at as u64);
                        let name = event.object["metadata"]["name"].as_str().unwrap().to_owned();
                        if event.deleted {
                            replayed.remove(&name);
                        } else {
                            replayed.insert(name, event.object["value"].as_u64().unwrap());
                        }
                    }
                    prop_assert_eq!(&replayed, states.last().unwrap());
                }
            }
        }
    }
}

//! One collection: the objects that are known, how far it is known, and how a source's news changes it.
//!
//! Merging is per key and by version, so that duplicates, late arrivals and several sources at once do no harm.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use silverback_model::{Frontier, ObjectKey, SetDigest, Version, rules};

use crate::Item;

/// What a source learned about a collection.
#[derive(Clone, Debug)]
pub enum Change {
    /// A complete list as of `version`.
    Replace {
        /// Every object.
        items: Vec<Item>,
        /// Version of the list.
        version: Version,
    },
    /// An object was added or altered at its version.
    Upsert(Item),
    /// An object was deleted.
    Delete {
        /// Which.
        key: ObjectKey,
        /// When.
        version: Version,
    },
    /// All that changed at one version, later than all before.
    Step {
        /// Objects added or altered.
        upserts: Vec<Item>,
        /// Objects deleted.
        deletes: Vec<ObjectKey>,
        /// When.
        version: Version,
    },
    /// Objects that began to be held, or ceased to, without having changed: the frontier has passed them and stays.
    Rescope {
        /// Objects at versions that the frontier has passed.
        entered: Vec<Item>,
        /// Objects that are held no longer.
        left: Vec<ObjectKey>,
    },
    /// Nothing happened up to this version.
    Bookmark(Version),
    /// The collection cannot be brought up to date; what is known is kept.
    Stale(String),
    /// The kind is not installed, as of this version of the collection of CRDs.
    Absent(Version),
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An object, or what is known of the collection, is different now.
    Altered,
    /// At most the frontier moved.
    Unaltered,
    /// A complete list is older than the frontier: this is another history, e.g. an etcd restored from a backup.
    /// Nothing was done; begin a new lineage.
    WentBack,
}

/// How complete a collection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Never yet seen whole.
    Starting,
    /// Seen whole.
    Complete,
    /// The kind is not installed.
    Absent,
}

/// How an operation changed what is held under a key.
#[derive(Debug)]
pub(crate) enum Touch {
    /// Another item is held now.
    Put {
        key: ObjectKey,
        /// Whether there was one before.
        held: bool,
    },
    /// Nothing is held any more.
    Taken(ObjectKey),
}

/// What is known of one list/watch stream.
#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) items: BTreeMap<ObjectKey, Arc<Item>>,
    pub(crate) frontier: Frontier,
    pub(crate) digest: SetDigest,
    pub(crate) state: State,
    pub(crate) stale: Option<String>,
    /// Of objects that began to be held late: how far the collection was known then.
    entered: BTreeMap<ObjectKey, Version>,
}

impl Default for Collection {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            frontier: Frontier::default(),
            digest: SetDigest::default(),
            state: State::Starting,
            stale: None,
            entered: BTreeMap::new(),
        }
    }
}

/// A collection as people and checks see it.
#[derive(Clone, Debug)]
pub struct CollectionView<'a> {
    /// Objects by key.
    pub items: &'a BTreeMap<ObjectKey, Arc<Item>>,
    /// How far it is known.
    pub frontier: &'a Frontier,
    /// Digest of its objects.
    pub digest: SetDigest,
    /// How complete it is.
    pub state: &'a State,
    /// Why it cannot be brought up to date right now.
    pub stale: Option<&'a str>,
}

impl CollectionView<'_> {
    /// The answer to "may anything be derived from this?".
    pub fn completeness(&self) -> rules::Completeness {
        match self.state {
            State::Starting => rules::Completeness::Never,
            State::Complete => rules::Completeness::Whole { stale: self.stale.is_some() },
            State::Absent => rules::Completeness::Absent,
        }
    }
}

impl Collection {
    /// Takes in what a source learned, and notes the keys whose item is different now.
    pub(crate) fn apply(&mut self, change: Change, touched: &mut Vec<Touch>) -> Outcome {
        match change {
            Change::Replace { items, version } => self.replace(items, &version, touched),
            Change::Upsert(item) => self.upsert(item, touched),
            Change::Delete { key, version } => self.delete(&key, &version, touched),
            Change::Step { upserts, deletes, version } => self.step(upserts, &deletes, &version, touched),
            Change::Rescope { entered, left } => self.rescope(entered, &left, touched),
            Change::Bookmark(version) => {
                self.frontier.see(&version);
                outcome(self.stale.take().is_some())
            }
            Change::Stale(reason) => outcome(self.stale.replace(reason.clone()) != Some(reason)),
            Change::Absent(version) => self.vanish(&version, touched),
        }
    }

    fn replace(&mut self, items: Vec<Item>, version: &Version, touched: &mut Vec<Touch>) -> Outcome {
        if *version < self.frontier.seen && self.state == State::Complete {
            return Outcome::WentBack;
        }
        let mut gone: BTreeMap<_, _> =
            self.items.iter().map(|(key, item)| (key.clone(), item.version.clone())).collect();
        let came_to_be = self.state != State::Complete;
        for item in items {
            gone.remove(&item.key);
            self.redate(&item);
            self.list(item, touched);
        }
        for (key, held) in gone {
            if rules::absence_deletes(&held, version) {
                self.take(&key, touched);
            }
        }
        self.state = State::Complete;
        let recovered = self.stale.take().is_some();
        if touched.is_empty() {
            self.frontier.see(version)
        } else {
            self.frontier.change(version)
        }
        outcome(came_to_be || recovered || !touched.is_empty())
    }

    fn upsert(&mut self, item: Item, touched: &mut Vec<Touch>) -> Outcome {
        let version = item.version.clone();
        let held = self.items.get(&item.key).map(|held| &held.version);
        if rules::upsert_wins(held, &self.frontier.seen, &version) {
            self.put(item, touched);
        }
        self.settle(&version, touched)
    }

    fn delete(&mut self, key: &ObjectKey, version: &Version, touched: &mut Vec<Touch>) -> Outcome {
        if self.items.get(key).is_some_and(|held| rules::delete_wins(&held.version, &self.frontier.seen, version)) {
            self.take(key, touched);
        }
        self.settle(version, touched)
    }

    fn step(
        &mut self,
        upserts: Vec<Item>,
        deletes: &[ObjectKey],
        version: &Version,
        touched: &mut Vec<Touch>,
    ) -> Outcome {
        debug_assert!(*version > self.frontier.seen, "a step at {version} after {}", self.frontier.seen);
        upserts.into_iter().for_each(|item| self.put(item, touched));
        deletes.iter().for_each(|key| self.take(key, touched));
        self.settle(version, touched)
    }

    fn rescope(&mut self, entered: Vec<Item>, left: &[ObjectKey], touched: &mut Vec<Touch>) -> Outcome {
        for item in entered {
            debug_assert!(item.version <= self.frontier.seen, "{} enters before its version was seen", item.key);
            if self.items.get(&item.key).is_none_or(|held| item.version > held.version) {
                self.entered.insert(item.key.clone(), self.frontier.seen.clone());
                self.put(item, touched);
            }
        }
        left.iter().for_each(|key| self.take(key, touched));
        outcome(!touched.is_empty())
    }

    /// Whether whoever knows the collection up to `seen` may lack this item of it.
    pub(crate) fn is_news(&self, item: &Item, seen: &Version) -> bool {
        item.version > *seen || self.entered.get(&item.key).is_some_and(|entered| entered >= seen)
    }

    fn vanish(&mut self, version: &Version, touched: &mut Vec<Touch>) -> Outcome {
        let was = std::mem::replace(&mut self.state, State::Absent);
        let keys: Vec<_> = self.items.keys().cloned().collect();
        keys.iter().for_each(|key| self.take(key, touched));
        self.stale = None;
        self.frontier = Frontier { seen: version.clone().max(self.frontier.seen.clone()), ..self.frontier.clone() };
        if !touched.is_empty() {
            let seen = self.frontier.seen.clone();
            self.frontier.change(&seen);
        }
        outcome(was != State::Absent)
    }

    fn settle(&mut self, version: &Version, touched: &[Touch]) -> Outcome {
        let recovered = self.stale.take().is_some();
        if touched.is_empty() {
            self.frontier.see(version)
        } else {
            self.frontier.change(version)
        }
        outcome(recovered || !touched.is_empty())
    }

    /// Dates what is held under a listed key anew, if it was written since the frontier. What happened up to the list was
    /// not seen: the same content may have been gone or another in between, which some consumer may have heard of.
    fn redate(&mut self, listed: &Item) {
        if let Some(held) = self.items.get_mut(&listed.key).filter(|_| listed.version > self.frontier.seen) {
            Arc::make_mut(held).version = listed.version.clone();
        }
    }

    /// Stores a listed item. One that is different though nobody wrote it, since it is read otherwise now, is news to
    /// whoever heard of it before.
    fn list(&mut self, item: Item, touched: &mut Vec<Touch>) {
        let (key, before) = (item.key.clone(), touched.len());
        let unwritten = item.version <= self.frontier.seen;
        self.put(item, touched);
        if unwritten && touched.len() > before {
            self.entered.insert(key, self.frontier.seen.clone());
        }
    }

    /// Stores an item unless an equal one is held, whose older version then stays: that is what its content dates from.
    fn put(&mut self, item: Item, touched: &mut Vec<Touch>) {
        match self.items.entry(item.key.clone()) {
            Entry::Occupied(mut held) => {
                if held.get().digest() == item.digest() && held.get().sources == item.sources {
                    return;
                }
                self.digest.remove(held.get().digest());
                self.digest.add(item.digest());
                touched.push(Touch::Put { key: item.key.clone(), held: true });
                held.insert(Arc::new(item));
            }
            Entry::Vacant(place) => {
                self.digest.add(item.digest());
                touched.push(Touch::Put { key: item.key.clone(), held: false });
                place.insert(Arc::new(item));
            }
        }
    }

    fn take(&mut self, key: &ObjectKey, touched: &mut Vec<Touch>) {
        self.entered.remove(key);
        if let Some(item) = self.items.remove(key) {
            self.digest.remove(item.digest());
            touched.push(Touch::Taken(key.clone()));
        }
    }

    /// Forgets which history the objects are of. They stay, so that the first list tells what differs.
    pub(crate) fn begin_lineage(&mut self) {
        self.state = State::Starting;
        self.frontier = Frontier::default();
        self.entered.clear();
        for item in self.items.values_mut() {
            Arc::make_mut(item).version = Version::zero();
        }
    }

    /// The collection as people and checks see it.
    pub(crate) fn view(&self) -> CollectionView<'_> {
        CollectionView {
            items: &self.items,
            frontier: &self.frontier,
            digest: self.digest,
            state: &self.state,
            stale: self.stale.as_deref(),
        }
    }
}

fn outcome(altered: bool) -> Outcome {
    if altered { Outcome::Altered } else { Outcome::Unaltered }
}

//! The serving side: collections, their frontiers, and what each subscriber still has to be told.
//!
//! A subscriber has at most one pending operation per key, whatever the number of events; the pending set is swapped
//! whole, so that a commit is never torn. Memory is bounded by live keys plus those being delivered.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use silverback_model::{CollectionId, Commit, Cursor, Digest, Frontier, Lineage, ObjectKey, SetDigest, Version, rules};
use silverback_proto::v1;

use crate::Item;
use crate::outbox::Outbox;

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

/// Names a subscriber of one publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubscriberId(u64);

/// Serves collections to subscribers.
#[derive(Debug)]
pub struct Publisher {
    lineage: Lineage,
    trim: Digest,
    collections: BTreeMap<CollectionId, Collection>,
    commits: Commits,
    subscribers: BTreeMap<SubscriberId, Outbox>,
    next_subscriber: u64,
    now: Duration,
}

/// Whether subscribers are told of changes one by one, or only of what a commit closed.
#[derive(Debug)]
enum Commits {
    None,
    Open(Option<Commit>),
    Closed(Commit),
}

impl Publisher {
    /// A publisher of `collections`, none of them known yet. `trim` names the trimming their objects went through.
    pub fn new(lineage: Lineage, trim: Digest, collections: impl IntoIterator<Item = CollectionId>) -> Self {
        let collections = collections.into_iter().map(|id| (id, Collection::default())).collect();
        Self {
            lineage,
            trim,
            collections,
            commits: Commits::None,
            subscribers: BTreeMap::new(),
            next_subscriber: 0,
            now: Duration::ZERO,
        }
    }

    /// The same, but subscribers are told only of what a commit closed.
    pub fn committing(self) -> Self {
        Self { commits: Commits::Open(None), ..self }
    }

    /// Dates what is applied next, in time since 1970-01-01 UTC. For reports: nothing is decided by it.
    pub fn date(&mut self, now: Duration) {
        self.now = now;
    }

    /// The version space served now.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// Every collection, in order.
    pub fn collections(&self) -> impl Iterator<Item = (&CollectionId, CollectionView<'_>)> {
        self.collections.iter().map(|(id, collection)| (id, view(collection)))
    }

    /// One collection.
    pub fn collection(&self, id: &CollectionId) -> Option<CollectionView<'_>> {
        self.collections.get(id).map(view)
    }

    /// The last commit.
    pub fn commit(&self) -> Option<&Commit> {
        match &self.commits {
            Commits::None => None,
            Commits::Open(last) => last.as_ref(),
            Commits::Closed(last) => Some(last),
        }
    }

    /// Takes in what a source learned.
    pub fn apply(&mut self, id: &CollectionId, change: Change) -> Outcome {
        let collection = self.collections.entry(id.clone()).or_default();
        let before = collection.frontier.clone();
        let mut touched = Vec::new();
        let outcome = collection.apply(change, &mut touched);
        debug_assert!(rules::frontier_advances(&before, &collection.frontier), "the frontier of {id} went back");
        self.commits.open();
        for subscriber in self.subscribers.values_mut() {
            subscriber.touch(id, &touched, self.now);
        }
        outcome
    }

    /// Closes the changes applied since the last commit: subscribers get all of them and then this.
    pub fn commit_as(&mut self, commit: Commit) {
        let changed_at = commit.changed_at;
        self.commits = Commits::Closed(commit);
        self.subscribers.values_mut().for_each(|subscriber| subscriber.commit(changed_at));
    }

    /// Begins another version space: nothing is known in it yet, and all cursors of the old one are void.
    pub fn begin_lineage(&mut self, lineage: Lineage, reason: &str) {
        self.lineage = lineage;
        self.commits.open();
        for collection in self.collections.values_mut() {
            // Objects stay, so that the first list tells what differs; versions of the old space do not.
            collection.state = State::Starting;
            collection.frontier = Frontier::default();
            collection.entered.clear();
            for item in collection.items.values_mut() {
                Arc::make_mut(item).version = Version::zero();
            }
        }
        self.send_away(reason);
    }

    /// Tells every subscriber to resume elsewhere.
    pub fn send_away(&mut self, reason: &str) {
        self.subscribers.values_mut().for_each(|subscriber| subscriber.send_away(reason));
    }

    /// A new subscriber that holds what its cursors say.
    ///
    /// While one of its cursors is ahead of this publisher, it is told nothing: what it holds belongs together, and
    /// must not be set back in part. The source has [`Publisher::behind`] to catch up with.
    pub fn subscribe(&mut self, cursors: impl IntoIterator<Item = Cursor>) -> SubscriberId {
        let id = SubscriberId(self.next_subscriber);
        self.next_subscriber += 1;
        let cursors = cursors.into_iter().map(|cursor| (cursor.collection.clone(), cursor)).collect();
        self.subscribers.insert(id, Outbox::new(cursors));
        id
    }

    /// The collections of which a subscriber has seen more than this publisher: they are to be listed again.
    pub fn behind(&self) -> BTreeSet<CollectionId> {
        let subscribers = self.subscribers.values();
        subscribers.flat_map(|outbox| outbox.ahead(&self.lineage, self.trim, &self.collections)).cloned().collect()
    }

    /// Forgets a subscriber.
    pub fn unsubscribe(&mut self, id: SubscriberId) {
        self.subscribers.remove(&id);
    }

    /// Number of subscribers.
    pub fn subscribers(&self) -> usize {
        self.subscribers.len()
    }

    /// Keys pending for a subscriber plus items being delivered to it: what its slowness costs.
    pub fn backlog(&self, id: SubscriberId) -> usize {
        self.subscribers.get(&id).map_or(0, Outbox::backlog)
    }

    /// The next frame for a subscriber; none when it has been told everything. `None` too when it is unknown.
    pub fn next_frame(&mut self, id: SubscriberId) -> Option<v1::WatchResponse> {
        let outbox = self.subscribers.get_mut(&id)?;
        if outbox.is_drained() {
            let commit = match &self.commits {
                Commits::None => None,
                Commits::Open(_) => return None,
                Commits::Closed(commit) => Some(commit),
            };
            outbox.refill(&self.lineage, self.trim, &self.collections, commit);
        }
        outbox.pop()
    }
}

impl Commits {
    fn open(&mut self) {
        if let Self::Closed(last) = self {
            *self = Self::Open(Some(std::mem::take(last)));
        }
    }
}

fn view(collection: &Collection) -> CollectionView<'_> {
    CollectionView {
        items: &collection.items,
        frontier: &collection.frontier,
        digest: collection.digest,
        state: &collection.state,
        stale: collection.stale.as_deref(),
    }
}

impl Collection {
    fn apply(&mut self, change: Change, touched: &mut Vec<ObjectKey>) -> Outcome {
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

    fn replace(&mut self, items: Vec<Item>, version: &Version, touched: &mut Vec<ObjectKey>) -> Outcome {
        if *version < self.frontier.seen && self.state == State::Complete {
            return Outcome::WentBack;
        }
        let mut gone: BTreeMap<_, _> =
            self.items.iter().map(|(key, item)| (key.clone(), item.version.clone())).collect();
        let came_to_be = self.state != State::Complete;
        for item in items {
            gone.remove(&item.key);
            self.put(item, touched);
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

    fn upsert(&mut self, item: Item, touched: &mut Vec<ObjectKey>) -> Outcome {
        let version = item.version.clone();
        let held = self.items.get(&item.key).map(|held| &held.version);
        if rules::upsert_wins(held, &self.frontier.seen, &version) {
            self.put(item, touched);
        }
        self.settle(&version, touched)
    }

    fn delete(&mut self, key: &ObjectKey, version: &Version, touched: &mut Vec<ObjectKey>) -> Outcome {
        if self.items.get(key).is_some_and(|held| rules::delete_wins(&held.version, version)) {
            self.take(key, touched);
        }
        self.settle(version, touched)
    }

    fn step(
        &mut self,
        upserts: Vec<Item>,
        deletes: &[ObjectKey],
        version: &Version,
        touched: &mut Vec<ObjectKey>,
    ) -> Outcome {
        debug_assert!(*version > self.frontier.seen, "a step at {version} after {}", self.frontier.seen);
        upserts.into_iter().for_each(|item| self.put(item, touched));
        deletes.iter().for_each(|key| self.take(key, touched));
        self.settle(version, touched)
    }

    fn rescope(&mut self, entered: Vec<Item>, left: &[ObjectKey], touched: &mut Vec<ObjectKey>) -> Outcome {
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

    fn vanish(&mut self, version: &Version, touched: &mut Vec<ObjectKey>) -> Outcome {
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

    fn settle(&mut self, version: &Version, touched: &[ObjectKey]) -> Outcome {
        let recovered = self.stale.take().is_some();
        if touched.is_empty() {
            self.frontier.see(version)
        } else {
            self.frontier.change(version)
        }
        outcome(recovered || !touched.is_empty())
    }

    /// Stores an item unless an equal one is held, whose older version then stays: that is what its content dates from.
    fn put(&mut self, item: Item, touched: &mut Vec<ObjectKey>) {
        match self.items.entry(item.key.clone()) {
            Entry::Occupied(mut held) => {
                if held.get().digest() == item.digest() && held.get().sources == item.sources {
                    return;
                }
                self.digest.remove(held.get().digest());
                self.digest.add(item.digest());
                touched.push(item.key.clone());
                held.insert(Arc::new(item));
            }
            Entry::Vacant(place) => {
                self.digest.add(item.digest());
                touched.push(item.key.clone());
                place.insert(Arc::new(item));
            }
        }
    }

    fn take(&mut self, key: &ObjectKey, touched: &mut Vec<ObjectKey>) {
        self.entered.remove(key);
        if let Some(item) = self.items.remove(key) {
            self.digest.remove(item.digest());
            touched.push(key.clone());
        }
    }
}

fn outcome(altered: bool) -> Outcome {
    if altered { Outcome::Altered } else { Outcome::Unaltered }
}

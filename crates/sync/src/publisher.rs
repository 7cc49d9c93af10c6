//! The serving side: collections, and subscribers that are told of them.
//!
//! A subscriber has at most one pending operation per key, whatever the number of events; the pending set is swapped
//! whole, so that a commit is never torn. Memory is bounded by live keys plus those last delivered.

use std::collections::BTreeMap;
use std::time::Duration;

use silverback_model::{
    CollectionId, Commit, Cursor, Digest, Frontiers, Inputs, Lineage, SetDigest, Traces, Version, rules,
};
use silverback_proto::v1;

use crate::collection::{Change, Collection, CollectionView, Outcome, State};
use crate::outbox::{Backlog, Outbox};

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
    /// Why subscribers are turned away: this process stops.
    closed: Option<String>,
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
            closed: None,
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
        self.collections.iter().map(|(id, collection)| (id, collection.view()))
    }

    /// One collection.
    pub fn collection(&self, id: &CollectionId) -> Option<CollectionView<'_>> {
        self.collections.get(id).map(Collection::view)
    }

    /// The last commit.
    pub fn commit(&self) -> Option<&Commit> {
        match &self.commits {
            Commits::None => None,
            Commits::Open(last) => last.as_ref(),
            Commits::Closed(last) => Some(last),
        }
    }

    /// Digest of all that is held, which a commit must name.
    pub fn content(&self) -> SetDigest {
        SetDigest::of_collections(self.collections.iter().map(|(id, collection)| (id, collection.digest)))
    }

    /// Where a consumer would be that followed this publisher now: how far everything is known, and what it adds up to.
    pub fn head(&self) -> Commit {
        if let Some(commit) = self.commit() {
            return commit.clone();
        }
        let known = || self.collections.iter().filter(|(_, collection)| collection.state != State::Starting);
        let frontiers = known().map(|(id, collection)| (id.clone(), collection.frontier.clone())).collect();
        let inputs = Inputs {
            lineage: self.lineage.clone(),
            frontiers: Frontiers(frontiers),
            digests: known().map(|(id, collection)| (id.clone(), collection.digest)).collect(),
            settings: self.trim,
            ..Inputs::default()
        };
        let content = self.content();
        let entities = self.collections.values().map(|collection| collection.items.len() as u64).sum();
        Commit { inputs, content, entities, ..Commit::default() }
    }

    /// The collections of which a subscriber has seen more than this publisher, and up to which version: they are to be
    /// listed again. A list that was begun after this and is older still means that history went back.
    pub fn behind(&self) -> BTreeMap<CollectionId, Version> {
        let mut behind = BTreeMap::new();
        for cursor in self.subscribers.values().flat_map(|s| s.ahead(&self.lineage, self.trim, &self.collections)) {
            let version: &mut Version = behind.entry(cursor.collection.clone()).or_default();
            *version = cursor.seen.clone().max(version.clone());
        }
        behind
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
            subscriber.touch(id, &touched, collection.items.len(), self.now);
        }
        outcome
    }

    /// Closes the changes applied since the last commit: subscribers get all of them and then this.
    pub fn commit_as(&mut self, commit: Commit) {
        let changed_at = commit.changed_at;
        self.commits = Commits::Closed(commit);
        self.subscribers.values_mut().for_each(|subscriber| subscriber.commit(changed_at));
    }

    /// Tells subscribers, with what they are told next, which changes it comes from.
    pub fn trace(&mut self, traces: &Traces) {
        if !traces.is_empty() {
            self.subscribers.values_mut().for_each(|subscriber| subscriber.trace(traces));
        }
    }

    /// Begins another version space: nothing is known in it yet, and all cursors of the old one are void.
    pub fn begin_lineage(&mut self, lineage: Lineage, reason: &str) {
        self.lineage = lineage;
        self.commits.open();
        self.collections.values_mut().for_each(Collection::begin_lineage);
        self.subscribers.values_mut().for_each(|subscriber| subscriber.send_away(reason));
    }

    /// Tells every subscriber, and whoever comes later, to go elsewhere: this process stops.
    pub fn close(&mut self, reason: &str) {
        self.subscribers.values_mut().for_each(|subscriber| subscriber.send_away(reason));
        self.closed = Some(reason.to_owned());
    }

    /// Tells one subscriber to resume elsewhere.
    pub fn send_away(&mut self, id: SubscriberId, reason: &str) {
        if let Some(subscriber) = self.subscribers.get_mut(&id) {
            subscriber.send_away(reason);
        }
    }

    /// A new subscriber that holds what its cursors say.
    ///
    /// While one of its cursors is ahead of this publisher, it is told nothing: what it holds belongs together, and
    /// must not be set back in part. The source has [`Publisher::behind`] to catch up with.
    pub fn subscribe(&mut self, cursors: impl IntoIterator<Item = Cursor>) -> SubscriberId {
        let id = SubscriberId(self.next_subscriber);
        self.next_subscriber += 1;
        let cursors: BTreeMap<_, _> = cursors.into_iter().map(|cursor| (cursor.collection.clone(), cursor)).collect();
        let mut outbox = Outbox::new(cursors);
        if let Some(reason) = &self.closed {
            outbox.send_away(reason);
        }
        self.subscribers.insert(id, outbox);
        id
    }

    /// Forgets a subscriber.
    pub fn unsubscribe(&mut self, id: SubscriberId) {
        self.subscribers.remove(&id);
    }

    /// Number of subscribers.
    pub fn subscribers(&self) -> usize {
        self.subscribers.len()
    }

    /// What the slowness of a subscriber costs.
    pub fn backlog(&self, id: SubscriberId) -> Backlog {
        self.subscribers.get(&id).map_or_else(Backlog::default, Outbox::backlog)
    }

    /// What the slowest subscriber costs.
    pub fn largest_backlog(&self) -> Backlog {
        self.subscribers.values().map(Outbox::backlog).max_by_key(Backlog::total).unwrap_or_default()
    }

    /// The next frame for a subscriber; none when it has been told everything. `None` too when it is unknown.
    pub fn next_frame(&mut self, id: SubscriberId) -> Option<v1::WatchResponse> {
        let outbox = self.subscribers.get_mut(&id)?;
        if outbox.wants_more() {
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

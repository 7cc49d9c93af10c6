//! The following side: frames in, changes out.
//!
//! Nothing of a view counts before its `End`, nothing of a batch before its `Progress`, nothing that continues before
//! what does not, and — where the stream has commits — nothing at all before its `Commit`. Count and digest must agree each time; where they do not, the whole
//! view is asked for again. Holds versions and digests only: bodies are the consumer's to keep.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use silverback_model::{
    CollectionId, Commit, Cursor, Digest, Frontiers, Inputs, Lineage, ObjectKey, SetDigest, Traces, Version, rules,
};
use silverback_proto::v1::{self, begin::View, watch_response::Frame};
use silverback_proto::{InvalidFrame, digests_from_wire, frontier_from_wire, since_1970};

use crate::Item;
use crate::held::{Changed, Held, Staged};

/// Objects of a collection of so many are each named in its cursor, 16 bytes long. Versions alone do not tell all: what
/// is held only while something names it may be held by one watcher, and at the same version not yet by another. Tests have
/// collections on both sides.
const NAMED_AT_MOST: usize = if cfg!(test) { 3 } else { 1000 };

/// When changes are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As views and batches are closed, those together that belong together.
    PerCollection,
    /// All together, at each commit.
    PerCommit,
}

/// One key that is different now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Of which collection.
    pub collection: CollectionId,
    /// Which key.
    pub key: ObjectKey,
    /// What it is now; none when it is gone.
    pub item: Option<Arc<Item>>,
}

/// What a frame meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Nothing counts yet.
    Nothing,
    /// A collection is known further, with these changes.
    Deltas(Vec<Delta>),
    /// A configuration is whole, with these changes since the last one.
    Commit(Box<Commit>, Vec<Delta>),
    /// The server asks to resume elsewhere.
    GoAway(String),
}

/// Why a stream cannot be followed any longer. The replica stays usable: connect again with [`Replica::cursors`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Desync {
    /// A frame makes no sense.
    #[error(transparent)]
    Frame(#[from] InvalidFrame),
    /// A frame came where the protocol has no place for it.
    #[error("a frame for {collection} came out of order: {problem}")]
    OutOfOrder {
        /// Of which collection.
        collection: CollectionId,
        /// What was wrong.
        problem: &'static str,
    },
    /// What was received is not what the server says it sent.
    #[error(
        "{collection} does not add up (server says {said_count} with digest {said_digest}, here are {got_count} with \
         {got_digest}); it is asked for again, whole"
    )]
    Mismatch {
        /// Of which collection.
        collection: CollectionId,
        /// The server's count.
        said_count: u64,
        /// The server's digest.
        said_digest: SetDigest,
        /// Our count.
        got_count: u64,
        /// Our digest.
        got_digest: SetDigest,
    },
    /// The server is behind what is held, which it should have kept to itself.
    #[error("{collection} would go back from version {from} to {to}; what is held is kept")]
    WentBack {
        /// Of which collection.
        collection: CollectionId,
        /// How far it is known here.
        from: Version,
        /// How far the server says.
        to: Version,
    },
    /// A commit is not the sum of what was received.
    #[error("commit {0} is not the sum of what was received; everything is asked for again")]
    TornCommit(u64),
}

impl Desync {
    /// One word for counters: which rule was broken.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Frame(_) => "invalid_frame",
            Self::OutOfOrder { .. } => "out_of_order",
            Self::Mismatch { .. } => "mismatch",
            Self::WentBack { .. } => "went_back",
            Self::TornCommit(_) => "torn_commit",
        }
    }
}

/// What streams cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Views that brought everything.
    pub snapshots: u64,
    /// Views that brought what is newer than a cursor, or differs from what was held.
    pub deltas: u64,
    /// Objects or entities received.
    pub items: u64,
    /// Their size on the wire before compression, with all frames around them.
    pub bytes: u64,
}

/// Follows one stream at a time, and resumes on the next.
#[derive(Debug)]
pub struct Replica {
    mode: Mode,
    /// What the server serves; none before any server said so.
    catalog: Option<Vec<CollectionId>>,
    collections: BTreeMap<CollectionId, Held>,
    /// The newest of each key that was received and not handed out yet.
    uncommitted: BTreeMap<CollectionId, BTreeMap<ObjectKey, Option<Arc<Item>>>>,
    commit: Option<Commit>,
    changed_at: Option<Duration>,
    tally: Tally,
    traces: Traces,
}

impl Replica {
    /// A replica that holds nothing.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            catalog: None,
            collections: BTreeMap::new(),
            uncommitted: BTreeMap::new(),
            commit: None,
            changed_at: None,
            tally: Tally::default(),
            traces: Traces::default(),
        }
    }

    /// What is held, for the next connection. Half-received views and batches are dropped.
    pub fn cursors(&mut self) -> Vec<Cursor> {
        self.collections.values_mut().for_each(Held::begin_stream);
        let all = self.mode == Mode::PerCommit;
        let cursor = |(id, held): (&CollectionId, &Held)| held.cursor(id, all || held.entries.len() <= NAMED_AT_MOST);
        self.collections.iter().filter_map(cursor).collect()
    }

    /// Where this replica is: how far everything is known, and what it adds up to.
    pub fn head(&self) -> Commit {
        if let Mode::PerCommit = self.mode {
            return self.commit.clone().unwrap_or_default();
        }
        let settings = self.first().map(|held| held.trim).unwrap_or_default();
        let inputs = Inputs { settings, ..self.inputs() };
        let content = self.content();
        Commit { inputs, content, entities: self.len() as u64, ..Commit::default() }
    }

    fn content(&self) -> SetDigest {
        SetDigest::of_collections(self.collections.iter().map(|(id, held)| (id, held.digest)))
    }

    /// What is made of this replica is made from this: how far every known collection is, and what it holds.
    pub fn inputs(&self) -> Inputs {
        let digests = self.known().map(|(id, held)| (id.clone(), held.digest)).collect();
        Inputs { lineage: self.lineage(), frontiers: self.frontiers(), digests, ..Inputs::default() }
    }

    /// How far every known collection is.
    pub fn frontiers(&self) -> Frontiers {
        Frontiers(self.known().map(|(id, held)| (id.clone(), held.frontier.clone())).collect())
    }

    fn known(&self) -> impl Iterator<Item = (&CollectionId, &Held)> {
        self.collections.iter().filter(|(_, held)| held.complete || held.absent)
    }

    /// The version space of what is held; the first collection's where they differ during a change-over.
    pub fn lineage(&self) -> Lineage {
        self.first().map(|held| held.lineage.clone()).unwrap_or_default()
    }

    fn first(&self) -> Option<&Held> {
        self.collections.values().find(|held| held.complete)
    }

    /// What streams cost so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// How complete a collection is.
    pub fn completeness(&self, id: &CollectionId) -> rules::Completeness {
        match self.collections.get(id) {
            Some(held) if held.absent => rules::Completeness::Absent,
            Some(held) if held.complete => rules::Completeness::Whole { stale: held.stale.is_some() },
            _ => rules::Completeness::Never,
        }
    }

    /// Whether everything that is served was complete, or absent, once, in one and the same history.
    pub fn is_whole(&self) -> bool {
        let Some(catalog) = &self.catalog else { return false };
        let lineages = catalog.iter().filter_map(|id| Some(&self.collections.get(id)?.lineage));
        rules::may_derive(catalog.iter().map(|id| self.completeness(id))) && rules::one_history(lineages)
    }

    /// What is served and was never complete; everything, in a word, before any server was reached.
    pub fn missing(&self) -> Vec<CollectionId> {
        let catalog = self.catalog.iter().flatten();
        catalog.filter(|id| self.completeness(id) == rules::Completeness::Never).cloned().collect()
    }

    /// The collections whose source is in trouble, and why.
    pub fn stale(&self) -> impl Iterator<Item = (&CollectionId, &str)> {
        self.collections.iter().filter_map(|(id, held)| Some((id, held.stale.as_deref()?)))
    }

    /// The collections of which there may be more than is known, for nobody tells: their source is in trouble, or the
    /// server that is followed has nothing to say of them yet.
    pub fn doubtful(&self) -> impl Iterator<Item = &CollectionId> {
        self.known().filter(|(_, held)| held.stale.is_some() || !held.told).map(|(id, _)| id)
    }

    /// The collections named so far.
    pub fn collections(&self) -> impl Iterator<Item = &CollectionId> {
        self.collections.keys()
    }

    /// Number of objects held.
    pub fn len(&self) -> usize {
        self.collections.values().map(|held| held.entries.len()).sum()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last commit received.
    pub fn commit(&self) -> Option<&Commit> {
        self.commit.as_ref()
    }

    /// When the server learned of the oldest of the changes handed out last, since 1970-01-01 UTC by its clock. None
    /// for those of a whole view.
    pub fn changed_at(&self) -> Option<Duration> {
        self.changed_at
    }

    /// The changes that came in since this was last called.
    pub fn take_traces(&mut self) -> Traces {
        std::mem::take(&mut self.traces)
    }

    /// Takes in a frame.
    ///
    /// # Errors
    /// When the stream cannot be followed any longer. What did not add up has been forgotten as far as
    /// [`Replica::cursors`] is concerned, so that connecting again brings it whole.
    pub fn receive(&mut self, frame: v1::WatchResponse) -> Result<Received, Desync> {
        self.tally.bytes += frame.encoded_len() as u64;
        self.traces.add(&frame.traceparent);
        frame.linked_traceparents.iter().for_each(|linked| self.traces.add(linked));
        let Some(frame) = frame.frame else { return Ok(Received::Nothing) }; // a kind of frame we do not know yet
        if self.uncommitted.is_empty() {
            self.changed_at = None;
        }
        match frame {
            Frame::Begin(begin) => self.begin(begin),
            Frame::Batch(batch) => self.batch(batch),
            Frame::End(end) => self.end(end),
            Frame::Progress(progress) => self.progress(progress),
            Frame::Absent(absent) => self.absent(absent),
            Frame::Commit(commit) => self.close(commit),
            Frame::GoAway(away) => Ok(Received::GoAway(away.reason)),
            Frame::Catalog(catalog) => self.introduce(catalog),
        }
    }

    fn held(&mut self, id: Option<v1::CollectionId>) -> Result<(CollectionId, &mut Held), InvalidFrame> {
        let id: CollectionId = id.ok_or(InvalidFrame { field: "collection", cause: "it is missing".into() })?.into();
        let held = self.collections.entry(id.clone()).or_default();
        Ok((id, held))
    }

    fn introduce(&mut self, catalog: v1::Catalog) -> Result<Received, Desync> {
        let catalog: Vec<CollectionId> = catalog.collections.into_iter().map(CollectionId::from).collect();
        let gone: Vec<_> = self.collections.keys().filter(|id| !catalog.contains(id)).cloned().collect();
        for collection in gone {
            let held = self.collections.remove(&collection).unwrap_or_default();
            self.stash(&collection, held.entries.keys().map(|key| (key.clone(), None)).collect());
        }
        self.catalog = Some(catalog);
        match self.mode {
            Mode::PerCollection if !self.uncommitted.is_empty() => Ok(Received::Deltas(self.hand_out())),
            _ => Ok(Received::Nothing),
        }
    }

    fn begin(&mut self, begin: v1::Begin) -> Result<Received, Desync> {
        let view = begin.view();
        match view {
            View::Delta | View::Difference => self.tally.deltas += 1,
            View::Snapshot | View::Unspecified => self.tally.snapshots += 1,
        }
        let (id, held) = self.held(begin.collection)?;
        let trim = Digest::parse(&begin.trim)
            .map_err(|error| InvalidFrame { field: "begin.trim", cause: error.to_string() })?;
        let staged = Staged::new(Lineage(begin.lineage), trim, view);
        match held.begin(staged) {
            true => Ok(Received::Nothing),
            false => Err(Desync::OutOfOrder { collection: id, problem: "a delta view on nothing that is held" }),
        }
    }

    fn batch(&mut self, batch: v1::Batch) -> Result<Received, Desync> {
        self.tally.items += batch.upserts.len() as u64;
        let (id, held) = self.held(batch.collection)?;
        let upserts = batch.upserts.into_iter().map(Item::from_wire).collect::<Result<Vec<_>, _>>()?;
        match &mut held.staged {
            Some(staged) => {
                staged.items.extend(upserts.into_iter().map(|item| (item.key.clone(), Arc::new(item))));
                staged.unchanged.extend(batch.unchanged.into_iter().map(ObjectKey::from));
                staged.dropped.extend(digests_from_wire("batch.dropped", &batch.dropped)?);
            }
            None if held.complete => {
                held.pending.extend(upserts.into_iter().map(|item| (item.key.clone(), Some(Arc::new(item)))));
                held.pending.extend(batch.deletes.into_iter().map(|key| (key.into(), None)));
            }
            None => return Err(Desync::OutOfOrder { collection: id, problem: "a batch outside any view" }),
        }
        Ok(Received::Nothing)
    }

    fn end(&mut self, end: v1::End) -> Result<Received, Desync> {
        let frontier = frontier_from_wire(end.frontier)?;
        let said = said(end.count, &end.digest)?;
        let (id, held) = self.held(end.collection)?;
        let Some(staged) = held.staged.take() else {
            return Err(Desync::OutOfOrder { collection: id, problem: "the end of a view that never began" });
        };
        let lineage = staged.lineage.clone();
        held.advance(&id, lineage, frontier)?;
        let changed = held.swap(staged);
        self.settle(id, said, changed, end.continues)
    }

    fn progress(&mut self, progress: v1::Progress) -> Result<Received, Desync> {
        let frontier = frontier_from_wire(progress.frontier)?;
        let said = said(progress.count, &progress.digest)?;
        let changed_at = progress.changed_at.and_then(since_1970);
        self.changed_at = [self.changed_at, changed_at].into_iter().flatten().min();
        let (id, held) = self.held(progress.collection)?;
        if !held.complete || held.staged.is_some() {
            return Err(Desync::OutOfOrder { collection: id, problem: "progress before a whole view" });
        }
        let lineage = held.lineage.clone();
        held.advance(&id, lineage, frontier)?;
        let changed = held.apply_pending();
        held.stale = Some(progress.stale).filter(|reason| !reason.is_empty());
        self.settle(id, said, changed, progress.continues)
    }

    fn absent(&mut self, absent: v1::Absent) -> Result<Received, Desync> {
        let frontier = frontier_from_wire(absent.frontier)?;
        let served = self.lineage();
        let (id, held) = self.held(absent.collection)?;
        // Servers before this field was there do not say.
        let lineage = Some(Lineage(absent.lineage)).filter(|lineage| !lineage.0.is_empty());
        held.advance(&id, lineage.unwrap_or(served), frontier)?;
        let changed = held.vanish();
        self.settle(id, (0, SetDigest::default()), changed, absent.continues)
    }

    /// Checks the sum, and hands out what changed, unless it counts only together with what follows.
    fn settle(
        &mut self,
        collection: CollectionId,
        (said_count, said_digest): (u64, SetDigest),
        changed: Changed,
        continues: bool,
    ) -> Result<Received, Desync> {
        self.stash(&collection, changed);
        let held = self.collections.entry(collection.clone()).or_default();
        let (got_count, got_digest) = (held.entries.len() as u64, held.digest);
        if !rules::view_is_whole((said_count, said_digest), (got_count, got_digest)) {
            held.distrust();
            return Err(Desync::Mismatch { collection, said_count, said_digest, got_count, got_digest });
        }
        match self.mode {
            Mode::PerCollection if !continues => Ok(Received::Deltas(self.hand_out())),
            _ => Ok(Received::Nothing),
        }
    }

    fn close(&mut self, commit: v1::Commit) -> Result<Received, Desync> {
        let commit = Commit::try_from(commit)?;
        let content = self.content();
        if !rules::view_is_whole((commit.entities, commit.content), (self.len() as u64, content)) {
            self.collections.values_mut().for_each(Held::distrust);
            return Err(Desync::TornCommit(commit.generation.0));
        }
        self.commit = Some(commit.clone());
        Ok(Received::Commit(Box::new(commit), self.hand_out()))
    }

    fn stash(&mut self, collection: &CollectionId, changed: Changed) {
        if !changed.is_empty() {
            self.uncommitted.entry(collection.clone()).or_default().extend(changed);
        }
    }

    fn hand_out(&mut self) -> Vec<Delta> {
        let deltas = |(collection, changed): (CollectionId, BTreeMap<_, _>)| {
            changed.into_iter().map(move |(key, item)| Delta { collection: collection.clone(), key, item })
        };
        std::mem::take(&mut self.uncommitted).into_iter().flat_map(deltas).collect()
    }
}

fn said(count: u64, digest: &str) -> Result<(u64, SetDigest), InvalidFrame> {
    let digest = Digest::parse(digest).map_err(|error| InvalidFrame { field: "digest", cause: error.to_string() })?;
    Ok((count, SetDigest(digest)))
}

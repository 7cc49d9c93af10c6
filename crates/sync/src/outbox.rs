//! What one subscriber still has to be told.
//!
//! Changes only mark keys. When the subscriber has taken everything queued, the marks are swapped for frames in one
//! go, from one consistent state of all collections; a frame holds references until it is really sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use silverback_model::{CollectionId, Commit, Cursor, Digest, Lineage, ObjectKey, Traces, Version, rules};
use silverback_proto::v1::{self, begin::View, watch_response::Frame};
use silverback_proto::{digests_to_wire, timestamp};

use crate::Item;
use crate::collection::{Collection, State, Touch};

/// At most this many objects, and about this many bytes, go into one frame.
const BATCH_ITEMS: usize = 512;
const BATCH_BYTES: usize = 256 * 1024;

/// What a slow subscriber costs the server, in keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// On their way: keys of the state that is being delivered.
    pub under_way: usize,
    /// Keys that changed since.
    pub pending: usize,
}

impl Backlog {
    /// Both.
    pub fn total(&self) -> usize {
        self.under_way + self.pending
    }
}

/// Keys of one collection that changed since its state was last swapped into the queue, and whether they were part of
/// that state. One that came and went since then is forgotten: the subscriber never heard of it.
#[derive(Debug, Default)]
struct Marks {
    keys: BTreeMap<ObjectKey, bool>,
    /// When the oldest change of a key was learned of.
    changed_at: Option<Duration>,
}

impl Marks {
    fn add(&mut self, touch: &Touch) {
        match touch {
            Touch::Put { key, held } => {
                self.keys.entry(key.clone()).or_insert(*held);
            }
            Touch::Taken(key) if self.keys.get(key) == Some(&false) => {
                self.keys.remove(key);
            }
            Touch::Taken(key) => {
                self.keys.insert(key.clone(), true);
            }
        }
    }
}

/// A collection as it was last swapped into the queue.
#[derive(Debug)]
struct Told {
    state: State,
    count: usize,
}

/// What travels between two frames that frame it, taken apart as it is sent.
#[derive(Debug, Default)]
struct Parcel {
    items: VecDeque<Arc<Item>>,
    gone: Vec<ObjectKey>,
    unchanged: Vec<ObjectKey>,
    dropped: Vec<Digest>,
}

impl Parcel {
    fn len(&self) -> usize {
        self.items.len() + self.gone.len() + self.unchanged.len() + self.dropped.len()
    }
}

#[derive(Debug)]
enum Queued {
    Parcel(CollectionId, Parcel),
    Frame(Box<Frame>),
}

/// One subscriber's debt.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Cursors of collections whose view was not sent yet.
    cursors: BTreeMap<CollectionId, Cursor>,
    /// Collections whose view was sent.
    told: BTreeMap<CollectionId, Told>,
    marks: BTreeMap<CollectionId, Marks>,
    /// A commit is still to be told.
    committed: bool,
    /// Of the commits that were not sent yet, the oldest change.
    changed_at: Option<Duration>,
    /// Whether the catalog was sent.
    introduced: bool,
    /// Whether the last frame is queued: the subscriber is to go elsewhere.
    away: bool,
    queue: VecDeque<Queued>,
    /// The changes marked, and those queued.
    traces: Traces,
    queued_traces: Traces,
}

impl Outbox {
    pub(crate) fn new(cursors: BTreeMap<CollectionId, Cursor>) -> Self {
        Self {
            cursors,
            told: BTreeMap::new(),
            marks: BTreeMap::new(),
            committed: true,
            changed_at: None,
            introduced: false,
            away: false,
            queue: VecDeque::new(),
            traces: Traces::default(),
            queued_traces: Traces::default(),
        }
    }

    /// Notes where what was marked comes from.
    pub(crate) fn trace(&mut self, traces: &Traces) {
        self.traces.merge(traces);
    }

    /// Notes that a collection, of `live` keys now, moved at `now`.
    pub(crate) fn touch(&mut self, collection: &CollectionId, touched: &[Touch], live: usize, now: Duration) {
        let Some(told) = self.told.get(collection) else { return }; // its whole view is still to come
        let marks = self.marks.entry(collection.clone()).or_default();
        touched.iter().for_each(|touch| marks.add(touch));
        if !touched.is_empty() {
            marks.changed_at.get_or_insert(now);
        }
        debug_assert!(rules::pending_is_bounded(marks.keys.len(), live, told.count), "{collection}: a mark too many");
    }

    /// Notes a commit, and when the oldest change that it brings was made.
    pub(crate) fn commit(&mut self, changed_at: Option<Duration>) {
        self.committed = true;
        self.changed_at = [self.changed_at, changed_at].into_iter().flatten().min();
    }

    pub(crate) fn send_away(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.away, true) {
            self.queue_frame(Frame::GoAway(v1::GoAway { reason: reason.to_owned() }));
        }
    }

    /// Whether everything queued was sent, and more may follow.
    pub(crate) fn wants_more(&self) -> bool {
        self.queue.is_empty() && !self.away
    }

    pub(crate) fn backlog(&self) -> Backlog {
        let under_way = self.queue.iter().map(|queued| match queued {
            Queued::Parcel(_, parcel) => parcel.len(),
            Queued::Frame(_) => 0,
        });
        Backlog { under_way: under_way.sum(), pending: self.marks.values().map(|marks| marks.keys.len()).sum() }
    }

    /// Swaps everything marked for frames of the state as it is now, closed by the commit if there is a new one.
    pub(crate) fn refill(
        &mut self,
        lineage: &Lineage,
        trim: Digest,
        collections: &BTreeMap<CollectionId, Collection>,
        commit: Option<&Commit>,
    ) {
        if !std::mem::replace(&mut self.introduced, true) {
            let collections = collections.keys().map(v1::CollectionId::from).collect();
            self.queue_frame(Frame::Catalog(v1::Catalog { collections }));
        }
        if self.ahead(lineage, trim, collections).next().is_some() {
            return;
        }
        self.queued_traces.merge(&std::mem::take(&mut self.traces));
        let first = self.queue.len();
        for (id, collection) in collections {
            match self.told.get(id) {
                Some(told) if told.state == collection.state => self.queue_changes(id, collection, lineage),
                _ => self.queue_view(id, collection, lineage, trim),
            }
        }
        self.join(first);
        if let (Some(commit), true) = (commit, self.committed) {
            self.committed = false;
            let changed_at = self.changed_at.take().map(timestamp);
            self.queue_frame(Frame::Commit(v1::Commit { changed_at, ..commit.into() }));
        }
    }

    /// The cursors of collections of which the subscriber has seen more than is known here.
    pub(crate) fn ahead<'a>(
        &'a self,
        lineage: &'a Lineage,
        trim: Digest,
        collections: &'a BTreeMap<CollectionId, Collection>,
    ) -> impl Iterator<Item = &'a Cursor> {
        self.cursors.values().filter(move |cursor| {
            let complete = collections.get(&cursor.collection).filter(|collection| collection.state == State::Complete);
            complete.is_some_and(|collection| {
                rules::resume(cursor, lineage, trim, &collection.frontier.seen) == rules::Resume::CatchUpFirst
            })
        })
    }

    /// Makes everything queued from `first` on count at once.
    fn join(&mut self, first: usize) {
        let closing = |queued| match queued {
            &mut Queued::Frame(ref mut frame) => match frame.as_mut() {
                Frame::End(end) => Some(&mut end.continues),
                Frame::Progress(progress) => Some(&mut progress.continues),
                Frame::Absent(absent) => Some(&mut absent.continues),
                _ => None,
            },
            Queued::Parcel(..) => None,
        };
        self.queue.range_mut(first..).rev().filter_map(closing).skip(1).for_each(|continues| *continues = true);
    }

    fn queue_view(&mut self, id: &CollectionId, collection: &Collection, lineage: &Lineage, trim: Digest) {
        self.marks.remove(id);
        if collection.state == State::Starting {
            return;
        }
        let cursor = self.cursors.get(id);
        let resume = match cursor {
            Some(cursor) => rules::resume(cursor, lineage, trim, &collection.frontier.seen),
            None => rules::Resume::Snapshot,
        };
        if resume == rules::Resume::CatchUpFirst {
            return; // the kind may have been installed since it was found absent here
        }
        let cursor = self.cursors.remove(id);
        self.told(id, collection);
        if collection.state == State::Absent {
            return self.queue_absent(id, collection, lineage);
        }
        let (view, parcel) = match (resume, cursor) {
            (rules::Resume::Delta, Some(cursor)) => (View::Delta, since(collection, &cursor.seen)),
            (rules::Resume::Difference, Some(cursor)) => (View::Difference, beyond(collection, &cursor.held)),
            _ => (View::Snapshot, everything(collection)),
        };
        self.queue_frame(Frame::Begin(v1::Begin {
            collection: Some(id.into()),
            lineage: lineage.to_string(),
            trim: trim.to_string(),
            view: view.into(),
        }));
        self.queue.push_back(Queued::Parcel(id.clone(), parcel));
        self.queue_frame(Frame::End(v1::End {
            collection: Some(id.into()),
            frontier: Some((&collection.frontier).into()),
            count: collection.items.len() as u64,
            digest: collection.digest.to_string(),
            continues: false,
        }));
        if collection.stale.is_some() {
            self.queue_progress(id, collection, None);
        }
    }

    fn queue_changes(&mut self, id: &CollectionId, collection: &Collection, lineage: &Lineage) {
        let Some(marks) = self.marks.remove(id) else { return };
        self.told(id, collection);
        if collection.state == State::Absent {
            return self.queue_absent(id, collection, lineage);
        }
        let mut parcel = Parcel::default();
        for key in marks.keys.into_keys() {
            match collection.items.get(&key) {
                Some(item) => parcel.items.push_back(item.clone()),
                None => parcel.gone.push(key),
            }
        }
        if parcel.len() > 0 {
            self.queue.push_back(Queued::Parcel(id.clone(), parcel));
        }
        self.queue_progress(id, collection, marks.changed_at);
    }

    fn told(&mut self, id: &CollectionId, collection: &Collection) {
        let told = Told { state: collection.state.clone(), count: collection.items.len() };
        self.told.insert(id.clone(), told);
    }

    fn queue_absent(&mut self, id: &CollectionId, collection: &Collection, lineage: &Lineage) {
        self.queue_frame(Frame::Absent(v1::Absent {
            collection: Some(id.into()),
            frontier: Some((&collection.frontier).into()),
            lineage: lineage.to_string(),
            continues: false,
        }));
    }

    fn queue_progress(&mut self, id: &CollectionId, collection: &Collection, changed_at: Option<Duration>) {
        self.queue_frame(Frame::Progress(v1::Progress {
            collection: Some(id.into()),
            frontier: Some((&collection.frontier).into()),
            count: collection.items.len() as u64,
            digest: collection.digest.to_string(),
            stale: collection.stale.clone().unwrap_or_default(),
            continues: false,
            changed_at: changed_at.map(timestamp),
        }));
    }

    fn queue_frame(&mut self, frame: Frame) {
        self.queue.push_back(Queued::Frame(Box::new(frame)));
    }

    /// The next frame to send.
    pub(crate) fn pop(&mut self) -> Option<v1::WatchResponse> {
        loop {
            let frame = match self.queue.pop_front()? {
                Queued::Frame(frame) => *frame,
                Queued::Parcel(_, parcel) if parcel.len() == 0 => continue,
                Queued::Parcel(collection, mut parcel) => {
                    let batch = next_batch(&collection, &mut parcel);
                    self.queue.push_front(Queued::Parcel(collection, parcel));
                    Frame::Batch(batch)
                }
            };
            // What is queued is whole with its last frame.
            let traces =
                if self.queue.is_empty() { std::mem::take(&mut self.queued_traces) } else { Traces::default() };
            return Some(traced(frame, &traces));
        }
    }
}

fn traced(frame: Frame, traces: &Traces) -> v1::WatchResponse {
    let first = traces.first().unwrap_or_default().to_owned();
    let linked: Vec<String> = traces.linked().map(str::to_owned).collect();
    let frame = match frame {
        Frame::Commit(commit) => {
            Frame::Commit(v1::Commit { traceparent: first.clone(), linked_traceparents: linked.clone(), ..commit })
        }
        other => other,
    };
    v1::WatchResponse { frame: Some(frame), traceparent: first, linked_traceparents: linked }
}

fn everything(collection: &Collection) -> Parcel {
    Parcel { items: collection.items.values().cloned().collect(), ..Parcel::default() }
}

/// What is newer than a version, and the keys of all else.
fn since(collection: &Collection, seen: &Version) -> Parcel {
    let (newer, rest): (Vec<_>, Vec<_>) = collection.items.values().partition(|item| collection.is_news(item, seen));
    Parcel {
        items: newer.into_iter().cloned().collect(),
        unchanged: rest.into_iter().map(|item| item.key.clone()).collect(),
        ..Parcel::default()
    }
}

/// What is not among the items held, and which of those are none any more.
fn beyond(collection: &Collection, held: &[Digest]) -> Parcel {
    let mut dropped: BTreeSet<Digest> = held.iter().copied().collect();
    let items = collection.items.values().filter(|item| !dropped.remove(&item.seal())).cloned().collect();
    Parcel { items, dropped: dropped.into_iter().collect(), ..Parcel::default() }
}

fn next_batch(collection: &CollectionId, parcel: &mut Parcel) -> v1::Batch {
    let mut batch = v1::Batch { collection: Some(collection.into()), ..v1::Batch::default() };
    let mut bytes = 0;
    while batch.upserts.len() < BATCH_ITEMS && bytes < BATCH_BYTES {
        let Some(item) = parcel.items.pop_front() else { break };
        bytes += item.body.len() + 128;
        batch.upserts.push(item.to_wire());
    }
    if parcel.items.is_empty() {
        batch.deletes = take(&mut parcel.gone).iter().map(v1::Key::from).collect();
        batch.unchanged = take(&mut parcel.unchanged).iter().map(v1::Key::from).collect();
        batch.dropped = digests_to_wire(&take(&mut parcel.dropped));
    }
    batch
}

/// As many keys as fit into a frame, which are sixteen times as many as items since they are small.
fn take<T>(all: &mut Vec<T>) -> Vec<T> {
    let rest = all.split_off(all.len().min(BATCH_ITEMS * 16));
    std::mem::replace(all, rest)
}

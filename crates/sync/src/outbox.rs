//! What one subscriber still has to be told.
//!
//! Changes only mark keys. When the subscriber has taken everything queued, the marks are swapped for frames in one
//! go, from one consistent state of all collections; a frame holds references until it is really sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use silverback_model::{CollectionId, Commit, Cursor, Digest, Lineage, ObjectKey, Version, rules};
use silverback_proto::timestamp;
use silverback_proto::v1::{self, begin::View, watch_response::Frame};

use crate::Item;
use crate::publisher::{Collection, State};

/// At most this many objects, and about this many bytes, go into one frame.
const BATCH_ITEMS: usize = 512;
const BATCH_BYTES: usize = 256 * 1024;

#[derive(Debug, Default)]
struct Marks {
    keys: BTreeSet<ObjectKey>,
    frontier: bool,
    /// When the oldest change of a key was learned of.
    changed_at: Option<Duration>,
}

#[derive(Debug)]
enum Queued {
    Items { collection: CollectionId, items: VecDeque<Arc<Item>>, gone: Vec<ObjectKey>, unchanged: Vec<ObjectKey> },
    Frame(Box<Frame>),
}

/// One subscriber's debt.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Cursors of collections whose view was not sent yet.
    cursors: BTreeMap<CollectionId, Cursor>,
    /// Collections whose view was sent, with the state it was sent in.
    live: BTreeMap<CollectionId, State>,
    marks: BTreeMap<CollectionId, Marks>,
    committed: bool,
    /// Of the commits that were not sent yet, the oldest change.
    changed_at: Option<Duration>,
    /// Whether the catalog was sent.
    introduced: bool,
    queue: VecDeque<Queued>,
}

impl Outbox {
    pub(crate) fn new(cursors: BTreeMap<CollectionId, Cursor>) -> Self {
        Self {
            cursors,
            live: BTreeMap::new(),
            marks: BTreeMap::new(),
            committed: true,
            changed_at: None,
            introduced: false,
            queue: VecDeque::new(),
        }
    }

    /// Notes that a collection moved; `keys` are those whose item is different now, since `now`.
    pub(crate) fn touch(&mut self, collection: &CollectionId, keys: &[ObjectKey], now: Duration) {
        if !self.live.contains_key(collection) {
            return; // its whole view is still to come
        }
        let marks = self.marks.entry(collection.clone()).or_default();
        marks.frontier = true;
        if !keys.is_empty() {
            marks.changed_at.get_or_insert(now);
        }
        marks.keys.extend(keys.iter().cloned());
    }

    /// Notes a commit, and when the oldest change that it brings was made.
    pub(crate) fn commit(&mut self, changed_at: Option<Duration>) {
        self.committed = true;
        self.changed_at = [self.changed_at, changed_at].into_iter().flatten().min();
    }

    pub(crate) fn send_away(&mut self, reason: &str) {
        let frame = Frame::GoAway(v1::GoAway { reason: reason.to_owned() });
        self.queue.push_back(Queued::Frame(Box::new(frame)));
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn backlog(&self) -> usize {
        let queued: usize = self
            .queue
            .iter()
            .map(|queued| match queued {
                Queued::Items { items, gone, unchanged, .. } => items.len() + gone.len() + unchanged.len(),
                Queued::Frame(_) => 1,
            })
            .sum();
        queued + self.marks.values().map(|marks| marks.keys.len()).sum::<usize>()
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
        let first = self.queue.len();
        for (id, collection) in collections {
            match self.live.get(id) {
                Some(sent) if *sent == collection.state => self.queue_changes(id, collection),
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

    /// The collections of which the subscriber has seen more than is known here.
    pub(crate) fn ahead<'a>(
        &'a self,
        lineage: &'a Lineage,
        trim: Digest,
        collections: &'a BTreeMap<CollectionId, Collection>,
    ) -> impl Iterator<Item = &'a CollectionId> {
        let ahead = move |cursor: &Cursor, collection: &Collection| {
            collection.state == State::Complete
                && rules::resume(cursor, lineage, trim, &collection.frontier.seen) == rules::Resume::CatchUpFirst
        };
        let behind = move |(id, cursor)| collections.get(id).is_some_and(|collection| ahead(cursor, collection));
        self.cursors.iter().filter(move |(id, cursor)| behind((id, cursor))).map(|(id, _)| id)
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
            Queued::Items { .. } => None,
        };
        self.queue.range_mut(first..).rev().filter_map(closing).skip(1).for_each(|continues| *continues = true);
    }

    fn queue_view(&mut self, id: &CollectionId, collection: &Collection, lineage: &Lineage, trim: Digest) {
        self.marks.remove(id);
        match collection.state {
            State::Starting => return,
            State::Absent => {
                let frontier = Some((&collection.frontier).into());
                self.queue_frame(Frame::Absent(v1::Absent { collection: Some(id.into()), frontier, continues: false }));
            }
            State::Complete => {
                let cursor = self.cursors.remove(id);
                let delta = |cursor: &Cursor| {
                    rules::resume(cursor, lineage, trim, &collection.frontier.seen) == rules::Resume::Delta
                };
                let since = cursor.filter(delta).map(|cursor| cursor.seen);
                self.queue_whole(id, collection, lineage, trim, since.as_ref());
            }
        }
        self.live.insert(id.clone(), collection.state.clone());
    }

    fn queue_whole(
        &mut self,
        id: &CollectionId,
        collection: &Collection,
        lineage: &Lineage,
        trim: Digest,
        since: Option<&Version>,
    ) {
        let view = if since.is_some() { View::Delta } else { View::Snapshot };
        self.queue_frame(Frame::Begin(v1::Begin {
            collection: Some(id.into()),
            lineage: lineage.to_string(),
            trim: trim.to_string(),
            view: view.into(),
        }));
        let (items, rest): (Vec<_>, Vec<_>) = collection
            .items
            .values()
            .cloned()
            .partition(|item| since.is_none_or(|seen| collection.is_news(item, seen)));
        let unchanged = rest.into_iter().map(|item| item.key.clone()).collect();
        self.queue.push_back(Queued::Items {
            collection: id.clone(),
            items: items.into(),
            gone: Vec::new(),
            unchanged,
        });
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

    fn queue_changes(&mut self, id: &CollectionId, collection: &Collection) {
        let Some(marks) = self.marks.remove(id) else { return };
        let mut items = VecDeque::new();
        let mut gone = Vec::new();
        for key in marks.keys {
            match collection.items.get(&key) {
                Some(item) => items.push_back(item.clone()),
                None => gone.push(key),
            }
        }
        if !items.is_empty() || !gone.is_empty() {
            self.queue.push_back(Queued::Items { collection: id.clone(), items, gone, unchanged: Vec::new() });
        }
        self.queue_progress(id, collection, marks.changed_at);
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
            let frame = match self.queue.front_mut()? {
                Queued::Frame(_) => match self.queue.pop_front() {
                    Some(Queued::Frame(frame)) => *frame,
                    _ => continue,
                },
                Queued::Items { collection, items, gone, unchanged } => {
                    if items.is_empty() && gone.is_empty() && unchanged.is_empty() {
                        self.queue.pop_front();
                        continue;
                    }
                    Frame::Batch(next_batch(collection, items, gone, unchanged))
                }
            };
            return Some(v1::WatchResponse { frame: Some(frame), traceparent: String::new() });
        }
    }
}

fn next_batch(
    collection: &CollectionId,
    items: &mut VecDeque<Arc<Item>>,
    gone: &mut Vec<ObjectKey>,
    unchanged: &mut Vec<ObjectKey>,
) -> v1::Batch {
    let mut batch = v1::Batch { collection: Some(collection.into()), ..v1::Batch::default() };
    let mut bytes = 0;
    while batch.upserts.len() < BATCH_ITEMS && bytes < BATCH_BYTES {
        let Some(item) = items.pop_front() else { break };
        bytes += item.body.len() + 128;
        batch.upserts.push(item.to_wire());
    }
    if items.is_empty() {
        // Keys are small: sixteen times as many fit into a frame.
        batch.deletes = take_keys(gone);
        batch.unchanged = take_keys(unchanged);
    }
    batch
}

fn take_keys(keys: &mut Vec<ObjectKey>) -> Vec<v1::Key> {
    let rest = keys.split_off(keys.len().min(BATCH_ITEMS * 16));
    std::mem::replace(keys, rest).iter().map(v1::Key::from).collect()
}

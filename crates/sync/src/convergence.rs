//! Property test: whatever happens to streams, sources and readers, at rest a replica holds what the source holds,
//! commits are never torn, and a slow reader costs no more than live keys plus what is being delivered to it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use silverback_model::{CollectionId, Commit, Digest, Generation, Lineage, ObjectKey, SetDigest, Version};

use crate::{Change, Item, Mode, Publisher, Received, Replica, SubscriberId};

const KINDS: [&str; 3] = ["services", "upstreams", "secrets"];

#[derive(Clone, Debug)]
enum Step {
    Put {
        kind: usize,
        name: u8,
        body: u8,
    },
    Delete {
        kind: usize,
        name: u8,
    },
    /// Many changes of a kind at one version; no body means deleted.
    Batch {
        kind: usize,
        changes: BTreeMap<u8, Option<u8>>,
    },
    Commit,
    Relist {
        kind: usize,
    },
    Vanish {
        kind: usize,
    },
    Stale {
        kind: usize,
    },
    /// Deliver at most this many frames.
    Deliver(usize),
    /// The stream breaks and resumes; frames under way are lost.
    Reconnect,
    /// The publisher is another process that holds the same, e.g. another replica, or it restarted.
    SwitchPublisher,
    /// The history ends, e.g. etcd was restored.
    NewLineage,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = 0..KINDS.len();
    let step = prop_oneof![
        8 => (kind.clone(), 0..12u8, 0..4u8).prop_map(|(kind, name, body)| Step::Put { kind, name, body }),
        4 => (kind.clone(), 0..12u8).prop_map(|(kind, name)| Step::Delete { kind, name }),
        2 => (kind.clone(), proptest::collection::btree_map(0..12u8, proptest::option::weighted(0.8, 0..4u8), 0..6))
            .prop_map(|(kind, changes)| Step::Batch { kind, changes }),
        4 => Just(Step::Commit),
        1 => kind.clone().prop_map(|kind| Step::Relist { kind }),
        1 => kind.clone().prop_map(|kind| Step::Vanish { kind }),
        1 => kind.prop_map(|kind| Step::Stale { kind }),
        6 => (0..6usize).prop_map(Step::Deliver),
        2 => Just(Step::Reconnect),
        1 => Just(Step::SwitchPublisher),
        1 => Just(Step::NewLineage),
    ];
    proptest::collection::vec(step, 0..80)
}

type Content = BTreeMap<(usize, u8), (u64, u8)>;

/// The truth, a publisher of it, and one reader.
struct World {
    mode: Mode,
    content: Content,
    version: u64,
    lineage: u64,
    generation: u64,
    publisher: Publisher,
    replica: Replica,
    subscriber: SubscriberId,
    held: BTreeMap<(String, ObjectKey), String>,
    committed: BTreeMap<u64, BTreeMap<(String, ObjectKey), String>>,
}

fn collection(kind: usize) -> CollectionId {
    CollectionId::all(KINDS[kind])
}

fn item(name: u8, version: u64, body: u8) -> Item {
    Item::new(ObjectKey::new("", format!("n{name}")), Version::from_counter(version), format!("\"{body}\""))
}

impl World {
    fn new(mode: Mode) -> Self {
        let mut publisher = new_publisher(0, mode);
        let mut replica = Replica::new(mode);
        let subscriber = publisher.subscribe(replica.cursors());
        let mut world = Self {
            mode,
            content: Content::new(),
            version: 1,
            lineage: 0,
            generation: 0,
            publisher,
            replica,
            subscriber,
            held: BTreeMap::new(),
            committed: BTreeMap::new(),
        };
        (0..KINDS.len()).for_each(|kind| world.relist(kind));
        world
    }

    fn relist(&mut self, kind: usize) {
        let mine = self.content.iter().filter(|((k, _), _)| *k == kind);
        let items = mine.map(|((_, name), (version, body))| item(*name, *version, *body)).collect();
        let version = Version::from_counter(self.version);
        self.publisher.apply(&collection(kind), Change::Replace { items, version });
    }

    /// What was put in and not deleted, whatever the publisher makes of it.
    fn truth(&self) -> BTreeMap<(String, ObjectKey), String> {
        let object = |((kind, name), (version, body)): (&(usize, u8), &(u64, u8))| {
            let item = item(*name, *version, *body);
            ((KINDS[*kind].to_owned(), item.key.clone()), item.body.to_string())
        };
        self.content.iter().map(object).collect()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put { kind, name, body } => {
                self.version += 1;
                self.content.insert((kind, name), (self.version, body));
                self.publisher.apply(&collection(kind), Change::Upsert(item(name, self.version, body)));
            }
            Step::Delete { kind, name } => {
                self.version += 1;
                self.content.remove(&(kind, name));
                let (key, version) = (ObjectKey::new("", format!("n{name}")), Version::from_counter(self.version));
                self.publisher.apply(&collection(kind), Change::Delete { key, version });
            }
            Step::Batch { kind, changes } => self.batch(kind, changes),
            Step::Commit => self.commit(),
            Step::Relist { kind } => self.relist(kind),
            Step::Vanish { kind } => {
                self.version += 1;
                self.content.retain(|(k, _), _| *k != kind);
                let version = Version::from_counter(self.version);
                self.publisher.apply(&collection(kind), Change::Absent(version));
                self.version += 1;
                self.relist(kind);
            }
            Step::Stale { kind } => {
                self.publisher.apply(&collection(kind), Change::Stale("the API server answers 500".into()));
            }
            Step::Deliver(frames) => self.deliver(frames),
            Step::Reconnect => self.reconnect(),
            Step::SwitchPublisher => {
                self.publisher = new_publisher(self.lineage, self.mode);
                (0..KINDS.len()).for_each(|kind| self.relist(kind));
                self.commit();
                self.reconnect();
            }
            Step::NewLineage => {
                self.lineage += 1;
                self.version = 1; // versions start over and mean something else
                self.content.values_mut().for_each(|(version, _)| *version = 1);
                self.publisher.begin_lineage(Lineage(self.lineage.to_string()), "restored");
                (0..KINDS.len()).for_each(|kind| self.relist(kind));
                self.commit();
            }
        }
    }

    fn batch(&mut self, kind: usize, changes: BTreeMap<u8, Option<u8>>) {
        self.version += 1;
        let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
        for (name, body) in changes {
            if let Some(body) = body {
                self.content.insert((kind, name), (self.version, body));
                upserts.push(item(name, self.version, body));
            } else {
                self.content.remove(&(kind, name));
                deletes.push(ObjectKey::new("", format!("n{name}")));
            }
        }
        let version = Version::from_counter(self.version);
        self.publisher.apply(&collection(kind), Change::Step { upserts, deletes, version });
    }

    fn commit(&mut self) {
        if self.mode == Mode::PerCollection {
            return;
        }
        self.generation += 1;
        let truth = self.truth();
        let content = SetDigest::of(self.publisher.collections().map(|(_, view)| view.digest.0));
        let generation = Generation(self.generation);
        self.publisher.commit_as(Commit { generation, content, entities: truth.len() as u64, ..Commit::default() });
        self.committed.insert(self.generation, truth);
    }

    fn reconnect(&mut self) {
        self.publisher.unsubscribe(self.subscriber);
        self.subscriber = self.publisher.subscribe(self.replica.cursors());
    }

    fn deliver(&mut self, frames: usize) {
        for _ in 0..frames {
            let Some(frame) = self.publisher.next_frame(self.subscriber) else { return };
            let (deltas, commit) = match self.replica.receive(frame) {
                Ok(Received::Nothing) => continue,
                Ok(Received::Deltas(deltas)) => (deltas, None),
                Ok(Received::Commit(commit, deltas)) => (deltas, Some(commit)),
                Ok(Received::GoAway(_)) => {
                    self.reconnect();
                    continue;
                }
                Err(desync) => panic!("{desync}"),
            };
            for delta in deltas {
                let key = (delta.collection.kind, delta.key);
                match delta.item {
                    Some(item) => self.held.insert(key, item.body.to_string()),
                    None => self.held.remove(&key),
                };
            }
            if let Some(commit) = commit {
                assert_eq!(Some(&self.held), self.committed.get(&commit.generation.0), "a torn commit");
            }
        }
    }
}

fn new_publisher(lineage: u64, mode: Mode) -> Publisher {
    let publisher = Publisher::new(Lineage(lineage.to_string()), Digest(7), (0..KINDS.len()).map(collection));
    if mode == Mode::PerCommit { publisher.committing() } else { publisher }
}

fn run(mode: Mode, steps: Vec<Step>) {
    let mut world = World::new(mode);
    for step in steps {
        world.step(step);
        let live = world.truth().len();
        let bound = 2 * (live + 12 * KINDS.len()) + 4 * KINDS.len();
        assert!(world.publisher.backlog(world.subscriber) <= bound, "the backlog outgrew live keys");
    }
    world.commit();
    world.deliver(usize::MAX);
    assert_eq!(world.held, world.truth());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("SILVERBACK_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1000)
    ))]

    #[test]
    fn a_replica_ends_up_with_what_the_source_holds(steps in steps()) {
        run(Mode::PerCollection, steps);
    }

    #[test]
    fn commits_are_never_torn(steps in steps()) {
        run(Mode::PerCommit, steps);
    }
}

#[test]
fn a_flipped_bit_is_noticed_and_mended_by_a_whole_view() {
    let mut world = World::new(Mode::PerCollection);
    world.step(Step::Put { kind: 0, name: 1, body: 1 });
    world.deliver(usize::MAX);
    world.step(Step::Put { kind: 0, name: 1, body: 2 });
    let mut failures = 0;
    while let Some(mut frame) = world.publisher.next_frame(world.subscriber) {
        if let Some(silverback_proto::v1::watch_response::Frame::Batch(batch)) = &mut frame.frame {
            batch.upserts[0].body = "\"3\"".into();
        }
        failures += usize::from(world.replica.receive(frame).is_err());
    }
    assert_eq!(failures, 1);
    world.reconnect();
    world.deliver(usize::MAX);
    assert_eq!(world.held, world.truth());
}

#[test]
fn a_resumed_stream_brings_only_what_is_newer() {
    let mut world = World::new(Mode::PerCollection);
    (0..10).for_each(|name| world.step(Step::Put { kind: 0, name, body: 1 }));
    world.deliver(usize::MAX);
    world.step(Step::Put { kind: 0, name: 3, body: 2 });
    world.step(Step::Delete { kind: 0, name: 4 });
    world.reconnect();
    let mut sent = Vec::new();
    while let Some(frame) = world.publisher.next_frame(world.subscriber) {
        if let Some(silverback_proto::v1::watch_response::Frame::Batch(batch)) = &frame.frame {
            sent.extend(batch.upserts.iter().map(|item| item.key.clone().unwrap_or_default().name));
        }
        let _ = world.replica.receive(frame);
    }
    assert_eq!(sent, ["n3"]);
    assert_eq!(world.replica.len(), 9);
}

#[test]
fn changes_are_dated_by_the_oldest_that_was_not_told() {
    let at = std::time::Duration::from_secs;
    let mut world = World::new(Mode::PerCommit);
    world.step(Step::Commit);
    world.deliver(usize::MAX);
    assert_eq!(world.replica.commit().and_then(|commit| commit.changed_at), None, "a whole view has no date");
    for (now, body) in [(100, 1), (101, 2)] {
        world.publisher.date(at(now));
        world.step(Step::Put { kind: 0, name: 1, body });
        let content = SetDigest::of(world.publisher.collections().map(|(_, view)| view.digest.0));
        let entities = world.publisher.collections().map(|(_, view)| view.items.len() as u64).sum();
        let changed_at = Some(at(now - 50));
        world.publisher.commit_as(Commit { content, entities, changed_at, ..Commit::default() });
    }
    while let Some(frame) = world.publisher.next_frame(world.subscriber) {
        world.replica.receive(frame).unwrap();
    }
    assert_eq!(world.replica.changed_at(), Some(at(100)), "by the server's clock");
    assert_eq!(world.replica.commit().unwrap().changed_at, Some(at(50)), "by the source's");
}

//! The config hop: two translators, each with versions and commits of its own, and two readers that move between them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use silverback_model::{Commit, Digest, Generation, Lineage, Version};

use super::{Fault, Held, KINDS, LIVE, NAMES, Reader, Stop, assert_bounded, collection, faults, item, key, stories};
use crate::{Change, Mode, Publisher};

const SERVERS: usize = 2;
const READERS: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    Edit {
        kind: usize,
        name: u8,
        body: Option<u8>,
    },
    /// A translator brings one collection up to the truth, as one step.
    Translate {
        server: usize,
        kind: usize,
    },
    Commit {
        server: usize,
    },
    Restart {
        server: usize,
    },
    Deliver {
        reader: usize,
        frames: usize,
    },
    Connect {
        reader: usize,
        server: usize,
    },
    Fault {
        reader: usize,
        fault: Fault,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = 0..KINDS.len();
    let server = 0..SERVERS;
    let reader = 0..READERS;
    let body = proptest::option::weighted(0.7, 0..4u8);
    let step = prop_oneof![
        12 => (kind.clone(), 0..NAMES, body).prop_map(|(kind, name, body)| Step::Edit { kind, name, body }),
        8 => (server.clone(), kind).prop_map(|(server, kind)| Step::Translate { server, kind }),
        5 => server.clone().prop_map(|server| Step::Commit { server }),
        1 => server.clone().prop_map(|server| Step::Restart { server }),
        12 => (reader.clone(), 0..8usize).prop_map(|(reader, frames)| Step::Deliver { reader, frames }),
        3 => (reader.clone(), server).prop_map(|(reader, server)| Step::Connect { reader, server }),
        1 => (reader, faults()).prop_map(|(reader, fault)| Step::Fault { reader, fault }),
    ];
    proptest::collection::vec(step, 0..120)
}

type Content = BTreeMap<(usize, u8), u8>;

fn held(content: &Content) -> Held {
    let entity =
        |((kind, name), body): (&(usize, u8), &u8)| ((KINDS[*kind].to_owned(), key(*name)), format!("\"{body}\""));
    content.iter().map(entity).collect()
}

/// What one translator made so far.
#[derive(Default)]
struct Translator {
    generation: u64,
    content: Content,
}

struct World {
    truth: Content,
    translators: Vec<Translator>,
    publishers: Vec<Publisher>,
    readers: Vec<Reader>,
    /// By content hash: commits of equal content are equal, whoever made them.
    committed: BTreeMap<Digest, Held>,
    processes: u64,
}

impl World {
    fn new() -> Self {
        let mut publishers: Vec<_> = (0..SERVERS as u64).map(publisher).collect();
        let readers = (0..READERS).map(|reader| Reader::new(Mode::PerCommit, reader, &mut publishers)).collect();
        let translators = (0..SERVERS).map(|_| Translator::default()).collect();
        Self { truth: Content::new(), translators, publishers, readers, committed: BTreeMap::new(), processes: 10 }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Edit { kind, name, body } => {
                self.truth.remove(&(kind, name));
                let live = self.truth.keys().filter(|(k, _)| *k == kind).count();
                if let (Some(body), true) = (body, live < LIVE) {
                    self.truth.insert((kind, name), body);
                }
            }
            Step::Translate { server, kind } => self.translate(server, kind),
            Step::Commit { server } => self.commit(server),
            Step::Restart { server } => {
                self.processes += 1;
                self.publishers[server] = publisher(self.processes);
                self.translators[server] = Translator::default();
                for reader in self.readers.iter_mut().filter(|reader| reader.at == server) {
                    reader.resume(server, &mut self.publishers);
                }
            }
            Step::Deliver { reader, frames } => self.deliver(reader, frames),
            Step::Connect { reader, server } => self.readers[reader].connect(server, &mut self.publishers),
            Step::Fault { reader, fault } => self.readers[reader].fault = Some(fault),
        }
    }

    fn translate(&mut self, server: usize, kind: usize) {
        let Translator { generation, content } = &mut self.translators[server];
        *generation += 1;
        let of_kind = |content: &Content| -> Content {
            content.iter().filter(|((k, _), _)| *k == kind).map(|(key, body)| (*key, *body)).collect()
        };
        let (before, after) = (of_kind(content), of_kind(&self.truth));
        let changed = after.iter().filter(|(key, body)| before.get(key) != Some(body));
        let upserts = changed.map(|((_, name), body)| item(*name, *generation, *body)).collect();
        let deletes = before.keys().filter(|key| !after.contains_key(key)).map(|(_, name)| key(*name)).collect();
        content.retain(|(k, _), _| *k != kind);
        content.extend(after);
        let version = Version::from_counter(*generation);
        self.publishers[server].apply(&collection(kind), Change::Step { upserts, deletes, version });
    }

    fn commit(&mut self, server: usize) {
        let Translator { generation, content } = &mut self.translators[server];
        *generation += 1;
        let publisher = &mut self.publishers[server];
        let hash = publisher.content();
        let (generation, entities) = (Generation(*generation), content.len() as u64);
        publisher.commit_as(Commit { generation, content: hash, entities, ..Commit::default() });
        self.committed.insert(hash.0, held(content));
    }

    fn deliver(&mut self, reader: usize, mut frames: usize) {
        let reader = &mut self.readers[reader];
        loop {
            match reader.deliver(&mut frames, &mut self.publishers) {
                Stop::Paused(Some(commit)) => {
                    assert_eq!(Some(&reader.held), self.committed.get(&commit.content.0), "a torn commit");
                }
                Stop::Over(cause) => {
                    assert!(cause.is_none() || reader.tampered, "{cause:?}");
                    reader.connect(reader.at, &mut self.publishers);
                }
                Stop::Idle | Stop::Paused(None) => return,
            }
        }
    }

    fn rest(&mut self) {
        for server in 0..SERVERS {
            (0..KINDS.len()).for_each(|kind| self.translate(server, kind));
            self.commit(server);
        }
        for reader in 0..READERS {
            self.readers[reader].fault = None;
            if self.readers[reader].tampered {
                let at = self.readers[reader].at;
                self.readers[reader].connect(at, &mut self.publishers);
            }
            self.deliver(reader, usize::MAX);
        }
    }
}

/// Of a translator's process: nothing translated yet.
fn publisher(process: u64) -> Publisher {
    let lineage = Lineage(format!("translator-{process}"));
    let mut publisher = Publisher::new(lineage, Digest(7), (0..KINDS.len()).map(collection)).committing();
    for kind in 0..KINDS.len() {
        publisher.apply(&collection(kind), Change::Replace { items: Vec::new(), version: Version::zero() });
    }
    publisher
}

proptest! {
    #![proptest_config(stories())]

    #[test]
    fn commits_are_never_torn(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            world.readers.iter().for_each(|reader| assert_bounded(reader.backlog(&world.publishers)));
        }
        world.rest();
        for reader in &world.readers {
            prop_assert_eq!(&reader.held, &held(&world.truth));
        }
    }
}

//! The state hop: two watchers of one API server, each fed by two watches at once, and two readers that move between
//! them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use silverback_model::{Digest, Lineage, Version, rules};

use super::{Fault, Held, KINDS, LIVE, NAMES, Reader, Stop, assert_bounded, collection, faults, item, key, stories};
use crate::{Change, Desync, Mode, Outcome, Publisher, State};

const SERVERS: usize = 2;
const READERS: usize = 2;
/// Watches that feed one publisher at once, e.g. an old one and the one that takes its place.
const WATCHES: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    Put {
        kind: usize,
        name: u8,
        body: u8,
    },
    Delete {
        kind: usize,
        place: usize,
    },
    /// A watch of a server delivers so many events, which the other may have delivered before.
    Feed {
        server: usize,
        watch: usize,
        kind: usize,
        events: usize,
    },
    /// A watch starts over a few events back.
    Rewind {
        server: usize,
        watch: usize,
        kind: usize,
        events: usize,
    },
    Bookmark {
        server: usize,
        kind: usize,
    },
    Relist {
        server: usize,
        kind: usize,
    },
    Stale {
        server: usize,
        kind: usize,
    },
    /// A kind's CRD is deleted, or installed again.
    Toggle {
        kind: usize,
    },
    /// A server learns which CRDs there are.
    Crds {
        server: usize,
    },
    /// A server lists what a reader has seen more of.
    Probe {
        server: usize,
    },
    /// A server's process is another one.
    Restart {
        server: usize,
    },
    /// Etcd is restored from a backup: the history goes back by some events.
    Restore {
        events: usize,
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
    let place = (server.clone(), 0..WATCHES, kind.clone());
    let step = prop_oneof![
        12 => (kind.clone(), 0..NAMES, 0..4u8).prop_map(|(kind, name, body)| Step::Put { kind, name, body }),
        4 => (kind.clone(), 0..LIVE).prop_map(|(kind, place)| Step::Delete { kind, place }),
        12 => (place.clone(), 1..8usize)
            .prop_map(|((server, watch, kind), events)| Step::Feed { server, watch, kind, events }),
        2 => (place, 1..6usize)
            .prop_map(|((server, watch, kind), events)| Step::Rewind { server, watch, kind, events }),
        2 => (server.clone(), kind.clone()).prop_map(|(server, kind)| Step::Bookmark { server, kind }),
        1 => (server.clone(), kind.clone()).prop_map(|(server, kind)| Step::Relist { server, kind }),
        1 => (server.clone(), kind.clone()).prop_map(|(server, kind)| Step::Stale { server, kind }),
        1 => kind.prop_map(|kind| Step::Toggle { kind }),
        1 => server.clone().prop_map(|server| Step::Crds { server }),
        1 => server.clone().prop_map(|server| Step::Probe { server }),
        1 => server.clone().prop_map(|server| Step::Restart { server }),
        1 => (1..6usize).prop_map(|events| Step::Restore { events }),
        10 => (reader.clone(), 0..6usize).prop_map(|(reader, frames)| Step::Deliver { reader, frames }),
        3 => (reader.clone(), server).prop_map(|(reader, server)| Step::Connect { reader, server }),
        1 => (reader, faults()).prop_map(|(reader, fault)| Step::Fault { reader, fault }),
    ];
    proptest::collection::vec(step, 0..120)
}

/// One event of the API server.
#[derive(Clone, Debug)]
struct Event {
    version: u64,
    kind: usize,
    name: u8,
    body: Option<u8>,
}

/// The API server: objects with their versions, and every event since its history began.
#[derive(Default)]
struct Truth {
    objects: BTreeMap<(usize, u8), (u64, u8)>,
    log: Vec<Event>,
    version: u64,
    missing: [bool; KINDS.len()],
    restores: u64,
}

impl Truth {
    fn add(&mut self, kind: usize, name: u8, body: Option<u8>) {
        self.version += 1;
        let version = self.version;
        match body {
            Some(body) => self.objects.insert((kind, name), (version, body)),
            None => self.objects.remove(&(kind, name)),
        };
        self.log.push(Event { version, kind, name, body });
    }

    fn names(&self, kind: usize) -> Vec<u8> {
        self.objects.keys().filter(|(k, _)| *k == kind).map(|(_, name)| *name).collect()
    }

    fn held(&self) -> Held {
        let object = |((kind, name), (_, body)): (&(usize, u8), &(u64, u8))| {
            ((KINDS[*kind].to_owned(), key(*name)), format!("\"{body}\""))
        };
        self.objects.iter().map(object).collect()
    }
}

/// Where each watch of one watcher is in the log.
#[derive(Clone, Default)]
struct Watches {
    /// The restore after which these positions mean something.
    restores: u64,
    at: [[usize; KINDS.len()]; WATCHES],
}

struct World {
    truth: Truth,
    publishers: Vec<Publisher>,
    watches: Vec<Watches>,
    readers: Vec<Reader>,
}

impl World {
    fn new() -> Self {
        let mut publishers: Vec<_> = (0..SERVERS).map(|_| publisher()).collect();
        let readers = (0..READERS).map(|reader| Reader::new(Mode::PerCollection, reader, &mut publishers)).collect();
        let truth = Truth { version: 1, ..Truth::default() };
        let mut world = Self { truth, publishers, watches: vec![Watches::default(); SERVERS], readers };
        (0..SERVERS).for_each(|server| world.relist_all(server));
        world
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put { kind, name, body } => self.put(kind, name, body),
            Step::Delete { kind, place } => {
                if let Some(name) = self.truth.names(kind).get(place) {
                    self.truth.add(kind, *name, None);
                }
            }
            Step::Feed { server, watch, kind, events } => self.feed(server, watch, kind, events),
            Step::Rewind { server, watch, kind, events } => {
                let at = &mut self.watches[server].at[watch][kind];
                *at = at.saturating_sub(events);
            }
            Step::Bookmark { server, kind } => {
                (0..WATCHES).for_each(|watch| self.feed(server, watch, kind, usize::MAX));
                if self.follows(server, kind) {
                    let version = Version::from_counter(self.truth.version);
                    self.publishers[server].apply(&collection(kind), Change::Bookmark(version));
                }
            }
            Step::Relist { server, kind } => self.relist(server, kind),
            Step::Stale { server, kind } => {
                let trouble = Change::Stale("the API server answers 500".into());
                self.publishers[server].apply(&collection(kind), trouble);
            }
            Step::Toggle { kind } => {
                let names = self.truth.names(kind);
                names.into_iter().for_each(|name| self.truth.add(kind, name, None));
                self.truth.version += 1;
                self.truth.missing[kind] ^= true;
            }
            Step::Crds { server } => self.crds(server),
            Step::Probe { server } => self.probe(server),
            Step::Restart { server } => {
                self.publishers[server] = publisher();
                self.relist_all(server);
                self.crds(server);
                for reader in self.readers.iter_mut().filter(|reader| reader.at == server) {
                    reader.resume(server, &mut self.publishers);
                }
            }
            Step::Restore { events } => self.restore(events),
            Step::Deliver { reader, frames } => self.deliver(reader, frames),
            Step::Connect { reader, server } => self.readers[reader].connect(server, &mut self.publishers),
            Step::Fault { reader, fault } => self.readers[reader].fault = Some(fault),
        }
    }

    fn put(&mut self, kind: usize, name: u8, body: u8) {
        let names = self.truth.names(kind);
        if self.truth.missing[kind] {
            return;
        }
        if names.len() == LIVE && !names.contains(&name) {
            self.truth.add(kind, names[usize::from(name) % LIVE], None);
        }
        self.truth.add(kind, name, Some(body));
    }

    /// Whether a server's watches are of the present history, and of a kind that it holds.
    fn follows(&self, server: usize, kind: usize) -> bool {
        let state = self.publishers[server].collection(&collection(kind)).map(|view| view.state.clone());
        self.watches[server].restores == self.truth.restores && state == Some(State::Complete)
    }

    fn feed(&mut self, server: usize, watch: usize, kind: usize, events: usize) {
        if !self.follows(server, kind) {
            return;
        }
        let at = &mut self.watches[server].at[watch][kind];
        for event in self.truth.log[*at..].iter().filter(|event| event.kind == kind).take(events) {
            *at = self.truth.log.partition_point(|other| other.version <= event.version);
            let change = match event.body {
                Some(body) => Change::Upsert(item(event.name, event.version, body)),
                None => Change::Delete { key: key(event.name), version: Version::from_counter(event.version) },
            };
            self.publishers[server].apply(&collection(kind), change);
        }
    }

    fn list(&self, kind: usize) -> Change {
        let mine = self.truth.objects.iter().filter(|((k, _), _)| *k == kind);
        let items = mine.map(|((_, name), (version, body))| item(*name, *version, *body)).collect();
        Change::Replace { items, version: Version::from_counter(self.truth.version) }
    }

    fn relist(&mut self, server: usize, kind: usize) {
        if self.truth.missing[kind] {
            return;
        }
        let list = self.list(kind);
        let outcome = self.publishers[server].apply(&collection(kind), list);
        if outcome == Outcome::WentBack {
            return self.begin_history(server);
        }
        if self.watches[server].restores == self.truth.restores {
            let end = self.truth.log.len();
            self.watches[server].at.iter_mut().for_each(|at| at[kind] = end);
        }
    }

    fn relist_all(&mut self, server: usize) {
        let end = self.truth.log.len();
        self.watches[server] = Watches { restores: self.truth.restores, at: [[end; KINDS.len()]; WATCHES] };
        (0..KINDS.len()).for_each(|kind| self.relist(server, kind));
    }

    fn begin_history(&mut self, server: usize) {
        let lineage = format!("{}+{}", self.publishers[server].lineage(), self.truth.version);
        self.publishers[server].begin_lineage(Lineage(lineage), "history went back");
        self.relist_all(server);
        self.crds(server);
    }

    fn crds(&mut self, server: usize) {
        for kind in 0..KINDS.len() {
            let state = self.publishers[server].collection(&collection(kind)).map(|view| view.state.clone());
            if self.truth.missing[kind] {
                let as_of = Version::from_counter(self.truth.version);
                self.publishers[server].apply(&collection(kind), Change::Absent(as_of));
            } else if state != Some(State::Complete) {
                self.relist(server, kind);
            }
        }
    }

    fn probe(&mut self, server: usize) {
        let here = Version::from_counter(self.truth.version);
        let behind = self.publishers[server].behind();
        if behind.values().any(|asked| rules::history_went_back(asked, &here)) {
            return self.begin_history(server);
        }
        let behind = (0..KINDS.len()).filter(|kind| behind.contains_key(&collection(*kind)));
        behind.for_each(|kind| self.relist(server, kind));
    }

    fn restore(&mut self, events: usize) {
        let past = std::mem::take(&mut self.truth);
        let kept = past.log.len().saturating_sub(events);
        self.truth.version = 1;
        self.truth.restores = past.restores + 1;
        for event in &past.log[..kept] {
            self.truth.add(event.kind, event.name, event.body);
        }
    }

    fn deliver(&mut self, reader: usize, mut frames: usize) {
        let reader = &mut self.readers[reader];
        while let Stop::Over(cause) = reader.deliver(&mut frames, &mut self.publishers) {
            // Numbers of a history that ended may mean something else in the next, which count and digest tell.
            let excused =
                reader.tampered || (self.truth.restores > 0 && matches!(cause, Some(Desync::Mismatch { .. })));
            assert!(cause.is_none() || excused, "{cause:?}");
            reader.connect(reader.at, &mut self.publishers);
        }
    }

    /// A minute without changes: every event and a bookmark arrive, every reader reads.
    fn rest(&mut self) {
        if self.truth.missing.contains(&true) {
            // After a restore, a kind is believed to be gone only once the new history is as long as the old one was.
            self.truth.version += 1000;
        }
        for server in 0..SERVERS {
            if self.watches[server].restores != self.truth.restores {
                self.relist_all(server); // its watches ended with the history they were of
            }
            self.crds(server);
            (0..KINDS.len()).for_each(|kind| self.step(Step::Bookmark { server, kind }));
        }
        for reader in 0..READERS {
            self.readers[reader].fault = None;
            if self.readers[reader].tampered {
                let at = self.readers[reader].at;
                self.readers[reader].connect(at, &mut self.publishers);
            }
            self.probe(self.readers[reader].at);
            self.deliver(reader, usize::MAX);
        }
    }
}

fn publisher() -> Publisher {
    Publisher::new(Lineage("cluster".into()), Digest(7), (0..KINDS.len()).map(collection))
}

proptest! {
    #![proptest_config(stories())]

    #[test]
    fn a_replica_ends_up_with_what_the_api_server_holds(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            world.readers.iter().for_each(|reader| assert_bounded(reader.backlog(&world.publishers)));
        }
        world.rest();
        for reader in &world.readers {
            prop_assert_eq!(&reader.held, &world.truth.held());
        }
    }
}

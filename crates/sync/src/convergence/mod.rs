//! Property tests: whatever happens to sources, streams and readers, at rest a replica holds what its source holds,
//! commits are never torn, and a slow reader costs no more than live keys plus those it was told of.
//!
//! `SILVERBACK_SEEDS` says how many random stories are told; one that fails is kept in `proptest-regressions` and told
//! again first from then on.

mod config;
mod cost;
mod state;

use std::collections::BTreeMap;

use proptest::prelude::*;
use silverback_model::{CollectionId, Commit, ObjectKey, Version};
use silverback_proto::v1;

use crate::{Backlog, Desync, Item, Mode, Publisher, Received, Replica, SubscriberId};

const KINDS: [&str; 3] = ["services", "upstreams", "secrets"];
/// So many objects of a kind live at a time, out of many more names: what comes and goes must leave nothing behind.
const LIVE: usize = 6;
const NAMES: u8 = 40;

type Held = BTreeMap<(String, ObjectKey), String>;

fn stories() -> ProptestConfig {
    let seeds = std::env::var("SILVERBACK_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    ProptestConfig::with_cases(seeds.unwrap_or(1000))
}

fn collection(kind: usize) -> CollectionId {
    CollectionId::all(KINDS[kind])
}

fn key(name: u8) -> ObjectKey {
    ObjectKey::new("", format!("n{name}"))
}

fn item(name: u8, version: u64, body: u8) -> Item {
    Item::new(key(name), Version::from_counter(version), format!("\"{body}\""))
}

/// What happens to one frame under way.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Lost,
    Twice,
    /// The next one overtakes it.
    Late,
}

fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![Just(Fault::Lost), Just(Fault::Twice), Just(Fault::Late)]
}

/// A consumer: a replica, and what its owner made of all that it handed out.
struct Reader {
    replica: Replica,
    at: usize,
    subscriber: SubscriberId,
    held: Held,
    fault: Option<Fault>,
    late: Option<v1::WatchResponse>,
    /// Something happened to this stream that no stream does; it must break in the end.
    tampered: bool,
}

/// How a delivery ended.
enum Stop {
    /// Nothing more to deliver for now.
    Idle,
    /// A commit came, or as many frames as were asked for.
    Paused(Option<Box<Commit>>),
    /// The stream is over.
    Over(Option<Desync>),
}

impl Reader {
    fn new(mode: Mode, at: usize, publishers: &mut [Publisher]) -> Self {
        let mut replica = Replica::new(mode);
        let subscriber = publishers[at].subscribe(replica.cursors());
        Self { replica, at, subscriber, held: Held::new(), fault: None, late: None, tampered: false }
    }

    /// Leaves one server for another, or for the same.
    fn connect(&mut self, at: usize, publishers: &mut [Publisher]) {
        publishers[self.at].unsubscribe(self.subscriber);
        self.resume(at, publishers);
    }

    /// Follows a server; the one before is gone.
    fn resume(&mut self, at: usize, publishers: &mut [Publisher]) {
        self.at = at;
        self.subscriber = publishers[at].subscribe(self.replica.cursors());
        (self.fault, self.late, self.tampered) = (None, None, false);
    }

    fn backlog(&self, publishers: &[Publisher]) -> Backlog {
        publishers[self.at].backlog(self.subscriber)
    }

    /// Takes frames until something is worth a look.
    fn deliver(&mut self, frames: &mut usize, publishers: &mut [Publisher]) -> Stop {
        while *frames > 0 {
            *frames -= 1;
            let Some(frame) = publishers[self.at].next_frame(self.subscriber) else { return Stop::Idle };
            for frame in self.tamper(frame) {
                match self.replica.receive(frame) {
                    Ok(Received::Nothing) => (),
                    Ok(Received::Deltas(deltas)) => self.keep(deltas),
                    Ok(Received::Commit(commit, deltas)) => {
                        self.keep(deltas);
                        return Stop::Paused(Some(commit));
                    }
                    Ok(Received::GoAway(_)) => return Stop::Over(None),
                    Err(desync) => return Stop::Over(Some(desync)),
                }
            }
        }
        Stop::Paused(None)
    }

    fn tamper(&mut self, frame: v1::WatchResponse) -> Vec<v1::WatchResponse> {
        let fault = self.fault.take();
        self.tampered |= fault.is_some();
        match (fault, self.late.take()) {
            (Some(Fault::Lost), late) => late.into_iter().collect(),
            (Some(Fault::Twice), late) => [frame.clone(), frame].into_iter().chain(late).collect(),
            (Some(Fault::Late), late) => {
                self.late = Some(frame);
                late.into_iter().collect()
            }
            (None, late) => [frame].into_iter().chain(late).collect(),
        }
    }

    fn keep(&mut self, deltas: Vec<crate::Delta>) {
        for delta in deltas {
            let key = (delta.collection.kind, delta.key);
            match delta.item {
                Some(item) => self.held.insert(key, item.body.to_string()),
                None => self.held.remove(&key),
            };
        }
    }
}

/// Whatever the number of changes, a reader that does not read costs this much at most.
fn assert_bounded(backlog: Backlog) {
    let live = LIVE * KINDS.len();
    assert!(backlog.pending <= 2 * live, "{backlog:?} after keys that came and went");
    assert!(backlog.under_way <= 3 * live, "{backlog:?}");
}

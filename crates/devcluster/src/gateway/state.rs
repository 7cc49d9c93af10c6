//! What a running gateway holds: the config in force, and what every request needs to see.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use super::declarative::Entities;
use super::entities::Registry;
use super::faults::Faults;
use super::hash;
use super::posts::Posts;
use super::request;
use super::settings::Settings;

/// A config that took effect.
#[derive(Debug)]
pub struct Accepted {
    /// The `configuration_hash` it is known under.
    pub hash: String,
    /// When it took effect.
    pub at: Instant,
    /// 1 for the first config this gateway ever took, and so on; 0 for the emptiness before.
    pub sequence: u64,
    text: Bytes,
    parsed: OnceLock<Arc<Value>>,
    entities: Entities,
}

impl Accepted {
    fn new(hash: String, text: Bytes, entities: Entities, sequence: u64) -> Self {
        Self { hash, at: Instant::now(), sequence, text, parsed: OnceLock::new(), entities }
    }

    /// What the gateway made of it; empty in a trusting one.
    pub(crate) fn entities(&self) -> &Entities {
        &self.entities
    }

    /// The text that was posted: JSON, or YAML where somebody wrote YAML.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The declarative config as it was posted; parsed at the first call. `{}` for an empty gateway.
    #[must_use]
    pub fn config(&self) -> Arc<Value> {
        let parse = || Arc::new(request::parse_text(&self.text).unwrap_or_else(|_| Value::Object(Default::default())));
        Arc::clone(self.parsed.get_or_init(parse))
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    pub(crate) posts: Posts,
    pub(crate) registry: Registry,
    pub(crate) node_id: Uuid,
    /// Held by the part of a load that Kong does one at a time.
    pub(crate) loading: Mutex<()>,
    pub(crate) draining: AtomicBool,
    accepted: watch::Sender<Option<Arc<Accepted>>>,
    sequence: AtomicU64,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        let registry = Registry::new(settings.router_flavor, settings.plugin_schemas.as_deref(), &settings.own_plugins);
        Self {
            settings,
            registry,
            node_id: Uuid::new_v4(),
            faults: Faults::new(),
            posts: Posts::new(),
            loading: Mutex::new(()),
            draining: AtomicBool::new(false),
            accepted: watch::Sender::new(None),
            sequence: AtomicU64::new(0),
        }
    }

    pub(crate) fn accepted(&self) -> watch::Receiver<Option<Arc<Accepted>>> {
        self.accepted.subscribe()
    }

    pub(crate) fn current(&self) -> Arc<Accepted> {
        let current = self.accepted.borrow().clone();
        current.unwrap_or_else(|| Arc::new(Accepted::new(hash::EMPTY.to_owned(), Bytes::new(), Entities::new(), 0)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.accepted.borrow().as_ref().is_none_or(|config| config.hash == hash::EMPTY)
    }

    pub(crate) fn accept(&self, hash: String, text: Bytes, entities: Entities) {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        self.accepted.send_replace(Some(Arc::new(Accepted::new(hash, text, entities, sequence))));
    }

    /// Back to a gateway that never had a config.
    pub(crate) fn forget(&self) {
        self.draining.store(false, Ordering::Relaxed);
        self.accepted.send_replace(None);
    }
}

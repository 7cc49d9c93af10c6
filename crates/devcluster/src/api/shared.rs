//! What every request at one API server needs to see, and the one place where the store is written.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use super::failure::{Failure, Outcome};
use super::faults::Faults;
use super::gaps;
use super::kinds::{self, Kind};
use super::request::Target;
use super::settings::Settings;
use super::store::{Key, Store};
use super::write::Stamp;

static BUILT_IN: LazyLock<Vec<Kind>> = LazyLock::new(kinds::built_in);
const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    store: Mutex<Store>,
    revision: watch::Sender<u64>,
}

/// The time, in whole seconds as the API server writes it.
pub(crate) fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now)
}

pub(crate) fn stamp() -> Stamp {
    Stamp { now: now().to_string(), uid: Uuid::new_v4().to_string() }
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        let store = Store::new();
        let revision = watch::Sender::new(store.revision());
        Self { settings, faults: Faults::default(), store: Mutex::new(store), revision }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The revision of the last write, as it moves.
    pub(crate) fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Writes, and tells every watch.
    pub(crate) fn write<T>(&self, write: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.store();
        let result = write(&mut store);
        let history = self.settings.history;
        let newest = store.revision();
        if newest - store.oldest() > 2 * history {
            store.compact(newest - history);
        }
        self.revision.send_if_modified(|known| std::mem::replace(known, newest) != newest);
        result
    }

    /// Every kind that is served now.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let store = self.store();
        let defined = store.list(DEFINITIONS, store.revision(), &Key::default()).unwrap_or_default();
        let defined = defined.iter().filter_map(|(_, crd)| Kind::declared_by(crd));
        BUILT_IN.iter().cloned().chain(defined).collect()
    }

    /// The kind of a path.
    pub(crate) fn kind(&self, target: &Target) -> Outcome<Kind> {
        let (group, plural) = (target.group.as_str(), target.plural.as_str());
        let kind = BUILT_IN.iter().find(|kind| kind.group == group && kind.plural == plural).cloned();
        let kind = kind.or_else(|| self.defined(&format!("{plural}.{group}")));
        if kind.is_none() {
            gaps::kind(group, plural)?;
        }
        kind.filter(|kind| kind.serves(&target.version)).ok_or_else(Failure::no_path)
    }

    fn defined(&self, name: &str) -> Option<Kind> {
        let crd: Arc<Value> = self.store().get(DEFINITIONS, &(String::new(), name.to_owned()))?;
        Kind::declared_by(&crd)
    }

    /// The kind of an object, by its `apiVersion` and `kind`, and the version.
    pub(crate) fn kind_of(&self, object: &Value) -> Option<(Kind, String)> {
        let api_version = object["apiVersion"].as_str()?;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let named = |kind: &Kind| kind.group == group && object["kind"] == *kind.kind && kind.serves(version);
        Some((self.kinds().into_iter().find(named)?, version.to_owned()))
    }
}

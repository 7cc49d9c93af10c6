//! The Secrets and ConfigMaps that are held: those that something names, those that are labelled for it, those that a
//! flag selects.
//!
//! One stream a collection brings them, like any other; of what is not held only the version is noted. Whatever comes
//! to be named later is looked up by its name, and enters what is held at the version it has. Each step is taken under
//! one lock, so that nothing is let pass by the stream between its being named and its being looked up.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use silverback_model::{CollectionId, Lineage, ObjectKey};
use silverback_resources::registry::{Kind, KindId};
use silverback_sync::{Change, Item, Outcome, SharedPublisher, State};
use tokio::sync::watch;

use crate::trace;

use super::list_watch::{Found, News, Place};
use super::names::{Names, Naming};
use super::wire::Head;

/// Labels that select what is held although nothing names it; they count where their value is `true`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selectors {
    pub(crate) secrets: Option<String>,
    pub(crate) config_maps: Option<String>,
}

impl Selectors {
    fn label(&self, kind: KindId) -> Option<&str> {
        match kind {
            KindId::SECRET => self.secrets.as_deref(),
            KindId::CONFIG_MAP => self.config_maps.as_deref(),
            _ => None,
        }
    }
}

/// Whether objects of a kind are held only for a reason.
pub(crate) fn is_selective(kind: &Kind) -> bool {
    matches!(kind.id, KindId::SECRET | KindId::CONFIG_MAP)
}

/// Shared by everything that follows a collection.
#[derive(Clone)]
pub(crate) struct Closure {
    names: Arc<Mutex<Names>>,
    publisher: SharedPublisher,
    namespaces: Arc<[String]>,
    selectors: Selectors,
    /// Wakes whoever waits for names, or looks them up.
    moved: watch::Sender<()>,
    /// Referring collections that were not listed once: what is held is listed after them, so that it is known what to
    /// hold.
    unlisted: watch::Sender<BTreeSet<CollectionId>>,
}

/// The lock on what is named.
pub(super) struct Held<'a> {
    closure: &'a Closure,
    names: MutexGuard<'a, Names>,
}

impl Closure {
    pub(crate) fn new(
        publisher: SharedPublisher,
        namespaces: Arc<[String]>,
        selectors: Selectors,
        referring: BTreeSet<CollectionId>,
    ) -> Self {
        let (names, moved) = (Arc::default(), watch::Sender::new(()));
        Self { names, publisher, namespaces, selectors, moved, unlisted: watch::Sender::new(referring) }
    }

    pub(super) fn lock(&self) -> Held<'_> {
        Held { closure: self, names: self.names.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    pub(super) fn moved(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }

    /// Number of names that are still to be looked up.
    pub(crate) fn pending(&self) -> usize {
        self.lock().names.pending().len()
    }

    /// A referring collection was listed, or cannot be: nothing need wait for it.
    pub(super) fn was_listed(&self, collection: &CollectionId) {
        self.unlisted.send_if_modified(|unlisted| unlisted.remove(collection));
    }

    /// Waits until it is known what to hold.
    pub(super) async fn until_listed(&self) {
        let _ = self.unlisted.subscribe().wait_for(BTreeSet::is_empty).await;
    }

    /// A change of a referring collection is about to be told: waits until nothing it names is pending. Each new
    /// reason why that takes long is given to `trouble`.
    pub(super) async fn announce(&self, collection: &CollectionId, naming: &Naming, mut trouble: impl FnMut(String)) {
        let mut moved = self.moved();
        let awaited = {
            let mut held = self.lock();
            let is_known = |place: &Place| held.closure.is_known(place);
            held.names.announce(collection, naming, is_known)
        };
        self.was_listed(collection);
        if awaited.is_empty() {
            return;
        }
        self.moved.send_replace(());
        let mut told = None;
        loop {
            moved.borrow_and_update();
            let reason = {
                let held = self.lock();
                let mut left = awaited.iter().filter_map(|place| held.names.pending().get_key_value(place)).peekable();
                if left.peek().is_none() {
                    return;
                }
                left.find_map(|((kind, key), reason)| Some(format!("it waits for {kind} {key}: {}", reason.as_ref()?)))
            };
            if let Some(reason) = reason.filter(|reason| told.as_ref() != Some(reason)) {
                trouble(reason.clone());
                told = Some(reason);
            }
            if moved.changed().await.is_err() {
                return;
            }
        }
    }

    /// The change that was announced was told.
    pub(super) fn told(&self, collection: &CollectionId, naming: Naming) {
        let mut held = self.lock();
        for place in held.names.told(collection, naming) {
            held.release(place);
        }
    }

    /// Where an object is held; nowhere when its namespace is not watched.
    pub(super) fn collection_of(&self, (kind, key): &Place) -> Option<CollectionId> {
        if self.namespaces.is_empty() {
            return Some(kind.collection());
        }
        let watched = self.namespaces.contains(&key.namespace);
        watched.then(|| CollectionId::in_namespace(kind.as_str(), &key.namespace))
    }

    /// Whether there is nothing to look up: it is held, cannot exist, or is nothing that is held here.
    fn is_known(&self, place: &Place) -> bool {
        if !can_be_a_name(&place.1.name) || !can_be_a_name(&place.1.namespace) {
            return true;
        }
        let Some(collection) = self.collection_of(place) else { return true };
        self.publisher.read(|publisher| {
            let view = publisher.collection(&collection);
            view.is_some_and(|view| *view.state == State::Complete && view.items.contains_key(&place.1))
        })
    }
}

/// What Kubernetes takes for a name: a DNS subdomain.
fn can_be_a_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    !text.is_empty() && text.len() <= 253 && text.bytes().all(letter)
}

impl Held<'_> {
    /// Whether an object is to be held.
    pub(super) fn wants(&self, kind: &Kind, head: &Head<'_>) -> bool {
        let label = |name: &str| head.labels.get(name).map(String::as_str);
        self.names.is_named(&(kind.id, head.key())) || self.is_kept(kind.id, label)
    }

    /// Whether its labels are reason enough to hold it.
    fn is_kept<'l>(&self, kind: KindId, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        let selected = self.closure.selectors.label(kind).is_some_and(|name| label(name) == Some("true"));
        selected || kind.kind().kept_for_labels.iter().any(|name| label(name).is_some())
    }

    /// Tells what the stream of a collection brought in `lineage`. `None` where another history began meanwhile.
    pub(super) fn tell(
        &mut self,
        lineage: &Lineage,
        collection: &CollectionId,
        kind: KindId,
        news: News,
    ) -> Option<(Change, Outcome)> {
        let change = match news {
            News::Whole { found, version } => {
                let items = found.into_iter().map(|found| found.item);
                // What was named when it was read may be named no longer.
                let items = items.filter(|item| self.is_wanted(kind, item)).collect();
                Change::Replace { items, version }
            }
            News::Upsert(Found { item, .. }) => Change::Upsert(item),
            News::Pass { key, version } if self.holds(collection, &key) => Change::Delete { key, version },
            News::Pass { version, .. } | News::Bookmark(version) => Change::Bookmark(version),
            News::Delete { key, version } => Change::Delete { key, version },
            News::Stale(reason) => Change::Stale(reason),
        };
        let outcome = trace::apply(&self.closure.publisher, lineage, collection, change.clone())?;
        self.settle(kind, &change);
        Some((change, outcome))
    }

    /// What is pending and present is settled by the stream, too. Absent from a list says nothing: it may be older
    /// than the object.
    fn settle(&mut self, kind: KindId, change: &Change) {
        let settled: Vec<Place> = match change {
            Change::Replace { items, .. } => items.iter().map(|item| (kind, item.key.clone())).collect(),
            Change::Upsert(item) => vec![(kind, item.key.clone())],
            Change::Delete { key, .. } => vec![(kind, key.clone())],
            _ => Vec::new(),
        };
        let mut awaited = matches!(change, Change::Replace { .. }); // looking up begins with the first list
        for place in settled {
            awaited |= self.names.settle(&place);
        }
        if awaited {
            self.closure.moved.send_replace(());
        }
    }

    /// What is to be looked up now: names that are pending in collections that are complete.
    pub(super) fn due(&self) -> Vec<(Place, CollectionId)> {
        let pending = self.names.pending().keys();
        let placed = pending.filter_map(|place| Some((place.clone(), self.closure.collection_of(place)?)));
        self.closure.publisher.read(|publisher| {
            let complete = |id: &CollectionId| publisher.collection(id).is_some_and(|c| *c.state == State::Complete);
            placed.filter(|(_, collection)| complete(collection)).collect()
        })
    }

    /// A name was looked up: an object, or its absence.
    pub(super) fn looked_up(&mut self, place: &Place, collection: &CollectionId, item: Option<Item>) {
        if !self.names.pending().contains_key(place) {
            return; // the stream was faster
        }
        if let Some(item) = item {
            let entered = self.closure.publisher.write(|publisher| {
                let view = publisher.collection(collection)?;
                // A version that the stream has not passed is the stream's to bring, now that it is named.
                let passed = *view.state == State::Complete && item.version <= view.frontier.seen;
                let change = Change::Rescope { entered: vec![item], left: Vec::new() };
                passed.then(|| publisher.apply(collection, change))
            });
            if entered.is_none() {
                return;
            }
        }
        self.names.settle(place);
        self.closure.moved.send_replace(());
    }

    /// A name could not be looked up.
    pub(super) fn not_looked_up(&mut self, place: &Place, reason: &str) {
        if self.names.failed(place, reason) {
            self.closure.moved.send_replace(());
        }
    }

    /// Nothing names it any longer.
    fn release(&self, place: Place) {
        let Some(collection) = self.closure.collection_of(&place) else { return };
        let (kind, key) = place;
        self.closure.publisher.write(|publisher| {
            let item = publisher.collection(&collection).and_then(|view| view.items.get(&key).cloned());
            if item.is_some_and(|item| !self.is_kept_item(kind, &item)) {
                publisher.apply(&collection, Change::Rescope { entered: Vec::new(), left: vec![key] });
            }
        });
    }

    fn is_wanted(&self, kind: KindId, item: &Item) -> bool {
        self.names.is_named(&(kind, item.key.clone())) || self.is_kept_item(kind, item)
    }

    fn is_kept_item(&self, kind: KindId, item: &Item) -> bool {
        let object: Value = serde_json::from_str(&item.body).unwrap_or_default();
        self.is_kept(kind, |name| object.pointer("/metadata/labels")?.get(name)?.as_str())
    }

    fn holds(&self, collection: &CollectionId, key: &ObjectKey) -> bool {
        self.closure
            .publisher
            .read(|publisher| publisher.collection(collection).is_some_and(|view| view.items.contains_key(key)))
    }
}

//! From deltas of the state to commits of the configuration.
//!
//! Nothing is derived before everything that is served was complete once; from then on each closed step of the state
//! is one translation and one commit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use silverback_kong::{Collection, EntityKey};
use silverback_model::{CollectionId, Commit, Generation, Inputs, Lineage, ObjectKey, Traces, Version};
use silverback_sync::{Change, Delta, Item, Publisher, Replica, SharedPublisher};
use silverback_trace::Stage;
use silverback_translation::{Entity, ObjectChange, Output, Settings, Severity, Translator};

use crate::metrics::Counters;
use crate::{Diagnostics, Statuses};

/// Translates, and publishes what came out.
pub(crate) struct Pipeline {
    translator: Arc<Mutex<Translator>>,
    publisher: SharedPublisher,
    diagnostics: Diagnostics,
    statuses: Statuses,
    waiting: Vec<Delta>,
    /// When the oldest of the changes that no commit has brought yet was made.
    changed_at: Option<Duration>,
    traces: Traces,
    generation: Generation,
    settings: silverback_model::Digest,
    fail_open: bool,
    counters: Counters,
}

impl Pipeline {
    pub(crate) fn new(settings: Settings, counters: Counters) -> Self {
        let lineage = Lineage(format!("translator-{:016x}", rand::random::<u64>()));
        let (digest, fail_open) = (settings.digest(), settings.fail_open());
        let mut publisher = Publisher::new(lineage, digest, []).committing();
        for collection in Collection::named() {
            install(&mut publisher, &CollectionId::all(collection.as_str()));
        }
        Self {
            translator: Arc::new(Mutex::new(Translator::new(settings))),
            publisher: SharedPublisher::new(publisher),
            diagnostics: Diagnostics::default(),
            statuses: Statuses::default(),
            waiting: Vec::new(),
            changed_at: None,
            traces: Traces::default(),
            generation: Generation(0),
            settings: digest,
            fail_open,
            counters,
        }
    }

    pub(crate) fn publisher(&self) -> SharedPublisher {
        self.publisher.clone()
    }

    /// For questions; changes are made here alone.
    pub(crate) fn translator(&self) -> Arc<Mutex<Translator>> {
        self.translator.clone()
    }

    pub(crate) fn diagnostics(&self) -> Diagnostics {
        self.diagnostics.clone()
    }

    pub(crate) fn statuses(&self) -> Statuses {
        self.statuses.clone()
    }

    /// Takes in a step of the state, at a time in minutes since 1970.
    pub(crate) fn take(&mut self, minute: u64, deltas: Vec<Delta>, traces: &Traces, replica: &Replica) {
        if !deltas.is_empty() {
            self.changed_at = [self.changed_at, replica.changed_at()].into_iter().flatten().min();
        }
        self.waiting.extend(deltas);
        self.traces.merge(traces);
        if !replica.is_whole() {
            return;
        }
        let mut stage = Stage::of("translate", &std::mem::take(&mut self.traces));
        stage.count("silverback.objects", self.waiting.len());
        let changes = std::mem::take(&mut self.waiting).into_iter().map(object_change).collect();
        let started = std::time::Instant::now();
        let mut translator = self.translator.lock().unwrap_or_else(PoisonError::into_inner);
        let doubtful = replica.doubtful().map(|collection| collection.kind.clone()).collect();
        let output = translator.apply_in_doubt(minute, changes, &doubtful);
        drop(translator);
        self.counters.translated(started.elapsed(), output.reran);
        stage.count("silverback.derivations", output.reran);
        self.commit(minute, output, &stage.traces(), replica);
    }

    fn commit(&mut self, minute: u64, output: Output, traces: &Traces, replica: &Replica) {
        let mut stage = Stage::of("commit", traces);
        self.keep_diagnostics(&output);
        self.keep_statuses(&output);
        self.generation.0 += 1;
        let version = Version::from_counter(self.generation.0);
        let translator = self.translator.lock().unwrap_or_else(PoisonError::into_inner);
        let (feedback, expressions) = (translator.feedback(), translator.settings().expressions());
        let mut inputs = Inputs {
            settings: self.settings,
            software: silverback_service::VERSION.to_owned(),
            feedback,
            minute,
            ..replica.inputs()
        };
        if translator.withholds() {
            inputs.digests.clear(); // it was made from earlier versions as well
        }
        drop(translator);
        let changed = output.changed.len();
        let (generation, fail_open) = (self.generation, self.fail_open);
        let changed_at = self.changed_at.take().filter(|_| changed > 0);
        let entities = self.publisher.write(|publisher| {
            publish(publisher, output.changed, &version);
            let content = publisher.content();
            let entities = publisher.collections().map(|(_, view)| view.items.len() as u64).sum();
            publisher.trace(&stage.traces());
            publisher.commit_as(Commit { generation, inputs, content, entities, expressions, fail_open, changed_at });
            entities
        });
        stage.count("silverback.generation", generation.0);
        stage.count("silverback.entities_changed", changed);
        self.counters.committed(generation, entities);
        if changed > 0 {
            tracing::info!(%generation, changed, entities, "committed");
        }
    }

    fn keep_statuses(&self, output: &Output) {
        let mut all = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        for (object, status) in &output.statuses {
            match status {
                Some(status) => all.insert(object.clone(), status.clone()),
                None => all.remove(object),
            };
        }
    }

    fn keep_diagnostics(&self, output: &Output) {
        let mut all = self.diagnostics.lock().unwrap_or_else(PoisonError::into_inner);
        for (object, diagnostics) in &output.diagnostics {
            for diagnostic in diagnostics {
                match diagnostic.severity {
                    Severity::Error => tracing::error!("{diagnostic}"),
                    Severity::Warning => tracing::warn!("{diagnostic}"),
                }
            }
            if diagnostics.is_empty() {
                tracing::info!("{object}: all is well again");
                all.remove(object);
            } else {
                all.insert(object.clone(), diagnostics.clone());
            }
        }
        self.counters.broken(all.len());
    }
}

fn object_change(delta: Delta) -> ObjectChange {
    match delta.item {
        Some(item) => ObjectChange::upsert(delta.collection.kind, delta.key, item.version.as_str(), item.body.clone()),
        None => ObjectChange::delete(delta.collection.kind, delta.key),
    }
}

/// An empty collection that is complete: there is nothing to wait for on this hop.
fn install(publisher: &mut Publisher, id: &CollectionId) {
    if publisher.collection(id).is_none() {
        publisher.apply(id, Change::Replace { items: Vec::new(), version: Version::zero() });
    }
}

/// Publishes what changed, a step for each collection.
fn publish(publisher: &mut Publisher, changed: Vec<(EntityKey, Option<Arc<Entity>>)>, version: &Version) {
    let mut steps: BTreeMap<CollectionId, (Vec<Item>, Vec<ObjectKey>)> = BTreeMap::new();
    for (key, entity) in changed {
        let (upserts, deletes) = steps.entry(CollectionId::all(key.collection.as_str())).or_default();
        let name = ObjectKey::new("", &*key.name);
        match entity {
            Some(entity) => upserts.push(item(name, &entity, version)),
            None => deletes.push(name),
        }
    }
    for (id, (upserts, deletes)) in steps {
        install(publisher, &id);
        publisher.apply(&id, Change::Step { upserts, deletes, version: version.clone() });
    }
}

fn item(name: ObjectKey, entity: &Entity, version: &Version) -> Item {
    let body = String::from_utf8_lossy(entity.rendered.bytes());
    Item::new(name, version.clone(), body).with_sources(&*entity.provenance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use silverback_model::Digest;
    use silverback_sync::{Mode, Received};

    fn consumer(name: &str, version: u64) -> Item {
        let object = json!({
            "apiVersion": "configuration.konghq.com/v1", "kind": "KongConsumer", "username": name,
            "metadata": {
                "name": name, "namespace": "shop", "uid": name, "annotations": { "kubernetes.io/ingress.class": "kong" },
            },
        });
        Item::new(ObjectKey::new("shop", name), Version::from_counter(version), object.to_string())
    }

    #[test]
    fn a_commit_is_dated_by_the_oldest_change_that_it_brings() {
        let id = CollectionId::all("KongConsumer.configuration.konghq.com");
        let mut state = Publisher::new(Lineage("l".into()), Digest::default(), [id.clone()]);
        let subscriber = state.subscribe([]);
        let mut replica = Replica::new(Mode::PerCollection);
        let counters = Counters::register(&silverback_service::metrics::Metrics::default());
        let mut pipeline = Pipeline::new(Settings::default(), counters);
        let mut commit = |state: &mut Publisher| {
            while let Some(frame) = state.next_frame(subscriber) {
                if let Received::Deltas(deltas) = replica.receive(frame).unwrap() {
                    pipeline.take(1, deltas, &Traces::default(), &replica);
                }
            }
            pipeline.publisher().read(|publisher| publisher.commit().cloned()).unwrap()
        };
        let at = Duration::from_secs;
        state.date(at(100));
        state.apply(&id, Change::Replace { items: vec![consumer("a", 1)], version: Version::from_counter(1) });
        assert_eq!(commit(&mut state).changed_at, None, "a whole view has no date");
        for (now, name, version) in [(200, "b", 2), (201, "c", 3)] {
            state.date(at(now));
            state.apply(&id, Change::Upsert(consumer(name, version)));
        }
        let dated = commit(&mut state);
        assert_eq!((dated.changed_at, dated.entities), (Some(at(200)), 3));
        state.date(at(300));
        state.apply(&id, Change::Upsert(consumer("c", 4)));
        assert_eq!(commit(&mut state).changed_at, None, "nothing is different");
    }

    fn ingress(service: &str, version: u64) -> Item {
        let backend = json!({ "service": { "name": service, "port": { "number": 80 } } });
        let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
        let object = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "shop", "namespace": "shop" },
            "spec": { "ingressClassName": "kong", "rules": [{ "http": { "paths": [path] } }] },
        });
        Item::new(ObjectKey::new("shop", "shop"), Version::from_counter(version), object.to_string())
    }

    fn service(version: u64) -> Item {
        let metadata = json!({ "name": "shop", "namespace": "shop" });
        let object = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": { "ports": [{ "port": 80 }] },
        });
        Item::new(ObjectKey::new("shop", "shop"), Version::from_counter(version), object.to_string())
    }

    #[test]
    fn what_is_not_known_of_a_collection_in_doubt_takes_nothing_away() {
        let (ingresses, services) = (CollectionId::all("Ingress.networking.k8s.io"), CollectionId::all("Service"));
        let watcher = || Publisher::new(Lineage("l".into()), Digest::default(), [ingresses.clone(), services.clone()]);
        let list = |items, version| Change::Replace { items, version: Version::from_counter(version) };
        let mut state = watcher();
        state.apply(&ingresses, list(vec![ingress("shop", 1)], 1));
        state.apply(&services, list(vec![service(1)], 1));
        let mut replica = Replica::new(Mode::PerCollection);
        let subscriber = state.subscribe(replica.cursors());
        let counters = Counters::register(&silverback_service::metrics::Metrics::default());
        let mut pipeline = Pipeline::new(Settings::default(), counters);
        let mut commit = |state: &mut Publisher, subscriber, replica: &mut Replica| {
            while let Some(frame) = state.next_frame(subscriber) {
                if let Received::Deltas(deltas) = replica.receive(frame).unwrap() {
                    pipeline.take(1, deltas, &Traces::default(), replica);
                }
            }
            pipeline.publisher().read(|publisher| publisher.commit().cloned()).unwrap()
        };
        let whole = commit(&mut state, subscriber, &mut replica);
        assert!(!whole.inputs.digests.is_empty());

        // Its watcher cannot follow Services; another one that starts has nothing to say of them.
        state.apply(&services, Change::Stale("403".into()));
        state.apply(&ingresses, Change::Upsert(ingress("cart", 2)));
        let stale = commit(&mut state, subscriber, &mut replica);
        assert_eq!(stale.content, whole.content);
        assert!(stale.inputs.digests.is_empty(), "it is not what these objects make");
        let mut other = watcher();
        other.apply(&ingresses, list(vec![ingress("cart", 3)], 3));
        let subscriber = other.subscribe(replica.cursors());
        let silent = commit(&mut other, subscriber, &mut replica);
        assert_eq!((silent.content, silent.inputs.digests.len()), (whole.content, 0));
        assert!(replica.is_whole());

        other.apply(&services, list(vec![service(1)], 3));
        let known = commit(&mut other, subscriber, &mut replica);
        assert_ne!(known.content, whole.content, "there is no cart");
        assert!(!known.inputs.digests.is_empty());
    }
}

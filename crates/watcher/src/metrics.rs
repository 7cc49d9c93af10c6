//! What the watcher counts, under names in Prometheus' conventions.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use silverback_model::CollectionId;
use silverback_service::metrics::{Measure, Measures, Metrics};
use silverback_sync::{CollectionView, SharedPublisher};

use crate::kubernetes::Cause;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    kind: String,
    namespace: String,
    cause: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Collected {
    kind: String,
    namespace: String,
}

/// Counters of what happened between the watcher and the API server.
#[derive(Clone, Default)]
pub(crate) struct Counters {
    relists: Family<Labels, Counter>,
    ended: Family<Labels, Counter>,
}

impl Counters {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let this = Self::default();
        metrics.register(
            "silverback_watcher_relists",
            "lists from the start: `start`, `expired` (410), `went_back` and `history` (etcd was restored), `behind` (a \
             consumer had seen more), `broken` (the list before broke off), `not_streamed` (the server does not stream \
             lists)",
            this.relists.clone(),
        );
        metrics.register(
            "silverback_watcher_watch_restarts",
            "watches that ended: `ended` (by the server, about every five minutes), `broken`, `silent`, `refused`",
            this.ended.clone(),
        );
        this
    }

    /// A collection is listed from the start.
    pub(crate) fn relisted(&self, collection: &CollectionId, cause: Cause) {
        self.relists.get_or_create(&labels(collection, cause.as_str())).inc();
    }

    /// A watch ended: by itself, broken, refused, or silent for too long.
    pub(crate) fn watch_ended(&self, collection: &CollectionId, cause: &'static str) {
        self.ended.get_or_create(&labels(collection, cause)).inc();
    }
}

fn labels(collection: &CollectionId, cause: &'static str) -> Labels {
    Labels { kind: collection.kind.clone(), namespace: collection.namespace.clone(), cause }
}

/// Registers what is held now, looked up at each scrape.
pub(crate) fn register_held(metrics: &Metrics, publisher: &SharedPublisher) {
    let measure = |of: fn(&CollectionView<'_>) -> usize| {
        let publisher = publisher.clone();
        Measures::new(move || {
            publisher.read(|publisher| publisher.collections().map(|(id, view)| (collected(id), of(&view))).collect())
        })
    };
    metrics.register("silverback_watcher_objects", "objects held", measure(|view| view.items.len()));
    metrics.register(
        "silverback_watcher_object_bytes",
        "bytes of their bodies, trimmed",
        measure(|view| view.items.values().map(|item| item.body.len()).sum()),
    );
    metrics.register(
        "silverback_watcher_stale",
        "1 while the collection cannot be brought up to date; its state is kept, `/readyz` says why",
        measure(|view| usize::from(view.stale.is_some())),
    );
}

/// Registers how many names wait to be looked up: of a cluster only, since a folder is read whole.
pub(crate) fn register_pending(metrics: &Metrics, pending: impl Fn() -> usize + Send + Sync + 'static) {
    metrics.register(
        "silverback_watcher_pending_names",
        "Secrets and ConfigMaps that are named and were not looked up yet; the objects that name them wait",
        Measure(pending),
    );
}

fn collected(collection: &CollectionId) -> Collected {
    Collected { kind: collection.kind.clone(), namespace: collection.namespace.clone() }
}

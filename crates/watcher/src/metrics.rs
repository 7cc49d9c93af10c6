//! What the watcher counts, under names in Prometheus' conventions.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use silverback_model::CollectionId;
use silverback_service::metrics::Metrics;
use silverback_sync::{CollectionView, SharedPublisher};

use crate::kubernetes::{Cause, Closure};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    kind: String,
    namespace: String,
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
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
            "Times a collection was listed from the start, by cause",
            this.relists.clone(),
        );
        metrics.register("silverback_watcher_watch_restarts", "Watches that ended, by cause", this.ended.clone());
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

/// Looks at the collections when metrics are asked for, so that nothing need be counted along.
#[derive(Clone)]
struct Held {
    publisher: SharedPublisher,
    closure: Option<Closure>,
}

/// Registers what is held now. The closure is there for clusters only.
pub(crate) fn register_held(metrics: &Metrics, publisher: SharedPublisher, closure: Option<Closure>) {
    metrics.register_collector(Held { publisher, closure });
}

type Measure = fn(&CollectionView<'_>) -> i64;

const MEASURES: [(&str, &str, Measure); 3] = [
    ("silverback_watcher_objects", "Objects held", |view| count(view.items.len())),
    ("silverback_watcher_object_bytes", "Bytes of the objects held, trimmed", |view| {
        count(view.items.values().map(|item| item.body.len()).sum())
    }),
    ("silverback_watcher_stale", "Whether a collection cannot be brought up to date right now", |view| {
        i64::from(view.stale.is_some())
    }),
];

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Collector for Held {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, measure) in MEASURES {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            self.publisher
                .read(|publisher| {
                    Gauges(
                        publisher
                            .collections()
                            .map(|(id, view)| {
                                (Collected { kind: id.kind.clone(), namespace: id.namespace.clone() }, measure(&view))
                            })
                            .collect(),
                    )
                })
                .encode(gauge)?;
        }
        if let Some(closure) = &self.closure {
            let help = "Secrets and ConfigMaps that are named and were not looked up yet";
            let gauge = prometheus_client::metrics::gauge::ConstGauge::new(count(closure.pending()));
            gauge.encode(encoder.encode_descriptor(
                "silverback_watcher_pending_names",
                help,
                None,
                MetricType::Gauge,
            )?)?;
        }
        Ok(())
    }
}

struct Gauges(Vec<(Collected, i64)>);

impl Gauges {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (labels, value) in &self.0 {
            let gauge = prometheus_client::metrics::gauge::ConstGauge::new(*value);
            gauge.encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

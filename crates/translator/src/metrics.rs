//! What the translator counts. The first ones are the Kong Ingress Controller's, by its names and labels.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use silverback_model::Generation;
use silverback_service::metrics::{Metrics, PlainCounter};

/// How a translation ended, as the Kong Ingress Controller labels it. Here it never fails: objects may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    success: &'static str,
}

/// Milliseconds from a hundredth to half a minute; the Kong Ingress Controller's begin at 1.
#[derive(Clone, Debug)]
struct Milliseconds;

impl MetricConstructor<Histogram> for Milliseconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(0.01, 2.5, 17))
    }
}

/// What happens on the way from the state to the configuration, counted.
pub(crate) struct Counters {
    kic_translations: Family<Ended, PlainCounter>,
    kic_milliseconds: Family<Ended, Histogram, Milliseconds>,
    translations: Counter,
    seconds: Histogram,
    reran: Counter,
    generation: Gauge,
    entities: Gauge<f64, AtomicU64>,
    broken: Gauge,
}

impl Counters {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let this = Self {
            translations: Counter::default(),
            seconds: Histogram::new(exponential_buckets(0.000_01, 4.0, 10)),
            reran: Counter::default(),
            generation: Gauge::default(),
            entities: Gauge::default(),
            broken: Gauge::default(),
            kic_translations: Family::default(),
            kic_milliseconds: Family::new_with_constructor(Milliseconds),
        };
        let kic = |last: &str| format!("ingress_controller_translation_{last}");
        metrics.register_kic(&kic("count"), "translations", this.kic_translations.clone());
        metrics.register_kic(&kic("duration_milliseconds"), "time a translation took", this.kic_milliseconds.clone());
        metrics.register_kic(
            &kic("broken_resource_count"),
            "objects that could not be translated in full",
            this.broken.clone(),
        );
        metrics.register(
            "silverback_translator_translations",
            "steps of the state that were translated",
            this.translations.clone(),
        );
        metrics.register_seconds(
            "silverback_translator_translation",
            "time one step took to translate",
            this.seconds.clone(),
        );
        metrics.register(
            "silverback_translator_derivations",
            "derivations that ran: the work translation did",
            this.reran.clone(),
        );
        metrics.register("silverback_translator_generation", "generation of the last commit", this.generation.clone());
        metrics.register("silverback_translator_entities", "entities of the configuration", this.entities.clone());
        metrics.register(
            "silverback_translator_broken_objects",
            "objects that could not be translated in full",
            this.broken.clone(),
        );
        this
    }

    /// A step of the state was translated: how long that took, and how many derivations ran.
    pub(crate) fn translated(&self, took: Duration, reran: usize) {
        let ended = Ended { success: "true" };
        self.translations.inc();
        self.seconds.observe(took.as_secs_f64());
        self.reran.inc_by(reran as u64);
        self.kic_translations.get_or_create(&ended).inc();
        self.kic_milliseconds.get_or_create(&ended).observe(took.as_secs_f64() * 1e3);
    }

    /// A configuration was committed, of so many entities.
    pub(crate) fn committed(&self, generation: Generation, entities: u64) {
        self.generation.set(i64::try_from(generation.0).unwrap_or(i64::MAX));
        self.entities.set(entities as f64);
    }

    /// So many objects cannot be translated in full.
    pub(crate) fn broken(&self, objects: usize) {
        self.broken.set(i64::try_from(objects).unwrap_or(i64::MAX));
    }
}

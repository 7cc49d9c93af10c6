//! The process's metrics, in the OpenMetrics text format.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::registry::{Registry, Unit};
pub use prometheus_client::{encoding, metrics::*};

/// A registry shared by everything in the process.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Metrics {
    /// Registers a metric under `name`, with one line that says what it counts.
    pub fn register(&self, name: &str, help: &str, metric: impl prometheus_client::registry::Metric) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).register(name, help, metric);
    }

    /// The same for a metric in seconds, whose name gets `_seconds`.
    pub fn register_seconds(&self, name: &str, help: &str, metric: impl prometheus_client::registry::Metric) {
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_with_unit(name, help, Unit::Seconds, metric);
    }

    /// Has `collector` asked at each scrape.
    pub fn register_collector(&self, collector: impl prometheus_client::collector::Collector) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).register_collector(Box::new(collector));
    }

    /// Everything as text.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }
}

/// A counter under the very name it is registered with: OpenMetrics gives counters the suffix `_total`, which the Kong
/// Ingress Controller's do not have.
#[derive(Clone, Debug, Default)]
pub struct PlainCounter(Arc<AtomicU64>);

impl PlainCounter {
    /// Counts one more.
    pub fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl TypedMetric for PlainCounter {
    const TYPE: MetricType = MetricType::Unknown;
}

impl EncodeMetric for PlainCounter {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.encode_gauge(&i64::try_from(self.get()).unwrap_or(i64::MAX))
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_counter_keeps_its_name() {
        let (metrics, counter) = (Metrics::default(), PlainCounter::default());
        metrics.register("push_count", "Pushes", counter.clone());
        counter.inc();
        assert!(metrics.encode().unwrap().contains("\npush_count 1\n"), "{:?}", metrics.encode());
    }
}

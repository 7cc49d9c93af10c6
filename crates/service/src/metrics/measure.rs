//! Gauges that are looked up at each scrape, so that nothing need be counted along.

use std::fmt;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

use super::Labels;

/// A gauge that is what the function finds at each scrape.
pub struct Measure<F>(pub F);

impl<F: Fn() -> usize> EncodeMetric for Measure<F> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_gauge(&number((self.0)()))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

impl<F> fmt::Debug for Measure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Measure")
    }
}

/// Gauges by labels `L`, as many as the function finds at each scrape.
pub struct Measures<L>(Box<dyn Fn() -> Vec<(L, usize)> + Send + Sync>);

impl<L: Labels> Measures<L> {
    /// What `look` finds.
    pub fn new(look: impl Fn() -> Vec<(L, usize)> + Send + Sync + 'static) -> Self {
        Self(Box::new(look))
    }
}

impl<L: Labels> EncodeMetric for Measures<L> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        (self.0)().iter().try_for_each(|(labels, value)| encoder.encode_family(labels)?.encode_gauge(&number(*value)))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

impl<L> fmt::Debug for Measures<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Measures")
    }
}

fn number(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

//! What a metric is, read from the metric itself, so that the page of metrics can be made from the registries.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use super::{Measure, Measures, PlainCounter};

/// A registered metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Name that queries use.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// What it says.
    pub help: String,
}

impl Description {
    pub(super) fn of<M: Described>(name: &str, help: &str, metric: &M) -> Self {
        let (kind, suffix) = match metric.metric_type() {
            MetricType::Counter => ("counter", "_total"),
            // Counters that keep their name.
            MetricType::Unknown => ("counter", ""),
            MetricType::Gauge => ("gauge", ""),
            MetricType::Histogram => ("histogram", ""),
            MetricType::Info => ("info", "_info"),
        };
        Self { name: format!("{name}{suffix}"), kind, labels: M::labels(), help: help.to_owned() }
    }
}

/// A metric that knows its labels before anything was counted.
pub trait Described: Metric {
    /// Names of the labels of every series.
    fn labels() -> Vec<String> {
        Vec::new()
    }
}

impl Described for Counter {}
impl Described for PlainCounter {}
impl Described for Gauge {}
impl Described for Gauge<f64, AtomicU64> {}
impl Described for Histogram {}

/// Labels of one series. The values that `Default` gives do not matter.
pub trait Labels: EncodeLabelSet + Clone + Default + Debug + Eq + Hash + Send + Sync + 'static {}

impl<L: EncodeLabelSet + Clone + Default + Debug + Eq + Hash + Send + Sync + 'static> Labels for L {}

impl<L, M, C> Described for Family<L, M, C>
where
    L: Labels,
    C: MetricConstructor<M> + Clone,
    Self: Metric,
{
    fn labels() -> Vec<String> {
        names::<L>()
    }
}

impl<F: Fn() -> usize + Send + Sync + 'static> Described for Measure<F> {}

impl<L: Labels> Described for Measures<L> {
    fn labels() -> Vec<String> {
        names::<L>()
    }
}

/// The names in a set of labels, which only a series that is written out tells.
fn names<L: Labels>() -> Vec<String> {
    let (mut registry, family) = (Registry::default(), Family::<L, Gauge>::default());
    registry.register("x", "x", family.clone());
    family.get_or_create(&L::default()).set(0);
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        return Vec::new();
    }
    let series = text.lines().find_map(|line| line.strip_prefix("x{")?.strip_suffix("} 0")).unwrap_or_default();
    series.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
    struct Kinds {
        kind: String,
        cause: &'static str,
    }

    #[test]
    fn metrics_are_described_before_anything_was_counted() {
        let metrics = Metrics::default();
        metrics.register("lists", "Lists, by cause", Family::<Kinds, Counter>::default());
        metrics.register("pushes", "Pushes", PlainCounter::default());
        metrics.register_seconds("age", "Age", Gauge::<f64, AtomicU64>::default());
        metrics.register("held", "Held", Measures::new(|| vec![(Kinds::default(), 3)]));
        metrics.register("all", "All", Measure(|| 7));
        let described = metrics.descriptions();
        let told: Vec<_> = described.iter().map(|one| (one.name.as_str(), one.kind, one.labels.join(","))).collect();
        let by = || "kind,cause".to_owned();
        let none = String::new;
        assert_eq!(
            told,
            [
                ("lists_total", "counter", by()),
                ("pushes", "counter", none()),
                ("age_seconds", "gauge", none()),
                ("held", "gauge", by()),
                ("all", "gauge", none()),
            ]
        );
        let text = metrics.encode().unwrap();
        for line in ["held{kind=\"\",cause=\"\"} 3", "all 7"] {
            assert!(text.lines().any(|shown| shown == line), "{line:?} is not in\n{text}");
        }
    }
}

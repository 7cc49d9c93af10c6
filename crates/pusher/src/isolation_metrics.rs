//! What is counted of what gateways refuse, and of the last good configuration.

use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

/// What is counted of what gateways refuse, and of the last good configuration.
#[derive(Clone)]
pub(crate) struct IsolationMetrics {
    quarantined: Gauge,
    verdicts: Family<Outcome, Counter>,
    writes: Family<Outcome, Counter>,
    accepted: Gauge<f64, AtomicU64>,
    kept: Gauge<f64, AtomicU64>,
}

impl IsolationMetrics {
    pub(crate) fn register(metrics: &silverback_service::metrics::Metrics) -> Self {
        let this = Self {
            quarantined: Gauge::default(),
            verdicts: Family::default(),
            writes: Family::default(),
            accepted: Gauge::default(),
            kept: Gauge::default(),
        };
        metrics.register(
            "silverback_isolation_quarantined_entities",
            "entities that are left out because all gateways refuse them",
            this.quarantined.clone(),
        );
        metrics.register(
            "silverback_isolation_verdicts",
            "what all gateways that answer said of a configuration: `taken`, `refused`, `refused_unnamed` (without naming what)",
            this.verdicts.clone(),
        );
        metrics.register(
            "silverback_last_good_config_writes",
            "attempts to keep the last good configuration durably: `kept`, `failed`",
            this.writes.clone(),
        );
        metrics.register(
            "silverback_last_good_config_accepted_timestamp_seconds",
            "when gateways last accepted a configuration, as unix time",
            this.accepted.clone(),
        );
        metrics.register(
            "silverback_last_good_config_kept_timestamp_seconds",
            "when the last good configuration was last kept durably, as unix time",
            this.kept.clone(),
        );
        this
    }

    pub(crate) fn quarantined(&self, entities: usize) {
        self.quarantined.set(i64::try_from(entities).unwrap_or(i64::MAX));
    }

    pub(crate) fn verdict(&self, result: &'static str) {
        self.verdicts.get_or_create(&Outcome { result }).inc();
    }

    pub(crate) fn accepted(&self) {
        self.accepted.set(now());
    }

    pub(crate) fn kept(&self, result: &'static str) {
        self.writes.get_or_create(&Outcome { result }).inc();
        if result == "kept" {
            self.kept.set(now());
        }
    }
}

/// Unix time in seconds.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

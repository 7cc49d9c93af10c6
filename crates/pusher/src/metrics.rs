//! What the pusher counts. The first four are the Kong Ingress Controller's, by its names and labels.

use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use silverback_gateway::{GatewayReport, PushResult, State};
use silverback_service::CancellationToken;
use tokio::sync::watch;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Push {
    dataplane: String,
    protocol: &'static str,
    success: &'static str,
    failure_reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Dataplane {
    dataplane: String,
}

type SecondsHistogram = Family<Dataplane, Histogram, fn() -> Histogram>;

/// What the pusher counts.
#[derive(Clone)]
pub(crate) struct Metrics {
    pushes: Family<Push, Counter>,
    milliseconds: SecondsHistogram,
    last_successful: Family<Dataplane, Gauge<f64, AtomicU64>>,
    in_sync: Family<Dataplane, Gauge>,
    lag: SecondsHistogram,
    generation: Family<Dataplane, Gauge>,
    failures: Family<Dataplane, Gauge>,
    pub(crate) leading: Gauge,
}

impl Metrics {
    pub(crate) fn register(metrics: &silverback_service::metrics::Metrics) -> Self {
        let this = Self {
            pushes: Family::default(),
            milliseconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(1.0, 2.0, 16))),
            last_successful: Family::default(),
            in_sync: Family::default(),
            lag: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 16))),
            generation: Family::default(),
            failures: Family::default(),
            leading: Gauge::default(),
        };
        let kic = "ingress_controller_configuration_push";
        metrics.register(kic, "Pushes that ended, by result", this.pushes.clone());
        metrics.register(&format!("{kic}_duration_milliseconds"), "Time a push took", this.milliseconds.clone());
        metrics.register(
            &format!("{kic}_last_successful"),
            "When the last push succeeded, as unix time",
            this.last_successful.clone(),
        );
        metrics.register(
            "silverback_gateway_in_sync",
            "Whether a gateway holds the configuration it should",
            this.in_sync.clone(),
        );
        metrics.register_seconds(
            "silverback_gateway_lag",
            "From a configuration's arrival here until a gateway had it",
            this.lag.clone(),
        );
        metrics.register("silverback_gateway_generation", "Generation a gateway holds", this.generation.clone());
        metrics.register(
            "silverback_gateway_consecutive_failures",
            "Failures since the last success",
            this.failures.clone(),
        );
        metrics.register("silverback_pusher_leading", "Whether this replica pushes", this.leading.clone());
        this
    }

    /// Counts what the reports of one gateway tell, until it is gone; then forgets its series.
    pub(crate) async fn watch(self, mut report: watch::Receiver<GatewayReport>, stop: CancellationToken) {
        let mut counted = 0;
        loop {
            let now = report.borrow_and_update().clone();
            self.observe(&now, &mut counted);
            tokio::select! {
                () = stop.cancelled() => break,
                changed = report.changed() => if changed.is_err() { break },
            }
        }
        let gone = Dataplane { dataplane: report.borrow().url.clone() };
        self.in_sync.remove(&gone);
        self.generation.remove(&gone);
        self.failures.remove(&gone);
    }

    fn observe(&self, report: &GatewayReport, counted: &mut u64) {
        let dataplane = Dataplane { dataplane: report.url.clone() };
        self.in_sync.get_or_create(&dataplane).set(i64::from(report.state == State::Synced));
        let generation = report.generation.map_or(0, |generation| generation.0);
        self.generation.get_or_create(&dataplane).set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.failures.get_or_create(&dataplane).set(i64::from(report.consecutive_failures));
        let Some(push) = report.last_push.as_ref().filter(|_| report.pushes > *counted) else { return };
        *counted = report.pushes;
        let (success, failure_reason) = match push.result {
            PushResult::Loaded | PushResult::Unchanged => ("true", ""),
            PushResult::Refused(_) => ("false", "conflict"),
            PushResult::Failed(_) => ("false", "network"),
            PushResult::GivenUp => ("false", "other"),
        };
        let labels = Push { dataplane: report.url.clone(), protocol: "db-less", success, failure_reason };
        self.pushes.get_or_create(&labels).inc();
        self.milliseconds.get_or_create(&dataplane).observe(push.took.as_secs_f64() * 1e3);
        if success == "true" {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.last_successful.get_or_create(&dataplane).set(now.as_secs_f64());
            if let Some(lag) = report.lag {
                self.lag.get_or_create(&dataplane).observe(lag.as_secs_f64());
            }
        }
    }
}

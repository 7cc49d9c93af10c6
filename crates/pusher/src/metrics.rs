//! What the pusher counts, for each gateway and of the election. The first ones are the Kong Ingress Controller's, by
//! its names and labels. Series of a gateway go when it goes, so that their number is bounded by the gateways there are.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use silverback_gateway::{Cause, GatewayReport, LastPush, Observer, PushResult, State};
use silverback_lease::Handle;
use silverback_service::metrics::PlainCounter;

/// As the Kong Ingress Controller labels a push that goes to a gateway without a database.
const PROTOCOL: &str = "db-less";

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Push {
    dataplane: Arc<str>,
    protocol: &'static str,
    success: &'static str,
    failure_reason: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Ended {
    dataplane: Arc<str>,
    protocol: &'static str,
    success: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Dataplane {
    dataplane: Arc<str>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Failure {
    dataplane: Arc<str>,
    cause: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Holds {
    dataplane: Arc<str>,
    hash: String,
}

/// Milliseconds from 1 to a minute; the Kong Ingress Controller's begin at 100.
#[derive(Clone, Debug)]
struct Milliseconds;

/// Seconds from a millisecond to half a minute.
#[derive(Clone, Debug)]
struct Seconds;

impl MetricConstructor<Histogram> for Milliseconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(1.0, 1.6, 24))
    }
}

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(0.001, 2.0, 16))
    }
}

/// What the pusher counts.
#[derive(Clone)]
pub(crate) struct Metrics {
    pushes: Family<Push, PlainCounter>,
    milliseconds: Family<Ended, Histogram, Milliseconds>,
    size: Family<Ended, Gauge>,
    last_successful: Family<Dataplane, Gauge<f64, AtomicU64>>,
    broken: Family<Dataplane, Gauge>,
    failed: Family<Failure, Counter>,
    error: Family<Failure, Gauge>,
    in_sync: Family<Dataplane, Gauge>,
    hash: Family<Holds, Gauge>,
    lag: Family<Dataplane, Histogram, Seconds>,
    behind_since: Family<Dataplane, Gauge<f64, AtomicU64>>,
    generation: Family<Dataplane, Gauge>,
    failures: Family<Dataplane, Gauge>,
    wanted: Gauge,
    leading: Gauge,
    epoch: Gauge,
    transitions: Gauge,
    trouble: Gauge,
}

impl Metrics {
    pub(crate) fn register(metrics: &silverback_service::metrics::Metrics) -> Self {
        let this = Self {
            pushes: Family::default(),
            milliseconds: Family::new_with_constructor(Milliseconds),
            size: Family::default(),
            last_successful: Family::default(),
            broken: Family::default(),
            failed: Family::default(),
            error: Family::default(),
            in_sync: Family::default(),
            hash: Family::default(),
            lag: Family::new_with_constructor(Seconds),
            behind_since: Family::default(),
            generation: Family::default(),
            failures: Family::default(),
            wanted: Gauge::default(),
            leading: Gauge::default(),
            epoch: Gauge::default(),
            transitions: Gauge::default(),
            trouble: Gauge::default(),
        };
        this.register_kic(metrics);
        this.register_gateways(metrics);
        this.register_election(metrics);
        this
    }

    fn register_kic(&self, metrics: &silverback_service::metrics::Metrics) {
        let name = |last: &str| format!("ingress_controller_configuration_push_{last}");
        metrics.register_kic(
            &name("count"),
            "pushes that ended; `failure_reason` is empty, `conflict` (refused), `network` or `other`",
            self.pushes.clone(),
        );
        metrics.register_kic(&name("duration_milliseconds"), "time a push took", self.milliseconds.clone());
        metrics.register_kic(&name("size"), "bytes of the last push", self.size.clone());
        let last_successful = self.last_successful.clone();
        metrics.register_kic(&name("last_successful"), "when the last push succeeded, as unix time", last_successful);
        metrics.register_kic(
            &name("broken_resource_count"),
            "entities that the last push was refused for",
            self.broken.clone(),
        );
    }

    fn register_gateways(&self, metrics: &silverback_service::metrics::Metrics) {
        let name = |last: &str| format!("silverback_gateway_{last}");
        metrics.register(&name("in_sync"), "1 while the gateway's hash is the expected one", self.in_sync.clone());
        metrics.register(&name("config_hash"), "1 for the hash the gateway told last", self.hash.clone());
        metrics.register(
            &name("generation"),
            "generation the gateway holds; `silverback_pusher_generation` is the wanted one",
            self.generation.clone(),
        );
        metrics.register_seconds(
            &name("lag"),
            "from a change in Kubernetes, as the watcher learned of it, until the gateway had it; from its arrival at the \
             pusher for what came with a whole view",
            self.lag.clone(),
        );
        metrics.register_seconds(
            &name("behind_since_timestamp"),
            "since when the gateway lacks a change, as unix time; 0 when it lacks none",
            self.behind_since.clone(),
        );
        metrics.register(&name("consecutive_failures"), "failures since the last success", self.failures.clone());
        metrics.register(
            &name("failed_requests"),
            "requests that failed, reads and pushes: `unreachable`, `tls`, `timeout`, `cut`, `rejected`, `too_large`, \
             `media_type`, `busy`, `denied`, `status`, `answer`",
            self.failed.clone(),
        );
        metrics.register(
            &name("error"),
            "1 for the cause of what went wrong last, until it goes right; `drift` besides: it took one configuration and \
             reports another",
            self.error.clone(),
        );
    }

    fn register_election(&self, metrics: &silverback_service::metrics::Metrics) {
        let name = |last: &str| format!("silverback_pusher_{last}");
        metrics.register(&name("generation"), "generation that gateways should hold", self.wanted.clone());
        metrics.register(&name("leading"), "1 while this replica pushes", self.leading.clone());
        metrics.register(
            &name("epoch"),
            "resourceVersion of the Lease write that began this leadership; 0 without",
            self.epoch.clone(),
        );
        metrics.register(&name("lease_transitions"), "how often the Lease's holder changed", self.transitions.clone());
        metrics.register(
            &name("election_trouble"),
            "1 while the Lease cannot be read or written",
            self.trouble.clone(),
        );
    }

    /// The series of one gateway.
    pub(crate) fn of(&self, dataplane: &str) -> Series {
        Series { metrics: self.clone(), dataplane: dataplane.into(), used: Mutex::default() }
    }

    /// Shows the commit that gateways should hold.
    pub(crate) fn want(&self, generation: u64) {
        self.wanted.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// Shows that this replica always pushes.
    pub(crate) fn lead_always(&self) {
        self.leading.set(1);
    }

    /// Shows the election until it is over.
    pub(crate) async fn watch_election(self, handle: Handle) {
        let (mut leadership, mut trouble) = (handle.leadership(), handle.trouble());
        let mut transitions = handle.transitions();
        loop {
            let epoch = leadership.borrow_and_update().permit().map(|permit| permit.epoch().version.clone());
            self.leading.set(i64::from(epoch.is_some()));
            self.epoch.set(epoch.and_then(|version| version.as_str().parse().ok()).unwrap_or(0));
            self.trouble.set(i64::from(trouble.borrow_and_update().is_some()));
            self.transitions.set(transitions.borrow_and_update().unwrap_or(0).into());
            tokio::select! {
                changed = leadership.changed() => if changed.is_err() { break },
                changed = trouble.changed() => if changed.is_err() { break },
                changed = transitions.changed() => if changed.is_err() { break },
            }
        }
        self.leading.set(0);
        self.epoch.set(0);
    }
}

/// The series of one gateway, by its url.
pub(crate) struct Series {
    metrics: Metrics,
    dataplane: Arc<str>,
    used: Mutex<Used>,
}

/// Which label sets a gateway has, beside its plain one.
#[derive(Default)]
struct Used {
    pushes: BTreeSet<Push>,
    ended: BTreeSet<Ended>,
    failed: BTreeSet<Failure>,
    error: Option<Failure>,
    hash: Option<Holds>,
}

impl Series {
    fn labels(&self) -> Dataplane {
        Dataplane { dataplane: Arc::clone(&self.dataplane) }
    }

    fn used<T>(&self, alter: impl FnOnce(&mut Used) -> T) -> T {
        alter(&mut self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows how the gateway is.
    pub(crate) fn show(&self, report: &GatewayReport) {
        let (metrics, labels) = (&self.metrics, self.labels());
        metrics.in_sync.get_or_create(&labels).set(i64::from(report.state == State::Synced));
        let generation = report.generation.map_or(0, |generation| generation.0);
        metrics.generation.get_or_create(&labels).set(i64::try_from(generation).unwrap_or(i64::MAX));
        metrics.failures.get_or_create(&labels).set(i64::from(report.consecutive_failures));
        metrics.behind_since.get_or_create(&labels).set(report.behind_since.map_or(0.0, unix));
        let dataplane = &self.dataplane;
        let hash = report.hash_observed.map(|hash| Holds { dataplane: Arc::clone(dataplane), hash: hash.to_string() });
        let error = report.last_error_kind.map(|cause| Failure { dataplane: Arc::clone(dataplane), cause });
        self.used(|used| {
            instead(&metrics.hash, &mut used.hash, hash);
            instead(&metrics.error, &mut used.error, error);
        });
    }

    /// Forgets the gateway.
    pub(crate) fn forget(&self) {
        let (metrics, labels) = (&self.metrics, self.labels());
        metrics.in_sync.remove(&labels);
        metrics.generation.remove(&labels);
        metrics.failures.remove(&labels);
        metrics.behind_since.remove(&labels);
        metrics.last_successful.remove(&labels);
        metrics.broken.remove(&labels);
        metrics.lag.remove(&labels);
        let used = self.used(std::mem::take);
        used.hash.map(|labels| metrics.hash.remove(&labels));
        used.error.map(|labels| metrics.error.remove(&labels));
        for labels in &used.pushes {
            metrics.pushes.remove(labels);
        }
        for labels in &used.failed {
            metrics.failed.remove(labels);
        }
        for labels in &used.ended {
            metrics.milliseconds.remove(labels);
            metrics.size.remove(labels);
        }
    }
}

impl Observer for Series {
    fn pushed(&self, push: &LastPush, cause: Option<&Cause>) {
        let (metrics, labels) = (&self.metrics, self.labels());
        let (success, failure_reason) = result(push, cause);
        let dataplane = Arc::clone(&self.dataplane);
        let by_result = Push { dataplane: Arc::clone(&dataplane), protocol: PROTOCOL, success, failure_reason };
        let ended = Ended { dataplane, protocol: PROTOCOL, success };
        metrics.pushes.get_or_create(&by_result).inc();
        metrics.milliseconds.get_or_create(&ended).observe(push.took.as_secs_f64() * 1e3);
        metrics.size.get_or_create(&ended).set(i64::try_from(push.bytes).unwrap_or(i64::MAX));
        self.used(|used| {
            used.pushes.insert(by_result);
            used.ended.insert(ended);
        });
        if let PushResult::Refused(rejection) = &push.result {
            let broken = rejection.entities.len().max(1);
            metrics.broken.get_or_create(&labels).set(i64::try_from(broken).unwrap_or(i64::MAX));
        } else if success == "true" {
            metrics.broken.get_or_create(&labels).set(0);
            metrics.last_successful.get_or_create(&labels).set(unix(SystemTime::now()));
        }
    }

    fn arrived(&self, lag: Duration) {
        self.metrics.lag.get_or_create(&self.labels()).observe(lag.as_secs_f64());
    }

    fn failed(&self, cause: &Cause) {
        let labels = Failure { dataplane: Arc::clone(&self.dataplane), cause: cause.kind() };
        self.metrics.failed.get_or_create(&labels).inc();
        self.used(|used| used.failed.insert(labels));
    }
}

/// `success` and `failure_reason` as the Kong Ingress Controller has them; its own never counts the network.
fn result(push: &LastPush, cause: Option<&Cause>) -> (&'static str, &'static str) {
    match (&push.result, cause) {
        (PushResult::Loaded | PushResult::Unchanged, _) => ("true", ""),
        (PushResult::Refused(_), _) => ("false", "conflict"),
        (_, Some(cause)) if cause.is_connection() => ("false", "network"),
        _ => ("false", "other"),
    }
}

/// Has `family` hold one series of this gateway at most.
fn instead<L: Clone + Eq + std::hash::Hash>(family: &Family<L, Gauge>, held: &mut Option<L>, next: Option<L>) {
    if *held != next {
        held.take().map(|labels| family.remove(&labels));
        if let Some(labels) = &next {
            family.get_or_create(labels).set(1);
        }
        *held = next;
    }
}

fn unix(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_gateway::{ConfigHash, Rejection};
    use silverback_model::Generation;

    fn push(result: PushResult) -> LastPush {
        LastPush {
            started: SystemTime::now(),
            took: Duration::from_millis(7),
            hash: ConfigHash::of(b"a"),
            flatten: true,
            bytes: 1_234,
            generation: Generation(3),
            result,
        }
    }

    #[test]
    fn everything_that_becomes_of_a_push_is_counted_and_forgotten_with_its_gateway() {
        let registry = silverback_service::metrics::Metrics::default();
        let metrics = Metrics::register(&registry);
        let empty = registry.encode().unwrap();
        let gateway = metrics.of("http://a:8001");
        gateway.pushed(&push(PushResult::Loaded), None);
        gateway.pushed(&push(PushResult::Refused(Arc::new(Rejection::default()))), None);
        gateway.pushed(&push(PushResult::Failed("cut".into())), Some(&Cause::Cut("cut".into())));
        let full = Cause::Status { status: 500, message: "no".into() };
        gateway.pushed(&push(PushResult::Failed("500".into())), Some(&full));
        gateway.failed(&full);
        gateway.arrived(Duration::from_millis(12));
        for hash in [b"a", b"b"] {
            let report = GatewayReport {
                hash_observed: Some(ConfigHash::of(hash)),
                last_error_kind: Some("status"),
                state: State::Synced,
                generation: Some(Generation(3)),
                ..GatewayReport::default()
            };
            gateway.show(&report);
        }
        let instance = format!("instance_id=\"{}\",", registry.instance());
        let text = registry.encode().unwrap().replace(&instance, "");
        let pushed = "ingress_controller_configuration_push_count{dataplane=\"http://a:8001\",protocol=\"db-less\",";
        let hash = format!(
            "silverback_gateway_config_hash{{dataplane=\"http://a:8001\",hash=\"{}\"}} 1",
            ConfigHash::of(b"b")
        );
        for line in [
            format!("{pushed}success=\"true\",failure_reason=\"\"}} 1"),
            format!("{pushed}success=\"false\",failure_reason=\"conflict\"}} 1"),
            format!("{pushed}success=\"false\",failure_reason=\"network\"}} 1"),
            format!("{pushed}success=\"false\",failure_reason=\"other\"}} 1"),
            "ingress_controller_configuration_push_broken_resource_count{dataplane=\"http://a:8001\"} 1".into(),
            "silverback_gateway_failed_requests_total{dataplane=\"http://a:8001\",cause=\"status\"} 1".into(),
            "silverback_gateway_error{dataplane=\"http://a:8001\",cause=\"status\"} 1".into(),
            "silverback_gateway_in_sync{dataplane=\"http://a:8001\"} 1".into(),
            "silverback_gateway_lag_seconds_count{dataplane=\"http://a:8001\"} 1".into(),
            hash,
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line:?} is not in\n{text}");
        }
        assert_eq!(text.matches("silverback_gateway_config_hash{").count(), 1, "one hash at a time");
        gateway.forget();
        assert_eq!(registry.encode().unwrap(), empty);
    }
}

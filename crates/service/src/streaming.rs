//! What a consumer counts of the stream it follows, and a producer of those it serves.
//!
//! Breaches of the streaming rules are counted under the names that `Lost::label` gives them; anything but zero for
//! `mismatch`, `torn_commit`, `went_back` or results that are `different` is a defect.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use silverback_sync::client::{Event, Follower};
use silverback_sync::{SharedPublisher, Tally};

use crate::metrics::Metrics;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct View {
    view: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

/// Counts what happens to the stream that a service follows.
#[derive(Debug, Default)]
pub struct Following {
    losses: Family<Cause, Counter>,
    views: Family<View, Counter>,
    items: Counter,
    bytes: Counter,
    comparisons: Family<Outcome, Counter>,
    counted: Tally,
}

impl Following {
    /// Registers the counters of a service, e.g. `translator`.
    pub fn register(metrics: &Metrics, service: &str) -> Self {
        let this = Self::default();
        let name = |what| format!("silverback_{service}_stream_{what}");
        metrics.register(&name("losses"), "Streams that ended, by cause", this.losses.clone());
        metrics.register(
            &name("views"),
            "Collections received when a stream began: whole, or what differs from what was held",
            this.views.clone(),
        );
        metrics.register(&name("items"), "Objects or entities received", this.items.clone());
        metrics.register(&name("bytes"), "Size of what was received, before compression", this.bytes.clone());
        metrics.register(
            &name("comparisons"),
            "Times that another server had the same objects, and whether it made the same of them",
            this.comparisons.clone(),
        );
        this
    }

    /// Counts an event of a follower.
    pub fn observe(&mut self, event: &Event, follower: &Follower) {
        match event {
            Event::Lost { cause, .. } => {
                self.losses.get_or_create(&Cause { cause: cause.label() }).inc();
            }
            Event::Compared { agrees, .. } => {
                let result = if *agrees { "equal" } else { "different" };
                self.comparisons.get_or_create(&Outcome { result }).inc();
            }
            Event::Connected { .. } | Event::Received(_) => (),
        }
        let (now, before) = (follower.replica().tally(), self.counted);
        self.views.get_or_create(&View { view: "snapshot" }).inc_by(now.snapshots - before.snapshots);
        self.views.get_or_create(&View { view: "delta" }).inc_by(now.deltas - before.deltas);
        self.items.inc_by(now.items - before.items);
        self.bytes.inc_by(now.bytes - before.bytes);
        self.counted = now;
    }
}

/// Shows how many consumers a service has, and what the slowest costs, at each scrape.
pub fn serving(metrics: &Metrics, service: &'static str, publisher: SharedPublisher) {
    metrics.register_collector(Serving { service, publisher });
}

struct Serving {
    service: &'static str,
    publisher: SharedPublisher,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Collector for Serving {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (subscribers, backlog) =
            self.publisher.read(|publisher| (publisher.subscribers(), publisher.largest_backlog().total()));
        let gauges = [
            ("subscribers", "Consumers that follow this service", subscribers),
            ("backlog_keys", "Keys that wait for the slowest consumer", backlog),
        ];
        for (what, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let name = format!("silverback_{}_{what}", self.service);
            gauge.encode(encoder.encode_descriptor(&name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

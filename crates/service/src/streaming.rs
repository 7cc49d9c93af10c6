//! What a consumer counts of the stream it follows, and a producer of those it serves.
//!
//! Breaches of the streaming rules are counted under the names that `Lost::label` gives them; anything but zero for
//! `mismatch`, `torn_commit`, `went_back` or results that are `different` is a defect.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use silverback_sync::client::{Event, Follower};
use silverback_sync::{Publisher, SharedPublisher, Tally};

use crate::metrics::{Measure, Metrics};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    cause: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct View {
    view: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
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
        metrics.register(
            &name("losses"),
            "streams that ended, and looks at servers that led to none: `unresolved`, `nobody`, `unreachable`, \
             `ended`, `behind`; anything else broke a rule of streaming and is a defect",
            this.losses.clone(),
        );
        metrics.register(
            &name("views"),
            "collections received when a stream began: whole, or what differs from what was held",
            this.views.clone(),
        );
        metrics.register(&name("items"), "objects or entities received", this.items.clone());
        metrics.register(&name("bytes"), "size of what was received, before compression", this.bytes.clone());
        metrics.register(
            &name("comparisons"),
            "times that another server had the same objects, and whether it made the same of them",
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
pub fn serving(metrics: &Metrics, service: &str, publisher: &SharedPublisher) {
    let measure = |what: fn(&Publisher) -> usize| {
        let publisher = publisher.clone();
        Measure(move || publisher.read(what))
    };
    let name = |what| format!("silverback_{service}_{what}");
    let subscribers = measure(Publisher::subscribers);
    metrics.register(&name("subscribers"), "consumers that follow this service", subscribers);
    let backlog = measure(|publisher| publisher.largest_backlog().total());
    metrics.register(&name("backlog_keys"), "keys that wait for the slowest consumer", backlog);
}

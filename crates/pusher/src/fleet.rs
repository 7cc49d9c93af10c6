//! The gateways there are, and one task for each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use silverback_gateway::task::Task;
use silverback_gateway::{Connector, Endpoint, GatewayReport, Routing, Target, worker};
use silverback_service::CancellationToken;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::follow::Desired;
use crate::lead::{self, Lead};
use crate::metrics::Metrics;

/// Reports by url.
pub(crate) type Reports = BTreeMap<String, GatewayReport>;

/// Keeps one task per gateway.
pub(crate) struct Fleet {
    pub(crate) connector: Connector,
    pub(crate) lead: Lead,
    pub(crate) targets: watch::Receiver<Option<Arc<Target>>>,
    pub(crate) reports: watch::Sender<Reports>,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: CancellationToken,
}

impl Fleet {
    /// Follows the endpoints until the shutdown, then lets pushes in flight finish.
    pub(crate) async fn run(self, mut endpoints: watch::Receiver<Vec<Endpoint>>) {
        let mut stops: BTreeMap<Endpoint, CancellationToken> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        loop {
            let wanted = endpoints.borrow_and_update().clone();
            stops.retain(|endpoint, stop| {
                let stays = wanted.contains(endpoint);
                if !stays {
                    tracing::info!(gateway = endpoint.url, "gone");
                    stop.cancel();
                }
                stays
            });
            for endpoint in wanted {
                if let Entry::Vacant(place) = stops.entry(endpoint) {
                    let stop = self.shutdown.child_token();
                    self.start(place.key(), &stop, &mut tasks);
                    place.insert(stop);
                }
            }
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                changed = endpoints.changed() => if changed.is_err() {
                    self.shutdown.cancelled().await;
                    break;
                },
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    fn start(&self, endpoint: &Endpoint, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
        let client = match self.connector.client(endpoint) {
            Ok(client) => client,
            Err(error) => return tracing::error!(gateway = endpoint.url, "{error}"),
        };
        tracing::info!(gateway = endpoint.url, pod = endpoint.pod.as_ref().map(tracing::field::display), "found");
        let settings = worker::Settings::default();
        let (targets, permission) = (self.targets.clone(), self.lead.permission.clone());
        let (task, report) = Task::new(client, endpoint, settings, targets, permission);
        let (url, stop) = (endpoint.url.clone(), stop.clone());
        tasks.spawn(self.metrics.clone().watch(report.clone(), stop.clone()));
        tasks.spawn(collect(url, report, self.reports.clone(), stop.clone()));
        tasks.spawn(task.run(stop));
    }
}

/// Brings a gateway's reports into the common map, and logs what changes for the worse or better.
async fn collect(
    url: String,
    mut report: watch::Receiver<GatewayReport>,
    reports: watch::Sender<Reports>,
    stop: CancellationToken,
) {
    let mut told = None;
    loop {
        let now = report.borrow_and_update().clone();
        if now.last_error != told {
            match &now.last_error {
                Some(error) => tracing::warn!(gateway = url, state = ?now.state, "{error}"),
                None => tracing::info!(gateway = url, state = ?now.state, "all is well again"),
            }
            told = now.last_error.clone();
        }
        reports.send_modify(|reports| {
            reports.insert(url.clone(), now);
        });
        tokio::select! {
            () = stop.cancelled() => break,
            changed = report.changed() => if changed.is_err() { break },
        }
    }
    reports.send_modify(|reports| {
        reports.remove(&url);
    });
}

/// Combines the configuration to push with the leadership that pushes it, and has the Lease record it.
pub(crate) async fn aim(
    mut desired: watch::Receiver<Option<Arc<Desired>>>,
    mut epoch: watch::Receiver<Option<silverback_model::Epoch>>,
    targets: watch::Sender<Option<Arc<Target>>>,
    pushed: watch::Sender<Option<String>>,
) {
    loop {
        let (config, epoch_now) = (desired.borrow_and_update().clone(), epoch.borrow_and_update().clone());
        if let Some(config) = config {
            if epoch_now.is_some() {
                pushed.send_replace(Some(lead::recorded(&config.commit.inputs)));
            }
            let routing = if config.commit.expressions { Routing::Expressions } else { Routing::Fields };
            targets.send_replace(Some(Arc::new(Target {
                body: config.body.clone(),
                content: config.commit.content,
                routing,
                flatten: true,
                generation: config.commit.generation,
                epoch: epoch_now,
                age: config.age,
                traceparent: None,
            })));
        }
        tokio::select! {
            changed = desired.changed() => if changed.is_err() { return },
            // Without an election the epoch never changes.
            Ok(()) = epoch.changed() => (),
        }
    }
}

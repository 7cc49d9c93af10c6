//! The gateways there are, and one task for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use silverback_gateway::task::Task;
use silverback_gateway::{Connector, Endpoint, GatewayReport, Observer, Routing, Target, worker};
use silverback_service::CancellationToken;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::lead::{self, Lead};
use crate::metrics::{Metrics, Series};
use crate::plan::Plan;

/// Reports by url.
pub(crate) type Reports = BTreeMap<String, GatewayReport>;

/// Keeps one task per gateway.
pub(crate) struct Fleet {
    pub(crate) connectors: watch::Receiver<Connector>,
    pub(crate) rules: worker::Settings,
    pub(crate) lead: Lead,
    pub(crate) targets: watch::Receiver<Option<Arc<Target>>>,
    pub(crate) reports: watch::Sender<Reports>,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: CancellationToken,
}

/// The task that keeps a gateway.
struct Kept {
    endpoint: Endpoint,
    stop: CancellationToken,
    /// Cancelled once it has ended.
    ended: CancellationToken,
}

impl Fleet {
    /// Follows the endpoints until the shutdown, then lets pushes in flight finish.
    pub(crate) async fn run(self, mut endpoints: watch::Receiver<Vec<Endpoint>>) {
        let mut kept: BTreeMap<String, Kept> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        loop {
            let mut wanted: BTreeMap<String, Endpoint> =
                endpoints.borrow_and_update().iter().map(|endpoint| (identity(endpoint), endpoint.clone())).collect();
            for (name, kept) in &kept {
                if wanted.get(name) == Some(&kept.endpoint) && !kept.stop.is_cancelled() {
                    wanted.remove(name);
                } else if !kept.stop.is_cancelled() {
                    tracing::info!(gateway = kept.endpoint.url, "gone");
                    kept.stop.cancel();
                }
            }
            for (name, endpoint) in wanted {
                // Never two tasks at one gateway: the next one waits for the last.
                let before = kept.remove(&name).map(|kept| kept.ended);
                if let Some(started) = self.start(endpoint, before, &mut tasks) {
                    kept.insert(name, started);
                }
            }
            kept.retain(|_, kept| !kept.ended.is_cancelled());
            while tasks.try_join_next().is_some() {}
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

    fn start(&self, endpoint: Endpoint, before: Option<CancellationToken>, tasks: &mut JoinSet<()>) -> Option<Kept> {
        let (stop, ended) = (self.shutdown.child_token(), CancellationToken::new());
        let (targets, permission) = (self.targets.clone(), self.lead.permission.clone());
        let task = Task::new(self.connectors.clone(), endpoint.clone(), self.rules, targets, permission);
        let (task, report) = match task {
            Ok(task) => task,
            Err(error) => {
                tracing::error!(gateway = endpoint.url, "{error}");
                return None;
            }
        };
        tracing::info!(gateway = endpoint.url, pod = endpoint.pod.as_ref().map(tracing::field::display), "found");
        let counted = Arc::new(self.metrics.of(&endpoint.url));
        let task = task.with_observer(Arc::clone(&counted) as Arc<dyn Observer>);
        let kept = Kept { endpoint, stop: stop.clone(), ended: ended.clone() };
        let reports = self.reports.clone();
        tasks.spawn(async move {
            let _ended = ended.drop_guard();
            if let Some(before) = before {
                before.cancelled().await;
            }
            tokio::join!(task.run(stop), collect(report, reports, &counted));
            counted.forget();
        });
        Some(kept)
    }
}

/// What makes two endpoints the same gateway: the pod, or the url where none is known.
fn identity(endpoint: &Endpoint) -> String {
    endpoint.pod.as_ref().map_or_else(|| endpoint.url.clone(), ToString::to_string)
}

/// Brings a gateway's reports into the common map until its task ends, and logs what changes for the worse or better.
async fn collect(mut report: watch::Receiver<GatewayReport>, reports: watch::Sender<Reports>, counted: &Series) {
    let url = report.borrow().url.clone();
    let mut told = None;
    loop {
        let now = report.borrow_and_update().clone();
        counted.show(&now);
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
        if report.changed().await.is_err() {
            break;
        }
    }
    reports.send_modify(|reports| {
        reports.remove(&url);
    });
}

/// Combines the configuration to push with the leadership that pushes it, and has the Lease record it.
pub(crate) async fn aim(
    mut plans: watch::Receiver<Option<Arc<Plan>>>,
    mut epoch: watch::Receiver<Option<silverback_model::Epoch>>,
    targets: watch::Sender<Option<Arc<Target>>>,
    pushed: watch::Sender<Option<String>>,
    metrics: Metrics,
) {
    loop {
        let (plan, epoch_now) = (plans.borrow_and_update().clone(), epoch.borrow_and_update().clone());
        if let Some(plan) = plan {
            metrics.want(plan.commit.generation.0);
            if epoch_now.is_some() && !plan.only_empty {
                pushed.send_replace(Some(lead::recorded(&plan.commit.inputs)));
            }
            let routing = if plan.commit.expressions { Routing::Expressions } else { Routing::Fields };
            targets.send_replace(Some(Arc::new(Target {
                body: plan.body.clone(),
                content: plan.commit.content,
                routing,
                flatten: plan.flatten,
                generation: plan.commit.generation,
                epoch: epoch_now,
                age: plan.age,
                traces: plan.traces.clone(),
                only_empty: plan.only_empty,
            })));
        }
        tokio::select! {
            changed = plans.changed() => if changed.is_err() { return },
            // Without an election the epoch never changes.
            Ok(()) = epoch.changed() => (),
        }
    }
}

#[cfg(test)]
mod tests;

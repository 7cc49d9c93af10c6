//! Wires what keeps refused entities from the gateways: the planner, where it tells what it found, and where the last good
//! configuration is kept.

use std::sync::Arc;

use silverback_lease::LeaseName;
use tokio::sync::watch;

use crate::args::IsolationArgs;
use crate::fleet::Reports;
use crate::follow::Desired;
use crate::isolation_metrics::IsolationMetrics;
use crate::isolation_service::{Kept, Shown};
use crate::lead::Lead;
use crate::plan::{Ends, PATIENCE, Plan, Planner};
use crate::progress::Offers;
use crate::{feedback, keep};

/// What comes out.
pub(crate) struct Isolation {
    pub(crate) plans: watch::Receiver<Option<Arc<Plan>>>,
    pub(crate) shown: watch::Receiver<Shown>,
    pub(crate) kept: watch::Receiver<Kept>,
    pub(crate) offers: watch::Receiver<Offers>,
}

/// Where the Lease is, and the way there; none without an election.
type Beside = Option<(LeaseName, kube::Client)>;

/// Starts it all.
pub(crate) fn start(
    args: &IsolationArgs,
    beside: Beside,
    lead: &Lead,
    desired: watch::Receiver<Option<Arc<Desired>>>,
    reports: watch::Receiver<Reports>,
    metrics: &silverback_service::metrics::Metrics,
) -> Isolation {
    let elects = beside.is_some();
    let (plans_tx, plans) = watch::channel(None);
    let (shown_tx, shown) = watch::channel(Shown::default());
    let (accepted_tx, accepted) = watch::channel(None);
    let (feedback_tx, feedback) = watch::channel(Default::default());
    let (found_tx, found) = watch::channel(None);
    let (recalled_tx, recalled) = watch::channel(None);
    let (kept_tx, kept) = watch::channel(Kept::default());
    let (offers_tx, offers) = watch::channel(Offers::default());
    let metrics = IsolationMetrics::register(metrics);
    if let Some(place) = feedback_place(args, beside.clone()) {
        tokio::spawn(feedback::read(place.clone(), found_tx));
        tokio::spawn(feedback::write(place, feedback, found.clone(), elects));
    }
    if let Some(shelf) = shelf(args, beside) {
        let (epoch, metrics) = (lead.epoch.clone(), metrics.clone());
        let keeper = keep::Keeper { shelf, elects, epoch, accepted, recalled: recalled_tx, kept: kept_tx, metrics };
        tokio::spawn(keeper.run());
    }
    let ends = Ends {
        desired,
        reports,
        epoch: lead.epoch.clone(),
        found,
        recalled,
        plans: plans_tx,
        accepted: accepted_tx,
        feedback: feedback_tx,
        shown: shown_tx,
        offers: offers_tx,
    };
    tokio::spawn(Planner::new(ends, elects, PATIENCE, metrics).run());
    Isolation { plans, shown, kept, offers }
}

/// Where feedback goes: a file, a ConfigMap beside the Lease, or nowhere.
fn feedback_place(args: &IsolationArgs, beside: Beside) -> Option<feedback::Place> {
    if let Some(path) = &args.feedback_file {
        return Some(feedback::Place::File(path.clone()));
    }
    let (lease, client) = beside?;
    let (api, name) =
        (Box::new(kube::Api::namespaced(client, &lease.namespace)), beside_lease("silverback-feedback", &lease));
    Some(feedback::Place::ConfigMap { api, namespace: lease.namespace, name })
}

/// Where the last good configuration is kept: a folder, Secrets beside the Lease, or nowhere.
fn shelf(args: &IsolationArgs, beside: Beside) -> Option<keep::Shelf> {
    if !args.keep_last_good_config {
        return None;
    }
    if let Some(folder) = &args.last_good_config_dir {
        return Some(keep::Shelf::Folder(folder.clone()));
    }
    let (lease, client) = beside?;
    let prefix = beside_lease("silverback-last-good", &lease);
    Some(keep::Shelf::Secrets {
        api: Box::new(kube::Api::namespaced(client, &lease.namespace)),
        namespace: lease.namespace,
        prefix,
    })
}

/// The name of an object beside a Lease. One of the usual name adds nothing: there is one in a namespace.
fn beside_lease(name: &str, lease: &LeaseName) -> String {
    if lease.name.starts_with(silverback_lease::name::DEFAULT_ELECTION_ID) {
        name.to_owned()
    } else {
        format!("{name}-{}", lease.name)
    }
}

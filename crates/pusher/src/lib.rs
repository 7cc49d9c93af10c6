//! The pusher: brings the configuration to every gateway, if it is the one elected to.
//!
//! Every replica follows a translator and every gateway, so that any of them can take over at once. Translates nothing.

mod args;
mod discover;
mod feedback;
mod fleet;
mod follow;
mod gateways_service;
mod isolation;
mod isolation_metrics;
mod isolation_service;
mod keep;
mod lead;
mod metrics;
mod plan;
mod progress;
mod reload;
mod votes;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use silverback_cluster::ClusterArgs;
use silverback_gateway::{Connector, Endpoint};
use silverback_lease::{Elector, Identity, LeaseName, Naming, Trouble};
use silverback_proto::v1::gateways_server::GatewaysServer;
use silverback_service::grpc::GrpcServer;
use silverback_service::{CommonArgs, Context, Readiness};
use silverback_sync::client::{Follower, Hop, Servers};
use tokio::sync::watch;

pub use args::{ElectionArgs, Force, GatewayArgs, IsolationArgs, PusherArgs};
use follow::Desired;
use gateways_service::{Election, GatewaysService};
use lead::Lead;

/// Where a pod finds its own namespace.
const POD_NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// All flags of a process that is a pusher and nothing else.
#[derive(clap::Args)]
pub struct Process {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    pusher: PusherArgs,
}

impl Process {
    /// Runs it to its end.
    pub fn run(self) -> ExitCode {
        silverback_service::run(self.common, |context| run(self.cluster, self.pusher, context))
    }
}

/// Runs the pusher until the shutdown.
///
/// # Errors
/// When a setting cannot be used. Translators, gateways and an API server that do not answer are waited for.
pub async fn run(cluster: ClusterArgs, args: PusherArgs, context: Context) -> anyhow::Result<()> {
    context.readiness.block(follow::WHAT, "no translator was reached yet");
    context.hops.may_listen("--pusher-bind-address", args.pusher_bind_address)?;
    let tls = context.hops.client("--translator-url", &args.translators.translator_url)?;
    let timing = args.election.timing()?;
    let connectors = connectors(&args)?;
    let static_endpoints = args.gateways.static_endpoints()?;
    let elects = args.election.is_on(args.gateways.kong_admin_svc.is_some(), &static_endpoints);
    let client = api_server(&cluster, &args.gateways, elects).await?;

    let metrics = metrics::Metrics::register(&context.metrics);
    let (desired_tx, desired) = watch::channel::<Option<Arc<Desired>>>(None);
    let (pushed_tx, pushed) = watch::channel(None);
    let identity = Identity::of(&args.election.election_identity.clone().unwrap_or_else(hostname));
    let election = match client.clone().filter(|_| elects) {
        Some(client) => {
            let lease = lease_name(&args.election)?;
            let settings = silverback_lease::Settings { lease, identity: identity.clone(), timing };
            Some(elect(client, settings, pushed, &metrics, &context))
        }
        None => {
            tracing::info!("no election: this replica always pushes");
            metrics.lead_always();
            None
        }
    };
    let handle = election.as_ref().map(|election| election.handle.clone());
    let lead = handle.clone().map_or_else(Lead::always, |handle| Lead::of(handle, desired.clone()));

    let (reports_tx, reports) = watch::channel(fleet::Reports::new());
    let beside = election.as_ref().zip(client.clone()).map(|(election, client)| (election.lease.clone(), client));
    let found = isolation::start(&args.isolation, beside, &lead, desired, reports.clone(), &context.metrics);
    let (targets_tx, targets) = watch::channel(None);
    tokio::spawn(fleet::aim(found.plans, lead.epoch.clone(), targets_tx, pushed_tx, metrics.clone()));
    let endpoints = endpoints(client, &args.gateways, static_endpoints, &context.readiness);
    let fleet = fleet::Fleet {
        connectors,
        rules: args.gateways.rules(),
        lead,
        targets,
        reports: reports_tx,
        metrics,
        shutdown: context.shutdown.clone(),
    };

    let server =
        GrpcServer { flag: "--pusher-bind-address", listen: args.pusher_bind_address, name: "silverback.v1.Gateways" };
    let service = GatewaysService {
        reports,
        election,
        identity: identity.to_string(),
        shown: found.shown,
        kept: found.kept,
        offers: found.offers,
    };
    let served = server.serve(&context, |routes| {
        routes.add_service(GatewaysServer::new(service));
    });
    let servers = Servers { urls: args.translators.translator_url.clone(), tls, client: "pusher".into() };
    let follower = Follower::new(servers, Hop::Config);
    let followed = async {
        tokio::select! {
            () = follow::run(follower, desired_tx, &context) => (),
            () = context.shutdown.cancelled() => (),
        }
        Ok(())
    };
    // The tasks finish or cut their pushes before the Lease is let go, so that no two pushers overlap.
    let pushed = async {
        fleet.run(endpoints).await;
        if let Some(handle) = handle {
            handle.release().await;
        }
        Ok(())
    };
    tokio::try_join!(served, followed, pushed)?;
    Ok(())
}

/// How to speak to gateways, read anew when files change.
fn connectors(args: &PusherArgs) -> anyhow::Result<watch::Receiver<Connector>> {
    let (connectors_tx, connectors) = watch::channel(Connector::new(args.client_settings()?)?);
    if args.gateways.reads_files() {
        let args = args.clone();
        tokio::spawn(reload::run(reload::EVERY, move || args.client_settings(), connectors_tx));
    }
    Ok(connectors)
}

/// The API server, where anything is asked of it.
async fn api_server(
    cluster: &ClusterArgs,
    gateways: &GatewayArgs,
    elects: bool,
) -> anyhow::Result<Option<kube::Client>> {
    let why = match &gateways.kong_admin_svc {
        _ if elects => "an election needs the API server",
        Some(_) => "--kong-admin-svc needs the API server",
        None => return Ok(None),
    };
    Ok(Some(cluster.connect().await.context(why)?.client))
}

/// Takes part in the election until it is let go.
fn elect(
    client: kube::Client,
    settings: silverback_lease::Settings,
    pushed: watch::Receiver<Option<String>>,
    metrics: &metrics::Metrics,
    context: &Context,
) -> Election {
    tracing::info!(lease = %settings.lease, identity = %settings.identity, "electing who pushes");
    let lease = settings.lease.clone();
    let (elector, handle) = Elector::new(client, settings, pushed);
    tokio::spawn(elector.run());
    tokio::spawn(metrics.clone().watch_election(handle.clone()));
    tokio::spawn(show_trouble(handle.trouble(), context.readiness.clone()));
    Election { lease, handle }
}

/// The gateways there are: those that are named, else those behind the admin Service.
fn endpoints(
    client: Option<kube::Client>,
    gateways: &GatewayArgs,
    named: Vec<Endpoint>,
    readiness: &Readiness,
) -> watch::Receiver<Vec<Endpoint>> {
    let (endpoints_tx, endpoints) = watch::channel(named);
    if let (Some(service), Some(client)) = (gateways.kong_admin_svc.clone(), client) {
        let ports = gateways.kong_admin_svc_port_names.clone();
        tokio::spawn(discover::run(client, service, ports, endpoints_tx, readiness.clone()));
    }
    endpoints
}

/// Registers all that a pusher counts, to be described: nothing is counted there.
pub fn describe_metrics(metrics: &silverback_service::metrics::Metrics) {
    metrics::Metrics::register(metrics);
    isolation_metrics::IsolationMetrics::register(metrics);
    follow::register(metrics, &follow::Configs::default());
    silverback_service::streaming::Following::register(metrics, "pusher");
}

fn lease_name(args: &ElectionArgs) -> anyhow::Result<LeaseName> {
    let from_pod = std::env::var("POD_NAMESPACE").ok().or_else(|| std::fs::read_to_string(POD_NAMESPACE_FILE).ok());
    let naming = Naming {
        id: args.election_id.clone(),
        namespace: args.election_namespace.clone(),
        lease_name: args.election_lease_name.clone(),
        pod_namespace: from_pod.map(|namespace| namespace.trim().to_owned()),
    };
    Ok(naming.resolve()?)
}

fn hostname() -> String {
    let from_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = std::env::var("HOSTNAME").ok().or_else(from_kernel).unwrap_or_default();
    match name.trim() {
        "" => "silverback".to_owned(),
        name => name.to_owned(),
    }
}

/// Has readiness name what keeps this replica from ever leading, as far as somebody has to set it right.
async fn show_trouble(mut trouble: watch::Receiver<Option<Trouble>>, readiness: Readiness) {
    const WHAT: &str = "election";
    loop {
        let lasting = trouble.borrow_and_update().clone().filter(Trouble::needs_people);
        match lasting {
            Some(trouble) => readiness.block(WHAT, trouble.to_string()),
            None => readiness.clear(WHAT),
        }
        if trouble.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;

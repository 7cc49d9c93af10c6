//! The watcher: streams Kubernetes state, or a folder of manifests, to whoever follows.
//!
//! Holds trimmed objects of every watched kind. Knows no rule of Kong's, and nobody who follows.

mod args;
mod folder;
mod kinds;
mod kubernetes;
mod metrics;
mod redact;
mod state_service;
mod trace;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use silverback_cluster::{Cluster, ClusterArgs};
use silverback_model::{CollectionId, Lineage, rules};
use silverback_proto::v1::state_server::StateServer;
use silverback_resources::registry::{self, Kind};
use silverback_service::grpc::GrpcServer;
use silverback_service::{CommonArgs, Context, Readiness, streaming};
use silverback_sync::server::MAX_REQUEST_BYTES;
use silverback_sync::{Publisher, SharedPublisher};
use tokio_util::sync::CancellationToken;

pub use args::WatcherArgs;
pub use kinds::KindSwitches;

/// All flags of a process that is a watcher and nothing else.
#[derive(clap::Args)]
pub struct Process {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    watcher: WatcherArgs,
}

impl Process {
    /// Runs it to its end.
    pub fn run(self) -> ExitCode {
        silverback_service::run(self.common, |context| run(self.cluster, self.watcher, context))
    }
}

/// Runs the watcher until the shutdown.
///
/// # Errors
/// When a setting cannot be used. A cluster that does not answer is waited for, and readiness says so.
pub async fn run(cluster: ClusterArgs, args: WatcherArgs, context: Context) -> anyhow::Result<()> {
    context.readiness.block("watcher", "nothing was read yet");
    context.hops.may_listen("--watcher-bind-address", args.watcher_bind_address)?;
    let kinds: Arc<[&'static Kind]> = args.kinds.kinds().into();
    if args.from.is_empty() {
        let cluster = cluster.connect().await?;
        context.readiness.block("watcher", format!("the API server at {} was not reached yet", cluster.url));
        let Some(lineage) = await_lineage(&cluster, &context.shutdown).await else { return Ok(()) };
        let namespaces: Arc<[String]> = args.watch_namespace.clone().into();
        let collections = kubernetes::collections(&kinds, &namespaces).map(|(_, id)| id);
        let publisher = publisher(lineage, collections);
        let selectors = args.selectors();
        let settings = kubernetes::Settings {
            kinds: kinds.clone(),
            namespaces,
            selectors,
            patience: kubernetes::Patience::default(),
        };
        let counters = metrics::Counters::register(&context.metrics);
        let shutdown = context.shutdown.clone();
        let source = kubernetes::KubernetesSource::new(cluster, publisher.clone(), settings, counters, shutdown);
        let closure = source.closure().clone();
        metrics::register_pending(&context.metrics, move || closure.pending());
        serve(&args, &context, publisher, kinds, async {
            source.run().await;
            Ok(())
        })
        .await
    } else {
        let lineage = Lineage(format!("folder-{:016x}", rand::random::<u64>()));
        let publisher = publisher(lineage, kinds.iter().map(|kind| CollectionId::all(kind.id.as_str())));
        let source = folder::FolderSource {
            paths: args.from.clone(),
            publisher: publisher.clone(),
            kinds: kinds.to_vec(),
            shutdown: context.shutdown.clone(),
        };
        serve(&args, &context, publisher, kinds, source.run()).await
    }
}

/// Registers all that a watcher counts, to be described: nothing is counted there.
pub fn describe_metrics(metrics: &silverback_service::metrics::Metrics) {
    let publisher = publisher(Lineage(String::new()), std::iter::empty());
    metrics::Counters::register(metrics);
    metrics::register_held(metrics, &publisher);
    metrics::register_pending(metrics, || 0);
    streaming::serving(metrics, "watcher", &publisher);
}

fn publisher(lineage: Lineage, collections: impl Iterator<Item = CollectionId>) -> SharedPublisher {
    SharedPublisher::new(Publisher::new(lineage, registry::trim_digest(), collections))
}

async fn serve(
    args: &WatcherArgs,
    context: &Context,
    publisher: SharedPublisher,
    kinds: Arc<[&'static Kind]>,
    source: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    metrics::register_held(&context.metrics, &publisher);
    streaming::serving(&context.metrics, "watcher", &publisher);
    let service = state_service::StateService { publisher: publisher.clone(), kinds };
    let server =
        GrpcServer { flag: "--watcher-bind-address", listen: args.watcher_bind_address, name: "silverback.v1.State" };
    let served = server.serve(context, |routes| {
        routes.add_service(StateServer::new(service).max_decoding_message_size(MAX_REQUEST_BYTES));
    });
    let ready = report_readiness(publisher.clone(), context.readiness.clone());
    let drained = async {
        context.shutdown.cancelled().await;
        publisher.write(|publisher| publisher.close("this watcher stops"));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = served => result,
        result = async { tokio::try_join!(source, async { ready.await; Ok(()) }) } => result.map(|_| ()),
        () = drained => Ok(()),
    }
}

/// Names every collection that was never seen whole, and — as no reason to send consumers elsewhere, since whoever asks
/// the API server fares the same — those that cannot be brought up to date.
async fn report_readiness(publisher: SharedPublisher, readiness: Readiness) {
    let mut moved = publisher.moved();
    let mut missing = usize::MAX;
    loop {
        moved.borrow_and_update();
        let (waiting, stale) = publisher.read(troubles);
        match in_a_line(&waiting) {
            Some(line) => readiness.block("watcher", line),
            None => readiness.clear("watcher"),
        }
        match in_a_line(&stale) {
            Some(line) => readiness.degrade("watcher", line),
            None => readiness.recover("watcher"),
        }
        if waiting.is_empty() && missing > 0 {
            tracing::info!("every collection is complete");
        }
        missing = waiting.len();
        if moved.changed().await.is_err() {
            return;
        }
    }
}

/// Collections, each with what is wrong with it.
type Troubles = Vec<(String, String)>;

/// Collections that were never seen whole, and those that are stale.
fn troubles(publisher: &Publisher) -> (Troubles, Troubles) {
    let (mut waiting, mut stale) = (Vec::new(), Vec::new());
    for (id, view) in publisher.collections() {
        let reason = view.stale.map(str::to_owned);
        if view.completeness() == rules::Completeness::Never {
            waiting.push((id.to_string(), reason.unwrap_or_else(|| "it was not listed yet".to_owned())));
        } else if let Some(reason) = reason {
            stale.push((id.to_string(), reason));
        }
    }
    // One that has a reason of its own says more than those that wait for it.
    waiting.sort_by_key(|(_, reason)| reason == "it was not listed yet");
    (waiting, stale)
}

fn in_a_line(troubles: &[(String, String)]) -> Option<String> {
    let ((name, why), more) = troubles.split_first()?;
    let others = if more.is_empty() { String::new() } else { format!(" (and {} more)", more.len()) };
    Some(format!("{name}: {why}{others}"))
}

/// Asks which cluster this is until it answers.
async fn await_lineage(cluster: &Cluster, shutdown: &CancellationToken) -> Option<Lineage> {
    let mut pause = Duration::from_millis(100);
    let mut last = String::new();
    loop {
        match kubernetes::lineage(cluster).await {
            Ok(lineage) => return Some(lineage),
            Err(reason) => {
                if reason != last {
                    tracing::warn!(
                        "the API server at {}: {reason}; check --kubeconfig or --apiserver-host; trying on",
                        cluster.url
                    );
                }
                last = reason;
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(5)),
        }
    }
}

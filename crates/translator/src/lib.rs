//! The translator: follows Kubernetes state and serves the gateways' configuration made from it.
//!
//! Holds a replica of the state and the derived configuration. Talks to no API server and to no gateway.

mod args;
mod config_service;
mod metrics;
mod pipeline;
pub mod redact;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use silverback_model::ObjectRef;
use silverback_proto::v1::config_server::ConfigServer;
use silverback_service::grpc::GrpcServer;
use silverback_service::metrics::Metrics;
use silverback_service::streaming::{self, Following};
use silverback_service::{CommonArgs, Context};
use silverback_status::ObjectStatus;
use silverback_sync::Received;
use silverback_sync::client::{Event, Follower, Hop, Servers};
use silverback_sync::server::MAX_REQUEST_BYTES;
use silverback_translation::{Diagnostic, Settings};

pub use args::{TranslationArgs, TranslatorArgs};
use config_service::ConfigService;
use metrics::Counters;
use pipeline::Pipeline;

/// Diagnostics of every object that has any, shared with the service that shows them.
type Diagnostics = Arc<Mutex<BTreeMap<ObjectRef, Vec<Diagnostic>>>>;

/// Statuses of the Gateway API's objects, shared with the service that shows them.
type Statuses = Arc<Mutex<BTreeMap<ObjectRef, Arc<ObjectStatus>>>>;

/// All flags of a process that is a translator and nothing else.
#[derive(clap::Args)]
pub struct Process {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    translator: TranslatorArgs,
}

impl Process {
    /// Runs it to its end.
    pub fn run(self) -> ExitCode {
        silverback_service::run(self.common, |context| run(self.translator, context))
    }
}

/// Runs the translator until the shutdown.
///
/// # Errors
/// When a setting cannot be used. A watcher that does not answer is looked for, and readiness says so.
pub async fn run(args: TranslatorArgs, context: Context) -> anyhow::Result<()> {
    context.readiness.block("translator", "no watcher was reached yet");
    context.hops.may_listen("--translator-bind-address", args.translator_bind_address)?;
    let tls = context.hops.client("--watcher-url", &args.watchers.watcher_url)?;
    let pipeline = Pipeline::new(args.settings()?, Counters::register(&context.metrics));
    let service = ConfigService {
        publisher: pipeline.publisher(),
        diagnostics: pipeline.diagnostics(),
        statuses: pipeline.statuses(),
        translator: pipeline.translator(),
    };
    let server = GrpcServer {
        flag: "--translator-bind-address",
        listen: args.translator_bind_address,
        name: "silverback.v1.Config",
    };
    let publisher = pipeline.publisher();
    streaming::serving(&context.metrics, "translator", &publisher);
    let served = server.serve(&context, |routes| {
        routes.add_service(ConfigServer::new(service).max_decoding_message_size(MAX_REQUEST_BYTES));
    });
    let servers = Servers { urls: args.watchers.watcher_url.clone(), tls, client: "translator".into() };
    let follower = Follower::new(servers, Hop::State);
    let drained = async {
        context.shutdown.cancelled().await;
        publisher.write(|publisher| publisher.close("this translator stops"));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = served => result,
        () = follow(follower, pipeline, &context) => Ok(()),
        () = drained => Ok(()),
    }
}

/// Registers all that a translator counts, to be described: nothing is counted there.
pub fn describe_metrics(metrics: &Metrics) {
    let publisher = Pipeline::new(Settings::default(), Counters::register(metrics)).publisher();
    streaming::serving(metrics, "translator", &publisher);
    Following::register(metrics, "translator");
}

/// The one task that owns the replica and the derived configuration.
async fn follow(mut follower: Follower, mut pipeline: Pipeline, context: &Context) {
    let mut following = Following::register(&context.metrics, "translator");
    let mut lost = String::new();
    loop {
        let event = follower.next().await;
        following.observe(&event, &follower);
        match event {
            Event::Connected { server } => {
                tracing::info!(watcher = server, held = follower.replica().len(), "following a watcher");
                lost.clear();
            }
            Event::Lost { server, cause } => {
                let cause = cause.to_string();
                if cause != lost {
                    tracing::warn!(watcher = server, "{cause}; check --watcher-url; what is known is kept");
                }
                lost = cause;
            }
            Event::Received(Received::Deltas(deltas)) => {
                let traces = follower.take_traces();
                pipeline.take(minute(), deltas, &traces, follower.replica());
            }
            Event::Compared { other, agrees: false } => {
                tracing::error!(
                    other,
                    "another watcher holds other objects at the same versions: one of them is defective"
                );
            }
            Event::Received(_) | Event::Compared { .. } => (),
        }
        report(&follower, &lost, context);
    }
}

/// Minutes since 1970. Steps of the state come at least as often as bookmarks do, so nothing else needs to tick.
fn minute() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs() / 60
}

fn report(follower: &Follower, lost: &str, context: &Context) {
    let replica = follower.replica();
    if replica.is_whole() {
        return context.readiness.clear("translator");
    }
    let why = match replica.missing().as_slice() {
        [] if lost.is_empty() => "no watcher was reached yet".to_owned(),
        [] => format!("no watcher: {lost}; check --watcher-url"),
        [first] => format!("{first} was never seen whole"),
        [first, rest @ ..] => format!("{first} and {} more were never seen whole", rest.len()),
    };
    context.readiness.block("translator", why);
}

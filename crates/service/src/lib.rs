//! What every Silverback service needs once: flags in common, telemetry, readiness, signals, the admin HTTP server and
//! the gRPC server with health and reflection.
//!
//! Knows nothing of what the services do.

pub mod addresses;
pub mod admin;
pub mod args;
pub mod grpc;
pub mod hops;
pub mod kic_flags;
pub mod metrics;
pub mod paging;
pub mod probe;
pub mod readiness;
pub mod shutdown;
pub mod streaming;
pub mod telemetry;
pub mod tether;
pub mod values;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::process::ExitCode;
use std::task::Poll;

pub use args::CommonArgs;
pub use hops::Hops;
pub use readiness::Readiness;
pub use tokio_util::sync::CancellationToken;

/// What a service is handed when it starts.
#[derive(Clone)]
pub struct Context {
    /// Where it says what it still waits for.
    pub readiness: Readiness,
    /// Where its metrics are registered.
    pub metrics: metrics::Metrics,
    /// Cancelled when the process is to stop.
    pub shutdown: CancellationToken,
    /// Added to every listening port.
    pub port_offset: u16,
    /// How it talks to the other services.
    pub hops: Hops,
}

/// Version of this software, as it is reported everywhere.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs a process to its end: telemetry, the admin server, signals, and `service` until it returns.
///
/// The exit code is 0 after a clean stop and 1 after an error, which is printed once, with its causes.
pub fn run<F, S>(common: CommonArgs, service: S) -> ExitCode
where
    S: FnOnce(Context) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    match run_to_end(common, service) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_to_end<F, S>(common: CommonArgs, service: S) -> anyhow::Result<()>
where
    S: FnOnce(Context) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    // The one TLS provider of the process; fails only when it was chosen before, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let telemetry = telemetry::init(&common)?;
        let context = Context {
            readiness: Readiness::default(),
            metrics: metrics::Metrics::default(),
            shutdown: shutdown::on_signal()?,
            port_offset: common.port_offset,
            hops: Hops::new(&common.hops)?,
        };
        common.tether.hold(context.shutdown.clone());
        // The first step of a service says what it waits for; no probe is answered before.
        let mut service = pin!(service(context.clone()));
        let first = poll_fn(|task| Poll::Ready(service.as_mut().poll(task))).await;
        let admin = admin::serve(&common, &context).await?;
        let result = match first {
            Poll::Ready(result) => result,
            Poll::Pending => service.await,
        };
        context.shutdown.cancel();
        admin.finish().await;
        telemetry.finish();
        result
    })
}

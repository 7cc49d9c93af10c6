//! `silverback bench`: what is promised, measured against a real API server with stand-in gateways.

mod change;
mod failover;
mod fan_out;
mod hop;
mod process;
mod shop;
mod sick_gateway;
mod stats;
mod stream;

use std::process::ExitCode;

use clap::Subcommand;
use silverback_cluster::ClusterArgs;

/// What is measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// From an endpoint's change until every gateway has it.
    Change(change::ChangeArgs),
    /// From the end of the leading pusher until the next change is at every gateway.
    Failover(failover::FailoverArgs),
    /// From a commit until many gateways have received a large configuration; needs no API server.
    FanOut(fan_out::FanOutArgs),
    /// From a commit until the healthy gateways have received it, while one is sick; needs no API server.
    SickGateway(sick_gateway::SickGatewayArgs),
    /// From the start of a translator until it has translated all that a watcher holds.
    Stream(stream::StreamArgs),
}

/// Flags in common.
#[derive(Clone, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,

    /// Stand-in gateways to push to.
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) gateways: u8,

    /// Ingresses, each with a Service and an EndpointSlice of its own, that are there beforehand.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) routes: u32,

    /// Endpoints of each Service.
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) endpoints: u8,

    /// Added to every listening port of the instances that are measured.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub(crate) port_offset: u16,

    /// Print JSON instead of a table.
    #[arg(short, long, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

impl Bench {
    pub(crate) fn run(self) -> ExitCode {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let result = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from);
        let result = result.and_then(|runtime| {
            runtime.block_on(async {
                match self {
                    Self::Change(args) => args.run().await,
                    Self::Failover(args) => args.run().await,
                    Self::FanOut(args) => args.run().await,
                    Self::SickGateway(args) => args.run().await,
                    Self::Stream(args) => args.run().await,
                }
            })
        });
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

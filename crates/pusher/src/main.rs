//! The `silverback-pusher` binary.

use std::process::ExitCode;

use clap::Parser;
use silverback_cluster::ClusterArgs;
use silverback_pusher::PusherArgs;
use silverback_service::CommonArgs;

/// Brings the configuration that a translator serves to every Kong gateway.
#[derive(Parser)]
#[command(name = "silverback-pusher", version)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    pusher: PusherArgs,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    silverback_service::run(cli.common, |context| silverback_pusher::run(cli.cluster, cli.pusher, context))
}

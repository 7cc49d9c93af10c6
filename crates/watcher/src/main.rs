//! The `silverback-watcher` binary.

use std::process::ExitCode;

use clap::Parser;
use silverback_cluster::ClusterArgs;
use silverback_service::CommonArgs;
use silverback_watcher::WatcherArgs;

/// Streams Kubernetes state to Silverback's translators.
#[derive(Parser)]
#[command(name = "silverback-watcher", version)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    watcher: WatcherArgs,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    silverback_service::run(cli.common, |context| silverback_watcher::run(cli.cluster, cli.watcher, context))
}

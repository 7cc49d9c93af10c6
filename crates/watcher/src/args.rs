//! Flags of the watcher.

use std::path::PathBuf;

use silverback_service::values::Listen;

use crate::kinds::KindSwitches;

/// Flags of the watcher.
#[derive(Clone, Debug, clap::Args)]
pub struct WatcherArgs {
    /// Where the watcher serves Kubernetes state over gRPC.
    #[arg(
        long,
        env = "CONTROLLER_WATCHER_BIND_ADDRESS",
        default_value = "127.0.0.1:7601",
        value_name = "ADDRESS",
        help_heading = "Watcher"
    )]
    pub watcher_bind_address: Listen,

    /// A folder of manifests to follow instead of a cluster; repeatable.
    #[arg(long, env = "CONTROLLER_FROM", value_name = "FOLDER", value_delimiter = ',', help_heading = "Watcher")]
    pub from: Vec<PathBuf>,

    /// Namespaces to watch; repeatable; all of them when it is left out.
    #[arg(
        long,
        env = "CONTROLLER_WATCH_NAMESPACE",
        value_name = "NAMESPACE",
        value_delimiter = ',',
        help_heading = "Watcher"
    )]
    pub watch_namespace: Vec<String>,

    /// Which kinds are watched.
    #[command(flatten)]
    pub kinds: KindSwitches,
}

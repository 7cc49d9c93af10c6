//! Flags of the watcher.

use std::path::PathBuf;

use silverback_service::values::Listen;

use crate::kinds::KindSwitches;
use crate::kubernetes::Selectors;

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

    /// A label: Secrets that carry it with the value `true` are held, too, beside those that are referred to or are
    /// labelled as a credential or an authority.
    #[arg(
        long,
        env = "CONTROLLER_SECRET_LABEL_SELECTOR",
        value_name = "LABEL",
        value_parser = label,
        help_heading = "Watcher"
    )]
    pub secret_label_selector: Option<String>,

    /// A label: ConfigMaps that carry it with the value `true` are held, too, beside those that are referred to or are
    /// labelled as an authority.
    #[arg(
        long,
        env = "CONTROLLER_CONFIGMAP_LABEL_SELECTOR",
        default_value = "konghq.com/configmap",
        value_name = "LABEL",
        value_parser = label,
        help_heading = "Watcher"
    )]
    pub configmap_label_selector: Option<String>,

    /// Which kinds are watched.
    #[command(flatten)]
    pub kinds: KindSwitches,
}

impl WatcherArgs {
    pub(crate) fn selectors(&self) -> Selectors {
        // An empty one selects everything in KIC. Here it selects nothing more: what nothing refers to has no effect.
        let given = |label: &Option<String>| label.clone().filter(|label| !label.is_empty());
        Selectors { secrets: given(&self.secret_label_selector), config_maps: given(&self.configmap_label_selector) }
    }
}

/// A label's name, without a value.
fn label(text: &str) -> Result<String, String> {
    match text.contains(['=', ',', '!', ' ']) {
        true => Err("the name of a label is expected, without a value".to_owned()),
        false => Ok(text.to_owned()),
    }
}

//! The flags that say where the services are: one for each service, the same for whoever dials it.

use tonic::transport::Uri;

/// Where watchers are.
#[derive(Clone, Debug, clap::Args)]
pub struct WatcherUrl {
    /// Where watchers are; repeatable; a headless name stands for all its addresses.
    #[arg(
        long,
        env = "CONTROLLER_WATCHER_URL",
        default_value = "http://127.0.0.1:7601",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub watcher_url: Vec<Uri>,
}

/// Where translators are.
#[derive(Clone, Debug, clap::Args)]
pub struct TranslatorUrl {
    /// Where translators are; repeatable; a headless name stands for all its addresses.
    #[arg(
        long,
        env = "CONTROLLER_TRANSLATOR_URL",
        default_value = "http://127.0.0.1:7602",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub translator_url: Vec<Uri>,
}

/// Where pushers are.
#[derive(Clone, Debug, clap::Args)]
pub struct PusherUrl {
    /// Where pushers are; repeatable; a headless name stands for all its addresses.
    #[arg(
        long,
        env = "CONTROLLER_PUSHER_URL",
        default_value = "http://127.0.0.1:7603",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub pusher_url: Vec<Uri>,
}

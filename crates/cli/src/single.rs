//! `silverback watcher`, `translator` and `pusher`: one service alone, as its own binary runs it.

use std::process::ExitCode;

use silverback_cluster::ClusterArgs;
use silverback_pusher::PusherArgs;
use silverback_service::{CommonArgs, Context};
use silverback_translator::TranslatorArgs;
use silverback_watcher::WatcherArgs;

/// Flags of `silverback watcher`.
#[derive(clap::Args)]
pub(crate) struct Watcher {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    watcher: WatcherArgs,
    #[command(flatten)]
    tether: Tether,
}

/// Flags of `silverback translator`.
#[derive(clap::Args)]
pub(crate) struct Translator {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    translator: TranslatorArgs,
    #[command(flatten)]
    tether: Tether,
}

/// Flags of `silverback pusher`.
#[derive(clap::Args)]
pub(crate) struct Pusher {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    pusher: PusherArgs,
    #[command(flatten)]
    tether: Tether,
}

/// Ties a process to the one that started it.
#[derive(Clone, Copy, clap::Args)]
struct Tether {
    /// Stop when stdin ends, as it does when the process that holds its other end is gone.
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

impl Tether {
    fn hold(self, context: &Context) {
        if !self.until_stdin_ends {
            return;
        }
        let shutdown = context.shutdown.clone();
        // Reading may last for ever, which no task of the runtime should.
        std::thread::spawn(move || {
            // Whatever is written there is not for us; an error is an end, too.
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            tracing::info!("the process that started this one is gone");
            shutdown.cancel();
        });
    }
}

impl Watcher {
    pub(crate) fn run(self) -> ExitCode {
        silverback_service::run(self.common, move |context| async move {
            self.tether.hold(&context);
            silverback_watcher::run(self.cluster, self.watcher, context).await
        })
    }
}

impl Translator {
    pub(crate) fn run(self) -> ExitCode {
        silverback_service::run(self.common, move |context| async move {
            self.tether.hold(&context);
            silverback_translator::run(self.translator, context).await
        })
    }
}

impl Pusher {
    pub(crate) fn run(self) -> ExitCode {
        silverback_service::run(self.common, move |context| async move {
            self.tether.hold(&context);
            silverback_pusher::run(self.cluster, self.pusher, context).await
        })
    }
}

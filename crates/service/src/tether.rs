//! Ties a process to the one that started it: it stops when the other is gone, however that ended.

use tokio_util::sync::CancellationToken;

/// The flag, for programs alone.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Tether {
    /// Stop when stdin ends, as it does when the process that holds its other end is gone.
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

impl Tether {
    /// Stops this process at the end of stdin, where that was asked for.
    pub(crate) fn hold(self, shutdown: CancellationToken) {
        if !self.until_stdin_ends {
            return;
        }
        // Reading may last for ever, which no task of the runtime should.
        std::thread::spawn(move || {
            // Whatever is written there is not for us; an error is an end, too.
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            tracing::info!("the process that started this one is gone");
            shutdown.cancel();
        });
    }
}

//! From a commit until many gateways have received a large configuration, and what memory that takes.

use super::hop::{Hop, HopArgs};
use super::process::memory;
use super::stats::{Figure, Row, print_with};

/// Flags of `silverback bench fan-out`.
#[derive(clap::Args)]
pub(crate) struct FanOutArgs {
    #[command(flatten)]
    hop: HopArgs,

    /// Stand-in gateways to push to.
    #[arg(long, default_value_t = 100, value_name = "N")]
    gateways: usize,
}

impl FanOutArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut hop = Hop::open(&self.hop, self.gateways).await?;
        let pid = hop.pusher.0.id();
        let held = memory(pid)?;
        let (mut first, mut half, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.hop.changes {
            let mut times = hop.measure(0..self.gateways).await?;
            times.sort();
            first.extend(times.first().copied());
            half.extend(times.get(times.len() / 2).copied());
            all.extend(times.last().copied());
        }
        let (gateways, pushed, size) = (self.gateways, memory(pid)?, hop.size as f64);
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let figure = |what: &str, bytes: f64| Figure { what: what.to_owned(), value: mib(bytes), unit: "MiB" };
        let row = |what: String, times| Row { what, times };
        print_with(
            &[
                row("commit → the first gateway has received it".into(), first),
                row(format!("commit → half of {gateways} gateways have received it"), half),
                row(format!("commit → all {gateways} gateways have received it"), all),
            ],
            &[
                figure("size of the configuration", size),
                figure("asked for: 3 times that and 20 MB at most", 3.0 * size + 20e6),
                figure("pusher's memory once all gateways had it", held.now as f64),
                figure("pusher's memory after the changes", pushed.now as f64),
                figure("pusher's memory at its peak", pushed.peak as f64),
            ],
            self.hop.output,
        );
        Ok(())
    }
}

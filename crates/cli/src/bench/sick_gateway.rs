//! From a commit until the healthy gateways have received it, while one of them is sick in one way after the other.

use std::time::Duration;

use anyhow::Context as _;
use silverback_devcluster::gateway::{FixedAnswer, GatewayHandle, LoadTime, On};

use super::hop::{Hop, HopArgs};
use super::stats::{Row, print_with};

/// Flags of `silverback bench sick-gateway`.
#[derive(clap::Args)]
pub(crate) struct SickGatewayArgs {
    #[command(flatten)]
    hop: HopArgs,

    /// Stand-in gateways to push to; the first of them falls sick.
    #[arg(long, default_value_t = 10, value_name = "N")]
    gateways: usize,
}

#[derive(Clone, Copy)]
enum Sickness {
    None,
    Hangs,
    Refuses,
    Answers500,
    Takes29s,
    Cuts,
}

impl SickGatewayArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut hop = Hop::open(&self.hop, self.gateways).await?;
        let mut rows = Vec::new();
        for (what, sickness) in [
            ("nobody is sick", Sickness::None),
            ("one hangs", Sickness::Hangs),
            ("one refuses connections", Sickness::Refuses),
            ("one answers 500", Sickness::Answers500),
            ("one takes 29 s", Sickness::Takes29s),
            ("one cuts its answers", Sickness::Cuts),
        ] {
            eprintln!("{what}");
            sickness.strike(&hop.gateways[0]).await?;
            let mut times = Vec::new();
            for _ in 0..self.hop.changes {
                times.extend(hop.measure(1..self.gateways).await?);
            }
            let what = format!("{what}: commit → each of the {} others has received it", self.gateways - 1);
            rows.push(Row { what, times });
            recover(&hop).await?;
        }
        print_with(&rows, &[], self.hop.output);
        Ok(())
    }
}

impl Sickness {
    async fn strike(self, gateway: &GatewayHandle) -> anyhow::Result<()> {
        let faults = gateway.faults();
        match self {
            Self::None => {}
            Self::Hangs => faults.hang(On::Everything),
            Self::Refuses => gateway.set_listening(false).await?,
            Self::Answers500 => faults.answer(On::Posts, FixedAnswer::message(500, "sick")),
            Self::Takes29s => faults.load_time(LoadTime { base: Duration::from_secs(29), ..LoadTime::default() }),
            Self::Cuts => faults.cut_answers(On::Posts, 1),
        }
        Ok(())
    }
}

/// Ends every sickness, and waits until the gateway holds what the others do.
async fn recover(hop: &Hop) -> anyhow::Result<()> {
    let (sick, well) = (&hop.gateways[0], &hop.gateways[1]);
    sick.faults().clear();
    sick.set_listening(true).await?;
    let hash = well.hash();
    let recovered = sick.wait_for(Duration::from_secs(90), |config| config.hash == hash).await;
    recovered.context("the gateway that was sick did not recover").map(drop)
}

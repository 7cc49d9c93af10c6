//! From an endpoint's change until every gateway has it.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use kube::api::{WatchEvent, WatchParams};

use super::BenchArgs;
use super::shop::Shop;
use super::stats::{Row, print};

/// Flags of `silverback bench change`.
#[derive(clap::Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    bench: BenchArgs,

    /// Changes to measure.
    #[arg(long, default_value_t = 20, value_name = "N")]
    changes: usize,

    /// Have the gateways judge what they are sent as Kong does, and refuse the routes of this many other Ingresses; with
    /// 0 they judge and refuse nothing. Left out, they take whatever is JSON, which takes them less time.
    #[arg(long, value_name = "N")]
    refused: Option<u32>,
}

impl ChangeArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut shop = Shop::open(&self.bench).await?;
        if let Some(refused) = self.refused {
            shop.refuse(refused);
        }
        let instance = shop.instance(&self.bench, 0, &["--force-leader-election", "disabled"])?;
        let first = shop.change().await?;
        shop.arrived(&first).await?;
        let before = shop.posts();
        let (mut answered, mut sent, mut floor) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.changes {
            let watch =
                shop.slices.watch(&WatchParams::default().fields("metadata.name=app-0").timeout(60), "0").await?;
            let mut watch = watch.boxed();
            // The state as it is comes first.
            watch.try_next().await?;
            let started = Instant::now();
            let target = shop.change().await?;
            let answer = Instant::now();
            let seen = async {
                while let Some(event) = watch.try_next().await? {
                    if matches!(event, WatchEvent::Modified(_)) {
                        break;
                    }
                }
                anyhow::Ok(answer.elapsed())
            };
            let (seen, arrived) = tokio::join!(seen, shop.arrived(&target));
            arrived?;
            floor.push(seen?);
            answered.push(answer.elapsed());
            sent.push(started.elapsed());
            // The next change must not fall into the quiet time after this push.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let gateways = self.bench.gateways;
        eprintln!(
            "{} posts at a gateway for {} changes, after {before} at the start",
            shop.posts() - before,
            self.changes
        );
        print(
            &[
                Row { what: "API server's answer → a bare watch has the event".into(), times: floor },
                Row { what: format!("API server's answer → at {gateways} gateways"), times: answered },
                Row { what: format!("request sent → at {gateways} gateways"), times: sent },
            ],
            self.bench.output,
        );
        drop(instance);
        shop.close().await
    }
}

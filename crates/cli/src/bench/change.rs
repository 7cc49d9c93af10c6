//! From an endpoint's change until every gateway has it; on demand beside another shop in which gateways refuse something.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use kube::api::{WatchEvent, WatchParams};

use super::BenchArgs;
use super::shop::{Instance, Shop};
use super::stats::{Figure, Row, print_with};

/// Flags of `silverback bench change`.
#[derive(clap::Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    bench: BenchArgs,

    /// Changes to measure.
    #[arg(long, default_value_t = 20, value_name = "N")]
    changes: usize,

    /// Measure two shops in turns, each with a Silverback and gateways of its own that judge what they are sent as Kong
    /// does: one in which they refuse nothing, and one in which they refuse the routes of this many other Ingresses.
    /// Left out, there is one shop, and its gateways take whatever is JSON, which takes them less time.
    #[arg(long, value_name = "N")]
    refused: Option<u32>,
}

impl ChangeArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut sides = match self.refused {
            None => vec![Side::open(&self.bench, 0, "", None).await?],
            Some(refused) => vec![
                Side::open(&self.bench, 0, ", nothing refused", Some(0)).await?,
                Side::open(&self.bench, 1, &format!(", {refused} refused"), Some(refused)).await?,
            ],
        };
        for change in 0..self.changes {
            // Neither side is always the first.
            let first = change % sides.len();
            for at in 0..sides.len() {
                let at = (first + at) % sides.len();
                sides[at].measure().await?;
            }
        }
        let (mut rows, mut figures) = (Vec::new(), Vec::new());
        for side in sides {
            let (more, figure) = side.report(self.bench.gateways, self.changes);
            rows.extend(more);
            figures.push(figure);
            side.shop.close().await?;
        }
        print_with(&rows, &figures, self.bench.output);
        Ok(())
    }
}

/// A shop, a Silverback that serves it, and what was measured.
struct Side {
    shop: Shop,
    _instance: Instance,
    /// What tells it from the other.
    name: String,
    posts_before: usize,
    floor: Vec<Duration>,
    answered: Vec<Duration>,
    sent: Vec<Duration>,
}

impl Side {
    /// Starts the side of this number, and waits until its first change has arrived.
    async fn open(bench: &BenchArgs, number: u16, name: &str, refused: Option<u32>) -> anyhow::Result<Self> {
        let mut shop = Shop::open(bench, number).await?;
        if let Some(refused) = refused {
            shop.refuse(refused);
        }
        // So far apart that no ports are the same.
        let instance = shop.instance(bench, number * 1_000, &["--force-leader-election", "disabled"])?;
        let first = shop.change().await?;
        shop.arrived(&first).await?;
        let posts_before = shop.posts();
        let (floor, answered, sent) = Default::default();
        Ok(Self { shop, _instance: instance, name: name.to_owned(), posts_before, floor, answered, sent })
    }

    async fn measure(&mut self) -> anyhow::Result<()> {
        let only = WatchParams::default().fields("metadata.name=app-0").timeout(60);
        let mut watch = self.shop.slices.watch(&only, "0").await?.boxed();
        // The state as it is comes first.
        watch.try_next().await?;
        let started = Instant::now();
        let target = self.shop.change().await?;
        let answer = Instant::now();
        let seen = async {
            while let Some(event) = watch.try_next().await? {
                if matches!(event, WatchEvent::Modified(_)) {
                    break;
                }
            }
            anyhow::Ok(answer.elapsed())
        };
        let (seen, arrived) = tokio::join!(seen, self.shop.arrived(&target));
        arrived?;
        self.floor.push(seen?);
        self.answered.push(answer.elapsed());
        self.sent.push(started.elapsed());
        // The next change must not fall into the quiet time after this push.
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(())
    }

    fn report(&self, gateways: u8, changes: usize) -> ([Row; 3], Figure) {
        let name = &self.name;
        let row = |what: String, times: &Vec<Duration>| Row { what: what + name, times: times.clone() };
        let posts = self.shop.posts() - self.posts_before;
        (
            [
                row("API server's answer → a bare watch has the event".into(), &self.floor),
                row(format!("API server's answer → at {gateways} gateways"), &self.answered),
                row(format!("request sent → at {gateways} gateways"), &self.sent),
            ],
            Figure {
                what: format!("posts at a gateway for each change{name}, after {} at the start", self.posts_before),
                value: posts as f64 / changes.max(1) as f64,
                unit: "",
            },
        )
    }
}

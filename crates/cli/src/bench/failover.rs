//! From the end of the leading pusher until the next change is at every gateway.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use rustix::process::{Pid, Signal, kill_process};
use silverback_devcluster::Proxy;
use silverback_lease::name::name_of;
use silverback_service::probe;

use super::BenchArgs;
use super::shop::{Instance, Shop};
use super::stats::{Row, print};

const LEASE: &str = "silverback-bench";

/// Flags of `silverback bench failover`.
#[derive(clap::Args)]
pub(crate) struct FailoverArgs {
    #[command(flatten)]
    bench: BenchArgs,

    /// Times each way of ending is measured.
    #[arg(long, default_value_t = 5, value_name = "N")]
    times: usize,

    /// Duration of the Lease; the renew deadline and retry period are two thirds and a seventh of it.
    #[arg(long, default_value_t = 15, value_name = "SECONDS")]
    lease_seconds: u64,
}

/// What becomes of the leader.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    Stopped,
    Killed,
    Frozen,
    Cut,
}

impl FailoverArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut shop = Shop::open(&self.bench, 0).await?;
        let mut rows = Vec::new();
        for (what, loss) in [
            ("SIGTERM of the leader", Loss::Stopped),
            ("kill -9 of the leader", Loss::Killed),
            ("SIGSTOP of the leader", Loss::Frozen),
            ("the leader loses the API server", Loss::Cut),
        ] {
            let mut times = Vec::new();
            for round in 0..self.times {
                eprintln!("{what}, {} of {}", round + 1, self.times);
                times.push(self.measure(&mut shop, loss).await?);
            }
            let lease = self.lease_seconds;
            rows.push(Row { what: format!("{what} (lease {lease} s) → next change at all gateways"), times });
        }
        print(&rows, self.bench.output);
        shop.close().await
    }

    async fn measure(&self, shop: &mut Shop, loss: Loss) -> anyhow::Result<Duration> {
        let ways = [Proxy::to(shop.api_port).await?, Proxy::to(shop.api_port).await?];
        let mut instances = [self.start(shop, "a", 0, &ways[0])?, self.start(shop, "b", 100, &ways[1])?];
        let target = shop.change().await?;
        shop.arrived(&target).await?;
        let leader = usize::from(self.holder(shop).await? == "b");
        // Only a replica that has caught up can take over at once.
        self.await_ready(1 - leader).await?;
        let pid = Pid::from_child(&instances[leader].0);
        let signal = match loss {
            Loss::Stopped => Some(Signal::TERM),
            Loss::Killed => Some(Signal::KILL),
            Loss::Frozen => Some(Signal::STOP),
            Loss::Cut => None,
        };
        match signal {
            Some(signal) => kill_process(pid, signal).context("ending the leader")?,
            None => ways[leader].cut(),
        }
        let lost = Instant::now();
        let target = shop.change().await?;
        shop.arrived(&target).await?;
        let took = lost.elapsed();
        if loss == Loss::Frozen {
            kill_process(pid, Signal::CONT).context("waking the old leader")?;
        }
        for instance in &mut instances {
            // A clean end frees the Lease for the next round.
            let _ = kill_process(Pid::from_child(&instance.0), Signal::TERM);
            let _ = instance.0.wait();
        }
        Ok(took)
    }

    fn start(&self, shop: &Shop, identity: &str, offset: u16, way: &Proxy) -> anyhow::Result<Instance> {
        let lease = Duration::from_secs(self.lease_seconds);
        let millis = |duration: Duration| format!("{}ms", duration.as_millis());
        let way = format!("https://127.0.0.1:{}", way.port());
        let flags = [
            "--apiserver-host",
            &way,
            "--force-leader-election",
            "enabled",
            "--election-namespace",
            &shop.namespace,
            "--election-lease-name",
            LEASE,
            "--election-identity",
            identity,
            "--election-lease-duration",
            &millis(lease),
            "--election-renew-deadline",
            &millis(lease * 2 / 3),
            "--election-retry-period",
            &millis(lease * 2 / 15),
        ];
        shop.instance(&self.bench, offset, &flags)
    }

    async fn holder(&self, shop: &Shop) -> anyhow::Result<String> {
        let leases: Api<Lease> = Api::namespaced(self.bench.cluster.connect().await?.client, &shop.namespace);
        let holder = leases.get(LEASE).await?.spec.and_then(|spec| spec.holder_identity);
        let holder = holder.context("the Lease has no holder although a configuration was pushed")?;
        Ok(name_of(&holder).to_owned())
    }

    async fn await_ready(&self, instance: usize) -> anyhow::Result<()> {
        let port = 10_254 + usize::from(self.bench.port_offset) + 100 * instance;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port)?));
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if probe::is_ready(address).await {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "the standby was not ready within 60 s");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

//! Two replicas, one of which pushes: what becomes of the next change when that one goes.

use std::time::{Duration, Instant};

use anyhow::ensure;
use silverback_proto::v1;
use silverback_proto::v1::gateways_client::GatewaysClient;
use silverback_test_support::{Signal, eventually};

use crate::story::{Cluster, Gateways, Ports, SOON, Service, backend, channel, endpoints, ingress, service};

const LEASE: Duration = Duration::from_secs(4);
/// Far longer than any scenario: whoever takes over earlier did not wait for expiry.
const LONG_LEASE: Duration = Duration::from_secs(600);

struct Replica {
    name: &'static str,
    service: Service,
    ports: Ports,
}

impl Replica {
    fn start(name: &'static str, cluster: &Cluster, gateways: &Gateways, lease: Duration) -> anyhow::Result<Self> {
        let ports = Ports::choose()?;
        let (duration, deadline) = (format!("{}s", lease.as_secs()), format!("{}s", lease.as_secs() * 3 / 4));
        let args = [
            "--kubeconfig",
            &cluster.admin(),
            "--ingress-class",
            &cluster.namespace,
            "--force-leader-election=enabled",
            "--election-namespace",
            &cluster.namespace,
            "--election-lease-name=leader",
            "--election-identity",
            name,
            "--election-lease-duration",
            &duration,
            "--election-renew-deadline",
            &deadline,
            "--election-retry-period=500ms",
        ];
        Ok(Self { name, service: Service::run(name, ports, gateways, &args)?, ports })
    }

    /// What it says of the leadership once it and the Lease agree that `holder` has it.
    async fn sees(&self, cluster: &Cluster, holder: &str, within: Duration) -> anyhow::Result<v1::Leader> {
        let mut client = GatewaysClient::new(channel(self.ports.pusher)?);
        eventually(&format!("{} sees {holder} lead", self.name), within, async || {
            let written = cluster.holder("leader").await.map_err(|error| format!("{error:#}"))?;
            let leader = client.get_leader(v1::GetLeaderRequest {}).await;
            let leader = leader.map_err(|status| status.to_string())?.into_inner();
            if leader.identity == holder && written == holder && leader.leading == (holder == self.name) {
                Ok(leader)
            } else {
                Err(format!("holder {written:?} and {leader:?}; it said: {}", self.service.process.lines().join("\n")))
            }
        })
        .await
    }
}

/// An application, two gateways that route to it, a leader `a` and a standby `b`.
async fn pair(cluster: &Cluster, gateways: &Gateways, lease: Duration) -> anyhow::Result<(Replica, Replica, u64)> {
    cluster.put_all([service("shop"), endpoints("shop", &["10.1.0.1"])]).await?;
    cluster.put(ingress(&cluster.namespace, "shop", "/shop")).await?;
    let a = Replica::start("a", cluster, gateways, lease)?;
    let leader = a.sees(cluster, "a", SOON).await?;
    gateways.route_to(&[backend(&cluster.namespace, "shop", "/shop", &["10.1.0.1"])]).await?;
    let b = Replica::start("b", cluster, gateways, lease)?;
    b.sees(cluster, "a", SOON).await?;
    b.service.is_ready().await?;
    Ok((a, b, leader.epoch.parse()?))
}

#[tokio::test]
async fn a_killed_leader_is_replaced_when_its_lease_is_over() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("election-kill").await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let (a, b, epoch) = pair(&cluster, &gateways, LEASE).await?;

    a.service.process.signal(Signal::KILL)?;
    let killed = Instant::now();
    cluster.put(endpoints("shop", &["10.1.0.2"])).await?;

    let leader = b.sees(&cluster, "b", LEASE + SOON).await?;
    let took = killed.elapsed();
    ensure!(took < LEASE + Duration::from_secs(5), "taking over took {took:?} with a lease of {LEASE:?}");
    ensure!(leader.epoch.parse::<u64>()? > epoch, "the epoch did not rise from {epoch}: {leader:?}");
    gateways.route_to(&[backend(&cluster.namespace, "shop", "/shop", &["10.1.0.2"])]).await
}

#[tokio::test]
async fn a_stopped_leader_hands_over_at_once() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("election-stop").await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let (a, b, epoch) = pair(&cluster, &gateways, LONG_LEASE).await?;

    a.service.process.signal(Signal::TERM)?;
    let status = a.service.process.wait_exit(SOON).await?;
    ensure!(status.code() == Some(0), "it ended with {status}");
    // It was cleared before the end, or `b` has it already.
    let holder = cluster.holder("leader").await?;
    ensure!(holder != "a", "the Lease still names the one that stopped");

    let leader = b.sees(&cluster, "b", SOON).await?;
    ensure!(leader.epoch.parse::<u64>()? > epoch, "the epoch did not rise from {epoch}: {leader:?}");
    cluster.put(endpoints("shop", &["10.1.0.2"])).await?;
    gateways.route_to(&[backend(&cluster.namespace, "shop", "/shop", &["10.1.0.2"])]).await
}

#[tokio::test]
async fn a_frozen_leader_pushes_no_more_when_it_wakes() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("election-freeze").await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let (a, b, _) = pair(&cluster, &gateways, LEASE).await?;

    a.service.process.signal(Signal::STOP)?;
    b.sees(&cluster, "b", LEASE + SOON).await?;
    cluster.put(endpoints("shop", &["10.1.0.2"])).await?;
    let current = [backend(&cluster.namespace, "shop", "/shop", &["10.1.0.2"])];
    gateways.route_to(&current).await?;
    let pushed: Vec<usize> = gateways.0.iter().map(|gateway| gateway.posts().len()).collect();

    a.service.process.signal(Signal::CONT)?;
    a.sees(&cluster, "b", SOON).await?;
    gateways.route_to(&current).await?;
    let after: Vec<usize> = gateways.0.iter().map(|gateway| gateway.posts().len()).collect();
    ensure!(pushed == after, "gateways were posted to by the one that woke: {pushed:?} before, {after:?} after");
    Ok(())
}

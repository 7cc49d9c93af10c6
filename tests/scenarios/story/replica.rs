//! Replicas of which one pushes: `silverback run` with an election.

use std::time::Duration;

use silverback_proto::v1;
use silverback_proto::v1::gateways_client::GatewaysClient;
use silverback_test_support::eventually;

use super::{Cluster, Gateways, Ports, SOON, Service, backend, channel, endpoints, ingress, name_of, service};

/// Short, so that scenarios are.
pub(crate) const LEASE: Duration = Duration::from_secs(4);
/// Far longer than any scenario: whoever takes over earlier did not wait for expiry.
pub(crate) const LONG_LEASE: Duration = Duration::from_secs(600);

/// One of several.
pub(crate) struct Replica {
    name: &'static str,
    pub(crate) service: Service,
    ports: Ports,
}

impl Replica {
    /// Starts one.
    pub(crate) fn start(
        name: &'static str,
        cluster: &Cluster,
        gateways: &Gateways,
        lease: Duration,
        more: &[&str],
    ) -> anyhow::Result<Self> {
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
            "--gateway-discovery-readiness-check-interval=1s",
        ];
        Ok(Self { name, service: Service::run(name, ports, gateways, &[&args[..], more].concat())?, ports })
    }

    /// What it says of the leadership.
    pub(crate) async fn leader(&self) -> Result<v1::Leader, String> {
        let mut client = GatewaysClient::new(channel(self.ports.pusher).map_err(|error| format!("{error:#}"))?);
        let leader = client.get_leader(v1::GetLeaderRequest {}).await;
        Ok(leader.map_err(|status| status.to_string())?.into_inner())
    }

    /// What it says of the leadership once it and the Lease agree that `holder` has it.
    pub(crate) async fn sees(&self, cluster: &Cluster, holder: &str, within: Duration) -> anyhow::Result<v1::Leader> {
        eventually(&format!("{} sees {holder} lead", self.name), within, async || {
            let written = cluster.holder("leader").await.map_err(|error| format!("{error:#}"))?;
            let leader = self.leader().await?;
            if name_of(&leader.identity) == holder && written == holder && leader.leading == (holder == self.name) {
                Ok(leader)
            } else {
                Err(format!("holder {written:?} and {leader:?}; it said: {}", self.service.process.lines().join("\n")))
            }
        })
        .await
    }

    /// Waits until it knows that it must not push any more.
    pub(crate) async fn stands_by(&self, within: Duration) -> anyhow::Result<()> {
        eventually(&format!("{} leads no more", self.name), within, async || match self.leader().await? {
            leader if leader.leading => Err(format!("{leader:?}")),
            _ => Ok(()),
        })
        .await
    }
}

/// An application, gateways that route to it, a leader `a`, started with these flags more, and a standby `b`. Gives
/// the epoch.
pub(crate) async fn pair(
    cluster: &Cluster,
    gateways: &Gateways,
    lease: Duration,
    more: &[&str],
) -> anyhow::Result<(Replica, Replica, u64)> {
    cluster.put_all([service("shop"), endpoints("shop", &["10.1.0.1"])]).await?;
    cluster.put(ingress(&cluster.namespace, "shop", "/shop")).await?;
    let a = Replica::start("a", cluster, gateways, lease, more)?;
    let leader = a.sees(cluster, "a", SOON).await?;
    gateways.route_to(&[backend(&cluster.namespace, "shop", "/shop", &["10.1.0.1"])]).await?;
    let b = Replica::start("b", cluster, gateways, lease, &[])?;
    b.sees(cluster, "a", SOON).await?;
    b.service.is_ready().await?;
    Ok((a, b, leader.epoch.parse()?))
}

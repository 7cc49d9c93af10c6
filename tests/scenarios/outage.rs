//! The API server goes away, for the leader alone or for everybody.

use std::time::{Duration, Instant};

use anyhow::ensure;
use silverback_devcluster::Proxy;
use silverback_devcluster::gateway::{On, Restart};

use crate::story::{Backend, Cluster, Gateways, LEASE, SOON, backend, endpoints, pair, routes_to};

fn shop(cluster: &Cluster, address: &str) -> [Backend; 1] {
    [backend(&cluster.namespace, "shop", "/shop", &[address])]
}

#[tokio::test]
async fn a_leader_whose_connections_are_cut_is_replaced_and_stands_by_when_it_is_back() -> anyhow::Result<()> {
    replaced_and_back("outage-cut", Proxy::cut).await
}

#[tokio::test]
async fn a_leader_whose_packets_vanish_is_replaced_and_stands_by_when_it_is_back() -> anyhow::Result<()> {
    replaced_and_back("outage-silence", Proxy::silence).await
}

async fn replaced_and_back(scenario: &str, part: impl FnOnce(&Proxy)) -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared(scenario).await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let proxy = Proxy::to(cluster.api.port()).await?;
    let way = format!("--apiserver-host=https://127.0.0.1:{}", proxy.port());
    let (a, b, epoch) = pair(&cluster, &gateways, LEASE, &[&way]).await?;

    part(&proxy);
    cluster.put(endpoints("shop", &["10.1.0.2"])).await?;
    let leader = b.sees(&cluster, "b", LEASE + SOON).await?;
    ensure!(leader.epoch.parse::<u64>()? > epoch, "the epoch did not rise from {epoch}: {leader:?}");
    // By its own clock it stopped before anybody else could begin.
    ensure!(!a.leader().await.map_err(anyhow::Error::msg)?.leading, "two lead");
    gateways.route_to(&shop(&cluster, "10.1.0.2")).await?;
    let epochs = gateways.epochs();
    ensure!(epochs.iter().all(|epochs| epochs.is_sorted()), "an older leadership pushed after a newer one: {epochs:?}");

    proxy.heal();
    a.sees(&cluster, "b", SOON).await?;
    cluster.put(endpoints("shop", &["10.1.0.3"])).await?;
    gateways.route_to(&shop(&cluster, "10.1.0.3")).await?;
    let last = gateways.epochs().iter().filter_map(|epochs| epochs.last().copied()).collect::<Vec<_>>();
    let leading: u64 = b.leader().await.map_err(anyhow::Error::msg)?.epoch.parse()?;
    ensure!(last == [leading, leading], "pushed by {last:?}, led by {leading}");
    Ok(())
}

/// It may still fill what is empty, but what it was about to do as the leader ends with its Lease.
#[tokio::test]
async fn a_push_in_flight_is_cut_when_its_leader_lost_the_api_server_for_too_long() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("outage-flight").await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let proxy = Proxy::to(cluster.api.port()).await?;
    let way = format!("--apiserver-host=https://127.0.0.1:{}", proxy.port());
    let (a, b, _) = pair(&cluster, &gateways, LEASE, &[&way]).await?;

    let slow = &gateways.0[0];
    slow.faults().hang(On::Posts);
    cluster.put(endpoints("shop", &["10.1.0.2"])).await?;
    routes_to(&gateways.0[1], &shop(&cluster, "10.1.0.2")).await?;
    proxy.cut();
    a.service.process.wait_for_line("gave up a push", LEASE + SOON).await?;
    b.sees(&cluster, "b", LEASE + SOON).await?;
    cluster.put(endpoints("shop", &["10.1.0.3"])).await?;
    routes_to(&gateways.0[1], &shop(&cluster, "10.1.0.3")).await?;
    // What the gateway was sent may land now, in whatever order, and does not stay.
    slow.faults().clear();
    gateways.route_to(&shop(&cluster, "10.1.0.3")).await
}

/// How long the API server is away: `SILVERBACK_OUTAGE_SECONDS`, else as long as it takes for the Lease to be over.
fn outage() -> Duration {
    let seconds = std::env::var("SILVERBACK_OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok());
    seconds.map_or(LEASE, Duration::from_secs)
}

#[tokio::test]
async fn when_all_lose_the_api_server_nothing_is_lost_and_a_replaced_gateway_is_filled() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::own("outage-all").await? else { return Ok(()) };
    let gateways = Gateways::start(3).await?;
    let (a, b, _) = pair(&cluster, &gateways, LEASE, &[]).await?;
    let before = shop(&cluster, "10.1.0.1");

    cluster.api.stop_apiserver();
    let left = Instant::now();
    a.stands_by(LEASE + SOON).await?;
    b.stands_by(SOON).await?;
    gateways.0[0].restart(Restart::Empty, Duration::ZERO).await?;
    gateways.route_to(&before).await?;
    // Nothing is to happen meanwhile, so there is nothing to wait for.
    tokio::time::sleep(outage()).await;
    gateways.route_to(&before).await?;
    gateways.0[1].restart(Restart::Empty, Duration::ZERO).await?;
    gateways.route_to(&before).await?;
    let posts = gateways.posts();
    ensure!(posts[2] == 1, "a gateway that lacked nothing was pushed to: {posts:?}");

    cluster.api.start_apiserver().await?;
    let back = Instant::now();
    cluster.put(endpoints("shop", &["10.1.0.2"])).await?;
    gateways.route_to(&shop(&cluster, "10.1.0.2")).await?;
    eprintln!(
        "{:.1?} after an outage of {:.0?}, in which two replaced gateways were filled, a change was at all gateways",
        back.elapsed(),
        back.duration_since(left)
    );
    ensure!(a.service.process.is_running() && b.service.process.is_running(), "a replica ended");
    Ok(())
}

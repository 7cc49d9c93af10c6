//! Two replicas, one of which pushes: what becomes of the next change when that one goes, freezes, or is slow.

use std::time::Instant;

use anyhow::ensure;
use serde_json::json;
use silverback_devcluster::gateway::LoadTime;
use silverback_proto::v1;
use silverback_proto::v1::gateways_client::GatewaysClient;
use silverback_test_support::{Signal, eventually};

use crate::story::{
    Backend, Cluster, Gateways, LEASE, LONG_LEASE, Ports, SOON, Service, backend, channel, endpoints, pair, routes_to,
};

fn shop(cluster: &Cluster, address: &str) -> [Backend; 1] {
    [backend(&cluster.namespace, "shop", "/shop", &[address])]
}

#[tokio::test]
async fn a_killed_leader_is_replaced_when_its_lease_is_over() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("election-kill").await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let (a, b, epoch) = pair(&cluster, &gateways, LEASE, &[]).await?;

    a.service.process.signal(Signal::KILL)?;
    let killed = Instant::now();
    cluster.put(endpoints("shop", &["10.1.0.2"])).await?;

    let leader = b.sees(&cluster, "b", LEASE + SOON).await?;
    ensure!(leader.epoch.parse::<u64>()? > epoch, "the epoch did not rise from {epoch}: {leader:?}");
    gateways.route_to(&shop(&cluster, "10.1.0.2")).await?;
    eprintln!(
        "{:.1?} after kill -9 of the leader, with a Lease of {LEASE:?}, a change was at all gateways",
        killed.elapsed()
    );
    Ok(())
}

#[tokio::test]
async fn a_stopped_leader_hands_over_at_once() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("election-stop").await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let (a, b, epoch) = pair(&cluster, &gateways, LONG_LEASE, &[]).await?;

    // Its push is in flight when it is told to stop, and could be for ever.
    gateways.0[0].faults().hang(silverback_devcluster::gateway::On::Posts);
    cluster.put(endpoints("shop", &["10.1.0.2"])).await?;
    routes_to(&gateways.0[1], &shop(&cluster, "10.1.0.2")).await?;
    let stopped = Instant::now();
    a.service.process.signal(Signal::TERM)?;
    let status = a.service.process.wait_exit(SOON).await?;
    ensure!(status.code() == Some(0), "it ended with {status}");
    // It was cleared before the end, or `b` has it already.
    let holder = cluster.holder("leader").await?;
    ensure!(holder != "a", "the Lease still names the one that stopped");
    gateways.0[0].faults().clear();
    let ended = Instant::now();

    let leader = b.sees(&cluster, "b", SOON).await?;
    ensure!(leader.epoch.parse::<u64>()? > epoch, "the epoch did not rise from {epoch}: {leader:?}");
    cluster.put(endpoints("shop", &["10.1.0.3"])).await?;
    gateways.route_to(&shop(&cluster, "10.1.0.3")).await?;
    eprintln!(
        "a leader with a push that hangs ended {:.1?} after SIGTERM, and {:.1?} later a change was at all gateways",
        ended.duration_since(stopped),
        ended.elapsed()
    );
    Ok(())
}

#[tokio::test]
async fn a_frozen_leader_pushes_no_more_when_it_wakes() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("election-freeze").await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let (a, b, _) = pair(&cluster, &gateways, LEASE, &[]).await?;

    a.service.process.signal(Signal::STOP)?;
    b.sees(&cluster, "b", LEASE + SOON).await?;
    cluster.put(endpoints("shop", &["10.1.0.2"])).await?;
    gateways.route_to(&shop(&cluster, "10.1.0.2")).await?;
    let pushed = gateways.posts();

    a.service.process.signal(Signal::CONT)?;
    a.sees(&cluster, "b", SOON).await?;
    gateways.route_to(&shop(&cluster, "10.1.0.2")).await?;
    let after = gateways.posts();
    ensure!(pushed == after, "gateways were posted to by the one that woke: {pushed:?} before, {after:?} after");
    eprintln!("a leader that was frozen past its Lease pushed nothing when it woke");
    Ok(())
}

/// Kong can check no token: what a frozen leader had sent may land after all that its successor sent.
#[tokio::test]
async fn a_stale_push_that_lands_late_is_healed_by_the_next_leader() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("election-stale").await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let (a, b, _) = pair(&cluster, &gateways, LEASE, &[]).await?;

    // The gateway takes its time over the last push of `a`, and none over that of `b`.
    let sick = &gateways.0[0];
    let before = sick.posts().len();
    sick.faults().load_time(LoadTime { base: LEASE * 3, ..LoadTime::default() });
    cluster.put(endpoints("shop", &["10.1.0.2"])).await?;
    eventually(
        "the push of a is in flight",
        SOON,
        async || {
            if sick.posts().len() > before { Ok(()) } else { Err("no post") }
        },
    )
    .await?;
    a.service.process.signal(Signal::STOP)?;
    sick.faults().clear();
    cluster.put(endpoints("shop", &["10.1.0.3"])).await?;
    b.sees(&cluster, "b", LEASE + SOON).await?;
    gateways.route_to(&shop(&cluster, "10.1.0.3")).await?;

    // It lands, and does not stay.
    let stale = sick.posts()[before].md5.clone();
    sick.wait_for(LEASE * 3 + SOON, |config| config.hash == stale)
        .await
        .ok_or_else(|| anyhow::anyhow!("never landed"))?;
    let landed = Instant::now();
    gateways.route_to(&shop(&cluster, "10.1.0.3")).await?;
    eprintln!("a push of a frozen leader that landed late was healed after {:.1?}", landed.elapsed());
    ensure!(gateways.0[1].posts().len() == 3, "the other gateway got extra pushes: {:?}", gateways.posts());
    a.service.process.signal(Signal::CONT)?;
    a.sees(&cluster, "b", SOON).await?;
    gateways.route_to(&shop(&cluster, "10.1.0.3")).await
}

#[tokio::test]
async fn a_push_that_outlasts_the_lease_is_not_cut_while_renewals_succeed() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("election-slow").await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let (a, b, epoch) = pair(&cluster, &gateways, LEASE, &[]).await?;

    let slow = &gateways.0[0];
    let before = slow.posts().len();
    slow.faults().load_time(LoadTime { base: LEASE * 2, ..LoadTime::default() });
    cluster.put(endpoints("shop", &["10.1.0.2"])).await?;
    routes_to(&gateways.0[1], &shop(&cluster, "10.1.0.2")).await?;
    routes_to(slow, &shop(&cluster, "10.1.0.2")).await?;
    ensure!(slow.posts().len() == before + 1, "it was sent more than once: {:?}", gateways.posts());
    let leader = a.sees(&cluster, "a", SOON).await?;
    ensure!(leader.epoch.parse::<u64>()? == epoch, "the leadership changed: {leader:?}");
    b.sees(&cluster, "a", SOON).await?;
    Ok(())
}

/// Whichever right is missing is named, and what was granted is noticed without a restart.
#[tokio::test]
async fn missing_rights_are_named_with_their_way_out() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("election-rights").await? else { return Ok(()) };
    let grant = async |verbs: &[&str]| {
        let rule = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs});
        let rules = if verbs.is_empty() { json!([]) } else { json!([rule]) };
        cluster.namespaced_user("election-rights", rules).await
    };
    let kubeconfig = grant(&[]).await?;
    let admin = format!("--kong-admin-svc={}/admin", cluster.namespace);
    let quick = ["--election-lease-duration=4s", "--election-renew-deadline=3s", "--election-retry-period=500ms"];
    let args = ["--kubeconfig", &kubeconfig, &admin, "--election-namespace", &cluster.namespace];
    let ports = Ports::choose()?;
    let pusher = Service::discovering_pusher(ports, &[&args[..], &quick].concat())?;
    pusher.waits_for(&["discovery", "endpointslices.discovery.k8s.io", "grant"]).await?;
    let missing = async |verb: &str| {
        let words = format!("not allowed to {verb}");
        pusher.waits_for(&["election", &words, "leases.coordination.k8s.io", "Role", &cluster.namespace]).await
    };
    missing("get").await?;
    grant(&["get", "list", "watch"]).await?;
    missing("create").await?;
    grant(&["get", "list", "watch", "create"]).await?;
    missing("update").await?;
    grant(&["get", "list", "watch", "create", "update"]).await?;
    let mut client = GatewaysClient::new(channel(ports.pusher)?);
    eventually("it leads", SOON, async || {
        let leader =
            client.get_leader(v1::GetLeaderRequest {}).await.map_err(|status| status.to_string())?.into_inner();
        if leader.leading { Ok(()) } else { Err(format!("{leader:?}")) }
    })
    .await
}

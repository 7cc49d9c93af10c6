//! The API server is away for a while: nothing is taken for gone, and what changed is caught up with at once.

use std::time::{Duration, Instant};

use anyhow::ensure;
use silverback_test_support::eventually;

use crate::story::{Chronicle, Cluster, Gateways, Ports, SOON, Service, backend, endpoints, ingress, service};

const APPLICATIONS: usize = 10;

/// How long the API server is away. The soak command asks for more.
fn away() -> Duration {
    let seconds = std::env::var("SILVERBACK_OUTAGE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_start_and_stop_without_the_api_server_take_nothing_away() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::own("away").await? else { return Ok(()) };
    let (namespace, gateways, ports) = (cluster.namespace.as_str(), Gateways::start(1).await?, Ports::choose()?);
    let names: Vec<_> = (0..APPLICATIONS).map(|n| format!("app-{n}")).collect();
    let shown = |address: &str| -> Vec<_> {
        names.iter().map(|name| backend(namespace, name, &format!("/{name}"), &[address])).collect()
    };
    for name in &names {
        let path = format!("/{name}");
        cluster.put_all([service(name), endpoints(name, &["10.1.0.1"]), ingress("kong", name, &path)]).await?;
    }
    let chronicle = Chronicle::of(&gateways.0[0]);
    let watcher = Service::watcher(ports, &["--kubeconfig", &cluster.admin()])?;
    let translator = Service::translator(ports, &[])?;
    let _pusher = Service::pusher(ports, &gateways, &[])?;
    gateways.route_to(&shown("10.1.0.1")).await?;

    cluster.api.stop_apiserver();
    let left = Instant::now();
    // A translator that starts meanwhile finds all at the watcher.
    drop(translator);
    let translator = Service::translator(ports, &[])?;
    translator.is_ready().await?;
    let rest = away().saturating_sub(left.elapsed());
    tokio::time::sleep(rest).await;
    ensure!(watcher.process.is_running() && translator.process.is_running(), "a service ended");
    gateways.route_to(&shown("10.1.0.1")).await?;

    cluster.api.start_apiserver().await?;
    let back = Instant::now();
    eventually("the API server takes changes", SOON, async || cluster.put(endpoints(&names[0], &["10.1.0.1"])).await)
        .await?;
    for name in &names {
        cluster.put(endpoints(name, &["10.1.0.2"])).await?;
    }
    gateways.route_to(&shown("10.1.0.2")).await?;
    eprintln!(
        "the API server was away for {:.0?}; {:.1?} after it was back, the last of {APPLICATIONS} changes was at the gateway",
        back.duration_since(left),
        back.elapsed()
    );
    let configs = chronicle.judge(|config| {
        let services = config["services"].as_array().map_or(0, Vec::len);
        ensure!(services == APPLICATIONS, "a config held {services} services");
        Ok(())
    });
    configs.map(|configs| eprintln!("{configs} configs, each with all {APPLICATIONS} services"))
}

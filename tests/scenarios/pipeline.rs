//! From objects at a real API server to the configs of three gateways, by `silverback run`.

use crate::story::{Cluster, Gateways, Ports, Service, backend, endpoints, ingress, service};

#[tokio::test]
async fn an_ingress_reaches_three_gateways_and_follows_its_changes() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("pipeline").await? else { return Ok(()) };
    let gateways = Gateways::start(3).await?;
    let namespace = cluster.namespace.as_str();
    cluster.put(service("shop")).await?;
    cluster.put(endpoints("shop", &["10.1.0.1"])).await?;
    cluster.put(ingress("kong", "shop", "/shop")).await?;
    cluster.put(ingress("someone-elses", "other", "/other")).await?;

    let silverback = Service::run("silverback", Ports::choose()?, &gateways, &["--kubeconfig", &cluster.admin()])?;
    gateways.route_to(&[backend(namespace, "shop", "/shop", &["10.1.0.1"])]).await?;
    silverback.is_ready().await?;

    // Endpoints come and go.
    cluster.put(endpoints("shop", &["10.1.0.2", "10.1.0.3"])).await?;
    gateways.route_to(&[backend(namespace, "shop", "/shop", &["10.1.0.2", "10.1.0.3"])]).await?;

    // A second application.
    cluster.put_all([service("cart"), endpoints("cart", &["10.2.0.1"]), ingress("kong", "cart", "/cart")]).await?;
    let cart = backend(namespace, "cart", "/cart", &["10.2.0.1"]);
    gateways.route_to(&[backend(namespace, "shop", "/shop", &["10.1.0.2", "10.1.0.3"]), cart.clone()]).await?;

    // A changed path.
    cluster.put(ingress("kong", "cart", "/basket")).await?;
    let basket = backend(namespace, "cart", "/basket", &["10.2.0.1"]);
    gateways.route_to(&[backend(namespace, "shop", "/shop", &["10.1.0.2", "10.1.0.3"]), basket.clone()]).await?;

    // Deletions.
    cluster.delete(ingress("kong", "shop", "/shop")).await?;
    gateways.route_to(&[basket]).await?;
    cluster.delete(ingress("kong", "cart", "/basket")).await?;
    gateways.route_to(&[]).await
}

#[tokio::test]
async fn an_outage_of_the_api_server_takes_nothing_away() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::own("outage").await? else { return Ok(()) };
    let gateways = Gateways::start(1).await?;
    let namespace = cluster.namespace.as_str();
    cluster.put_all([service("shop"), endpoints("shop", &["10.1.0.1"]), ingress("kong", "shop", "/shop")]).await?;
    let silverback = Service::run("silverback", Ports::choose()?, &gateways, &["--kubeconfig", &cluster.admin()])?;
    let before = [backend(namespace, "shop", "/shop", &["10.1.0.1"])];
    gateways.route_to(&before).await?;

    cluster.api.stop_apiserver();
    silverback.process.wait_for_line("the API server is asked in vain", crate::story::SOON).await?;
    gateways.route_to(&before).await?;

    // What the gateway lost meanwhile is filled in without the API server.
    gateways.0[0].restart(silverback_devcluster::gateway::Restart::Empty, std::time::Duration::ZERO).await?;
    gateways.route_to(&before).await?;

    cluster.api.start_apiserver().await?;
    cluster.put(endpoints("shop", &["10.1.0.9"])).await?;
    gateways.route_to(&[backend(namespace, "shop", "/shop", &["10.1.0.9"])]).await
}

//! What gateways refuse, and the last good configuration, with real processes.

use std::time::Duration;

use anyhow::ensure;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use serde_json::Value;
use silverback_devcluster::gateway::{self, Restart, RouterFlavor, StandInGateway};
use silverback_proto::v1;
use silverback_proto::v1::config_client::ConfigClient;
use silverback_proto::v1::gateways_client::GatewaysClient;
use silverback_test_support::eventually;

use crate::story::{Backend, Cluster, Gateways, Ports, SOON, Service, backend, channel, endpoints, ingress, service};

/// An application that all gateways route to.
async fn application(cluster: &Cluster, name: &str, path: &str) -> anyhow::Result<Backend> {
    cluster.put_all([service(name), endpoints(name, &["10.1.0.1"])]).await?;
    cluster.put(ingress(&cluster.namespace, name, path)).await?;
    Ok(backend(&cluster.namespace, name, path, &["10.1.0.1"]))
}

fn election(cluster: &Cluster) -> Vec<String> {
    let args = ["--force-leader-election=enabled", "--kubeconfig", &cluster.admin()];
    let ours = [
        "--ingress-class".to_owned(),
        cluster.namespace.clone(),
        "--watch-namespace".to_owned(),
        cluster.namespace.clone(),
        format!("--election-namespace={}", cluster.namespace),
    ];
    args.map(str::to_owned).into_iter().chain(ours).collect()
}

async fn isolation(ports: Ports, is: impl Fn(&v1::Isolation) -> bool) -> anyhow::Result<v1::Isolation> {
    let mut client = GatewaysClient::new(channel(ports.pusher)?);
    eventually("the pusher says what is left out", SOON, async || {
        let found = client.get_isolation(v1::GetIsolationRequest {}).await;
        let found = found.map_err(|status| status.to_string())?.into_inner();
        if is(&found) { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await
}

fn object(namespace: &str, ingress: &str) -> v1::ObjectRef {
    let key = v1::Key { namespace: namespace.to_owned(), name: ingress.to_owned() };
    v1::ObjectRef { kind: "Ingress.networking.k8s.io".into(), key: Some(key) }
}

/// Waits until the translator says of an Ingress that gateways refuse it.
async fn explained(ports: Ports, namespace: &str, ingress: &str) -> anyhow::Result<()> {
    let mut client = ConfigClient::new(channel(ports.translator)?);
    let subject = Some(v1::explain_request::Subject::Object(object(namespace, ingress)));
    eventually("the translator explains it", SOON, async || {
        let told = client.explain(v1::ExplainRequest { subject: subject.clone() }).await;
        let told = told.map_err(|status| status.to_string())?.into_inner();
        let is = |diagnostic: &v1::Diagnostic| diagnostic.reason == "RefusedByGateways";
        if told.diagnostics.iter().any(is) { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await
}

/// Refuses everything that is made from objects of that name.
fn refuse(gateways: &Gateways, name: &str) {
    for gateway in &gateways.0 {
        gateway.faults().reject_tag(&format!("k8s-name:{name}"), "not with us");
    }
}

#[tokio::test]
async fn what_all_gateways_refuse_is_left_out_and_told() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("isolation-told").await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let good = application(&cluster, "good", "/good").await?;
    cluster.put_all([service("behind"), endpoints("behind", &["10.1.0.9"])]).await?;
    let mut bad = ingress(&cluster.namespace, "behind", "/behind");
    bad["metadata"]["name"] = "bad".into();
    cluster.put(bad.clone()).await?;
    refuse(&gateways, "bad");

    let ports = Ports::choose()?;
    let args = election(&cluster);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let _silverback = Service::run("silverback", ports, &gateways, &args)?;
    let mut behind = backend(&cluster.namespace, "behind", "/behind", &["10.1.0.9"]);
    behind.paths.clear();
    gateways.route_to(&[good.clone(), behind.clone()]).await?;
    let late = application(&cluster, "late", "/late").await?;
    gateways.route_to(&[good.clone(), behind, late.clone()]).await?;
    for gateway in &gateways.0 {
        ensure!(gateway.posts().len() <= 8, "{} posts", gateway.posts().len());
    }

    let found = isolation(ports, |found| !found.quarantine.is_empty()).await?;
    let entry = &found.quarantine[0];
    ensure!(entry.kind == "route" && entry.reason.contains("not with us"), "{entry:?}");
    ensure!(entry.objects == [object(&cluster.namespace, "bad")], "{entry:?}");

    // In words, for people, beside the Lease.
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    eventually("the ConfigMap names the Ingress", SOON, async || {
        let map = maps.get("silverback-feedback").await.map_err(|error| error.to_string())?;
        let data = map.data.unwrap_or_default();
        let (quarantine, kinds) = (&data["quarantine"], &data["gateways"]);
        let told = quarantine.contains("name: bad") && quarantine.contains("not with us") && kinds.contains("3.9.3");
        if told { Ok(()) } else { Err(format!("{quarantine}\n{kinds}")) }
    })
    .await?;
    // By the translator, which the watcher shows it to.
    explained(ports, &cluster.namespace, "bad").await?;
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    eventually("the last good configuration is kept", SOON, async || {
        let kept = secrets.get_opt("silverback-last-good").await.map_err(|error| error.to_string())?;
        kept.map(drop).ok_or_else(|| "there is no Secret".to_owned())
    })
    .await?;

    // Mended: another rendering is tried.
    for gateway in &gateways.0 {
        gateway.faults().accept_again();
    }
    bad["spec"]["rules"][0]["http"]["paths"][0]["path"] = "/mended".into();
    cluster.put(bad).await?;
    isolation(ports, |found| found.quarantine.is_empty()).await?;
    let mended = backend(&cluster.namespace, "behind", "/mended", &["10.1.0.9"]);
    gateways.route_to(&[good, mended, late]).await
}

#[tokio::test]
async fn a_gateway_replaced_while_there_is_no_api_server_gets_the_last_good_configuration() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::own("isolation-away").await? else { return Ok(()) };
    let gateways = Gateways::start(2).await?;
    let good = application(&cluster, "good", "/good").await?;
    let mut bad = ingress(&cluster.namespace, "good", "/bad");
    bad["metadata"]["name"] = "bad".into();
    cluster.put(bad).await?;
    refuse(&gateways, "bad");
    let ports = Ports::choose()?;
    let args = election(&cluster);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let quick = ["--election-lease-duration=4s", "--election-renew-deadline=3s", "--election-retry-period=500ms"];
    let _silverback = Service::run("silverback", ports, &gateways, &[&args[..], &quick[..]].concat())?;
    gateways.route_to(std::slice::from_ref(&good)).await?;
    isolation(ports, |found| found.quarantine.len() == 1 || found.quarantine.len() == 2).await?;

    cluster.api.stop_apiserver();
    let mut client = GatewaysClient::new(channel(ports.pusher)?);
    eventually("nobody leads any more", SOON, async || {
        let leader = client.get_leader(v1::GetLeaderRequest {}).await.map_err(|status| status.to_string())?;
        if leader.into_inner().leading { Err("it still leads".to_owned()) } else { Ok(()) }
    })
    .await?;
    gateways.0[0].restart(Restart::Empty, Duration::from_millis(100)).await?;
    gateways.route_to(&[good]).await
}

#[tokio::test]
async fn a_pusher_alone_fills_empty_gateways_from_its_volume() -> anyhow::Result<()> {
    let gateways = Gateways::start(2).await?;
    let (manifests, volume) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let objects = [service("shop"), endpoints("shop", &["10.1.0.1"]), ingress("kong", "shop", "/shop")];
    for (at, mut object) in objects.into_iter().enumerate() {
        object["metadata"]["namespace"] = "default".into();
        std::fs::write(manifests.path().join(format!("{at}.json")), object.to_string())?;
    }
    let kept = format!("--last-good-config-dir={}", volume.path().display());
    let from = format!("--from={}", manifests.path().display());
    let routed = [backend("default", "shop", "/shop", &["10.1.0.1"])];
    {
        let ports = Ports::choose()?;
        let _silverback = Service::run("silverback", ports, &gateways, &[&from, &kept])?;
        gateways.route_to(&routed).await?;
        isolation(ports, |found| found.last_good.as_ref().is_some_and(|it| it.kept.is_some())).await?;
    }
    gateways.0[0].restart(Restart::Empty, Duration::ZERO).await?;
    let altered = r#"{"_format_version":"3.0","services":[{"name":"newer","host":"h"}]}"#;
    gateways.0[1].alter_config(altered).map_err(anyhow::Error::msg)?;
    // Nobody translates, and there is no API server.
    let _pusher = Service::pusher(Ports::choose()?, &gateways, &[&kept])?;
    crate::story::routes_to(&gateways.0[0], &routed).await?;
    let held: Value = Value::clone(&gateways.0[1].config());
    ensure!(held["services"][0]["name"] == "newer", "a gateway that had something was set back: {held}");
    Ok(())
}

#[tokio::test]
async fn without_a_cluster_a_file_in_the_folder_tells_the_translator() -> anyhow::Result<()> {
    let gateways = Gateways::start(1).await?;
    refuse(&gateways, "shop");
    let manifests = tempfile::tempdir()?;
    let objects = [service("web"), endpoints("web", &["10.1.0.1"]), ingress("kong", "web", "/shop")];
    for (at, mut object) in objects.into_iter().enumerate() {
        object["metadata"]["namespace"] = "default".into();
        if at == 2 {
            object["metadata"]["name"] = "shop".into();
        }
        std::fs::write(manifests.path().join(format!("{at}.json")), object.to_string())?;
    }
    let from = format!("--from={}", manifests.path().display());
    let told = format!("--feedback-file={}", manifests.path().join("feedback.json").display());
    let ports = Ports::choose()?;
    let _silverback = Service::run("silverback", ports, &gateways, &[&from, &told])?;
    isolation(ports, |found| found.quarantine.len() == 1).await?;
    explained(ports, "default", "shop").await
}

/// The expressions and the paths by which a gateway's routes match.
fn matching(config: &Value) -> (Vec<String>, Vec<String>) {
    let list = |value: &Value, field: &str| value[field].as_array().cloned().unwrap_or_default();
    let routes: Vec<Value> = list(config, "services").iter().flat_map(|service| list(service, "routes")).collect();
    let expressions = routes.iter().filter_map(|route| route["expression"].as_str()).map(str::to_owned);
    let paths = routes.iter().flat_map(|route| list(route, "paths")).filter_map(|path| Some(path.as_str()?.to_owned()));
    (expressions.collect(), paths.collect())
}

#[tokio::test]
async fn gateways_decide_their_router_flavour_and_where_they_differ_none_stays_empty() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("isolation-flavour").await? else { return Ok(()) };
    let start = async |router_flavor| {
        let settings = gateway::Settings { router_flavor, ..gateway::Settings::default() };
        StandInGateway::start(settings).await
    };
    let new = start(RouterFlavor::Expressions).await?;
    let gateways = Gateways(vec![start(RouterFlavor::TraditionalCompatible).await?, new]);
    application(&cluster, "good", "/good").await?;
    let ports = Ports::choose()?;
    let args = election(&cluster);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let _silverback = Service::run("silverback", ports, &gateways, &args)?;
    eventually("each gateway has routes of its flavour", SOON, async || {
        let [old, new] = [0, 1].map(|at: usize| matching(&gateways.0[at].config()));
        let fine =
            old.0.is_empty() && !old.1.is_empty() && new.1.is_empty() && new.0.iter().any(|it| it.contains("/good"));
        if fine { Ok(()) } else { Err(format!("{old:?} {new:?}")) }
    })
    .await?;
    // Once both have something, a change reaches those that translation is for; the other one says why it does not.
    application(&cluster, "late", "/late").await?;
    eventually("the change arrives", SOON, async || {
        let (expressions, _) = matching(&gateways.0[1].config());
        if expressions.iter().any(|it| it.contains("/late")) { Ok(()) } else { Err(format!("{expressions:?}")) }
    })
    .await?;
    let mut client = GatewaysClient::new(channel(ports.pusher)?);
    eventually("the other gateway says why", SOON, async || {
        let found = client.list_gateways(v1::ListGatewaysRequest {}).await.map_err(|status| status.to_string())?;
        let found = found.into_inner().gateways;
        let says = |gateway: &v1::Gateway| gateway.last_error.contains("KONG_ROUTER_FLAVOR");
        if found.iter().filter(|gateway| says(gateway)).count() == 1 { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await
}

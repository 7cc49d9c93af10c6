//! Whatever becomes of the API server, its store, a watcher or a translator: nothing is taken away that is there.

use std::time::Instant;

use anyhow::ensure;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use silverback_test_support::{Signal, eventually};

use crate::story::{Cluster, Crowd, Gateways, Ports, SOON, Service, backend, endpoints, ingress, service};

const RBAC: &str = "rbac.authorization.k8s.io";

/// What a watcher of everything may do.
fn read_everything(without: &str) -> Value {
    let all = [
        ("", ["namespaces", "services", "secrets", "configmaps"].as_slice()),
        ("discovery.k8s.io", &["endpointslices"]),
        ("networking.k8s.io", &["ingresses", "ingressclasses"]),
        ("apiextensions.k8s.io", &["customresourcedefinitions"]),
        ("configuration.konghq.com", &["*"]),
    ];
    let rules = all.map(|(group, resources)| {
        let resources: Vec<_> = resources.iter().filter(|resource| **resource != without).collect();
        json!({ "apiGroups": [group], "resources": resources, "verbs": ["get", "list", "watch"] })
    });
    json!(rules)
}

#[tokio::test]
async fn a_store_that_was_put_back_in_time_is_followed_and_takes_nothing_away() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::own("restored").await? else { return Ok(()) };
    let (namespace, gateways) = (cluster.namespace.as_str(), Gateways::start(1).await?);
    let shop = |addresses: &[&str]| backend(namespace, "shop", "/shop", addresses);
    cluster.put_all([service("shop"), endpoints("shop", &["10.1.0.10"]), ingress("kong", "shop", "/shop")]).await?;
    let backup = cluster.api.back_up().await?;

    cluster.put_all([service("cart"), endpoints("cart", &["10.2.0.1"]), ingress("kong", "cart", "/cart")]).await?;
    let silverback = Service::run("silverback", Ports::choose()?, &gateways, &["--kubeconfig", &cluster.admin()])?;
    gateways.route_to(&[shop(&["10.1.0.10"]), backend(namespace, "cart", "/cart", &["10.2.0.1"])]).await?;
    for n in 11..21 {
        cluster.put(endpoints("shop", &[&format!("10.1.0.{n}")])).await?;
    }
    gateways.route_to(&[shop(&["10.1.0.20"]), backend(namespace, "cart", "/cart", &["10.2.0.1"])]).await?;

    cluster.api.restore(&backup).await?;
    let restored = Instant::now();
    gateways.route_to(&[shop(&["10.1.0.10"])]).await?;
    eprintln!("the state was that of the backup {:?} after the API server was ready", restored.elapsed());
    cluster.put(endpoints("shop", &["10.1.0.99"])).await?;
    gateways.route_to(&[shop(&["10.1.0.99"])]).await?;
    silverback.is_ready().await?;
    // All addresses are of one length, so that a push that held less is a smaller one.
    let smallest = gateways.0[0].posts().iter().map(|post| post.bytes).min();
    ensure!(
        smallest >= Some(gateways.0[0].posts().last().map_or(0, |post| post.bytes)),
        "a push held less than the shop"
    );
    Ok(())
}

#[tokio::test]
async fn what_a_watcher_missed_is_caught_up_with_although_its_past_was_compacted_away() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::own("compacted").await? else { return Ok(()) };
    let (namespace, gateways, ports) = (cluster.namespace.as_str(), Gateways::start(1).await?, Ports::choose()?);
    let reader = cluster.user("compacted-reader", read_everything("")).await?;
    cluster.put_all([service("shop"), endpoints("shop", &["10.1.0.1"]), ingress("kong", "shop", "/shop")]).await?;
    cluster.put_all([service("cart"), endpoints("cart", &["10.2.0.1"]), ingress("kong", "cart", "/cart")]).await?;
    let watcher = Service::watcher(ports, &["--kubeconfig", &reader])?;
    let _translator = Service::translator(ports, &[])?;
    let _pusher = Service::pusher(ports, &gateways, &[])?;
    let cart = |addresses: &[&str]| backend(namespace, "cart", "/cart", addresses);
    gateways.route_to(&[backend(namespace, "shop", "/shop", &["10.1.0.1"]), cart(&["10.2.0.1"])]).await?;

    // While it sleeps, things change and go, history is compacted, and the API server forgets what it had in memory.
    watcher.process.signal(Signal::STOP)?;
    cluster.put(endpoints("cart", &["10.2.0.2"])).await?;
    cluster.delete(ingress("kong", "shop", "/shop")).await?;
    cluster.api.compact().await?;
    cluster.api.start_apiserver().await?;
    watcher.process.signal(Signal::CONT)?;
    let woken = Instant::now();
    gateways.route_to(&[cart(&["10.2.0.2"])]).await?;
    eprintln!("the state was caught up with {:?} after the watcher woke", woken.elapsed());

    // One kind may not be read any more: it is kept and named, and the others go on.
    let role = |rules: Value| {
        json!({ "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole",
                "metadata": { "name": "compacted-reader" }, "rules": rules })
    };
    cluster.put(role(read_everything("ingresses"))).await?;
    cluster.api.start_apiserver().await?;
    watcher.says_degraded(&["Ingress", "403"]).await?;
    cluster.put(endpoints("cart", &["10.2.0.3"])).await?;
    gateways.route_to(&[cart(&["10.2.0.3"])]).await?;
    cluster.put(role(read_everything(""))).await?;
    cluster.put_all([service("shop"), endpoints("shop", &["10.1.0.1"]), ingress("kong", "shop", "/shop")]).await?;
    gateways.route_to(&[backend(namespace, "shop", "/shop", &["10.1.0.1"]), cart(&["10.2.0.3"])]).await?;
    Ok(())
}

#[tokio::test]
async fn kinds_come_and_go_with_their_definitions() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::own("definitions").await? else { return Ok(()) };
    let ports = Ports::choose()?;
    let watcher = Service::watcher(ports, &["--kubeconfig", &cluster.admin()])?;
    watcher.is_ready().await?;
    watcher.holds(ports, "KongPlugin", "absent", 0).await?;
    let definition = silverback_resources::crds::all();
    let definition = definition.into_iter().find(|crd| crd["spec"]["names"]["kind"] == "KongPlugin");
    let definition = definition.ok_or_else(|| anyhow::anyhow!("there is no definition of KongPlugin"))?;
    cluster.put(definition.clone()).await?;
    watcher.holds(ports, "KongPlugin", "complete", 0).await?;
    let plugin = json!({ "apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin",
        "metadata": { "name": "auth" }, "plugin": "key-auth" });
    eventually("the plugin can be written", SOON, async || cluster.put(plugin.clone()).await).await?;
    watcher.holds(ports, "KongPlugin", "complete", 1).await?;

    // Without the API server nothing is known to be gone.
    cluster.api.stop_apiserver();
    watcher.says_degraded(&["cannot be reached"]).await?;
    watcher.holds(ports, "KongPlugin", "stale", 1).await?;
    cluster.api.start_apiserver().await?;
    watcher.holds(ports, "KongPlugin", "complete", 1).await?;
    cluster.delete(definition).await?;
    watcher.holds(ports, "KongPlugin", "absent", 0).await
}

#[tokio::test]
async fn secrets_that_nothing_names_are_not_held() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("unrelated").await? else { return Ok(()) };
    let secret = |name: &str, of: &str, bytes: usize| {
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "type": of,
                "stringData": { "release": "x".repeat(bytes) } })
    };
    let (releases, others) =
        (from_environment("SILVERBACK_RELEASES", 20), from_environment("SILVERBACK_OTHER_SECRETS", 20));
    let bytes = from_environment("SILVERBACK_SECRET_BYTES", 50_000);
    let release = |n| cluster.create(secret(&format!("release-{n}"), "helm.sh/release.v1", bytes));
    futures::stream::iter((0..releases).map(release)).buffer_unordered(4).try_collect::<()>().await?;
    let other = |n| cluster.create(secret(&format!("other-{n}"), "Opaque", bytes));
    futures::stream::iter((0..others).map(other)).buffer_unordered(4).try_collect::<()>().await?;
    cluster.put(secret("named", "Opaque", 10)).await?;
    let mut tls = ingress("kong", "shop", "/shop");
    tls["spec"]["tls"] = json!([{ "secretName": "named" }]);
    cluster.put(tls).await?;
    let feedback = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": "b" },
        "metadata": { "name": "facts", "labels": { "silverback.konghq.com/feedback": "true" } } });
    cluster.put(feedback).await?;

    let ports = Ports::choose()?;
    let arguments = ["--kubeconfig", &cluster.admin(), "--watch-namespace", &cluster.namespace];
    let watcher = Service::watcher(ports, &arguments)?;
    watcher.is_ready().await?;
    watcher.holds(ports, "Secret", "complete", 1).await?;
    watcher.holds(ports, "ConfigMap", "complete", 1).await?;
    if let Some((now, most)) = watcher.process.memory() {
        eprintln!(
            "beside {releases} releases of Helm and {others} other Secrets, {bytes} bytes each, the watcher takes {now} kB, at most {most} kB"
        );
    }
    let metrics = watcher.metrics().await?;
    let held = format!("silverback_watcher_objects{{kind=\"Secret\",namespace=\"{}\"}} 1", cluster.namespace);
    ensure!(metrics.contains(&held), "{held} is not in {metrics}");

    // Named later, it is looked up; named no longer, it is let go.
    let mut tls = ingress("kong", "shop", "/shop");
    tls["spec"]["tls"] = json!([{ "secretName": "other-3" }, { "secretName": "other-4" }, { "secretName": "nowhere" }]);
    cluster.put(tls).await?;
    watcher.holds(ports, "Secret", "complete", 2).await?;
    cluster.delete(ingress("kong", "shop", "/shop")).await?;
    watcher.holds(ports, "Secret", "complete", 0).await
}

/// How often each of the two services is restarted, and how many objects there are. The soak command asks for more.
fn from_environment(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_push_ever_holds_less_than_there_is_whoever_restarts_under_change() -> anyhow::Result<()> {
    let (restarts, objects) =
        (from_environment("SILVERBACK_RESTARTS", 5), from_environment("SILVERBACK_OBJECTS", 5_000));
    let Some(cluster) = Cluster::own("crowd").await? else { return Ok(()) };
    let (gateways, ports) = (Gateways::start(1).await?, Ports::choose()?);
    let crowd = Crowd::gather(&cluster, objects / Crowd::OBJECTS_OF_AN_APPLICATION).await?;
    let start_watcher = || Service::watcher(ports, &["--kubeconfig", &cluster.admin(), "--log-level=warn"]);
    let start_translator = || Service::translator(ports, &["--log-level=warn"]);
    let (mut watcher, mut translator) = (start_watcher()?, start_translator()?);
    let _pusher = Service::pusher(ports, &gateways, &["--log-level=warn"])?;
    crowd.shows_a_change(&gateways).await?;

    let churn = crowd.churn();
    for restart in 0..restarts {
        watcher.process.signal(Signal::KILL)?;
        watcher.process.wait_exit(4 * SOON).await?;
        watcher = start_watcher()?;
        crowd.shows_a_change(&gateways).await?;
        translator.process.signal(if restart % 2 == 0 { Signal::KILL } else { Signal::TERM })?;
        translator.process.wait_exit(4 * SOON).await?;
        translator = start_translator()?;
        crowd.shows_a_change(&gateways).await?;
    }
    let changes = churn.stop().await?;
    ensure!(changes > restarts, "there were only {changes} changes");
    crowd.shows_a_change(&gateways).await?;

    // Every application takes the same number of bytes whatever changes, so that a push with fewer is a smaller one.
    let posts = gateways.0[0].posts();
    let sizes: Vec<usize> = posts.iter().map(|post| post.bytes).collect();
    let (least, most) = (sizes.iter().min().copied().unwrap_or(0), sizes.iter().max().copied().unwrap_or(0));
    let of_an_application = most / crowd.applications();
    eprintln!(
        "{} pushes of {least} to {most} bytes under {changes} changes and {restarts} restarts of each",
        sizes.len()
    );
    ensure!(
        most - least < of_an_application / 2,
        "a push held fewer than {} applications: {sizes:?}",
        crowd.applications()
    );
    ensure!(posts.iter().all(|post| post.status.is_none_or(|status| status < 400)), "a push was refused");
    Ok(())
}

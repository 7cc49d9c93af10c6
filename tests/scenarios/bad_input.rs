//! What is wrong is named once and clearly, nothing crashes, and everything else goes on.

use std::fs;

use anyhow::ensure;
use serde_json::json;
use silverback_devcluster::gateway::{FixedAnswer, On};
use silverback_test_support::{eventually, free_port};

use crate::story::{Cluster, Folder, Gateways, Ports, SOON, Service, backend, endpoints, ingress, routes_to, service};

fn shop(addresses: &[&str]) -> [crate::story::Backend; 1] {
    [backend("default", "shop", "/shop", addresses)]
}

/// The one line that holds all of these parts.
fn said_once(service: &Service, parts: &[&str]) -> anyhow::Result<()> {
    let lines = service.process.lines();
    let said = lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count();
    ensure!(said == 1, "{parts:?} is said {said} times:\n{}", lines.join("\n"));
    Ok(())
}

fn still_runs(service: &Service) -> anyhow::Result<()> {
    let lines = service.process.lines();
    ensure!(
        service.process.is_running() && !lines.iter().any(|line| line.contains("panicked")),
        "{}",
        lines.join("\n")
    );
    Ok(())
}

#[tokio::test]
async fn a_malformed_manifest_is_named_and_hides_no_other() -> anyhow::Result<()> {
    let folder = Folder::shop(&["10.1.0.1"])?;
    fs::write(folder.0.path().join("broken.yaml"), "apiVersion: v1\nkind: Service\nmetadata: {name: [\n")?;
    let gateways = Gateways::start(1).await?;
    let silverback = Service::run("silverback", Ports::choose()?, &gateways, &["--from", &folder.path()])?;
    gateways.route_to(&shop(&["10.1.0.1"])).await?;
    silverback.process.wait_for_line("broken.yaml", SOON).await?;

    // An edit that breaks a file that was good takes nothing down, and its repair counts.
    fs::write(folder.0.path().join("shop.yaml"), "kind: Service\nmetadata: {name: [\n")?;
    silverback.process.wait_for_line("shop.yaml", SOON).await?;
    gateways.route_to(&shop(&["10.1.0.1"])).await?;
    folder
        .write("shop.yaml", &[service("shop"), endpoints("shop", &["10.1.0.2"]), ingress("kong", "shop", "/shop")])?;
    gateways.route_to(&shop(&["10.1.0.2"])).await?;
    said_once(&silverback, &["broken.yaml"])?;
    still_runs(&silverback)
}

#[tokio::test]
async fn an_ingress_to_a_missing_service_is_named_and_the_others_flow() -> anyhow::Result<()> {
    let folder = Folder::shop(&["10.1.0.1"])?;
    folder.write("lost.yaml", &[ingress("kong", "lost", "/lost")])?;
    let gateways = Gateways::start(1).await?;
    let silverback = Service::run("silverback", Ports::choose()?, &gateways, &["--from", &folder.path()])?;
    silverback.process.wait_for_line("default/lost", SOON).await?;

    // Whatever the route of the missing Service answers, it is not sent to any address.
    folder.write("lost.yaml", &[])?;
    gateways.route_to(&shop(&["10.1.0.1"])).await?;
    said_once(&silverback, &["ERROR", "Ingress", "default/lost", "Service default/lost does not exist"])?;
    still_runs(&silverback)
}

#[tokio::test]
async fn a_gateway_that_refuses_is_named_and_delays_no_other() -> anyhow::Result<()> {
    let folder = Folder::shop(&["10.1.0.1"])?;
    let gateways = Gateways::start(2).await?;
    let [refusing, willing] = gateways.0.as_slice() else { anyhow::bail!("two gateways were asked for") };
    refusing.faults().answer(On::Posts, FixedAnswer::message(400, "no thanks"));
    let silverback = Service::run("silverback", Ports::choose()?, &gateways, &["--from", &folder.path()])?;
    routes_to(willing, &shop(&["10.1.0.1"])).await?;
    let line = silverback.process.wait_for_line("no thanks", SOON).await?;
    ensure!(line.contains(&refusing.admin_addr().to_string()), "the gateway is not named: {line}");

    folder
        .write("shop.yaml", &[service("shop"), endpoints("shop", &["10.1.0.2"]), ingress("kong", "shop", "/shop")])?;
    routes_to(willing, &shop(&["10.1.0.2"])).await?;

    // What was refused is not sent again; the next content is.
    refusing.faults().clear();
    folder
        .write("shop.yaml", &[service("shop"), endpoints("shop", &["10.1.0.3"]), ingress("kong", "shop", "/shop")])?;
    gateways.route_to(&shop(&["10.1.0.3"])).await?;
    still_runs(&silverback)
}

#[tokio::test]
async fn an_unknown_flag_is_refused_by_name() -> anyhow::Result<()> {
    let (gateways, ports) = (Gateways::start(0).await?, Ports::choose()?);
    for service in [
        Service::watcher(ports, &["--no-such-flag"])?,
        Service::translator(ports, &["--no-such-flag"])?,
        Service::pusher(ports, &gateways, &["--no-such-flag"])?,
        Service::run("silverback", ports, &gateways, &["--no-such-flag"])?,
    ] {
        let said = service.refuses().await?;
        ensure!(said.contains("--no-such-flag"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused_by_name() -> anyhow::Result<()> {
    let gateways = Gateways::start(1).await?;
    for (args, parts) in [
        (vec!["--from", "no-such-folder"], vec!["--from", "no-such-folder"]),
        (vec!["--kubeconfig", "no-such-file"], vec!["--kubeconfig", "no-such-file"]),
        (vec!["--from", ".", "--kong-version", "latest"], vec!["--kong-version", "latest"]),
        (vec!["--from", ".", "--feature-gates", "Nonsense=true"], vec!["--feature-gates", "Nonsense"]),
        (
            vec!["--from", ".", "--kong-admin-token-file", "no-such-token"],
            vec!["--kong-admin-token-file", "no-such-token"],
        ),
        (
            vec!["--from", ".", "--election-lease-duration=1s", "--election-renew-deadline=5s"],
            vec!["--election-lease-duration", "--election-renew-deadline"],
        ),
    ] {
        let said = Service::run("silverback", Ports::choose()?, &gateways, &args)?.refuses().await?;
        ensure!(parts.iter().all(|part| said.contains(part)), "{args:?}: {parts:?} is not named in: {said}");
        ensure!(!said.contains("panicked"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn an_api_server_that_cannot_be_reached_is_named_and_waited_for() -> anyhow::Result<()> {
    let port = free_port()?;
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "nowhere",
        "clusters": [{ "name": "nowhere", "cluster": { "server": format!("https://127.0.0.1:{port}") } }],
        "users": [{ "name": "nobody", "user": {} }],
        "contexts": [{ "name": "nowhere", "context": { "cluster": "nowhere", "user": "nobody" } }],
    });
    fs::write(&kubeconfig, text.to_string())?;
    let watcher = Service::watcher(Ports::choose()?, &["--kubeconfig", &kubeconfig.display().to_string()])?;
    let address = format!("127.0.0.1:{port}");
    watcher.process.wait_for_line(&address, SOON).await?;
    watcher.waits_for(&[&address]).await?;
    said_once(&watcher, &[&address, "--kubeconfig"])?;
    still_runs(&watcher)
}

#[tokio::test]
async fn a_lease_that_may_not_be_created_is_named_with_the_missing_right() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("bad-rights").await? else { return Ok(()) };
    let (folder, gateways, ports) = (Folder::shop(&["10.1.0.1"])?, Gateways::start(1).await?, Ports::choose()?);
    let stranger = cluster.api.kubeconfig_for("bad-rights-stranger", &[])?.display().to_string();
    let _watcher = Service::watcher(ports, &["--from", &folder.path()])?;
    let _translator = Service::translator(ports, &[])?;
    let election =
        ["--force-leader-election=enabled", "--election-namespace=bad-rights", "--election-lease-name=leader"];
    let pusher = Service::pusher(ports, &gateways, &[&election[..], &["--kubeconfig", &stranger]].concat())?;
    let line = pusher.process.wait_for_line("not allowed to get", SOON).await?;
    ensure!(line.contains("bad-rights/leader") && line.contains("RoleBinding"), "{line}");

    // An empty gateway gets what any holder would send; a change waits for the Lease.
    gateways.route_to(&shop(&["10.1.0.1"])).await?;
    folder
        .write("shop.yaml", &[service("shop"), endpoints("shop", &["10.1.0.2"]), ingress("kong", "shop", "/shop")])?;
    eventually("the pusher has the change", SOON, async || {
        let lines = pusher.process.lines();
        let received = lines.iter().filter(|line| line.contains("a configuration to push")).count();
        if received == 2 { Ok(()) } else { Err(format!("{received} configurations")) }
    })
    .await?;
    gateways.route_to(&shop(&["10.1.0.1"])).await?;

    // Granted later, it needs no restart.
    let rights = json!([{
        "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
        "verbs": ["get", "list", "watch", "create", "update"],
    }]);
    cluster.namespaced_user("bad-rights-stranger", rights).await?;
    gateways.route_to(&shop(&["10.1.0.2"])).await?;
    said_once(&pusher, &["not allowed to get", "bad-rights/leader"])?;
    still_runs(&pusher)
}

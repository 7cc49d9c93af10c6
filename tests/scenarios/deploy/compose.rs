//! The compose file brought up, with stand-ins for the images that it would pull: several replicas of each service, a
//! gateway that is configured, and a leader whose container is killed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use silverback_service::probe;
use silverback_test_support::{Authority, Pair, eventually, kube_api_binaries};

use super::engine::{docker, has_images};
use super::root;
use crate::story::{SOON, endpoints, holder, ingress, put, service};

/// Where compose has the pusher elect, and watch.
const NAMESPACE: &str = "default";
const LEASE: &str = "5b374a9e.konghq.com-default";

/// What was brought up. It is taken down when this is dropped.
struct Project(String);

impl Project {
    fn compose(&self, args: &[&str]) -> anyhow::Result<String> {
        let files = ["-f", "docker-compose.yml", "-f", "tests/scenarios/deploy/stand-ins.yml"];
        docker(&[&["compose", "-p", &self.0], &files[..], args].concat())
    }

    /// Containers of a service, also those that ended.
    fn containers(&self, service: &str) -> anyhow::Result<Vec<String>> {
        Ok(self.compose(&["ps", "--all", "--quiet", service])?.lines().map(str::to_owned).collect())
    }

    /// Where a port of a service is to be reached from here.
    fn address(&self, service: &str, port: &str) -> anyhow::Result<String> {
        Ok(self.compose(&["port", service, port])?.trim().to_owned())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if let Err(error) = self.compose(&["down", "--volumes", "--timeout=0"]) {
            eprintln!("{} is not taken down: {error:#}", self.0);
        }
    }
}

#[tokio::test]
async fn the_compose_file_comes_up_scales_and_survives_its_leader() -> anyhow::Result<()> {
    if !has_images().await? {
        return Ok(());
    }
    if docker(&["compose", "version"]).is_err() {
        eprintln!("skipped: docker has no compose");
        return Ok(());
    }
    let Some(binaries) = kube_api_binaries().await? else { return Ok(()) };
    let keys = tempfile::tempdir()?;
    cluster_image(&binaries, keys.path())?;
    gateway_image()?;

    let project = Project(format!("silverback-test-{}", std::process::id()));
    project.compose(&["up", "--detach", "--scale=watcher=2", "--scale=translator=2", "--scale=pusher=2"])?;
    let client = client(keys.path(), &project.address("kubernetes", "6443")?).await?;
    let gateway = project.address("kong", "8001")?;
    eventually("the API server is ready", SOON, async || {
        let request = http::Request::get("/readyz").body(Vec::new()).map_err(|error| error.to_string())?;
        client.request_text(request).await.map_err(|error| error.to_string())
    })
    .await?;
    for object in [service("shop"), endpoints("shop", &["10.1.0.1"]), ingress("kong", "shop", "/shop")] {
        put(&client, NAMESPACE, &object).await?;
    }
    project.routes_to(&gateway, "10.1.0.1:8080").await?;

    for service in ["watcher", "translator", "pusher"] {
        ensure!(project.containers(service)?.len() == 2, "{service}: {:?}", project.containers(service)?);
    }
    let leader = holder(&client, NAMESPACE, LEASE).await?;
    // A container's host is named by the beginning of its id.
    let leads = |id: &&String| leader.starts_with(&id[..12]);
    let pushers = project.containers("pusher")?;
    let container = pushers.iter().find(leads).with_context(|| format!("{leader:?} is none of {pushers:?}"))?;
    docker(&["kill", container])?;
    put(&client, NAMESPACE, &endpoints("shop", &["10.1.0.2"])).await?;
    project.routes_to(&gateway, "10.1.0.2:8080").await?;
    let next = holder(&client, NAMESPACE, LEASE).await?;
    ensure!(!next.is_empty() && next != leader, "{next:?} leads after {leader}");

    // As the first process of its container, each must listen to signals by itself.
    project.compose(&["stop", "--timeout=10", "watcher", "translator", "pusher"])?;
    for stopped in ["watcher", "translator", "pusher"].map(|service| project.containers(service)) {
        for id in stopped?.iter().filter(|id| *id != container) {
            let ended = docker(&["inspect", "--format", "{{.Config.Image}} {{.State.ExitCode}}", id])?;
            ensure!(ended.trim().ends_with(" 0"), "did not stop as told: {ended}");
        }
    }
    Ok(())
}

impl Project {
    /// Waits until the gateway's configuration holds a target.
    async fn routes_to(&self, gateway: &str, target: &str) -> anyhow::Result<()> {
        let outcome = eventually(&format!("the gateway routes to {target}"), 2 * SOON, async || {
            let (_, config) = probe::get(gateway, "/config").await.map_err(|error| format!("{error:#}"))?;
            if config.contains(target) { Ok(()) } else { Err(config) }
        })
        .await;
        outcome.with_context(|| self.compose(&["logs", "--tail=20"]).unwrap_or_else(|error| format!("{error:#}")))
    }
}

/// An image of kube-apiserver and etcd. What the volume of kubeconfigs begins with is in it, and in `keys`.
fn cluster_image(binaries: &Path, keys: &Path) -> anyhow::Result<()> {
    let authority = Authority::new()?;
    let write = |name: &str, text: &str| std::fs::write(keys.join(name), text);
    write("ca.crt", &authority.certificate)?;
    for (name, Pair { certificate, key }) in
        [("server", authority.service("kubernetes")?), ("admin", authority.user("admin", &["system:masters"])?)]
    {
        write(&format!("{name}.crt"), &certificate)?;
        write(&format!("{name}.key"), &key)?;
    }
    write("admin.yaml", &kubeconfig(Path::new("/kubeconfig"), "https://127.0.0.1:6443").to_string())?;
    let dockerfile = "FROM scratch\nCOPY etcd kube-apiserver /\nCOPY keys /kubeconfig\n";
    let context = tempfile::tempdir()?;
    for name in ["etcd", "kube-apiserver"] {
        std::fs::copy(binaries.join(name), context.path().join(name))?;
    }
    let copies = context.path().join("keys");
    std::fs::create_dir(&copies)?;
    for name in ["ca.crt", "server.crt", "server.key", "admin.crt", "admin.key", "admin.yaml"] {
        std::fs::copy(keys.join(name), copies.join(name))?;
    }
    image("silverback-test-cluster", context.path(), dockerfile)
}

fn kubeconfig(folder: &Path, server: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{ "name": "test", "cluster": {
            "server": server, "tls-server-name": "kubernetes", "certificate-authority": folder.join("ca.crt") } }],
        "users": [{ "name": "admin", "user": {
            "client-certificate": folder.join("admin.crt"), "client-key": folder.join("admin.key") } }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "admin" } }],
    })
}

async fn client(keys: &Path, address: &str) -> anyhow::Result<kube::Client> {
    let file: Kubeconfig = serde_json::from_value(kubeconfig(keys, &format!("https://{address}")))?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}

/// An image of a stand-in gateway, built as the services were.
fn gateway_image() -> anyhow::Result<()> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--bin", "stand-in-gateway", "--target", &target]).current_dir(root());
    let output = cargo.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let context = tempfile::tempdir()?;
    std::fs::copy(folder.join(target).join("debug/stand-in-gateway"), context.path().join("stand-in-gateway"))?;
    let dockerfile = "FROM scratch\nCOPY stand-in-gateway /\nENTRYPOINT [\"/stand-in-gateway\", \"0.0.0.0:8001\"]\n";
    image("silverback-test-kong", context.path(), dockerfile)
}

fn image(name: &str, context: &Path, dockerfile: &str) -> anyhow::Result<()> {
    let file = context.join("Dockerfile");
    std::fs::write(&file, dockerfile)?;
    docker(&["build", "--quiet", "--tag", name, &context.display().to_string()])?;
    Ok(())
}

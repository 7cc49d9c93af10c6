//! The commands of the manifests and of the compose file, started as processes with nothing changed but addresses and
//! paths, each as the user that its ServiceAccount is.

use std::fs;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use silverback_test_support::{Authority, eventually, free_ports};

use super::commands::{self, Command};
use super::{NAMESPACE, base, overlay, rights, text};
use crate::story::{Cluster, Gateways, SOON, Service, backend, endpoints, ingress, service};

/// What differs between there and here.
struct Here {
    /// In the order of `SERVICES`.
    ports: [u16; 3],
    tls: tempfile::TempDir,
    gateways: String,
}

impl Here {
    fn new(gateways: &Gateways) -> anyhow::Result<Self> {
        let tls = tempfile::tempdir()?;
        let authority = Authority::new()?;
        let pair = authority.service("127.0.0.1")?;
        for (name, text) in [("ca.crt", &authority.certificate), ("tls.crt", &pair.certificate), ("tls.key", &pair.key)]
        {
            fs::write(tls.path().join(name), text)?;
        }
        Ok(Self { ports: free_ports()?, tls, gateways: gateways.urls() })
    }

    fn start(&self, command: &Command, kubeconfig: Option<&str>) -> anyhow::Result<Service> {
        let mut args: Vec<String> = command.args.iter().filter_map(|arg| self.translate(arg)).collect();
        args.extend(kubeconfig.map(|path| format!("--kubeconfig={path}")));
        let env: Vec<(&str, &str)> = command
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .map(|(name, value)| if value.is_empty() { (name, NAMESPACE) } else { (name, value) })
            .collect();
        Service::with_env(&command.service, &args, &env).with_context(|| command.place.clone())
    }

    fn translate(&self, arg: &str) -> Option<String> {
        let (flag, value) = arg.split_once('=').unwrap_or((arg, ""));
        let [watcher, translator, pusher] = self.ports;
        Some(match flag {
            "--watcher-bind-address" => format!("{flag}=:{watcher}"),
            "--translator-bind-address" => format!("{flag}=:{translator}"),
            "--pusher-bind-address" => format!("{flag}=:{pusher}"),
            "--watcher-url" => format!("{flag}={}://127.0.0.1:{watcher}", value.split(':').next()?),
            "--translator-url" => format!("{flag}={}://127.0.0.1:{translator}", value.split(':').next()?),
            "--kong-admin-url" => format!("{flag}={}", self.gateways),
            "--kubeconfig" | "--apiserver-host" => return None,
            _ => match value.strip_prefix("/tls/") {
                Some(name) => format!("{flag}={}", self.tls.path().join(name).display()),
                None => arg.to_owned(),
            },
        })
    }
}

/// Kubeconfig of a user with the rights of a ServiceAccount.
fn service_account(cluster: &Cluster, service: &str) -> anyhow::Result<String> {
    let user = format!("system:serviceaccount:{NAMESPACE}:silverback-{service}");
    let groups = ["system:serviceaccounts", "system:serviceaccounts:kong"];
    Ok(cluster.api.kubeconfig_for(&user, &groups)?.display().to_string())
}

/// An API server with what the manifests say about rights, and what is to be there before.
pub(super) async fn cluster(objects: &[Value]) -> anyhow::Result<Option<Cluster>> {
    let Some(cluster) = Cluster::own(NAMESPACE).await? else { return Ok(None) };
    let kinds = ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Secret"];
    for object in objects.iter().filter(|object| kinds.contains(&text(object, "/kind"))) {
        cluster.put(object.clone()).await?;
    }
    Ok(Some(cluster))
}

fn find<'a>(commands: &'a [Command], service: &str) -> anyhow::Result<&'a Command> {
    commands.iter().find(|command| command.service == service).context("no such service")
}

#[tokio::test]
async fn the_manifests_commands_run_with_exactly_the_rights_they_need() -> anyhow::Result<()> {
    let objects = base()?;
    let Some(cluster) = cluster(&objects).await? else { return Ok(()) };
    rights::check(&cluster, false).await?;
    run_manifests(&cluster, &objects).await
}

#[tokio::test]
async fn one_namespace_is_served_with_rights_that_reach_no_further() -> anyhow::Result<()> {
    let objects = overlay("one-namespace")?;
    ensure!(!objects.iter().any(|object| text(object, "/kind").starts_with("Cluster")), "cluster-wide rights are left");
    let Some(cluster) = cluster(&objects).await? else { return Ok(()) };
    rights::check(&cluster, true).await?;
    run_manifests(&cluster, &objects).await
}

/// Starts all three until they are ready, one leads, and a gateway has what is in the namespace.
async fn run_manifests(cluster: &Cluster, objects: &[Value]) -> anyhow::Result<()> {
    let (gateways, commands) = (Gateways::start(1).await?, commands::of_manifests("deploy", objects)?);
    let here = Here::new(&gateways)?;
    cluster.put(admin_slice()).await?;
    cluster.put_all([service("shop"), endpoints("shop", &["10.1.0.1"]), ingress("kong", "shop", "/shop")]).await?;
    let watcher = here.start(find(&commands, "watcher")?, Some(&service_account(cluster, "watcher")?))?;
    let translator = here.start(find(&commands, "translator")?, None)?;
    // API servers take no EndpointSlice of a loopback address, so the gateway is named instead of discovered.
    let mut pushing = find(&commands, "pusher")?.clone();
    let discovering = pushing.env.iter().position(|(name, _)| name == "CONTROLLER_KONG_ADMIN_SVC");
    let discovering = discovering.context("the pusher discovers no gateways")?;
    let pusher = here.start(&pushing, Some(&service_account(cluster, "pusher")?))?;
    for started in [&watcher, &translator, &pusher] {
        started.is_ready().await?;
    }
    pusher.process.wait_for_line("discovered", SOON).await?;
    eventually("the pusher leads", SOON, async || {
        let holder = cluster.holder("5b374a9e.konghq.com-kong").await.map_err(|error| format!("{error:#}"))?;
        if holder.is_empty() { Err("nobody leads".to_owned()) } else { Ok(()) }
    })
    .await?;
    drop(pusher);
    pushing.env.remove(discovering);
    pushing.args.push("--kong-admin-url=http://kong:8001".to_owned());
    let pusher = here.start(&pushing, Some(&service_account(cluster, "pusher")?))?;
    gateways.route_to(&[backend(NAMESPACE, "shop", "/shop", &["10.1.0.1"])]).await?;
    for right in ["configmaps silverback-feedback", "secrets silverback-last-good"] {
        let (kind, name) = right.split_once(' ').context("no name")?;
        let path = format!("/api/v1/namespaces/{NAMESPACE}/{kind}/{name}");
        eventually(&format!("{right} is written"), SOON, async || {
            let request = http_get(&path).map_err(|error| error.to_string())?;
            let object = cluster.client.request::<Value>(request).await.map_err(|error| error.to_string())?;
            let written = object["data"].as_object().is_some_and(|data| !data.is_empty());
            if written { Ok(()) } else { Err(format!("{object}; {}", pusher.process.lines().join("\n"))) }
        })
        .await?;
    }
    // With Roles alone the watcher is told so of every kind of the whole cluster, and goes on without.
    let reads_cluster = objects.iter().any(|object| text(object, "/kind") == "ClusterRole");
    for started in [Some(&watcher).filter(|_| reads_cluster), Some(&pusher)].into_iter().flatten() {
        let lines = started.process.lines();
        let refused = |line: &&String| line.contains("answers 403") || line.contains("forbidden");
        let refused: Vec<_> = lines.iter().filter(refused).collect();
        ensure!(refused.is_empty(), "rights are missing: {refused:#?}");
    }
    Ok(())
}

/// A gateway that is discovered, and does not answer.
fn admin_slice() -> Value {
    let mut slice = endpoints("kong-admin", &["192.0.2.1"]);
    slice["ports"][0]["name"] = "kong-admin-tls".into();
    slice
}

fn http_get(path: &str) -> anyhow::Result<http::Request<Vec<u8>>> {
    Ok(http::Request::get(path).body(Vec::new())?)
}

#[tokio::test]
async fn the_compose_files_commands_run_until_ready() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("default").await? else { return Ok(()) };
    let (gateways, commands) = (Gateways::start(1).await?, commands::of_compose()?);
    let here = Here::new(&gateways)?;
    let admin = cluster.admin();
    let mut started = Vec::new();
    for command in &commands {
        let kubeconfig = command.flag("kubeconfig").map(|_| admin.as_str());
        started.push(here.start(command, kubeconfig)?);
    }
    for service in &started {
        service.is_ready().await?;
    }
    let compose = commands::compose()?;
    for (name, definition) in compose["services"].as_object().context("no services")? {
        for volume in definition["volumes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let source = volume.split(':').next().unwrap_or_default();
            ensure!(compose["volumes"].get(source).is_some(), "{name} mounts {source}, which is no volume");
        }
    }
    Ok(())
}

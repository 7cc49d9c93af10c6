//! Each command, flag, variable and port of the manifests and the compose file is one that the binaries know.

use std::collections::BTreeMap;
use std::process::Command as Process;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use silverback_test_support::binary;

use super::{SERVICES, base, deployment, kustomize, list, of_kind, overlay, root, text};

/// How a service is started somewhere.
#[derive(Clone, Debug)]
pub(super) struct Command {
    /// Where it is written.
    pub(super) place: String,
    pub(super) service: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    /// Ports by name.
    ports: BTreeMap<String, u64>,
}

impl Command {
    /// The value of a flag.
    pub(super) fn flag(&self, name: &str) -> Option<&str> {
        self.args.iter().find_map(|arg| arg.strip_prefix(&format!("--{name}="))?.into())
    }
}

/// Those of a set of manifests.
pub(super) fn of_manifests(place: &str, objects: &[Value]) -> anyhow::Result<Vec<Command>> {
    let command = |service: &str| {
        let deployment = deployment(objects, service)?;
        let container = deployment.pointer("/spec/template/spec/containers/0").context("no container")?;
        let image = format!("silverback-{service}:v{}", env!("CARGO_PKG_VERSION"));
        ensure!(text(container, "/image").ends_with(&image), "{container}");
        ensure!(container["command"].is_null(), "the image says what is run");
        let env = list(container, "/env").map(|env| (text(env, "/name").to_owned(), text(env, "/value").to_owned()));
        let ports = list(container, "/ports");
        let ports = ports.map(|port| (text(port, "/name").to_owned(), port["containerPort"].as_u64().unwrap_or(0)));
        Ok(Command {
            place: format!("{place}, {service}"),
            service: service.to_owned(),
            args: list(container, "/args").filter_map(Value::as_str).map(str::to_owned).collect(),
            env: env.collect(),
            ports: ports.collect(),
        })
    };
    SERVICES.iter().map(|service| command(service)).collect()
}

/// The compose file.
pub(super) fn compose() -> anyhow::Result<Value> {
    let documents = kustomize::documents(&root().join("docker-compose.yml"))?;
    documents.into_iter().next().context("an empty file")
}

/// Those of the compose file.
pub(super) fn of_compose() -> anyhow::Result<Vec<Command>> {
    let compose = compose()?;
    let command = |service: &str| {
        let definition = &compose["services"][service];
        let image = format!("silverback-{service}:${{SILVERBACK_TAG:-v{}}}", env!("CARGO_PKG_VERSION"));
        ensure!(text(definition, "/image") == image, "{service}: {definition}");
        ensure!(definition["read_only"] == true, "{service} may write");
        ensure!(definition["cap_drop"] == json!(["ALL"]), "{service} has capabilities");
        let env = definition["environment"].as_object().into_iter().flatten();
        Ok(Command {
            place: format!("docker-compose.yml, {service}"),
            service: service.to_owned(),
            args: list(definition, "/command").filter_map(Value::as_str).map(str::to_owned).collect(),
            env: env.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
            ports: BTreeMap::new(),
        })
    };
    SERVICES.iter().map(|service| command(service)).collect()
}

fn everywhere() -> anyhow::Result<Vec<Command>> {
    let mut all = of_compose()?;
    all.extend(of_manifests("deploy/base", &base()?)?);
    for name in ["one-namespace", "high-availability"] {
        all.extend(of_manifests(name, &overlay(name)?)?);
    }
    if let Some(objects) = kustomize::real(&root().join("deploy/example"))? {
        all.extend(of_manifests("deploy/example", &objects)?);
    }
    Ok(all)
}

fn help(service: &str) -> anyhow::Result<String> {
    let output = Process::new(binary(&format!("silverback-{service}"))?).arg("--help").env_clear().output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The port of a listening address: of the flag as given, else of its default in the help.
fn port(command: &Command, help: &str, flag: &str) -> anyhow::Result<u64> {
    let (_, about) = help.split_once(&format!("--{flag} ")).with_context(|| format!("no --{flag}"))?;
    let default = about.split("[default: ").nth(1).and_then(|rest| rest.split(']').next());
    let address = command.flag(flag).or(default).with_context(|| format!("--{flag} has no default"))?;
    let (_, port) = address.rsplit_once(':').with_context(|| format!("{address} is no address"))?;
    Ok(port.parse()?)
}

#[test]
fn the_binaries_know_every_flag_variable_and_port() -> anyhow::Result<()> {
    let helps: BTreeMap<_, _> =
        SERVICES.iter().map(|service| Ok((*service, help(service)?))).collect::<anyhow::Result<_>>()?;
    for command in everywhere()? {
        let (place, help) = (&command.place, &helps[command.service.as_str()]);
        for arg in &command.args {
            let name = arg.split('=').next().unwrap_or_default();
            let known = [" ", "[", "=", "\n"].iter().any(|end| help.contains(&format!("{name}{end}")));
            ensure!(name.starts_with("--") && known, "{place}: silverback-{} knows no {name}", command.service);
        }
        for (name, _) in &command.env {
            ensure!(name == "POD_NAMESPACE" || help.contains(&format!("[env: {name}=")), "{place}: no variable {name}");
        }
        let bind = format!("{}-bind-address", command.service);
        for (name, flag) in
            [("grpc", bind.as_str()), ("health", "health-probe-bind-address"), ("metrics", "metrics-bind-address")]
        {
            let Some(declared) = command.ports.get(name) else { continue };
            ensure!(*declared == port(&command, help, flag)?, "{place}: port {name} is not that of --{flag}");
        }
        ensure!(command.ports.is_empty() || command.ports.len() == 3, "{place}: {:?}", command.ports);
    }
    Ok(())
}

#[test]
fn every_url_leads_to_a_service_that_listens_there() -> anyhow::Result<()> {
    let compose_commands = of_compose()?;
    let objects = base()?;
    let manifest_commands = of_manifests("deploy/base", &objects)?;
    for (consumer, producer) in [("translator", "watcher"), ("pusher", "translator")] {
        for (commands, host) in
            [(&compose_commands, producer.to_owned()), (&manifest_commands, format!("silverback-{producer}"))]
        {
            let find = |name: &str| commands.iter().find(|command| command.service == name).context("no such service");
            let listens = find(producer)?.flag(&format!("{producer}-bind-address")).context("it does not listen")?;
            let (_, port) = listens.rsplit_once(':').context("no port")?;
            let url = find(consumer)?.flag(&format!("{producer}-url")).context("no url")?;
            ensure!(url.ends_with(&format!("://{host}:{port}")), "{url} is not {host}:{port}");
        }
        let name = format!("silverback-{producer}");
        let service = of_kind(&objects, "Service").find(|service| text(service, "/metadata/name") == name);
        let service = service.with_context(|| format!("no Service {name}"))?;
        let template = deployment(&objects, producer)?.pointer("/spec/template/metadata/labels");
        ensure!(text(service, "/spec/clusterIP") == "None", "{name} hides its replicas behind one address");
        ensure!(service.pointer("/spec/selector") == template, "{name} selects other pods");
    }
    Ok(())
}

#[test]
fn every_service_is_confined_probed_and_spread() -> anyhow::Result<()> {
    let objects = base()?;
    for service in SERVICES {
        let deployment = deployment(&objects, service)?;
        let pod = deployment.pointer("/spec/template/spec").context("no pod")?;
        let container = pod.pointer("/containers/0").context("no container")?;
        for (pointer, wanted) in [
            ("/securityContext/readOnlyRootFilesystem", "true"),
            ("/securityContext/allowPrivilegeEscalation", "false"),
            ("/securityContext/capabilities/drop/0", "\"ALL\""),
            ("/readinessProbe/httpGet/path", "\"/readyz\""),
            ("/livenessProbe/httpGet/path", "\"/healthz\""),
        ] {
            let found = container.pointer(pointer).map(ToString::to_string);
            ensure!(found.as_deref() == Some(wanted), "{service}: {pointer} is {found:?}");
        }
        ensure!(pod.pointer("/securityContext/runAsNonRoot") == Some(&true.into()), "{service} may be root");
        let mounts_token = pod["automountServiceAccountToken"] == true;
        ensure!(mounts_token == (service != "translator"), "{service}: its token is mounted: {mounts_token}");
        let labels = deployment.pointer("/spec/selector/matchLabels");
        ensure!(
            pod.pointer("/topologySpreadConstraints/0/labelSelector/matchLabels") == labels,
            "{service} is not spread"
        );
        for kind in ["PodDisruptionBudget", "NetworkPolicy", "ServiceAccount"] {
            let name = format!("silverback-{service}");
            ensure!(of_kind(&objects, kind).any(|object| text(object, "/metadata/name") == name), "no {kind} {name}");
        }
    }
    let available = overlay("high-availability")?;
    for service in SERVICES {
        let deployment = deployment(&available, service)?;
        ensure!(deployment.pointer("/spec/replicas") == Some(&3.into()), "{deployment}");
        let when = text(deployment, "/spec/template/spec/topologySpreadConstraints/0/whenUnsatisfiable");
        ensure!(when == "DoNotSchedule", "{service}: {when}");
    }
    Ok(())
}

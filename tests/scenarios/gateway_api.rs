//! The Gateway API's bundles at a real API server: whatever version a kind is served in, it is read and translated; and
//! bundles that take each other's place, under a watcher that goes on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use silverback_proto::v1::{self, config_client::ConfigClient, explain_request::Subject};
use silverback_resources::manifest;
use silverback_test_support::eventually;

use crate::story::{Chronicle, Cluster, Gateways, Ports, SOON, Service, channel, endpoints, service};

const GROUP: &str = "gateway.networking.k8s.io";

/// The folder of a bundle's definitions; none where it is not at hand.
pub(crate) fn bundle(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shared = std::env::var_os("SILVERBACK_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let folder = shared.join("crds").join(name);
    if !folder.is_dir() {
        println!("skipped: {} is not here (SILVERBACK_SHARED)", folder.display());
    }
    folder.is_dir().then_some(folder)
}

fn definitions(folder: &Path) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        for manifest in manifest::load(&path.display().to_string(), &std::fs::read_to_string(&path)?) {
            let mut object = manifest.map_err(|error| anyhow::anyhow!("{error}"))?.object;
            // An API server gives its own.
            object["metadata"].as_object_mut().map(|metadata| metadata.remove("uid"));
            if object["kind"] == "CustomResourceDefinition" {
                all.push(object);
            }
        }
    }
    Ok(all)
}

/// In which versions a bundle serves its kinds; `None`: not at all.
#[derive(Clone, Copy)]
struct Bundle {
    folder: &'static str,
    of_streams: Option<&'static str>,
    of_policies: Option<&'static str>,
    of_grants: &'static str,
    of_sets: Option<(&'static str, &'static str)>,
}

const OLD_STANDARD: Bundle = Bundle {
    folder: "gateway-api-v1.3.0/standard",
    of_streams: None,
    of_policies: None,
    of_grants: "v1beta1",
    of_sets: None,
};
const OLD_EXPERIMENTAL: Bundle = Bundle {
    folder: "gateway-api-v1.3.0/experimental",
    of_streams: Some("v1alpha2"),
    of_policies: Some("v1alpha3"),
    of_grants: "v1beta1",
    of_sets: Some(("gateway.networking.x-k8s.io/v1alpha1", "XListenerSet")),
};
const NEW_STANDARD: Bundle = Bundle {
    folder: "gateway-api-v1.7.0/standard",
    of_streams: Some("v1"),
    of_policies: Some("v1"),
    of_grants: "v1",
    of_sets: Some(("v1", "ListenerSet")),
};
const NEW_EXPERIMENTAL: Bundle = Bundle { folder: "gateway-api-v1.7.0/experimental", ..NEW_STANDARD };

fn object(version: &str, kind: &str, name: &str, spec: Value) -> Value {
    let version = if version.contains('/') { version.to_owned() } else { format!("{GROUP}/{version}") };
    json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// The class, and a Gateway for each step of a story, so that they share no port.
fn gateway(bundle: Bundle, step: usize) -> [Value; 2] {
    let port = 9000 + step;
    let listeners = json!([
        { "name": "web", "port": 80, "protocol": "HTTP" },
        { "name": "tcp", "port": port, "protocol": "TCP" },
        { "name": "udp", "port": port, "protocol": "UDP" },
        { "name": "tls", "port": port + 100, "protocol": "TLS", "tls": { "mode": "Passthrough" } },
    ]);
    let mut spec = json!({ "gatewayClassName": "kong", "listeners": listeners });
    if bundle.of_sets.is_some() {
        spec["allowedListeners"] = json!({ "namespaces": { "from": "Same" } });
    }
    [
        object("v1", "GatewayClass", "kong", json!({ "controllerName": "konghq.com/kic-gateway-controller" })),
        object("v1", "Gateway", &format!("main{step}"), spec),
    ]
}

/// One object of every kind that a bundle serves, named after the step.
fn objects(bundle: Bundle, step: usize) -> Vec<Value> {
    let parents = json!([{ "name": format!("main{step}") }]);
    let rules = |service: &str| json!([{ "backendRefs": [{ "name": service, "port": 80 }] }]);
    let route = |version: &str, kind: &str, name: &str| {
        let mut spec = json!({ "parentRefs": parents, "rules": rules("shop") });
        if name != "tcp" && name != "udp" {
            spec["hostnames"] = json!([format!("{name}{step}.test")]);
        }
        object(version, kind, &format!("{name}{step}"), spec)
    };
    let grant = json!({
        "from": [{ "group": GROUP, "kind": "HTTPRoute", "namespace": "elsewhere" }],
        "to": [{ "group": "", "kind": "Service" }],
    });
    let host = format!("policed{step}.test");
    let policed = json!({ "parentRefs": parents, "hostnames": [host], "rules": rules("policed") });
    let mut all = gateway(bundle, step).to_vec();
    all.extend([
        route("v1", "HTTPRoute", "http"),
        route("v1", "GRPCRoute", "grpc"),
        object(bundle.of_grants, "ReferenceGrant", &format!("open{step}"), grant),
        object("v1", "HTTPRoute", &format!("policed{step}"), policed),
    ]);
    if let Some(version) = bundle.of_streams {
        let kinds = [("TCPRoute", "tcp"), ("UDPRoute", "udp"), ("TLSRoute", "tls")];
        all.extend(kinds.map(|(kind, name)| route(version, kind, name)));
    }
    if let Some((version, kind)) = bundle.of_sets {
        let listener = json!({ "name": "more", "port": 8080, "protocol": "HTTP" });
        let spec = json!({ "parentRef": { "name": format!("main{step}") }, "listeners": [listener] });
        all.push(object(version, kind, &format!("added{step}"), spec));
    }
    if let Some(version) = bundle.of_policies {
        let validation = json!({
            "hostname": "shop.internal", "caCertificateRefs": [{ "group": "", "kind": "ConfigMap", "name": "none" }],
        });
        let targets = json!([{ "group": "", "kind": "Service", "name": "policed" }]);
        let spec = json!({ "targetRefs": targets, "validation": validation });
        all.push(object(version, "BackendTLSPolicy", &format!("verified{step}"), spec));
    }
    all
}

async fn explained(translator: u16, object: &Value, namespace: &str) -> Result<Value, String> {
    let (group, _) = object["apiVersion"].as_str().unwrap_or_default().split_once('/').unwrap_or_default();
    let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
    let kind = text(&object["kind"]);
    let namespace = if kind == "GatewayClass" { String::new() } else { namespace.to_owned() };
    let key = v1::Key { namespace, name: text(&object["metadata"]["name"]) };
    let subject = Subject::Object(v1::ObjectRef { kind: format!("{kind}.{group}"), key: Some(key) });
    let mut client = ConfigClient::new(channel(translator).map_err(|error| error.to_string())?);
    let answer = client.explain(v1::ExplainRequest { subject: Some(subject) }).await;
    let status = answer.map_err(|status| status.to_string())?.into_inner().status;
    serde_json::from_str(&status).map_err(|error| format!("{error} in {status:?}"))
}

/// Whether every Accepted condition of a status, one at least, has this value.
fn accepted(status: &Value, wanted: &str) -> bool {
    let mut of_object = vec![&status["conditions"]];
    for list in ["parents", "ancestors"] {
        of_object.extend(status[list].as_array().into_iter().flatten().map(|it| &it["conditions"]));
    }
    let all = of_object.into_iter().filter_map(Value::as_array).flatten().filter(|it| it["type"] == "Accepted");
    let values: BTreeSet<&str> = all.filter_map(|it| it["status"].as_str()).collect();
    values == [wanted].into()
}

/// Whether a class says that the definitions are of a bundle that is known.
fn knows_its_bundle(status: &Value) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.any(|it| it["type"] == "SupportedVersion" && it["status"] == "True")
}

/// The names of a config's services.
fn services(config: &Value) -> BTreeSet<String> {
    let names = config["services"].as_array().into_iter().flatten().filter_map(|it| it["name"].as_str());
    names.map(str::to_owned).collect()
}

/// What the routes among objects should become.
fn wanted(objects: &[Value], namespace: &str) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let routes = objects.iter().filter(|object| text(&object["kind"]).ends_with("Route"));
    routes
        .map(|route| {
            let kind = text(&route["kind"]).to_lowercase();
            format!("{kind}.{namespace}.{}.0", text(&route["metadata"]["name"]))
        })
        .collect()
}

/// Installs bundles one after the other under a watcher that goes on. What each of them serves is read and translated,
/// and what was there before is never missed.
async fn bundles_are_read(scenario: &str, bundles: &[Bundle]) -> anyhow::Result<()> {
    let folders: Option<Vec<PathBuf>> = bundles.iter().map(|it| bundle(it.folder)).collect();
    let Some(folders) = folders else { return Ok(()) };
    let Some(cluster) = Cluster::own(scenario).await? else { return Ok(()) };
    cluster.put_all([service("shop"), endpoints("shop", &["10.1.0.1"]), service("policed")]).await?;
    let (gateways, ports) = (Gateways::start(1).await?, Ports::choose()?);
    let _silverback = Service::run("silverback", ports, &gateways, &["--kubeconfig", &cluster.admin()])?;
    let chronicle = Chronicle::of(&gateways.0[0]);
    let namespace = cluster.namespace.as_str();
    let mut stages: Vec<BTreeSet<String>> = Vec::new();
    for (step, (bundle, folder)) in bundles.iter().zip(folders).enumerate() {
        let definitions = definitions(&folder)?;
        ensure!(!definitions.is_empty(), "there are no definitions in {}", folder.display());
        cluster.put_all(definitions).await?;
        let objects = objects(*bundle, step);
        for object in &objects {
            // A definition takes a moment to be served.
            eventually(&format!("{} is taken", object["kind"]), SOON, async || {
                cluster.put(object.clone()).await.map_err(|error| format!("{error:#}"))
            })
            .await?;
        }
        for object in objects.iter().filter(|object| object["kind"] != "ReferenceGrant") {
            // The authority that the policy names does not exist.
            let wanted = if object["kind"] == "BackendTLSPolicy" { "False" } else { "True" };
            let what = format!("{}: {} {} has Accepted={wanted}", bundle.folder, object["apiVersion"], object["kind"]);
            eventually(&what, SOON, async || {
                let status = explained(ports.translator, object, namespace).await?;
                let known = object["kind"] != "GatewayClass" || knows_its_bundle(&status);
                if known && accepted(&status, wanted) { Ok(()) } else { Err(status.to_string()) }
            })
            .await?;
        }
        let mut stage = wanted(&objects, namespace);
        stage.extend(stages.last().cloned().unwrap_or_default());
        eventually("every route is at the gateway", SOON, async || {
            let served = services(&gateways.0[0].config());
            if stage.is_subset(&served) { Ok(()) } else { Err(format!("{served:?}")) }
        })
        .await
        .with_context(|| format!("{}: services of routes", bundle.folder))?;
        stages.push(stage);
    }
    let mut reached = 0;
    chronicle.judge(|config| {
        let served = services(config);
        while reached < stages.len() && stages[reached].is_subset(&served) {
            reached += 1;
        }
        let lost = stages.get(reached.wrapping_sub(1)).filter(|stage| !stage.is_subset(&served));
        ensure!(lost.is_none(), "of {lost:?} the gateway was told only {served:?}");
        Ok(())
    })?;
    ensure!(reached == stages.len(), "the gateway was told {reached} of {} stages", stages.len());
    Ok(())
}

/// Alpha versions become `v1`, which is then what is stored; at last they are served no more.
#[tokio::test]
async fn experimental_bundles_are_read_and_give_way_to_newer_ones() -> anyhow::Result<()> {
    bundles_are_read("bundles-experimental", &[OLD_EXPERIMENTAL, NEW_EXPERIMENTAL, NEW_STANDARD]).await
}

/// Kinds that were not there come.
#[tokio::test]
async fn standard_bundles_are_read_and_give_way_to_newer_ones() -> anyhow::Result<()> {
    bundles_are_read("bundles-standard", &[OLD_STANDARD, NEW_STANDARD]).await
}

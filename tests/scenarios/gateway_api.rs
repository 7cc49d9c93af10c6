//! The Gateway API's bundles at a real API server: whatever version a kind is served in, it is read and translated.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use silverback_proto::v1::{self, config_client::ConfigClient, explain_request::Subject};
use silverback_resources::manifest;
use silverback_test_support::eventually;

use crate::story::{Cluster, Gateways, Ports, SOON, Service, channel, endpoints, service};

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

/// In which version a bundle serves a kind.
struct Versions {
    of_streams: &'static str,
    of_policies: &'static str,
    of_grants: &'static str,
    of_sets: (&'static str, &'static str),
}

fn object(version: &str, kind: &str, name: &str, spec: Value) -> Value {
    let version = if version.contains('/') { version.to_owned() } else { format!("{GROUP}/{version}") };
    json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// One object of every kind.
fn objects(versions: &Versions) -> Vec<Value> {
    let listeners = json!([
        { "name": "web", "port": 80, "protocol": "HTTP" },
        { "name": "tcp", "port": 9000, "protocol": "TCP" },
        { "name": "udp", "port": 9000, "protocol": "UDP" },
        { "name": "tls", "port": 9443, "protocol": "TLS", "tls": { "mode": "Passthrough" } },
    ]);
    let gateway = json!({
        "gatewayClassName": "kong", "listeners": listeners, "allowedListeners": { "namespaces": { "from": "Same" } },
    });
    let parents = json!([{ "name": "main" }]);
    let rules = json!([{ "backendRefs": [{ "name": "shop", "port": 80 }] }]);
    let route = |version: &str, kind: &str, name: &str| {
        let mut spec = json!({ "parentRefs": parents, "rules": rules });
        if name != "tcp" && name != "udp" {
            spec["hostnames"] = json!([format!("{name}.test")]);
        }
        object(version, kind, name, spec)
    };
    let (set_version, set_kind) = versions.of_sets;
    let set = json!({
        "parentRef": { "name": "main" }, "listeners": [{ "name": "more", "port": 8080, "protocol": "HTTP" }],
    });
    let validation = json!({
        "hostname": "shop.internal", "caCertificateRefs": [{ "group": "", "kind": "ConfigMap", "name": "none" }],
    });
    let policy =
        json!({ "targetRefs": [{ "group": "", "kind": "Service", "name": "policed" }], "validation": validation });
    let grant = json!({
        "from": [{ "group": GROUP, "kind": "HTTPRoute", "namespace": "elsewhere" }],
        "to": [{ "group": "", "kind": "Service" }],
    });
    let policed = json!([{ "backendRefs": [{ "name": "policed", "port": 80 }] }]);
    let policed = json!({ "parentRefs": parents, "hostnames": ["policed.test"], "rules": policed });
    vec![
        object("v1", "GatewayClass", "kong", json!({ "controllerName": "konghq.com/kic-gateway-controller" })),
        object("v1", "Gateway", "main", gateway),
        object(set_version, set_kind, "added", set),
        route("v1", "HTTPRoute", "http"),
        route("v1", "GRPCRoute", "grpc"),
        route(versions.of_streams, "TCPRoute", "tcp"),
        route(versions.of_streams, "UDPRoute", "udp"),
        route(versions.of_streams, "TLSRoute", "tls"),
        object(versions.of_grants, "ReferenceGrant", "open", grant),
        object(versions.of_policies, "BackendTLSPolicy", "verified", policy),
        object("v1", "HTTPRoute", "policed", policed),
    ]
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

async fn every_kind_is_read_and_translated(scenario: &str, folder: &str, versions: Versions) -> anyhow::Result<()> {
    let Some(folder) = bundle(folder) else { return Ok(()) };
    let Some(cluster) = Cluster::own(scenario).await? else { return Ok(()) };
    let definitions = definitions(&folder)?;
    ensure!(!definitions.is_empty(), "there are no definitions in {}", folder.display());
    cluster.put_all(definitions).await?;
    cluster.put_all([service("shop"), endpoints("shop", &["10.1.0.1"]), service("policed")]).await?;
    let objects = objects(&versions);
    for object in &objects {
        // A definition takes a moment to be served.
        eventually(&format!("{} is taken", object["kind"]), SOON, async || {
            cluster.put(object.clone()).await.map_err(|error| format!("{error:#}"))
        })
        .await?;
    }
    let (gateways, ports) = (Gateways::start(1).await?, Ports::choose()?);
    let _silverback = Service::run("silverback", ports, &gateways, &["--kubeconfig", &cluster.admin()])?;
    let namespace = cluster.namespace.as_str();
    for object in objects.iter().filter(|object| object["kind"] != "ReferenceGrant") {
        // The authority that the policy names does not exist.
        let wanted = if object["kind"] == "BackendTLSPolicy" { "False" } else { "True" };
        let what = format!("{} {} has Accepted={wanted}", object["apiVersion"], object["kind"]);
        eventually(&what, SOON, async || {
            let status = explained(ports.translator, object, namespace).await?;
            let known = object["kind"] != "GatewayClass" || knows_its_bundle(&status);
            if known && accepted(&status, wanted) { Ok(()) } else { Err(status.to_string()) }
        })
        .await?;
    }
    eventually("every route reaches the gateway", SOON, async || {
        let config = gateways.0[0].config();
        let names = config["services"].as_array().into_iter().flatten().filter_map(|it| it["name"].as_str());
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        let wanted = ["http", "grpc", "tcp", "udp", "tls"].map(|name| format!("{name}route.{namespace}.{name}.0"));
        if wanted.iter().all(|name| names.contains(name)) { Ok(()) } else { Err(format!("{names:?}")) }
    })
    .await
    .context("services of routes")
}

#[tokio::test]
async fn bundle_1_3_0_is_read_in_its_versions() -> anyhow::Result<()> {
    let versions = Versions {
        of_streams: "v1alpha2",
        of_policies: "v1alpha3",
        of_grants: "v1beta1",
        of_sets: ("gateway.networking.x-k8s.io/v1alpha1", "XListenerSet"),
    };
    every_kind_is_read_and_translated("bundle-old", "gateway-api-v1.3.0/experimental", versions).await
}

#[tokio::test]
async fn bundle_1_7_0_is_read_in_its_versions() -> anyhow::Result<()> {
    let versions = Versions { of_streams: "v1", of_policies: "v1", of_grants: "v1", of_sets: ("v1", "ListenerSet") };
    every_kind_is_read_and_translated("bundle-new", "gateway-api-v1.7.0/standard", versions).await
}

//! The three services as processes of their own, each with no more rights than it needs.

use serde_json::{Value, json};
use silverback_proto::v1;
use silverback_proto::v1::collection_status::State;
use silverback_proto::v1::state_client::StateClient;
use silverback_resources::registry;
use silverback_test_support::eventually;

use crate::story::{Cluster, Gateways, Ports, SOON, Service, backend, channel, endpoints, ingress, service};

/// Reads every kind of the registry, and changes nothing.
fn watcher_rights() -> Value {
    registry::KINDS
        .iter()
        .map(|kind| json!({ "apiGroups": [kind.group], "resources": [kind.plural], "verbs": ["get", "list", "watch"] }))
        .collect()
}

fn pusher_rights() -> Value {
    json!([
        {
            "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
            "verbs": ["get", "list", "watch", "create", "update", "patch"],
        },
        { "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"] },
    ])
}

#[tokio::test]
async fn services_in_processes_of_their_own_need_only_their_own_rights() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::shared("processes").await? else { return Ok(()) };
    let gateways = Gateways::start(3).await?;
    let (namespace, ports) = (cluster.namespace.as_str(), Ports::choose()?);
    let reader = cluster.user("processes-watcher", watcher_rights()).await?;
    let leader = cluster.namespaced_user("processes-pusher", pusher_rights()).await?;
    cluster.put_all([service("shop"), endpoints("shop", &["10.1.0.1"]), ingress(namespace, "shop", "/shop")]).await?;

    // In the wrong order: each waits for the one before.
    let election = ["--force-leader-election=enabled", "--election-namespace", namespace, "--kubeconfig", &leader];
    let pusher = Service::pusher(ports, &gateways, &election)?;
    pusher.waits_for(&["no translator", "cannot be reached", "--translator-url"]).await?;
    let translator = Service::translator(ports, &["--ingress-class", namespace])?;
    translator.waits_for(&["no watcher", "cannot be reached", "--watcher-url"]).await?;
    let watcher = Service::watcher(ports, &["--kubeconfig", &reader])?;

    gateways.route_to(&[backend(namespace, "shop", "/shop", &["10.1.0.1"])]).await?;
    for service in [&watcher, &translator, &pusher] {
        service.is_ready().await?;
    }
    cluster.put(endpoints("shop", &["10.1.0.2"])).await?;
    gateways.route_to(&[backend(namespace, "shop", "/shop", &["10.1.0.2"])]).await?;

    // A translator that starts again finds everything it needs at the watcher.
    drop(translator);
    cluster.put(endpoints("shop", &["10.1.0.3"])).await?;
    let _translator = Service::translator(ports, &["--ingress-class", namespace])?;
    gateways.route_to(&[backend(namespace, "shop", "/shop", &["10.1.0.3"])]).await
}

#[tokio::test]
async fn kinds_appear_and_vanish_with_their_crds() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::own("crds").await? else { return Ok(()) };
    let ports = Ports::choose()?;
    let watcher = Service::watcher(ports, &["--kubeconfig", &cluster.admin()])?;
    watcher.is_ready().await?;
    plugins_are(ports, State::Absent, 0).await?;

    cluster.put(plugin_crd()).await?;
    plugins_are(ports, State::Complete, 0).await?;
    let plugin = json!({
        "apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin",
        "metadata": { "name": "limit" }, "plugin": "rate-limiting",
    });
    eventually("the API server takes KongPlugins", SOON, async || cluster.put(plugin.clone()).await).await?;
    plugins_are(ports, State::Complete, 1).await?;

    cluster.delete(plugin_crd()).await?;
    plugins_are(ports, State::Absent, 0).await?;
    watcher.is_ready().await
}

/// Where the CRDs may not be read, the API server's index of schemas tells that one was written anew.
#[tokio::test]
async fn a_new_definition_is_noticed_with_rights_in_a_namespace_alone() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::own("definitions").await? else { return Ok(()) };
    let (namespace, ports) = (cluster.namespace.as_str(), Ports::choose()?);
    let definition = |schema: &Value| {
        let mut definition = plugin_crd();
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema.clone();
        definition
    };
    let text = json!({ "type": "string" });
    let new = json!({ "type": "object", "properties": { "plugin": text, "instance_name": text } });
    let old = json!({ "type": "object", "properties": { "plugin": text } });
    cluster.put(definition(&new)).await?;
    let plugin = json!({
        "apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin",
        "metadata": { "name": "limit" }, "plugin": "rate-limiting", "instance_name": "shown",
    });
    eventually("the API server takes KongPlugins", SOON, async || cluster.put(plugin.clone()).await).await?;
    cluster.put(definition(&old)).await?;
    let rights = registry::KINDS.iter().filter(|kind| kind.namespaced());
    let rights = rights
        .map(|kind| json!({ "apiGroups": [kind.group], "resources": [kind.plural], "verbs": ["list", "watch"] }))
        .collect();
    let reader = cluster.namespaced_user("definitions-watcher", rights).await?;
    let watcher = Service::watcher(ports, &["--kubeconfig", &reader, "--watch-namespace", namespace])?;
    watcher.is_ready().await?;
    plugin_shows(ports, namespace, false).await?;
    cluster.put(definition(&new)).await?;
    plugin_shows(ports, namespace, true).await
}

/// Waits until the watcher holds the KongPlugin with, or without, the field that one definition hides.
async fn plugin_shows(ports: Ports, namespace: &str, shown: bool) -> anyhow::Result<()> {
    let mut client = StateClient::new(channel(ports.watcher)?);
    let key = v1::Key { namespace: namespace.to_owned(), name: "limit".to_owned() };
    let request = v1::GetRequest { kind: "KongPlugin.configuration.konghq.com".to_owned(), key: Some(key) };
    eventually(&format!("the field is shown: {shown}"), SOON, async || {
        let item = client.get(request.clone()).await.map_err(|status| status.to_string())?.into_inner();
        if item.body.contains("instance_name") == shown { Ok(()) } else { Err(item.body) }
    })
    .await
}

async fn plugins_are(ports: Ports, state: State, count: u64) -> anyhow::Result<()> {
    let mut client = StateClient::new(channel(ports.watcher)?);
    eventually(&format!("KongPlugins are {state:?}, {count} of them"), SOON, async || {
        let kinds = client.list_kinds(v1::ListKindsRequest {}).await.map_err(|status| status.to_string())?;
        let kinds = kinds.into_inner().kinds;
        let kind = kinds.iter().find(|kind| kind.kind.split('.').next() == Some("KongPlugin")).ok_or("no such kind")?;
        let [collection] = kind.collections.as_slice() else { return Err(format!("{kind:?}")) };
        if collection.state() == state && collection.count == count { Ok(()) } else { Err(format!("{kind:?}")) }
    })
    .await
}

fn plugin_crd() -> Value {
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "kongplugins.configuration.konghq.com" },
        "spec": {
            "group": "configuration.konghq.com", "scope": "Namespaced",
            "names": { "kind": "KongPlugin", "plural": "kongplugins", "singular": "kongplugin" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }],
        },
    })
}

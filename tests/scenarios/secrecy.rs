//! A marker is planted wherever a secret may be. It must reach the gateways, and show in nothing that people see.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use silverback_devcluster::gateway::{FixedAnswer, On};
use silverback_proto::v1;
use silverback_proto::v1::config_client::ConfigClient;
use silverback_proto::v1::explain_request::Subject;
use silverback_proto::v1::gateways_client::GatewaysClient;
use silverback_proto::v1::state_client::StateClient;
use silverback_test_support::{Authority, eventually};

use crate::story::{Folder, Gateways, Ports, SOON, Service, channel, endpoints, ingress, service};

/// In every secret value. In a Secret's data it is preceded by a multiple of three bytes, so that its base64 form is
/// found as well.
const MARKER: &str = "m4rk3rM4RK3R";
const IN_BASE64: &str = "bTRyazNyTTRSSzNS";

/// A Secret whose values are the marker, but for a user's name, which is no secret.
fn secret(name: &str, credential: &str, fields: &[&str]) -> Value {
    let labels = if credential.is_empty() { json!({}) } else { json!({ "konghq.com/credential": credential }) };
    let data =
        fields.iter().map(|field| ((*field).to_owned(), json!(if *field == "username" { "YW5u" } else { IN_BASE64 })));
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "labels": labels },
        "data": data.collect::<serde_json::Map<_, _>>(),
    })
}

fn kong(kind: &str, version: &str, name: &str, rest: Value) -> Value {
    let mut object = json!({
        "apiVersion": format!("configuration.konghq.com/{version}"), "kind": kind,
        "metadata": { "name": name, "annotations": { "kubernetes.io/ingress.class": "kong" } },
    });
    if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
        object.extend(rest);
    }
    object
}

/// Everything that can hold a secret.
fn manifests(certificate: &silverback_test_support::Pair) -> Vec<Value> {
    let redis =
        |password: &str| json!({ "minute": 5, "policy": "redis", "redis": { "host": "r", "password": password } });
    let patch = json!({ "value": format!("\"{MARKER}\"") }).to_string();
    let mut from_secret = secret("limits", "", &[]);
    from_secret["stringData"] = json!({ "config": redis(MARKER).to_string(), "patch": patch });
    let mut route = ingress("kong", "shop", "/shop");
    route["metadata"]["annotations"] = json!({ "konghq.com/plugins": "inline,limited" });
    route["spec"]["tls"] = json!([{ "hosts": ["shop.example"], "secretName": "certificate" }]);
    vec![
        service("shop"),
        endpoints("shop", &["10.1.0.1"]),
        route,
        from_secret,
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": { "name": "certificate" },
            "stringData": { "tls.crt": certificate.certificate, "tls.key": certificate.key },
        }),
        kong(
            "KongPlugin",
            "v1",
            "inline",
            json!({ "plugin": "request-transformer", "config": {
            "add": { "headers": [format!("Authorization:{MARKER}"), format!("x-api-key:{MARKER}")] } } }),
        ),
        kong(
            "KongPlugin",
            "v1",
            "limited",
            json!({ "plugin": "rate-limiting",
            "configFrom": { "secretKeyRef": { "name": "limits", "key": "config" } } }),
        ),
        kong(
            "KongClusterPlugin",
            "v1",
            "global",
            json!({ "plugin": "proxy-cache", "config": {
            "strategy": "memory", "redis": { "password": MARKER } } }),
        ),
        kong("KongLicense", "v1alpha1", "licence", json!({ "rawLicenseString": MARKER })),
        kong(
            "KongVault",
            "v1alpha1",
            "vault",
            json!({ "spec": { "backend": "hcv", "prefix": "hcv",
            "config": { "token": MARKER, "host": "v" } } }),
        ),
        secret("key", "key-auth", &["key"]),
        secret("basic", "basic-auth", &["username", "password"]),
        secret("hmac", "hmac-auth", &["username", "secret"]),
        secret("jwt", "jwt", &["key", "secret"]),
        kong("KongConsumer", "v1", "ann", json!({ "username": "ann", "credentials": ["key", "hmac", "jwt"] })),
    ]
}

struct Shown(Vec<(String, String)>);

impl Shown {
    fn add(&mut self, place: impl Into<String>, what: &impl std::fmt::Debug) {
        self.0.push((place.into(), format!("{what:?}")));
    }

    /// Whether none of it holds any of these.
    fn hide(&self, secrets: &[&str]) -> anyhow::Result<()> {
        for (place, text) in &self.0 {
            for secret in secrets {
                ensure!(!text.contains(secret), "{secret} shows in {place}: {text}");
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_shows_in_anything_that_people_see() -> anyhow::Result<()> {
    let certificate = Authority::new()?.service("shop.example")?;
    // A line from the middle of the key.
    let key_line = certificate.key.lines().nth(1).context("no key")?.to_owned();
    let secrets = [MARKER, IN_BASE64, key_line.as_str()];
    let folder = Folder::of([("all.yaml", manifests(&certificate))])?;
    let (gateways, ports) = (Gateways::start(2).await?, Ports::choose()?);
    let [willing, refusing] = gateways.0.as_slice() else { anyhow::bail!("two gateways were asked for") };
    let echo =
        format!("uniqueness violation: 'keyauth_credentials' entity with key set to '{MARKER}' already declared");
    refusing.faults().answer(On::Posts, FixedAnswer::message(400, &echo));
    // Libraries included: what they tell of headers and frames is in the same log.
    let loud = "--log-level=trace";
    let watcher = Service::watcher(ports, &["--from", &folder.path(), loud])?;
    let translator = Service::translator(ports, &[loud])?;
    let (token, header) = (format!("--kong-admin-token={MARKER}"), format!("--kong-admin-header=x-auth:{MARKER}"));
    let pusher = Service::pusher(ports, &gateways, &[loud, &token, &header])?;

    eventually("every secret is at the gateway", SOON, async || {
        let config = willing.config().to_string();
        let missing =
            [MARKER, "keyauth_credentials", "hmacauth_credentials", "jwt_secrets", "PRIVATE KEY", "rate-limiting"];
        let missing: Vec<_> = missing.into_iter().filter(|part| !config.contains(part)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} are not in {config}")) }
    })
    .await?;
    pusher.process.wait_for_line("uniqueness violation", SOON).await?;

    let mut shown = Shown(Vec::new());
    state(ports, &mut shown).await?;
    config(ports, &mut shown).await?;
    gateway_reports(ports, &mut shown).await?;
    commands(ports, &folder, &mut shown).await?;
    for (name, service) in [("watcher", &watcher), ("translator", &translator), ("pusher", &pusher)] {
        shown.add(format!("metrics of the {name}"), &service.metrics().await?);
        shown.add(format!("log of the {name}"), &service.process.lines());
    }
    shown.hide(&secrets)
}

async fn state(ports: Ports, shown: &mut Shown) -> anyhow::Result<()> {
    let mut client = StateClient::new(channel(ports.watcher)?);
    let kinds = client.list_kinds(v1::ListKindsRequest {}).await?.into_inner();
    let mut objects = 0;
    for kind in &kinds.kinds {
        let name = if kind.group.is_empty() { kind.kind.clone() } else { format!("{}.{}", kind.kind, kind.group) };
        let list = v1::ListRequest { kind: name.clone(), ..v1::ListRequest::default() };
        let list = client.list(list).await.with_context(|| name.clone())?.into_inner();
        shown.add(format!("List of {name}"), &list);
        for item in list.items {
            objects += 1;
            let get = v1::GetRequest { kind: name.clone(), key: item.key };
            shown.add(format!("Get of {name}"), &client.get(get).await?.into_inner());
        }
    }
    ensure!(objects >= 15, "only {objects} objects are held");
    Ok(())
}

async fn config(ports: Ports, shown: &mut Shown) -> anyhow::Result<()> {
    let mut client = ConfigClient::new(channel(ports.translator)?);
    let list = client.list_entities(v1::ListEntitiesRequest::default()).await?.into_inner();
    ensure!(list.entities.len() >= 4, "{list:?}");
    for entity in &list.entities {
        let get = v1::GetEntityRequest { key: entity.key.clone() };
        shown.add(format!("GetEntity of {:?}", entity.key), &client.get_entity(get).await?.into_inner());
        let about = v1::ExplainRequest { subject: entity.key.clone().map(Subject::Entity) };
        shown.add(format!("Explain of {:?}", entity.key), &client.explain(about).await?.into_inner());
    }
    shown.add("ListEntities", &list);
    Ok(())
}

/// What people's commands print.
async fn commands(ports: Ports, folder: &Folder, shown: &mut Shown) -> anyhow::Result<()> {
    let url = |service: &str, port: u16| format!("--{service}-url=http://127.0.0.1:{port}");
    let (watcher, translator) = (url("watcher", ports.watcher), url("translator", ports.translator));
    let pusher = url("pusher", ports.pusher);
    for output in ["-o=json", "-o=table"] {
        let status = [output, &watcher, &translator, &pusher];
        shown.add(format!("status {output}"), &silverback("status", &status).await?);
        for subject in ["KongPlugin/default/inline", "KongConsumer/default/ann", "Secret/default/key"] {
            shown.add(format!("explain {subject}"), &silverback("explain", &[subject, output, &translator]).await?);
        }
    }
    let render = ["-f", &folder.path(), "--complete"];
    for output in ["-o=json", "-o=yaml", "--explain=consumers/ann"] {
        let told = silverback("render", &[&render[..], &[output]].concat()).await?;
        ensure!(told.1.contains("--show-secrets") == output.starts_with("-o"), "render {output}: {told:?}");
        shown.add(format!("render {output}"), &told);
    }
    let whole = silverback("render", &[&render[..], &["--show-secrets"]].concat()).await?.1;
    ensure!(whole.contains(MARKER) && whole.contains("PRIVATE KEY"), "--show-secrets hides them: {whole}");
    Ok(())
}

async fn silverback(command: &str, args: &[&str]) -> anyhow::Result<(i32, String)> {
    let args: Vec<String> = [&[command], args].concat().into_iter().map(str::to_owned).collect();
    crate::status::silverback(&args).await
}

async fn gateway_reports(ports: Ports, shown: &mut Shown) -> anyhow::Result<()> {
    let mut client = GatewaysClient::new(channel(ports.pusher)?);
    let gateways = client.list_gateways(v1::ListGatewaysRequest {}).await?.into_inner();
    ensure!(gateways.gateways.iter().any(|gateway| gateway.last_error.contains("(hidden)")), "{gateways:?}");
    shown.add("ListGateways", &gateways);
    let isolation = client.get_isolation(v1::GetIsolationRequest {}).await?.into_inner();
    shown.add("GetIsolation", &isolation);
    let entities = isolation.quarantine.into_iter().filter_map(|entry| entry.within).collect();
    shown.add("GetProgress", &client.get_progress(v1::GetProgressRequest { entities }).await?.into_inner());
    Ok(())
}

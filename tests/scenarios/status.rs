//! What a person learns from `silverback status` and `silverback explain`.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use silverback_devcluster::gateway::{FixedAnswer, On};
use silverback_test_support::{binary, eventually};

use crate::story::{Folder, Gateways, Ports, SOON, Service, endpoints, ingress, service};

/// Exit code and output.
pub(crate) async fn silverback(args: &[String]) -> anyhow::Result<(i32, String)> {
    let output = tokio::process::Command::new(binary("silverback")?).args(args).env_clear().output().await?;
    let text = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    Ok((output.status.code().context("killed")?, text))
}

fn status(ports: Ports, output: &str) -> Vec<String> {
    let url = |service: &str, port: u16| format!("--{service}-url=http://127.0.0.1:{port}");
    let urls = [url("watcher", ports.watcher), url("translator", ports.translator), url("pusher", ports.pusher)];
    [&["status".to_owned(), "-o".to_owned(), output.to_owned()][..], &urls].concat()
}

/// Waits until the status as JSON is as it should be.
async fn becomes(what: &str, ports: Ports, is: impl Fn(i32, &Value) -> bool) -> anyhow::Result<()> {
    eventually(what, SOON, async || {
        let (code, text) = silverback(&status(ports, "json")).await.map_err(|error| format!("{error:#}"))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if is(code, &value) { Ok(()) } else { Err(format!("exit code {code}: {text}")) }
    })
    .await
}

fn all(value: &Value, list: &str, is: impl Fn(&Value) -> bool) -> bool {
    value[list].as_array().is_some_and(|items| !items.is_empty() && items.iter().all(is))
}

#[tokio::test]
async fn status_tells_how_everything_is_and_what_cannot_be_reached() -> anyhow::Result<()> {
    binary("silverback")?; // building it is not part of what is waited for
    let (folder, gateways, ports) = (Folder::shop(&["10.1.0.1"])?, Gateways::start(2).await?, Ports::choose()?);
    let _watcher = Service::watcher(ports, &["--from", &folder.path()])?;
    let translator = Service::translator(ports, &[])?;
    let _pusher = Service::pusher(ports, &gateways, &[])?;
    becomes("all is well", ports, |code, status| {
        code == 0
            && all(status, "services", |service| service["state"] == "ready")
            && all(status, "gateways", |gateway| {
                gateway["state"] == "in sync"
                    && gateway["generation"].as_u64() > Some(0)
                    && gateway["observed_hash"] == gateway["expected_hash"]
            })
            && status["leader"]["election_disabled"] == true
    })
    .await?;
    let (code, table) = silverback(&status(ports, "table")).await?;
    ensure!(code == 0 && table.contains("in sync") && table.contains("All is well."), "{table}");
    ensure!(!table.contains('\u{1b}'), "there are colours, but no terminal: {table:?}");

    gateways.0[0].faults().answer(On::Posts, FixedAnswer::message(400, "no thanks"));
    folder
        .write("shop.yaml", &[service("shop"), endpoints("shop", &["10.1.0.2"]), ingress("kong", "shop", "/shop")])?;
    let refusing = gateways.0[0].admin_url();
    becomes("the refusal shows", ports, |code, status| {
        let gateways = status["gateways"].as_array().cloned().unwrap_or_default();
        let shows = |gateway: &Value| gateway["last_error"].as_str().is_some_and(|error| error.contains("no thanks"));
        code == 1 && gateways.iter().any(|gateway| gateway["url"] == refusing.as_str() && shows(gateway))
    })
    .await?;

    drop(translator);
    becomes("the translator is missed, and everything else shown", ports, |code, status| {
        let state = |name: &str| {
            let services = status["services"].as_array().into_iter().flatten();
            services.filter(|service| service["service"] == name).map(|service| service["state"].clone()).next()
        };
        code == 1
            && state("translator").is_some_and(|state| state == "unreachable")
            && state("watcher").is_some_and(|state| state == "ready")
            && status["problems"].to_string().contains("--translator-url")
            && all(status, "gateways", |gateway| gateway["generation"].as_u64() > Some(0))
    })
    .await
}

#[tokio::test]
async fn explain_leads_from_objects_to_entities_and_back() -> anyhow::Result<()> {
    binary("silverback")?; // building it is not part of what is waited for
    let folder = Folder::shop(&["10.1.0.1"])?;
    folder.write("lost.yaml", &[ingress("kong", "nowhere", "/nowhere")])?;
    let (gateways, ports) = (Gateways::start(1).await?, Ports::choose()?);
    let _watcher = Service::watcher(ports, &["--from", &folder.path()])?;
    let translator = Service::translator(ports, &[])?;
    let _pusher = Service::pusher(ports, &gateways, &[])?;
    translator.is_ready().await?;
    let explain = async |subject: &str| {
        let url = format!("--translator-url=http://127.0.0.1:{}", ports.translator);
        silverback(&["explain".to_owned(), subject.to_owned(), "-o=json".to_owned(), url]).await
    };
    let entity = eventually("the Ingress made a service", SOON, async || {
        let (code, text) = explain("Ingress/default/shop").await.map_err(|error| format!("{error:#}"))?;
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        let entities = answer["entities"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let service = entities.filter(|entity| entity.starts_with("services/")).map(str::to_owned).next();
        service.filter(|_| code == 0).ok_or(text)
    })
    .await?;
    let (code, text) = explain(&entity).await?;
    ensure!(code == 0 && text.contains("\"Ingress/default/shop\""), "{text}");

    let (code, text) = explain("Ingress/default/nowhere").await?;
    let answer: Value = serde_json::from_str(&text)?;
    let told = answer["diagnostics"].as_array().context("no diagnostics")?;
    ensure!(code == 0 && told.iter().any(|one| one["message"].to_string().contains("nowhere")), "{text}");
    for (subject, part) in [("services/none", "services/none"), ("Ingress/default/none", "none"), ("none", "Ingress/")]
    {
        let (code, text) = explain(subject).await?;
        ensure!(code == 1 && text.starts_with("error: ") && text.contains(part), "{text}");
    }
    Ok(())
}

/// A Gateway, published by a Service that lacks the port of one of its listeners, and a route.
fn published() -> Vec<Value> {
    let object = |kind: &str, name: &str, spec: Value| {
        let metadata = json!({ "name": name, "namespace": "default", "generation": 1 });
        json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec })
    };
    let mut class = object("GatewayClass", "kong", json!({ "controllerName": "konghq.com/kic-gateway-controller" }));
    class["metadata"] = json!({ "name": "kong" });
    let listeners = json!([
        { "name": "web", "port": 80, "protocol": "HTTP" },
        { "name": "far", "port": 81, "protocol": "HTTP" },
    ]);
    let rules = json!([{ "backendRefs": [{ "group": "", "kind": "Service", "name": "shop", "port": 80 }] }]);
    let mut proxy = service("proxy");
    proxy["spec"]["type"] = "LoadBalancer".into();
    proxy["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } });
    vec![
        class,
        object("Gateway", "main", json!({ "gatewayClassName": "kong", "listeners": listeners })),
        object("HTTPRoute", "shop", json!({ "parentRefs": [{ "name": "main" }], "rules": rules })),
        proxy,
    ]
}

/// `Status/Reason` of a condition.
fn said(conditions: &Value, kind: &str) -> String {
    let found = conditions.as_array().into_iter().flatten().find(|it| it["type"] == kind);
    let text = |field: &str| found.and_then(|it| it[field].as_str()).unwrap_or_default();
    format!("{}/{}", text("status"), text("reason"))
}

#[tokio::test]
async fn explain_tells_whether_gateways_have_it() -> anyhow::Result<()> {
    binary("silverback")?; // building it is not part of what is waited for
    let folder = Folder::shop(&["10.1.0.1"])?;
    folder.write("gateway.yaml", &published())?;
    let (gateways, ports) = (Gateways::start(2).await?, Ports::choose()?);
    let _watcher = Service::watcher(ports, &["--from", &folder.path()])?;
    let translator = Service::translator(ports, &["--publish-service", "default/proxy"])?;
    translator.is_ready().await?;
    let url = |service: &str, port: u16| format!("--{service}-url=http://127.0.0.1:{port}");
    let explain = async |subject: &str| {
        let urls = [url("translator", ports.translator), url("pusher", ports.pusher)];
        silverback(&[&["explain".to_owned(), subject.to_owned(), "-o=json".to_owned()][..], &urls].concat()).await
    };
    // Of the Gateway, of its listeners, of the route.
    let programmed = async || -> anyhow::Result<String> {
        let (code, text) = explain("Gateway/default/main").await?;
        ensure!(code == 0, "{text}");
        let gateway =
            &serde_json::Deserializer::from_str(&text).into_iter::<Value>().next().context("nothing")??["status"];
        ensure!(gateway["addresses"] == json!([{ "type": "IPAddress", "value": "192.0.2.1" }]), "{text}");
        let of = |conditions: &Value| said(conditions, "Programmed");
        let listener = |at: usize| of(&gateway["listeners"][at]["conditions"]);
        let (code, text) = explain("HTTPRoute/default/shop").await?;
        ensure!(code == 0, "{text}");
        let route =
            &serde_json::Deserializer::from_str(&text).into_iter::<Value>().next().context("nothing")??["status"];
        let route = of(&route["parents"][0]["conditions"]);
        Ok([of(&gateway["conditions"]), listener(0), listener(1), route].join(" "))
    };
    let becomes = async |what: &str, wanted: [&str; 4]| {
        eventually(what, SOON, async || match programmed().await {
            Ok(told) if told == wanted.join(" ") => Ok(()),
            Ok(told) => Err(told),
            Err(error) => Err(format!("{error:#}")),
        })
        .await
    };
    let far = "False/PortUnavailable";
    let unknown = "Unknown/Pending";
    becomes("nobody is there to be asked", [unknown, unknown, far, unknown]).await?;
    let (_, text) = explain("Gateway/default/main").await?;
    ensure!(text.contains("--pusher-url"), "{text}");

    let _pusher = Service::pusher(ports, &gateways, &[])?;
    let yes = "True/Programmed";
    becomes("both gateways have it", [yes, yes, far, yes]).await?;
    drop(gateways);
    let pending = "False/Pending";
    becomes("no gateway answers any more", [pending, pending, far, pending]).await
}

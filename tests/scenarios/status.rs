//! What a person learns from `silverback status` and `silverback explain`.

use anyhow::{Context as _, ensure};
use serde_json::Value;
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

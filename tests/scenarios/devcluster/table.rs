//! The development cluster and a real API server are asked the same, and `docs/devcluster.md` shows what they answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use silverback_devcluster::api::{ApiServer, Settings};
use silverback_test_support::{KubeApi, eventually};

use super::cases;
use crate::story::SOON;

const HEAD: &str = "\
# What the development cluster answers

`silverback demo` and many tests talk to a Kubernetes API server that is kept in memory (`crates/devcluster/src/api`). This
table shows what it answers beside what a real kube-apiserver answers to the same requests, asked in this order. It is
generated, and a test asks again: `BLESS=1 cargo test -p silverback-tests devcluster::table`.

Codes, reasons and shapes are compared, and the fields that are named. Where the two differ on purpose, the last column says
why.

Objects are kept as they are written: nothing is defaulted, held against a schema or CEL rules, or collected when its owner
goes. A write that would have any of this happen is done and says in a `Warning` header, which `kubectl` shows, what is not;
what is asked for by name is answered 501 or 415. A deleted namespace is gone at once with all that is in it. No controllers
run. Requests in protobuf, which some of `kubectl create`'s subcommands send, are answered 415; `kubectl apply
--validate=false` works for everything served.
";

/// A client for a kubeconfig's text, which takes the first answer.
async fn client(kubeconfig: &str) -> anyhow::Result<kube::Client> {
    let config = Kubeconfig::from_yaml(kubeconfig)?;
    let mut config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    Ok(kube::Client::try_from(config)?)
}

/// Asks everything in order.
async fn answers(client: &kube::Client) -> anyhow::Result<Vec<String>> {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": cases::NAMESPACE } });
    create(client, "/api/v1/namespaces", &namespace).await?;
    create(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &cases::definition()).await?;
    eventually("the new kind is served", SOON, async || {
        // Its discovery comes last.
        let request = http::Request::get("/apis/parity.example.com/v1").body(Vec::new()).map_err(|e| e.to_string())?;
        client.request::<Value>(request).await.map_err(|error| error.to_string())
    })
    .await?;
    let mut kept = BTreeMap::new();
    let mut answers = Vec::new();
    for case in cases::all() {
        let answer = tokio::time::timeout(SOON, case.ask(client, &mut kept)).await;
        answers.push(answer.with_context(|| format!("{}: no end of an answer to {}", case.name, case.request()))??);
    }
    Ok(answers)
}

async fn create(client: &kube::Client, path: &str, object: &Value) -> anyhow::Result<()> {
    let request =
        http::Request::post(path).header("content-type", "application/json").body(object.to_string().into_bytes())?;
    client.request::<Value>(request).await.with_context(|| format!("POST {path}"))?;
    Ok(())
}

/// Rows of a table as it was written: request and both answers.
fn read(document: &str) -> BTreeMap<String, (String, String)> {
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = document.lines().filter(|line| line.starts_with("| ")).map(cells);
    rows.filter_map(|row| match row.as_slice() {
        [name, request, ours, real, ..] => Some((format!("{name} {request}"), (ours.clone(), real.clone()))),
        _ => None,
    })
    .collect()
}

fn write(ours: &[String], real: impl Fn(usize, &str) -> String) -> String {
    let mut document =
        format!("{HEAD}\n| | Request | Development cluster | kube-apiserver | Difference |\n|---|---|---|---|---|\n");
    for (place, (case, ours)) in cases::all().iter().zip(ours).enumerate() {
        let request = format!("`{}`", case.request());
        let real = real(place, &format!("{} {request}", case.name));
        let differs = case.differs.unwrap_or_default();
        let _ = writeln!(document, "| {} | {request} | {ours} | {real} | {differs} |", case.name);
    }
    document
}

#[tokio::test]
async fn both_answer_as_the_table_says() -> anyhow::Result<()> {
    let api = ApiServer::start(Settings::default()).await?;
    let ours = async { answers(&client(&api.kubeconfig("table")).await?).await };
    let real = async {
        let Some(real) = KubeApi::start().await? else { return Ok(None) };
        answers(&client(&std::fs::read_to_string(real.admin_kubeconfig())?).await?).await.map(Some)
    };
    let (ours, real) = tokio::try_join!(ours, real)?;
    if let Some(real) = &real {
        let unlike: Vec<String> = cases::all()
            .iter()
            .zip(ours.iter().zip(real))
            .filter(|(case, (ours, real))| (ours == real) == case.differs.is_some())
            .map(|(case, (ours, real))| format!("{}: {}\n  ours: {ours}\n  real: {real}", case.name, case.request()))
            .collect();
        ensure!(unlike.is_empty(), "differing where they should not, or not where they should:\n{}", unlike.join("\n"));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/devcluster.md");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    // Without a real one its column is believed.
    let known = read(&committed);
    let document = write(&ours, |place, row| match &real {
        Some(real) => real[place].clone(),
        None => known.get(row).map(|(_, real)| real.clone()).unwrap_or_default(),
    });
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &document)?;
        return Ok(());
    }
    let lines: BTreeSet<&str> = committed.lines().collect();
    let new: Vec<&str> = document.lines().filter(|line| !lines.contains(line)).collect();
    ensure!(document == committed, "docs/devcluster.md is not true any more; BLESS=1 writes:\n{}", new.join("\n"));
    Ok(())
}

//! The hops between the services: mutual TLS with rotation, and plain text only where it is asked for.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use silverback_proto::v1;
use silverback_proto::v1::state_client::StateClient;
use silverback_test_support::{Authority, Pair, binary, eventually, free_port};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::status::silverback;
use crate::story::{Folder, Gateways, Ports, SOON, Service, backend, endpoints, ingress, listen, service};

/// The files of one service.
struct Files(tempfile::TempDir);

impl Files {
    fn of(authority: &Authority, name: &str) -> anyhow::Result<Self> {
        let files = Self(tempfile::tempdir()?);
        files.write(authority, &authority.service(name)?)?;
        Ok(files)
    }

    fn write(&self, authority: &Authority, pair: &Pair) -> anyhow::Result<()> {
        for (name, text) in [("ca.crt", &authority.certificate), ("tls.crt", &pair.certificate), ("tls.key", &pair.key)]
        {
            fs::write(self.path(name), text)?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn flags(&self) -> Vec<String> {
        let flag = |flag: &str, file: &str| format!("--grpc-tls-{flag}-file={}", self.path(file).display());
        vec![flag("cert", "tls.crt"), flag("key", "tls.key"), flag("ca", "ca.crt")]
    }
}

/// Asks the watcher something, as a client that trusts `authority` and shows `identity`.
async fn ask(port: u16, authority: &Authority, identity: Option<&Pair>) -> Result<(), String> {
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&authority.certificate));
    if let Some(Pair { certificate, key }) = identity {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{port}")).and_then(|e| e.tls_config(tls));
    list_kinds(endpoint.map_err(|error| error.to_string())?).await
}

async fn list_kinds(endpoint: Endpoint) -> Result<(), String> {
    let channel: Channel = endpoint.connect().await.map_err(|error| format!("{error:?}"))?;
    let answer = StateClient::new(channel).list_kinds(v1::ListKindsRequest {}).await;
    answer.map(|_| ()).map_err(|status| format!("{status:?}"))
}

/// A service with TLS.
fn start(name: &str, port: u16, files: &Files, more: &[String]) -> anyhow::Result<Service> {
    Service::of(name, &[files.flags(), vec![listen(name, port)], more.to_vec()].concat())
}

#[tokio::test]
async fn services_let_in_only_whom_their_authority_certified_and_take_rotated_files_as_they_come() -> anyhow::Result<()>
{
    let (folder, gateways, ports) = (Folder::shop(&["10.1.0.1"])?, Gateways::start(1).await?, Ports::choose()?);
    let old = Authority::new()?;
    // The watcher goes by its address; the translator by a name that no url holds.
    let (for_watcher, for_translator) = (Files::of(&old, "127.0.0.1")?, Files::of(&old, "translator.silverback")?);
    let for_pusher = Files::of(&old, "pusher.silverback")?;
    let from = format!("--from={}", folder.path());
    let watcher = start("watcher", ports.watcher, &for_watcher, std::slice::from_ref(&from))?;
    let to_watcher = format!("--watcher-url=https://127.0.0.1:{}", ports.watcher);
    let translator = start("translator", ports.translator, &for_translator, std::slice::from_ref(&to_watcher))?;
    let to_translator = [
        format!("--translator-url=https://127.0.0.1:{}", ports.translator),
        "--grpc-tls-server-name=translator.silverback".to_owned(),
        format!("--kong-admin-url={}", gateways.urls()),
    ];
    let pusher = start("pusher", ports.pusher, &for_pusher, &to_translator)?;
    gateways.route_to(&[backend("default", "shop", "/shop", &["10.1.0.1"])]).await?;

    let (certified, stranger) = (old.service("a client")?, Authority::new()?);
    ask(ports.watcher, &old, Some(&certified)).await.map_err(anyhow::Error::msg)?;
    let forged = stranger.service("a client")?;
    ensure!(ask(ports.watcher, &old, None).await.is_err(), "a client without a certificate was let in");
    ensure!(ask(ports.watcher, &old, Some(&forged)).await.is_err(), "another authority's client was let in");
    let plain = Endpoint::from_shared(format!("http://127.0.0.1:{}", ports.watcher))?;
    ensure!(list_kinds(plain).await.is_err(), "plain text was served");
    watcher.process.wait_for_line("it speaks no TLS", SOON).await?;

    // The authority is replaced, file by file, while everything runs: a key that does not fit yet changes nothing.
    let new = Authority::new()?;
    let (rotated, certified_anew) = (new.service("127.0.0.1")?, new.service("a client")?);
    fs::write(for_watcher.path("tls.crt"), &rotated.certificate)?;
    ask(ports.watcher, &old, Some(&certified)).await.map_err(anyhow::Error::msg)?;
    for_watcher.write(&new, &rotated)?;
    for_translator.write(&new, &new.service("translator.silverback")?)?;
    for_pusher.write(&new, &new.service("pusher.silverback")?)?;
    eventually("the new authority's clients are let in", SOON, async || {
        ask(ports.watcher, &new, Some(&certified_anew)).await
    })
    .await?;
    ensure!(ask(ports.watcher, &old, Some(&certified)).await.is_err(), "the old authority still counts");

    // The translator never stopped: its next connection shows the new certificate to the watcher's next process.
    drop(watcher);
    let _watcher = start("watcher", ports.watcher, &for_watcher, &[from])?;
    folder
        .write("shop.yaml", &[service("shop"), endpoints("shop", &["10.1.0.2"]), ingress("kong", "shop", "/shop")])?;
    gateways.route_to(&[backend("default", "shop", "/shop", &["10.1.0.2"])]).await?;

    // So does the translator's next process for the pusher.
    drop(translator);
    let _translator = start("translator", ports.translator, &for_translator, std::slice::from_ref(&to_watcher))?;
    folder
        .write("shop.yaml", &[service("shop"), endpoints("shop", &["10.1.0.3"]), ingress("kong", "shop", "/shop")])?;
    gateways.route_to(&[backend("default", "shop", "/shop", &["10.1.0.3"])]).await?;
    pusher.is_ready().await
}

#[tokio::test]
async fn people_are_told_over_tls_what_is_left_out_and_where_it_came_from() -> anyhow::Result<()> {
    binary("silverback")?; // building it is not part of what is waited for
    let folder = Folder::shop(&["10.1.0.1"])?;
    folder.write("bad.yaml", &[ingress("kong", "bad", "/bad"), service("bad"), endpoints("bad", &["10.1.0.9"])])?;
    let (gateways, ports, authority) = (Gateways::start(2).await?, Ports::choose()?, Authority::new()?);
    for gateway in &gateways.0 {
        gateway.faults().reject("not with us", |kind, entity| {
            kind == "routes" && entity.get("name").is_some_and(|name| name.to_string().contains(".bad."))
        });
    }
    let files = Files::of(&authority, "127.0.0.1")?;
    let url = |service: &str, port: u16| format!("--{service}-url=https://127.0.0.1:{port}");
    let (to_watcher, to_translator) = (url("watcher", ports.watcher), url("translator", ports.translator));
    let _watcher = start("watcher", ports.watcher, &files, &[format!("--from={}", folder.path())])?;
    let _translator = start("translator", ports.translator, &files, std::slice::from_ref(&to_watcher))?;
    let to_gateways = format!("--kong-admin-url={}", gateways.urls());
    let _pusher = start("pusher", ports.pusher, &files, &[to_translator.clone(), to_gateways])?;

    let ask = async |args: &[&str], tls: &[String]| {
        let args = args.iter().copied().map(str::to_owned);
        silverback(&args.chain(["-o=json".to_owned()]).chain(tls.to_vec()).collect::<Vec<_>>()).await
    };
    let to_pusher = url("pusher", ports.pusher);
    let status = eventually("the status names what is left out", SOON, async || {
        let (code, text) = ask(&["status", &to_watcher, &to_translator, &to_pusher], &files.flags())
            .await
            .map_err(|error| format!("{error:#}"))?;
        let status: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        let is_told = status["quarantine"].as_array().is_some_and(|entries| entries.len() == 1);
        if is_told && code == 1 { Ok(status) } else { Err(format!("exit code {code}: {text}")) }
    })
    .await?;
    let entry = &status["quarantine"][0];
    ensure!(entry["objects"][0] == "Ingress/default/bad", "{entry}");
    ensure!(entry["reason"].to_string().contains("not with us"), "{entry}");
    ensure!(status["problems"].to_string().contains("is left out"), "{status}");

    let (code, text) = ask(&["explain", "Ingress/default/shop", &to_translator], &files.flags()).await?;
    let answer: Value = serde_json::from_str(&text)?;
    let made = answer["entities"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let entity = made.filter(|made| made.starts_with("services/")).map(str::to_owned).next();
    let entity = entity.with_context(|| format!("exit code {code}: {text}"))?;
    let (code, text) = ask(&["explain", &entity, &to_translator], &files.flags()).await?;
    ensure!(code == 0 && text.contains("\"Ingress/default/shop\""), "{text}");

    // Without a certificate nobody is told anything, but why.
    let (code, text) = ask(&["explain", &entity, &to_translator], &[]).await?;
    ensure!(code == 1 && text.contains("--grpc-tls-cert-file"), "{text}");
    Ok(())
}

#[tokio::test]
async fn plain_text_to_other_machines_is_refused_with_the_ways_out() -> anyhow::Result<()> {
    let port = free_port()?;
    let said = Service::of("translator", &[format!("--translator-bind-address=0.0.0.0:{port}")])?.refuses().await?;
    for part in ["--translator-bind-address", "--grpc-tls-cert-file", "--grpc-insecure"] {
        ensure!(said.contains(part), "{part} is not in: {said}");
    }
    let elsewhere = ["--watcher-url=http://watcher.example:7601".to_owned(), listen("translator", port)];
    let said = Service::of("translator", &elsewhere)?.refuses().await?;
    ensure!(said.contains("--watcher-url http://watcher.example:7601") && said.contains("https://"), "{said}");

    let folder = Folder::shop(&["10.1.0.1"])?;
    let open = [format!("--watcher-bind-address=0.0.0.0:{port}"), "--grpc-insecure".to_owned()];
    let watcher = Service::of("watcher", &[&open[..], &[format!("--from={}", folder.path())]].concat())?;
    watcher.is_ready().await
}

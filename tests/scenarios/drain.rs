//! A clean stop: followers are told to go elsewhere, the push in flight is let finish, and every service ends with 0.

use anyhow::{Context as _, ensure};
use silverback_devcluster::gateway::On;
use silverback_proto::v1::config_client::ConfigClient;
use silverback_proto::v1::state_client::StateClient;
use silverback_proto::v1::watch_response::Frame;
use silverback_proto::v1::{WatchRequest, WatchResponse};
use silverback_test_support::Signal;
use tokio::time::timeout;
use tonic::Streaming;

use crate::story::{Folder, Gateways, Ports, SOON, Service, backend, channel, endpoints, ingress, service};

/// The reason given with the last frame of a stream.
async fn farewell(mut stream: Streaming<WatchResponse>) -> anyhow::Result<String> {
    let last = timeout(SOON, async {
        let mut last = None;
        while let Some(frame) = stream.message().await? {
            last = frame.frame;
        }
        anyhow::Ok(last)
    });
    match last.await.context("the stream does not end")?? {
        Some(Frame::GoAway(away)) => Ok(away.reason),
        other => anyhow::bail!("the last frame is {other:?}"),
    }
}

async fn stops(service: &Service) -> anyhow::Result<()> {
    let status = service.process.wait_exit(SOON).await?;
    ensure!(status.code() == Some(0), "it ended with {status}");
    Ok(())
}

#[tokio::test]
async fn sigterm_sends_followers_away_and_lets_the_push_in_flight_finish() -> anyhow::Result<()> {
    let (folder, gateways, ports) = (Folder::shop(&["10.1.0.1"])?, Gateways::start(1).await?, Ports::choose()?);
    let watcher = Service::watcher(ports, &["--from", &folder.path()])?;
    let translator = Service::translator(ports, &[])?;
    let pusher = Service::pusher(ports, &gateways, &[])?;
    gateways.route_to(&[backend("default", "shop", "/shop", &["10.1.0.1"])]).await?;

    let gateway = &gateways.0[0];
    let mut received = gateway.received();
    gateway.faults().hang(On::Posts);
    received.mark_unchanged();
    folder
        .write("shop.yaml", &[service("shop"), endpoints("shop", &["10.1.0.2"]), ingress("kong", "shop", "/shop")])?;
    timeout(SOON, received.changed()).await.context("nothing is pushed")??;
    pusher.process.signal(Signal::TERM)?;
    gateway.faults().release();
    stops(&pusher).await?;
    gateways.route_to(&[backend("default", "shop", "/shop", &["10.1.0.2"])]).await?;

    let request = || WatchRequest { client: "a test".to_owned(), ..WatchRequest::default() };
    let following = ConfigClient::new(channel(ports.translator)?).watch(request()).await?.into_inner();
    translator.process.signal(Signal::TERM)?;
    ensure!(farewell(following).await?.contains("this translator stops"));
    stops(&translator).await?;

    let following = StateClient::new(channel(ports.watcher)?).watch(request()).await?.into_inner();
    watcher.process.signal(Signal::TERM)?;
    ensure!(farewell(following).await?.contains("this watcher stops"));
    stops(&watcher).await
}

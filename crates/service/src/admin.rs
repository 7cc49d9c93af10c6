//! The admin HTTP servers: probes, and metrics. Anybody may ask, so that no connection lasts: not one on which nothing is
//! asked, and none beyond the shutdown.

use std::fmt::Write as _;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::args::CommonArgs;
use crate::values::Listen;
use crate::{Context, metrics::Metrics, readiness::Readiness};

/// A connection this old ends with the answer that is under way.
const AGE: Duration = Duration::from_secs(30);
/// How long that answer may take.
const DRAIN: Duration = Duration::from_millis(500);
/// After accepting failed, e.g. for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// The running servers.
pub struct Admin(JoinSet<()>);

impl Admin {
    /// Waits until they have stopped, which follows from the shutdown.
    pub async fn finish(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

/// Serves `/healthz` and `/readyz`, and `/metrics`, until the shutdown.
///
/// # Errors
/// When an address cannot be listened on.
pub async fn serve(common: &CommonArgs, context: &Context) -> anyhow::Result<Admin> {
    let probes = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .with_state(context.readiness.clone());
    let metrics = Router::new().route("/metrics", get(metrics_text)).with_state(context.metrics.clone());
    let mut servers = JoinSet::new();
    for (flag, address, router) in [
        ("--health-probe-bind-address", common.health_probe_bind_address, probes),
        ("--metrics-bind-address", common.metrics_bind_address, metrics),
    ] {
        let listener = bind(flag, address, common.port_offset).await?;
        servers.spawn(answer(listener, router, AGE, context.shutdown.clone()));
    }
    Ok(Admin(servers))
}

/// Answers whoever connects, until the shutdown.
async fn answer(listener: TcpListener, router: Router, age: Duration, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), age, stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => (),
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: Router, age: Duration, stop: CancellationToken) {
    let mut http = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    tokio::select! {
        _ = http.as_mut() => return, // what went wrong on it, only the peer need know
        () = sleep(age) => (),
        () = stop.cancelled() => (),
    }
    http.as_mut().graceful_shutdown();
    let _ = timeout(DRAIN, http).await;
}

/// Listens where a flag says.
///
/// # Errors
/// Names the flag, the address and the cause.
pub async fn bind(flag: &str, listen: Listen, offset: u16) -> anyhow::Result<TcpListener> {
    let address = listen.shifted(offset)?;
    match TcpListener::bind(address).await {
        // A machine without IPv6 can still serve "every address".
        Err(_) if address.ip() == std::net::Ipv6Addr::UNSPECIFIED => {
            TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        result => result,
    }
    .with_context(|| {
        format!("{flag}: cannot listen on {address}; choose another address, or --port-offset for a second instance")
    })
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let (missing, degraded) = (readiness.missing(), readiness.degraded());
    let mut text = String::from(if missing.is_empty() { "ok\n" } else { "not ready:\n" });
    for (what, why) in &missing {
        let _ = writeln!(text, "  {what}: {why}");
    }
    for (what, why) in &degraded {
        let _ = writeln!(text, "degraded: {what}: {why}");
    }
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    (status, text).into_response()
}

async fn metrics_text(State(metrics): State<Metrics>) -> Response {
    match metrics.encode() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    /// A peer that has asked for something, and half of something else.
    async fn slow_peer(age: Duration, stop: &CancellationToken) -> (TcpStream, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let router = Router::new().route("/healthz", get(async || "ok\n"));
        let mut server = JoinSet::new();
        server.spawn(answer(listener, router, age, stop.clone()));
        peer.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\nGET /heal").await.unwrap();
        let mut answered = vec![0; 15];
        timeout(SOON, peer.read_exact(&mut answered)).await.expect("it is answered").unwrap();
        assert_eq!(answered, b"HTTP/1.1 200 OK");
        (peer, server)
    }

    #[tokio::test]
    async fn a_slow_peer_is_not_listened_to_for_ever() {
        let (mut peer, _server) = slow_peer(Duration::from_millis(200), &CancellationToken::new()).await;
        let ended = timeout(SOON, peer.read_to_end(&mut Vec::new())).await;
        let _ = ended.expect("the connection stays"); // how it ended does not matter
    }

    #[tokio::test]
    async fn a_slow_peer_does_not_keep_the_process_from_stopping() {
        let stop = CancellationToken::new();
        let (_peer, server) = slow_peer(AGE * 100, &stop).await;
        stop.cancel();
        timeout(SOON, Admin(server).finish()).await.expect("it does not stop");
    }
}

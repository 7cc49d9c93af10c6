//! The admin HTTP servers: probes, and metrics.

use std::fmt::Write as _;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::args::CommonArgs;
use crate::values::Listen;
use crate::{Context, metrics::Metrics, readiness::Readiness};

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
        let stop = context.shutdown.clone().cancelled_owned();
        servers.spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop).await {
                tracing::error!(%error, "an admin server ended");
            }
        });
    }
    Ok(Admin(servers))
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

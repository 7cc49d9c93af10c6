//! Clients and tasks against stand-in gateways: what is sent, what is made of each answer, and what happens when a
//! gateway misbehaves.

// Clippy knows of tests only where they are marked as such, and helpers are not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod client;
mod task;

use std::time::{Duration, Instant};

use serde_json::json;
use silverback_devcluster::gateway::{GatewayHandle, Settings, StandInGateway};
use silverback_gateway::discovery::from_urls;
use silverback_gateway::{Client, ClientSettings, ConfigBody, Connector, Endpoint};

/// Longest time anything may take.
const SOON: Duration = Duration::from_secs(60);

async fn gateway() -> GatewayHandle {
    StandInGateway::start(Settings::default()).await.unwrap()
}

fn endpoint(url: &str) -> Endpoint {
    from_urls([url]).unwrap().remove(0)
}

fn client_of(gateway: &GatewayHandle, settings: ClientSettings) -> Client {
    Connector::new(settings).unwrap().client(&endpoint(&gateway.admin_url())).unwrap()
}

/// A config with one service of this name, in several pieces.
fn config(name: &str) -> ConfigBody {
    config_with(&json!({"name": name, "host": "backend", "tags": [format!("k8s-name:{name}")]}))
}

fn config_with(service: &serde_json::Value) -> ConfigBody {
    let pieces = ["{\"_format_version\":\"3.0\",\"services\":[", &service.to_string(), "]}"];
    ConfigBody::new(pieces.map(str::as_bytes))
}

/// A config of about this many bytes.
fn large_config(bytes: usize) -> ConfigBody {
    config_with(&json!({"name": "large", "host": "backend", "tags": ["x".repeat(bytes)]}))
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < SOON, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

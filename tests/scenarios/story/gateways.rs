//! Stand-in gateways, and what traffic they would route.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::Value;
use silverback_devcluster::gateway::{GatewayHandle, Post, Settings, StandInGateway};
use silverback_test_support::eventually;

use super::SOON;
use super::manifests::TARGET_PORT;

/// Gateways of one data plane.
pub(crate) struct Gateways(pub(crate) Vec<GatewayHandle>);

/// Where the traffic of some paths goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backend {
    /// Host of the Kong service, which is the name of its upstream.
    host: String,
    pub(crate) paths: BTreeSet<String>,
    targets: BTreeSet<String>,
}

/// What an Ingress of `super::ingress` should become in namespace `namespace`.
pub(crate) fn backend(namespace: &str, service: &str, path: &str, addresses: &[&str]) -> Backend {
    Backend {
        host: format!("{service}.{namespace}.80.svc"),
        // A prefix means the path itself and everything below it.
        paths: [format!("{path}/"), format!("~{path}$")].into(),
        targets: addresses.iter().map(|address| format!("{address}:{TARGET_PORT}")).collect(),
    }
}

impl Gateways {
    /// Starts `count` empty gateways.
    pub(crate) async fn start(count: usize) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(StandInGateway::start(Settings::default()).await?);
        }
        Ok(Self(all))
    }

    /// The value of --kong-admin-url.
    pub(crate) fn urls(&self) -> String {
        self.0.iter().map(GatewayHandle::admin_url).collect::<Vec<_>>().join(",")
    }

    /// How often each was posted to.
    pub(crate) fn posts(&self) -> Vec<usize> {
        self.0.iter().map(|gateway| gateway.posts().len()).collect()
    }

    /// The leaderships that posted to each, in order.
    pub(crate) fn epochs(&self) -> Vec<Vec<u64>> {
        let epoch = |post: &Post| post.headers.get("silverback-epoch")?.to_str().ok()?.parse().ok();
        self.0.iter().map(|gateway| gateway.posts().iter().filter_map(epoch).collect()).collect()
    }

    /// Waits until every gateway routes to exactly these.
    pub(crate) async fn route_to(&self, backends: &[Backend]) -> anyhow::Result<()> {
        for (place, gateway) in self.0.iter().enumerate() {
            routes_to(gateway, backends).await.with_context(|| format!("gateway {} of {}", place + 1, self.0.len()))?;
        }
        Ok(())
    }
}

/// Waits until a gateway routes to exactly these.
pub(crate) async fn routes_to(gateway: &GatewayHandle, backends: &[Backend]) -> anyhow::Result<()> {
    let expected: BTreeMap<String, Backend> = backends.iter().map(|b| (b.host.clone(), b.clone())).collect();
    let what = format!("routes to {:?}", expected.values());
    eventually(&what, SOON, async || {
        let seen = routed(&gateway.config());
        let posts: Vec<_> = gateway.posts().iter().map(|post| post.status).collect();
        if seen == expected { Ok(()) } else { Err(format!("{:?}, after posts answered {posts:?}", seen.values())) }
    })
    .await
}

fn routed(config: &Value) -> BTreeMap<String, Backend> {
    let mut backends = BTreeMap::new();
    for service in list(config, "services") {
        let host = text(service, "host");
        let upstreams = list(config, "upstreams").filter(|upstream| text(upstream, "name") == host);
        let routes = list(service, "routes");
        let backend = Backend {
            paths: routes.flat_map(|route| list(route, "paths")).filter_map(Value::as_str).map(str::to_owned).collect(),
            targets: upstreams
                .flat_map(|upstream| list(upstream, "targets"))
                .map(|target| text(target, "target"))
                .collect(),
            host: host.clone(),
        };
        backends.insert(host, backend);
    }
    backends
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

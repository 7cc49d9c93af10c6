//! What benchmarks work on: a namespace full of Ingresses at a real API server, gateways, and instances of Silverback.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use silverback_cluster::Cluster;
use silverback_devcluster::gateway::{GatewayHandle, Settings, StandInGateway};

use super::BenchArgs;

const PATIENCE: Duration = Duration::from_secs(120);
/// How many requests are under way at once while the namespace is filled.
const FILLING: usize = 16;

/// Everything a measurement needs.
pub(crate) struct Shop {
    pub(crate) namespace: String,
    pub(crate) slices: Api<EndpointSlice>,
    pub(crate) gateways: Vec<GatewayHandle>,
    /// Port of the API server, on this machine.
    pub(crate) api_port: u16,
    client: kube::Client,
    counter: u32,
}

/// An instance of Silverback, ended with the value.
pub(crate) struct Instance(pub(crate) Child);

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Shop {
    /// Starts gateways and fills a namespace; shops of other numbers have others.
    pub(crate) async fn open(args: &BenchArgs, number: u16) -> anyhow::Result<Self> {
        let Cluster { client, url } = args.cluster.connect().await?;
        let api_port = url.parse::<http::Uri>().ok().and_then(|url| url.port_u16()).unwrap_or(443);
        let namespace = format!("silverback-bench-{}-{number}", std::process::id());
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let object = serde_json::from_value(json!({"metadata": {"name": namespace}}))?;
        namespaces.create(&PostParams::default(), &object).await.context("creating a namespace for the benchmark")?;
        let mut gateways = Vec::new();
        for _ in 0..args.gateways {
            gateways.push(StandInGateway::start(Settings { trusting: true, ..Settings::default() }).await?);
        }
        let slices = Api::namespaced(client.clone(), &namespace);
        let shop = Self { namespace, slices, gateways, api_port, client, counter: 0 };
        eprintln!("filling namespace {} with {} routes", shop.namespace, args.routes);
        let filled: Vec<anyhow::Result<()>> = futures::stream::iter(0..args.routes)
            .map(|n| shop.add(n, args.endpoints))
            .buffer_unordered(FILLING)
            .collect()
            .await;
        filled.into_iter().collect::<anyhow::Result<Vec<()>>>()?;
        Ok(shop)
    }

    async fn add(&self, n: u32, endpoints: u8) -> anyhow::Result<()> {
        let create = PostParams::default();
        let ports = json!([{"name": "http", "port": 80, "protocol": "TCP"}]);
        let service = json!({"metadata": {"name": format!("app-{n}")}, "spec": {"ports": ports, "clusterIP": "None"}});
        Api::<Service>::namespaced(self.client.clone(), &self.namespace)
            .create(&create, &serde_json::from_value(service)?)
            .await?;
        let addresses: Vec<Value> = (0..endpoints)
            .map(|at| json!({"addresses": [format!("10.{}.{}.{}", n >> 8 & 255, n & 255, at + 1)], "conditions": {"ready": true}}))
            .collect();
        let slice = json!({
            "metadata": {"name": format!("app-{n}"), "labels": {"kubernetes.io/service-name": format!("app-{n}")}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": addresses,
        });
        self.slices.create(&create, &serde_json::from_value(slice)?).await?;
        let backend = json!({"service": {"name": format!("app-{n}"), "port": {"number": 80}}});
        let ingress = json!({
            "metadata": {"name": format!("app-{n}")},
            "spec": {"ingressClassName": "kong", "rules": [{
                "host": format!("app-{n}.example.com"),
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }]},
        });
        Api::<Ingress>::namespaced(self.client.clone(), &self.namespace)
            .create(&create, &serde_json::from_value(ingress)?)
            .await?;
        Ok(())
    }

    /// Starts an instance of Silverback that pushes to every gateway.
    pub(crate) fn instance(&self, args: &BenchArgs, offset: u16, more: &[&str]) -> anyhow::Result<Instance> {
        let urls: Vec<String> = self.gateways.iter().map(GatewayHandle::admin_url).collect();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["run", "--log-level", "warn", "--port-offset", &(args.port_offset + offset).to_string()]);
        command.args(["--watch-namespace", &self.namespace, "--kong-admin-url", &urls.join(",")]);
        if let Some(kubeconfig) = &args.cluster.kubeconfig {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        let child = command.args(more).stdin(Stdio::null()).spawn().context("starting an instance of Silverback")?;
        Ok(Instance(child))
    }

    /// Changes an endpoint of the first Service to an address that was never there, and gives it.
    pub(crate) async fn change(&mut self) -> anyhow::Result<String> {
        self.counter += 1;
        let address = format!("172.16.{}.{}", (self.counter >> 8) & 255, self.counter & 255);
        let patch = json!({"endpoints": [{"addresses": [address], "conditions": {"ready": true}}]});
        self.slices.patch("app-0", &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(format!("{address}:8080"))
    }

    /// Waits until every gateway holds a target.
    pub(crate) async fn arrived(&self, target: &str) -> anyhow::Result<()> {
        let quoted = format!("\"{target}\"");
        let waits =
            self.gateways.iter().map(|gateway| gateway.wait_for(PATIENCE, |accepted| holds(accepted.text(), &quoted)));
        let all = futures::future::join_all(waits).await;
        anyhow::ensure!(all.iter().all(Option::is_some), "{target} was not at every gateway within {PATIENCE:?}");
        Ok(())
    }

    /// Has every gateway judge what it is sent, and refuse the routes of the Ingresses from the second on.
    pub(crate) fn refuse(&self, count: u32) {
        let tags: Vec<String> = (1..=count).map(|n| format!("k8s-name:app-{n}")).collect();
        for gateway in &self.gateways {
            let tags = tags.clone();
            let is_refused = move |tag: &Value| tag.as_str().is_some_and(|tag| tags.iter().any(|it| it == tag));
            gateway.faults().reject("refused for the benchmark", move |collection, entity| {
                let tags = entity.get("tags").and_then(Value::as_array);
                collection == "routes" && tags.is_some_and(|tags| tags.iter().any(&is_refused))
            });
        }
    }

    /// The most configurations that a gateway was sent so far.
    pub(crate) fn posts(&self) -> usize {
        self.gateways.iter().map(|gateway| gateway.posts().len()).max().unwrap_or_default()
    }

    /// Removes the namespace's content as far as an API server alone can.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client);
        namespaces.delete(&self.namespace, &DeleteParams::default()).await?;
        Ok(())
    }
}

/// Whether a config's text holds a piece, without reading it as JSON: the measure must not weigh on what is measured.
fn holds(text: &[u8], piece: &str) -> bool {
    text.windows(piece.len()).any(|window| window == piece.as_bytes())
}

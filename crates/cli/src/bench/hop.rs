//! What benchmarks of the pusher alone work on: a configuration that is served as a translator serves it, stand-in
//! gateways that swallow it, and the pusher in a process of its own. No API server is needed.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::Stream;
use serde_json::json;
use silverback_devcluster::gateway::{GatewayHandle, Settings, StandInGateway};
use silverback_model::{
    CollectionId, Commit, Digest, Generation, Inputs, Lineage, ObjectKey, ObjectRef, Provenance, Version,
};
use silverback_proto::v1::{self, config_server::Config};
use silverback_sync::{Change, Item, Publisher, SharedPublisher};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::Output;
use super::shop::Instance;

const PATIENCE: Duration = Duration::from_secs(120);

/// Flags of these benchmarks.
#[derive(Clone, clap::Args)]
pub(crate) struct HopArgs {
    /// Kong services of the configuration, each with a route and an upstream: some 1.2 kB.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub(crate) services: u32,

    /// Changes of one upstream to measure.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) changes: u32,

    /// Added to every listening port of the pusher that is measured.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub(crate) port_offset: u16,

    /// Print JSON instead of a table.
    #[arg(short, long, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

/// Everything such a measurement needs.
pub(crate) struct Hop {
    pub(crate) gateways: Vec<GatewayHandle>,
    pub(crate) pusher: Instance,
    /// Bytes of the configuration.
    pub(crate) size: usize,
    publisher: SharedPublisher,
    generation: u64,
}

impl Hop {
    /// Starts everything, and waits until every gateway has the configuration.
    pub(crate) async fn open(args: &HopArgs, gateways: usize) -> anyhow::Result<Self> {
        let publisher = publisher(args.services);
        let address = serve(publisher.clone())?;
        let mut started = Vec::new();
        for _ in 0..gateways {
            let settings = Settings { sink: true, body_limit: 1 << 30, ..Settings::default() };
            started.push(StandInGateway::start(settings).await?);
        }
        let pusher = pusher(args, address, &started)?;
        let mut hop = Self { gateways: started, pusher, size: 0, publisher, generation: 0 };
        hop.change();
        for gateway in &hop.gateways {
            gateway
                .wait_for(PATIENCE, |_| true)
                .await
                .context("a gateway got no configuration; see the lines above")?;
        }
        hop.size = hop.gateways.first().and_then(|gateway| gateway.posts().last().map(|post| post.bytes)).unwrap_or(0);
        Ok(hop)
    }

    /// Commits a change of one upstream, and gives the moment.
    pub(crate) fn change(&mut self) -> Instant {
        self.generation += 1;
        let generation = self.generation;
        let version = Version::from_counter(generation + 1);
        let started = Instant::now();
        self.publisher.write(|publisher| {
            let id = CollectionId::all("upstreams");
            let upserts = vec![upstream(0, generation, &version)];
            publisher.apply(&id, Change::Step { upserts, deletes: Vec::new(), version });
            let content = publisher.content();
            let entities = publisher.collections().map(|(_, view)| view.items.len() as u64).sum();
            let inputs = Inputs { lineage: Lineage("bench".into()), ..Inputs::default() };
            // Inputs that differ, as those of another change do.
            let inputs = Inputs { minute: generation, ..inputs };
            publisher.commit_as(Commit {
                generation: Generation(generation),
                inputs,
                content,
                entities,
                ..Commit::default()
            });
        });
        started
    }

    /// Makes a change, waits until these gateways have taken it, and gives how long each took to receive it.
    pub(crate) async fn measure(&mut self, gateways: std::ops::Range<usize>) -> anyhow::Result<Vec<Duration>> {
        let before: Vec<usize> = self.gateways.iter().map(|gateway| gateway.posts().len()).collect();
        let mut answered: Vec<_> = self.gateways.iter().map(|gateway| gateway.answered()).collect();
        let started = self.change();
        let mut times = Vec::new();
        for n in gateways {
            let wanted = before[n] as u64 + 1;
            let waited = tokio::time::timeout(PATIENCE, answered[n].wait_for(|count| *count >= wanted)).await;
            waited.with_context(|| format!("gateway {n} got no change within {PATIENCE:?}"))??;
            let posts = self.gateways[n].posts();
            times.push(posts[before[n]].at.saturating_duration_since(started));
        }
        // The next change must not fall into the quiet time after these pushes, which is no longer than they took.
        tokio::time::sleep(started.elapsed() + Duration::from_millis(200)).await;
        Ok(times)
    }
}

fn publisher(services: u32) -> SharedPublisher {
    let version = Version::from_counter(1);
    let kinds = [CollectionId::all("services"), CollectionId::all("upstreams")];
    let mut publisher = Publisher::new(Lineage("bench".into()), Digest::default(), kinds.clone()).committing();
    let [all_services, all_upstreams] = kinds;
    let items = (0..services).map(|n| service(n, &version)).collect();
    publisher.apply(&all_services, Change::Replace { items, version: version.clone() });
    let items = (0..services).map(|n| upstream(n, 0, &version)).collect();
    publisher.apply(&all_upstreams, Change::Replace { items, version });
    SharedPublisher::new(publisher)
}

fn tags(n: u32, kind: &str) -> [String; 6] {
    [
        format!("k8s-name:app-{n}"),
        "k8s-namespace:shop".into(),
        format!("k8s-kind:{kind}"),
        format!("k8s-uid:{n:08x}-1111-2222-3333-444444444444"),
        "k8s-group:networking.k8s.io".into(),
        "k8s-version:v1".into(),
    ]
}

fn service(n: u32, version: &Version) -> Item {
    let route = json!({
        "name": format!("shop.app-{n}.0"), "hosts": [format!("app-{n}.example.com")], "paths": ["/"],
        "protocols": ["http", "https"], "preserve_host": true, "strip_path": false, "path_handling": "v0",
        "https_redirect_status_code": 426, "regex_priority": 0, "tags": tags(n, "Ingress"),
    });
    let body = json!({
        "name": format!("shop.app-{n}.80"), "host": format!("app-{n}.shop.80.svc"), "port": 80, "protocol": "http",
        "path": "/", "connect_timeout": 60_000, "read_timeout": 60_000, "write_timeout": 60_000, "retries": 5,
        "routes": [route], "tags": tags(n, "Service"),
    });
    let item = Item::new(ObjectKey::new("", format!("shop.app-{n}.80")), version.clone(), body.to_string());
    item.with_sources([source("Ingress.networking.k8s.io", n), source("Service", n)])
}

fn upstream(n: u32, change: u64, version: &Version) -> Item {
    let address = |at: u64| format!("10.{}.{}.{at}:8080", n >> 8 & 255, n & 255);
    let mut targets: Vec<_> = (1..=3).map(|at| json!({"target": address(at), "weight": 100})).collect();
    targets.push(json!({"target": format!("172.16.{}.{}:8080", change >> 8 & 255, change & 255), "weight": 100}));
    let name = format!("app-{n}.shop.80.svc");
    let body = json!({"name": name, "algorithm": "round-robin", "targets": targets, "tags": tags(n, "Service")});
    let item = Item::new(ObjectKey::new("", name), version.clone(), body.to_string());
    item.with_sources([source("Service", n), source("EndpointSlice.discovery.k8s.io", n)])
}

fn source(kind: &str, n: u32) -> Provenance {
    let object = ObjectRef { kind: kind.to_owned(), key: ObjectKey::new("shop", format!("app-{n}")) };
    Provenance { object, uid: format!("{n:08x}-1111-2222-3333-444444444444"), version: (1_000_000 + n).to_string() }
}

/// Serves the publisher at a free port of this process.
fn serve(publisher: SharedPublisher) -> anyhow::Result<SocketAddr> {
    let incoming = TcpIncoming::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?.with_nodelay(Some(true));
    let address = incoming.local_addr()?;
    let service = v1::config_server::ConfigServer::new(Served(publisher));
    tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
    Ok(address)
}

/// As much of a translator as a pusher needs.
struct Served(SharedPublisher);

#[tonic::async_trait]
impl Config for Served {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(Box::pin(self.0.watch(request.into_inner())?)))
    }

    async fn get_head(&self, _: Request<v1::GetHeadRequest>) -> Result<Response<v1::Commit>, Status> {
        Ok(Response::new(v1::Commit::from(&self.0.read(Publisher::head))))
    }

    async fn get_entity(&self, _: Request<v1::GetEntityRequest>) -> Result<Response<v1::Item>, Status> {
        Err(Status::unimplemented("this is a benchmark"))
    }

    async fn list_entities(
        &self,
        _: Request<v1::ListEntitiesRequest>,
    ) -> Result<Response<v1::ListEntitiesResponse>, Status> {
        Err(Status::unimplemented("this is a benchmark"))
    }

    async fn explain(&self, _: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        Err(Status::unimplemented("this is a benchmark"))
    }
}

/// `silverback-pusher`, which is built beside this binary: in a process of its own, its memory can be told.
fn pusher(args: &HopArgs, translator: SocketAddr, gateways: &[GatewayHandle]) -> anyhow::Result<Instance> {
    let program = std::env::current_exe()?.with_file_name("silverback-pusher");
    let urls: Vec<String> = gateways.iter().map(GatewayHandle::admin_url).collect();
    let mut command = Command::new(&program);
    command.args(["--log-level", "warn", "--port-offset", &args.port_offset.to_string()]);
    command.args(["--translator-url", &format!("http://{translator}"), "--kong-admin-url", &urls.join(",")]);
    let child = command.stdin(Stdio::null()).spawn();
    let child =
        child.with_context(|| format!("starting {}: build the whole workspace's binaries", program.display()))?;
    Ok(Instance(child))
}

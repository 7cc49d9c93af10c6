//! From the start of a translator until it has read and translated all that a watcher holds. Needs no API server: the
//! watcher reads a folder.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use silverback_service::probe;

use super::Output;
use super::process::memory;
use super::stats::{Row, print};

const PATIENCE: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(5);
/// Objects in one file.
const FILE: u32 = 1_000;

/// Flags of `silverback bench stream`.
#[derive(clap::Args)]
pub(crate) struct StreamArgs {
    /// EndpointSlices that the watcher holds.
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    slices: u32,

    /// Endpoints of each.
    #[arg(long, default_value_t = 10, value_name = "N")]
    endpoints: u8,

    /// Translators to start, one after the other.
    #[arg(long, default_value_t = 3, value_name = "N")]
    times: usize,

    /// Print JSON instead of a table.
    #[arg(short, long, default_value = "table", value_name = "FORM")]
    output: Output,
}

/// A service in a process of its own, ended with the value.
struct Service {
    child: Child,
    grpc: u16,
    health: u16,
    metrics: u16,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl StreamArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let (empty, full) = (tempfile::tempdir()?, tempfile::tempdir()?);
        self.fill(full.path())?;
        eprintln!("a watcher reads {} EndpointSlices of {} endpoints", self.slices, self.endpoints);
        let (bare, _) = measure(empty.path(), 1).await?;
        let (full, times) = measure(full.path(), self.times).await?;
        print(&[Row { what: format!("start of a translator → all {} translated", self.slices), times }], self.output);
        if self.output == Output::Table {
            let of_one = |bytes: u64| bytes as f64 / f64::from(self.slices);
            let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
            let bytes = full.bytes - bare.bytes;
            println!("received: {} objects, {:.1} MiB, {:.0} bytes each", full.items, mib(bytes), of_one(bytes));
            println!(
                "translator: {:.0} MiB resident, {:.0} MiB of them without objects: {:.0} bytes an object",
                mib(full.resident),
                mib(bare.resident),
                of_one(full.resident.saturating_sub(bare.resident))
            );
        }
        Ok(())
    }

    fn fill(&self, folder: &Path) -> anyhow::Result<()> {
        for first in (0..self.slices).step_by(FILE as usize) {
            let items: Vec<Value> = (first..self.slices.min(first + FILE)).map(|n| self.slice(n)).collect();
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
            std::fs::write(folder.join(format!("{first:08}.json")), list.to_string())?;
        }
        Ok(())
    }

    /// An EndpointSlice with all that a cluster writes into one.
    fn slice(&self, n: u32) -> Value {
        let endpoint = |at: u8| {
            let pod = format!("app-{n}-{:010x}-{at:05}", u64::from(n) * 2_654_435_761);
            json!({
                "addresses": [format!("10.{}.{}.{}", n >> 8 & 255, n & 255, at)],
                "conditions": { "ready": true, "serving": true, "terminating": false },
                "nodeName": format!("node-{}", (n + u32::from(at)) % 500), "zone": "zone-a",
                "targetRef": { "kind": "Pod", "namespace": "bench", "name": pod, "uid": uid(n, at) },
            })
        };
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {
                "name": format!("app-{n}-x7k2p"), "namespace": "bench", "uid": uid(n, 255), "generation": 3,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {
                    "kubernetes.io/service-name": format!("app-{n}"),
                    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                },
            },
            "ports": [{ "name": "http", "port": 8080, "protocol": "TCP" }],
            "endpoints": (0..self.endpoints).map(endpoint).collect::<Vec<_>>(),
        })
    }
}

fn uid(n: u32, at: u8) -> String {
    format!("{n:08x}-0000-4000-8000-{at:012x}")
}

/// What a translator received, and what it takes.
#[derive(Clone, Copy)]
struct Received {
    bytes: u64,
    items: u64,
    resident: u64,
}

/// Starts a watcher of a folder, and translators one after the other. Gives the last translator's figures, and how long
/// each took.
async fn measure(folder: &Path, times: usize) -> anyhow::Result<(Received, Vec<Duration>)> {
    let watcher = Service::start("watcher", &["--from", &folder.display().to_string()])?;
    watcher.is_ready().await?;
    let mut took = Vec::new();
    let mut last = None;
    for _ in 0..times {
        let started = Instant::now();
        let translator =
            Service::start("translator", &["--watcher-url", &format!("http://127.0.0.1:{}", watcher.grpc)])?;
        translator.is_ready().await?;
        took.push(started.elapsed());
        let metrics = probe::get(local(translator.metrics), "/metrics").await?.1;
        last = Some(Received {
            bytes: counter(&metrics, "silverback_translator_stream_bytes_total")?,
            items: counter(&metrics, "silverback_translator_stream_items_total")?,
            resident: memory(translator.child.id())?.now,
        });
    }
    Ok((last.context("nothing was measured: --times must be at least 1")?, took))
}

impl Service {
    fn start(name: &str, args: &[&str]) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name(format!("silverback-{name}"));
        let [grpc, health, metrics] = [free_port()?, free_port()?, free_port()?];
        let listens = [(format!("--{name}-bind-address"), grpc), ("--health-probe-bind-address".into(), health)];
        let mut command = Command::new(&program);
        for (flag, port) in listens.into_iter().chain([("--metrics-bind-address".to_owned(), metrics)]) {
            command.arg(format!("{flag}=127.0.0.1:{port}"));
        }
        let child = command.args(["--log-level", "warn"]).args(args).stdin(Stdio::null()).spawn();
        let child = child.with_context(|| format!("{}: build it with `cargo build --bins`", program.display()))?;
        Ok(Self { child, grpc, health, metrics })
    }

    async fn is_ready(&self) -> anyhow::Result<()> {
        let ready = async {
            while !probe::is_ready(local(self.health)).await {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.context("a service did not become ready")
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn counter(metrics: &str, name: &str) -> anyhow::Result<u64> {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.with_context(|| format!("no metric {name}"))?.parse()?)
}

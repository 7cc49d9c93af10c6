//! The product's services, each in a process of its own with nothing in its environment.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::ensure;
use silverback_proto::v1;
use silverback_service::probe;
use silverback_test_support::{Process, binary, eventually, free_ports};
use tonic::transport::Channel;

use super::{Gateways, SOON};

/// Where the services of one replica listen.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) watcher: u16,
    pub(crate) translator: u16,
    pub(crate) pusher: u16,
}

impl Ports {
    /// Free ones.
    pub(crate) fn choose() -> anyhow::Result<Self> {
        let [watcher, translator, pusher] = free_ports()?;
        Ok(Self { watcher, translator, pusher })
    }
}

/// A running service, or all three of them in one process.
pub(crate) struct Service {
    pub(crate) process: Process,
    health: u16,
    metrics: u16,
}

impl Service {
    /// `silverback run`.
    pub(crate) fn run(name: &str, ports: Ports, gateways: &Gateways, args: &[&str]) -> anyhow::Result<Self> {
        let mut all = vec!["run".to_owned(), format!("--kong-admin-url={}", gateways.urls())];
        all.push(listen("watcher", ports.watcher));
        all.push(listen("translator", ports.translator));
        all.push(listen("pusher", ports.pusher));
        Self::start(name, "silverback", all, args)
    }

    /// `silverback-watcher`.
    pub(crate) fn watcher(ports: Ports, args: &[&str]) -> anyhow::Result<Self> {
        Self::start("watcher", "silverback-watcher", vec![listen("watcher", ports.watcher)], args)
    }

    /// `silverback-translator`.
    pub(crate) fn translator(ports: Ports, args: &[&str]) -> anyhow::Result<Self> {
        let watcher = format!("--watcher-url=http://127.0.0.1:{}", ports.watcher);
        Self::start("translator", "silverback-translator", vec![listen("translator", ports.translator), watcher], args)
    }

    /// `silverback-pusher`.
    pub(crate) fn pusher(ports: Ports, gateways: &Gateways, args: &[&str]) -> anyhow::Result<Self> {
        let urls = format!("--kong-admin-url={}", gateways.urls());
        Self::discovering_pusher(ports, &[&[urls.as_str()], args].concat())
    }

    /// `silverback-pusher`, where the arguments say where gateways are.
    pub(crate) fn discovering_pusher(ports: Ports, args: &[&str]) -> anyhow::Result<Self> {
        let translator = format!("--translator-url=http://127.0.0.1:{}", ports.translator);
        Self::start("pusher", "silverback-pusher", vec![listen("pusher", ports.pusher), translator], args)
    }

    /// `silverback-NAME` with these arguments, and no address but those of its probes and metrics.
    pub(crate) fn of(name: &str, args: &[String]) -> anyhow::Result<Self> {
        Self::start(name, &format!("silverback-{name}"), args.to_vec(), &[])
    }

    /// The same, with an environment.
    pub(crate) fn with_env(name: &str, args: &[String], env: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_with(name, &format!("silverback-{name}"), args.to_vec(), &[], env)
    }

    fn start(name: &str, program: &str, all: Vec<String>, args: &[&str]) -> anyhow::Result<Self> {
        Self::start_with(name, program, all, args, &[])
    }

    fn start_with(
        name: &str,
        program: &str,
        mut all: Vec<String>,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let [health, metrics] = free_ports()?;
        all.push(format!("--health-probe-bind-address=127.0.0.1:{health}"));
        all.push(format!("--metrics-bind-address=127.0.0.1:{metrics}"));
        all.extend(args.iter().copied().map(str::to_owned));
        Ok(Self { process: Process::spawn(name, &binary(program)?, all, env)?, health, metrics })
    }

    /// What /metrics says.
    pub(crate) async fn metrics(&self) -> anyhow::Result<String> {
        Ok(probe::get(local(self.metrics), "/metrics").await?.1)
    }

    /// Waits until /readyz says so.
    pub(crate) async fn is_ready(&self) -> anyhow::Result<()> {
        eventually("/readyz says ok", SOON, async || match probe::get(local(self.health), "/readyz").await {
            Ok((200, _)) => Ok(()),
            Ok((status, text)) => Err(format!("{status}: {text}")),
            Err(error) => Err(format!("{error:#}; {}", self.process.lines().join("\n"))),
        })
        .await
    }

    /// Waits until /readyz names all of these as missing.
    pub(crate) async fn waits_for(&self, parts: &[&str]) -> anyhow::Result<()> {
        eventually(&format!("/readyz names {parts:?}"), SOON, async || {
            match probe::get(local(self.health), "/readyz").await {
                Ok((500, text)) if parts.iter().all(|part| text.contains(part)) => Ok(()),
                Ok((status, text)) => Err(format!("{status}: {text}")),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
    }

    /// Waits until /readyz, though it says ok, names all of these as trouble.
    pub(crate) async fn says_degraded(&self, parts: &[&str]) -> anyhow::Result<()> {
        eventually(&format!("/readyz is degraded by {parts:?}"), SOON, async || {
            match probe::get(local(self.health), "/readyz").await {
                Ok((200, text)) if text.contains("degraded") && parts.iter().all(|part| text.contains(part)) => Ok(()),
                Ok((status, text)) => Err(format!("{status}: {text}")),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
    }

    /// Waits until a watcher holds that many objects of a kind, and says of its collections that they are `state`.
    pub(crate) async fn holds(&self, ports: Ports, kind: &str, state: &str, count: u64) -> anyhow::Result<()> {
        let mut client = v1::state_client::StateClient::new(channel(ports.watcher)?);
        eventually(&format!("{count} objects of {kind} are held, {state}"), SOON, async || {
            let kinds = client.list_kinds(v1::ListKindsRequest {}).await.map_err(|status| status.to_string())?;
            let kinds = kinds.into_inner().kinds;
            let known = kinds.iter().find(|known| known.kind == kind).ok_or("the kind is not known")?;
            let as_expected = |collection: &v1::CollectionStatus| {
                collection.count == count
                    && collection.state().as_str_name() == format!("STATE_{}", state.to_uppercase())
            };
            if known.collections.iter().all(as_expected) { Ok(()) } else { Err(format!("{:?}", known.collections)) }
        })
        .await
    }

    /// What /metrics says of a series, e.g. `x_total{y="z"}`; 0 while there is none.
    pub(crate) async fn counts(&self, series: &str) -> anyhow::Result<f64> {
        let text = self.metrics().await?;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(value.map_or(Ok(0.0), str::parse)?)
    }

    /// Waits for its end, which must be a refusal, and gives what it said.
    pub(crate) async fn refuses(&self) -> anyhow::Result<String> {
        let status = self.process.wait_exit(SOON).await?;
        ensure!(matches!(status.code(), Some(1 | 2)), "it ended with {status}");
        // The pipe may be read a little later than the end is seen.
        self.process.wait_for_line("error", Duration::from_secs(5)).await?;
        Ok(self.process.lines().join("\n"))
    }
}

/// The flag that says where a service listens.
pub(crate) fn listen(service: &str, port: u16) -> String {
    format!("--{service}-bind-address=127.0.0.1:{port}")
}

/// A lazy connection.
pub(crate) fn channel(port: u16) -> anyhow::Result<Channel> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?;
    Ok(endpoint.connect_timeout(Duration::from_secs(5)).connect_lazy())
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

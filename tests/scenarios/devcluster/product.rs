//! Silverback at the development cluster, through what can go wrong there.

use std::time::Duration;

use serde_json::Value;
use silverback_devcluster::api::{ApiHandle, ApiServer, Effect, Restart, Settings};
use silverback_resources::crds;

use crate::story::{Gateways, Ports, Service, backend, endpoints, ingress, service};

const NAMESPACE: &str = "shop";

struct World {
    api: ApiHandle,
    gateways: Gateways,
    silverback: Service,
    _folder: tempfile::TempDir,
}

impl World {
    async fn start() -> anyhow::Result<Self> {
        let settings =
            Settings { definitions: crds::all(), bookmark_period: Duration::from_millis(200), ..Settings::default() };
        let api = ApiServer::start(settings).await?;
        let put = |object| put(&api, object);
        put(serde_json::json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }))?;
        put(service("web"))?;
        put(endpoints("web", &["10.1.0.1"]))?;
        put(ingress("kong", "web", "/web"))?;
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, api.kubeconfig("silverback"))?;
        let gateways = Gateways::start(1).await?;
        let kubeconfig = kubeconfig.display().to_string();
        let silverback = Service::run("silverback", Ports::choose()?, &gateways, &["--kubeconfig", &kubeconfig])?;
        let world = Self { api, gateways, silverback, _folder: folder };
        world.routes_to("10.1.0.1").await?;
        Ok(world)
    }

    fn moves_to(&self, address: &str) -> anyhow::Result<()> {
        put(&self.api, endpoints("web", &[address]))
    }

    async fn routes_to(&self, address: &str) -> anyhow::Result<()> {
        self.gateways.route_to(&[backend(NAMESPACE, "web", "/web", &[address])]).await
    }
}

fn put(api: &ApiHandle, mut object: Value) -> anyhow::Result<()> {
    if object["kind"] != "Namespace" {
        object["metadata"]["namespace"] = NAMESPACE.into();
    }
    api.put(object).map(drop).map_err(anyhow::Error::msg)
}

#[tokio::test]
async fn changes_come_through_refusals_and_broken_connections() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.silverback.is_ready().await?;
    world.moves_to("10.1.0.2")?;
    world.routes_to("10.1.0.2").await?;

    // Refused for a while: 500, then 429 with a time to wait.
    for (status, address) in [(500, "10.1.0.3"), (429, "10.1.0.4")] {
        world.api.faults().inject(Effect::Answer { status, retry_after: Some(1), times: Some(8) });
        world.api.restart(Restart::AsItWas, Duration::ZERO).await?;
        world.moves_to(address)?;
        world.routes_to(address).await?;
        world.api.faults().clear();
    }

    // The watch ended while its version was compacted away: 410.
    world.api.set_listening(false).await?;
    world.moves_to("10.1.0.5")?;
    world.api.compact();
    world.api.set_listening(true).await?;
    world.routes_to("10.1.0.5").await?;

    // Cut off alone: the gateway keeps what it has; what happened meanwhile comes when it heals.
    world.api.faults().inject_for("silverback", Effect::Partition);
    world.moves_to("10.1.0.6")?;
    world.routes_to("10.1.0.5").await?;
    world.api.faults().clear();
    world.routes_to("10.1.0.6").await
}

#[tokio::test]
async fn a_restored_backup_begins_another_history() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.moves_to("10.1.0.2")?;
    world.routes_to("10.1.0.2").await?;
    let backup = *world.api.version().borrow();
    for times in 3..20 {
        world.moves_to(&format!("10.1.0.{times}"))?;
    }
    world.routes_to("10.1.0.19").await?;

    world.api.restart(Restart::BackTo(backup), Duration::ZERO).await?;
    world.routes_to("10.1.0.2").await?;
    world.moves_to("10.1.0.77")?;
    world.routes_to("10.1.0.77").await
}

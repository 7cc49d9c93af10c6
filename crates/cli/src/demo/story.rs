//! What the demo does, step by step: a shop opens, an endpoint moves, the leader dies, a gateway loses everything.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use silverback_devcluster::gateway::{Accepted, Restart};
use silverback_service::CancellationToken;

use super::events::{Told, gateway_name};
use super::plan::{GATEWAYS, Plan, Replica, Service};
use super::screen::{Screen, Tone, span};
use super::services::{LEASE, LEASE_TIMES, Running};
use super::world::World;

/// Far longer than anything takes; a step that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Story<'a> {
    pub(super) screen: &'a Screen,
    pub(super) told: &'a Told,
    pub(super) world: &'a World,
    pub(super) plan: Plan,
    pub(super) services: &'a mut Vec<Running>,
}

impl Story<'_> {
    /// Tells all of it, or less when stopped.
    pub(super) async fn tell(mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        tokio::select! {
            told = self.steps() => told,
            () = stop.cancelled() => Ok(()),
        }
    }

    async fn steps(&mut self) -> anyhow::Result<()> {
        self.screen.heading("A shop opens, and the services start");
        self.open()?;
        self.start_services()?;
        let started = self.first_configuration().await?;
        self.everybody_is_ready().await?;
        self.screen.heading("A pod moves");
        let moved = self.endpoint_moves().await?;
        self.screen.heading("The leading pusher dies");
        let handed_over = self.leader_dies().await?;
        self.screen.heading("A gateway loses its configuration");
        let healed = self.gateway_is_wiped().await?;
        self.screen.heading(&format!(
            "Shown: routes at {GATEWAYS} gateways after {}, a change after {}, a hand-over in {}, a gateway healed in {}",
            span(started),
            span(moved),
            span(handed_over),
            span(healed)
        ));
        Ok(())
    }

    fn open(&self) -> anyhow::Result<()> {
        let counts = self.world.open_shop()?;
        let total: usize = counts.iter().map(|(_, count)| count).sum();
        let kinds: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        self.screen.say(Tone::Step, "shop", &format!("{total} objects created: {}", kinds.join(", ")));
        Ok(())
    }

    fn start_services(&mut self) -> anyhow::Result<()> {
        for service in Service::ALL {
            for replica in Replica::BOTH {
                let running = Running::start(self.world, self.plan, service, replica)?;
                let text =
                    format!("started as process {}, gRPC at {}", running.pid(), self.plan.grpc(service, replica));
                self.screen.say(Tone::Step, &running.name(), &text);
                self.services.push(running);
            }
        }
        Ok(())
    }

    async fn first_configuration(&mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let has_services = |config: &Accepted| !config.config()["services"].as_array().is_none_or(Vec::is_empty);
        let everywhere = within(self.told.all_hold(has_services));
        let result = tokio::select! {
            reached = self.screen.waiting("the shop at every gateway", everywhere) => reached,
            // A service that cannot start says why.
            Err(error) = first_failure(self.services) => Err(error),
        };
        result.context("a gateway did not get the shop")??;
        let took = begun.elapsed();
        let text = format!("every gateway routes to the shop, {} after the services were started", span(took));
        self.screen.say(Tone::Good, "demo", &text);
        Ok(took)
    }

    async fn everybody_is_ready(&mut self) -> anyhow::Result<()> {
        let ready = futures::future::try_join_all(self.services.iter_mut().map(Running::ready));
        within(self.screen.waiting("every replica to be ready", ready))
            .await
            .context("a service did not get ready")??;
        self.screen.say(Tone::Good, "demo", "both replicas of every service are ready");
        Ok(())
    }

    async fn endpoint_moves(&self) -> anyhow::Result<Duration> {
        self.screen.say(Tone::Step, "shop", "an endpoint of the cart moves to another address");
        let begun = Instant::now();
        let target = self.world.move_cart(0)?;
        self.has_target(&target).await?;
        let took = begun.elapsed();
        let text = format!("every gateway sends traffic to {target}, {} after the change", span(took));
        self.screen.say(Tone::Good, "demo", &text);
        Ok(took)
    }

    async fn leader_dies(&mut self) -> anyhow::Result<Duration> {
        let leader = self.world.holder(LEASE.0, LEASE.1);
        let dying = self.services.iter_mut().find(|running| running.name() == leader);
        let dying = dying.with_context(|| format!("the Lease is held by {leader:?}, which is none of the pushers"))?;
        let replica = dying.replica;
        let begun = Instant::now();
        dying.kill().await?;
        let text = "killed with SIGKILL while it leads, and the cart's endpoint moves once more";
        self.screen.say(Tone::Bad, &leader, text);
        let target = self.world.move_cart(1)?;
        let other = within(self.told.another_leads(&leader));
        let holder = self.screen.waiting("the Lease to run out", other).await.context("nobody took over")??;
        let took = begun.elapsed();
        let [lease, ..] = LEASE_TIMES.map(span);
        let text = format!(
            "took over {} after the kill (the demo's Lease lasts {lease}; 15 s unless told otherwise)",
            span(took)
        );
        self.screen.say(Tone::Good, &holder, &text);
        self.has_target(&target).await?;
        let text = format!("every gateway has the change of that moment, {} after the kill", span(begun.elapsed()));
        self.screen.say(Tone::Good, "demo", &text);
        self.services.retain(|running| running.name() != leader);
        let running = Running::start(self.world, self.plan, Service::Pusher, replica)?;
        self.screen.say(Tone::Step, &leader, &format!("started again as process {}, now a standby", running.pid()));
        self.services.push(running);
        Ok(took)
    }

    async fn gateway_is_wiped(&self) -> anyhow::Result<Duration> {
        const PLACE: usize = 1;
        let (gateway, name) =
            (self.world.gateways.get(PLACE).context("there is no second gateway")?, gateway_name(PLACE));
        let (before, sequence) = (gateway.hash(), gateway.accepted().borrow().as_ref().map_or(0, |now| now.sequence));
        self.screen.say(Tone::Bad, &name, "restarts without its configuration");
        gateway.restart(Restart::Empty, Duration::from_millis(50)).await?;
        let begun = Instant::now();
        let healed = within(self.told.holds(PLACE, |config| config.hash == before && config.sequence > sequence));
        self.screen.waiting("the gateway to be healed", healed).await.context("gateway 2 was not healed")??;
        let took = begun.elapsed();
        self.screen.say(
            Tone::Good,
            &name,
            &format!("healed {} after it came back empty (each is looked at every 5 s)", span(took)),
        );
        Ok(took)
    }

    /// Waits until every gateway has a target.
    async fn has_target(&self, target: &str) -> anyhow::Result<()> {
        let quoted = format!("\"{target}\"");
        let everywhere = within(self.told.all_hold(|config| holds(config.text(), &quoted)));
        self.screen.waiting("every gateway", everywhere).await.context("a gateway did not get the change")?
    }
}

/// Waits until one of them fails to get ready; for ever when none does.
async fn first_failure(services: &mut [Running]) -> anyhow::Result<()> {
    futures::future::try_join_all(services.iter_mut().map(Running::ready)).await?;
    std::future::pending().await
}

async fn within<T>(wait: impl Future<Output = T>) -> anyhow::Result<T> {
    tokio::time::timeout(PATIENCE, wait).await.with_context(|| format!("not within {}", span(PATIENCE)))
}

fn holds(text: &[u8], piece: &str) -> bool {
    text.windows(piece.len()).any(|window| window == piece.as_bytes())
}

//! Tells what happens as it happens: configurations that gateways take, and who leads. It only looks.

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;
use silverback_devcluster::api::ApiHandle;
use silverback_devcluster::gateway::{Accepted, GatewayHandle};
use silverback_lease::name::name_of;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::screen::{Screen, Tone};
use super::services::LEASE;

/// What was told so far. Whoever waits for something to have happened waits here, so that it was told before.
pub(super) struct Told {
    gateways: Vec<watch::Receiver<Option<Arc<Accepted>>>>,
    leader: watch::Receiver<String>,
    _tasks: JoinSet<()>,
}

impl Told {
    /// Tells until it is dropped.
    pub(super) fn begin(screen: &Arc<Screen>, api: &Arc<ApiHandle>, gateways: &Arc<Vec<GatewayHandle>>) -> Self {
        let mut tasks = JoinSet::new();
        let told = gateways.iter().enumerate().map(|(place, gateway)| {
            let (told, known) = watch::channel(None);
            tasks.spawn(tell_gateway(Arc::clone(screen), gateway.accepted(), gateway_name(place), told));
            known
        });
        let told = told.collect();
        let (leads, leader) = watch::channel(String::new());
        tasks.spawn(tell_leader(Arc::clone(screen), Arc::clone(api), leads));
        Self { gateways: told, leader, _tasks: tasks }
    }

    /// Waits until a gateway, counted from 0, holds such a configuration.
    ///
    /// # Errors
    /// When nothing is told any longer.
    pub(super) async fn holds(&self, place: usize, wanted: impl Fn(&Accepted) -> bool) -> anyhow::Result<()> {
        let mut told = self.gateways.get(place).context("there is no such gateway")?.clone();
        told.wait_for(|now| now.as_deref().is_some_and(&wanted)).await?;
        Ok(())
    }

    /// Waits until every gateway holds such a configuration.
    ///
    /// # Errors
    /// When nothing is told any longer.
    pub(super) async fn all_hold(&self, wanted: impl Fn(&Accepted) -> bool) -> anyhow::Result<()> {
        let waits = (0..self.gateways.len()).map(|place| self.holds(place, &wanted));
        futures::future::try_join_all(waits).await?;
        Ok(())
    }

    /// Waits until somebody other than `leader` leads, and says who.
    ///
    /// # Errors
    /// When nothing is told any longer.
    pub(super) async fn another_leads(&self, leader: &str) -> anyhow::Result<String> {
        let mut told = self.leader.clone();
        let holder = told.wait_for(|holder| !holder.is_empty() && holder != leader).await?;
        Ok(holder.clone())
    }
}

/// As lines name a gateway, which is counted from 0.
pub(super) fn gateway_name(place: usize) -> String {
    format!("gateway-{}", place + 1)
}

async fn tell_gateway(
    screen: Arc<Screen>,
    mut accepted: watch::Receiver<Option<Arc<Accepted>>>,
    name: String,
    told: watch::Sender<Option<Arc<Accepted>>>,
) {
    while accepted.changed().await.is_ok() {
        let now = accepted.borrow_and_update().clone();
        match &now {
            Some(config) => screen.say(Tone::Event, &name, &format!("now holds {}", contents(config))),
            None => screen.say(Tone::Bad, &name, "now holds nothing"),
        }
        told.send_replace(now);
    }
}

/// What a configuration holds, in numbers.
pub(super) fn contents(accepted: &Accepted) -> String {
    let config = accepted.config();
    let list = |object: &Value, name: &str| object[name].as_array().map_or(0, Vec::len);
    let services = config["services"].as_array().map(Vec::as_slice).unwrap_or_default();
    let routes: usize = list(&config, "routes") + services.iter().map(|service| list(service, "routes")).sum::<usize>();
    let targets: usize = config["upstreams"].as_array().into_iter().flatten().map(|it| list(it, "targets")).sum();
    let hash = accepted.hash.get(..8).unwrap_or_default();
    let counted = [
        (routes, "route"),
        (services.len(), "service"),
        (targets, "target"),
        (list(&config, "consumers"), "consumer"),
        (list(&config, "certificates"), "certificate"),
    ];
    let counted = counted.map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }));
    format!("{} (hash {hash})", counted.join(", "))
}

async fn tell_leader(screen: Arc<Screen>, api: Arc<ApiHandle>, told: watch::Sender<String>) {
    let mut version = api.version();
    let mut known = String::new();
    loop {
        let lease = api.object("leases.coordination.k8s.io", LEASE.0, LEASE.1);
        let holder =
            lease.as_deref().and_then(|lease| lease.pointer("/spec/holderIdentity")?.as_str()).map_or("", name_of);
        if holder != known {
            match holder {
                "" => screen.say(Tone::Event, "election", "nobody leads"),
                holder => screen.say(Tone::Event, "election", &format!("{holder} leads: it alone pushes")),
            }
            holder.clone_into(&mut known);
            told.send_replace(known.clone());
        }
        if version.changed().await.is_err() {
            return;
        }
    }
}

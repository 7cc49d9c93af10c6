//! Tells what happens as it happens: configurations that gateways take, and who leads. It only looks.

use std::sync::Arc;

use serde_json::Value;
use silverback_devcluster::api::ApiHandle;
use silverback_devcluster::gateway::{Accepted, GatewayHandle};
use tokio::task::JoinSet;

use super::screen::{Screen, Tone};
use super::services::LEASE;

/// Tells until it is dropped.
pub(super) fn tell(screen: &Arc<Screen>, api: &Arc<ApiHandle>, gateways: &Arc<Vec<GatewayHandle>>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for place in 0..gateways.len() {
        tasks.spawn(tell_gateway(Arc::clone(screen), Arc::clone(gateways), place));
    }
    tasks.spawn(tell_leader(Arc::clone(screen), Arc::clone(api)));
    tasks
}

async fn tell_gateway(screen: Arc<Screen>, gateways: Arc<Vec<GatewayHandle>>, place: usize) {
    let Some(gateway) = gateways.get(place) else { return };
    let mut accepted = gateway.accepted();
    while accepted.changed().await.is_ok() {
        let now = accepted.borrow_and_update().clone();
        let name = format!("gateway-{}", place + 1);
        match now {
            Some(config) => screen.say(Tone::Event, &name, &format!("now holds {}", contents(&config))),
            None => screen.say(Tone::Bad, &name, "now holds nothing"),
        }
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

async fn tell_leader(screen: Arc<Screen>, api: Arc<ApiHandle>) {
    let mut version = api.version();
    let mut known = String::new();
    loop {
        let lease = api.object("leases.coordination.k8s.io", LEASE.0, LEASE.1);
        let holder =
            lease.as_deref().and_then(|lease| lease.pointer("/spec/holderIdentity")?.as_str()).unwrap_or_default();
        if holder != known {
            match holder {
                "" => screen.say(Tone::Event, "election", "nobody leads"),
                holder => screen.say(Tone::Event, "election", &format!("{holder} leads: it alone pushes")),
            }
            holder.clone_into(&mut known);
        }
        if version.changed().await.is_err() {
            return;
        }
    }
}

//! Asks every replica of every service.

use silverback_proto::v1::{self, collection_status, gateway};
use tonic::transport::{Channel, Uri};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{Gateway, LastGood, Leader, Quarantined, Service, ServiceState, Status, StatusArgs};
use crate::dial::{Dialer, Replica, refusal};

/// What a pusher says.
struct Pusher {
    leader: v1::Leader,
    gateways: Vec<v1::Gateway>,
    isolation: v1::Isolation,
}

pub(super) async fn status(args: &StatusArgs) -> anyhow::Result<Status> {
    let dialer = args.dial.dialer()?;
    let mut status = Status::default();
    for replica in replicas(&dialer, "--watcher-url", &args.watchers.watcher_url).await? {
        let answer = ask(&replica, async |channel| watcher(channel).await).await;
        status.add("watcher", &replica, answer.map(|detail| ((), detail)));
    }
    for replica in replicas(&dialer, "--translator-url", &args.translators.translator_url).await? {
        let answer = ask(&replica, async |channel| translator(channel).await).await;
        status.add("translator", &replica, answer.map(|detail| ((), detail)));
    }
    let mut pushers = Vec::new();
    for replica in replicas(&dialer, "--pusher-url", &args.pushers.pusher_url).await? {
        let answer = ask(&replica, async |channel| pusher(channel).await).await;
        let answer = answer.map(|(pusher, ready)| {
            let detail = if pusher.leader.leading { "leads" } else { "stands by" };
            (pusher, (detail.to_owned(), ready))
        });
        pushers.extend(status.add("pusher", &replica, answer));
    }
    let leading = pushers.iter().position(|pusher| pusher.leader.leading).unwrap_or(0);
    if leading < pushers.len() {
        status.take(pushers.swap_remove(leading));
    }
    status.judge();
    Ok(status)
}

async fn replicas(dialer: &Dialer, flag: &str, urls: &[Uri]) -> anyhow::Result<Vec<Replica>> {
    dialer.replicas(flag, urls).await
}

async fn ask<T>(replica: &Replica, ask: impl AsyncFn(Channel) -> Result<T, tonic::Status>) -> Result<T, String> {
    let channel = replica.channel.clone()?;
    ask(channel).await.map_err(|status| refusal(&status))
}

/// Whether it says that it is ready.
async fn is_ready(channel: Channel) -> Result<bool, tonic::Status> {
    let request = HealthCheckRequest { service: String::new() };
    Ok(HealthClient::new(channel).check(request).await?.into_inner().status() == ServingStatus::Serving)
}

async fn watcher(channel: Channel) -> Result<(String, bool), tonic::Status> {
    use collection_status::State;
    let mut client = v1::state_client::StateClient::new(channel.clone());
    let kinds = client.list_kinds(v1::ListKindsRequest {}).await?.into_inner().kinds;
    let collections: Vec<_> = kinds.iter().flat_map(|kind| &kind.collections).collect();
    let objects: u64 = collections.iter().map(|collection| collection.count).sum();
    let troubled = collections.iter().filter(|collection| matches!(collection.state(), State::Starting | State::Stale));
    let troubled: Vec<String> = troubled
        .map(|collection| {
            let kind = collection.collection.as_ref().map_or("", |id| &id.kind);
            let why = if collection.message.is_empty() { "was not listed yet" } else { &collection.message };
            format!("{kind}: {why}")
        })
        .collect();
    let detail = match troubled.as_slice() {
        [] => format!("{objects} objects"),
        [first] => format!("{objects} objects; {first}"),
        [first, rest @ ..] => format!("{objects} objects; {first} (and {} more)", rest.len()),
    };
    Ok((detail, is_ready(channel).await?))
}

async fn translator(channel: Channel) -> Result<(String, bool), tonic::Status> {
    let mut client = v1::config_client::ConfigClient::new(channel.clone());
    let page = v1::ListEntitiesRequest { page_size: 1, ..v1::ListEntitiesRequest::default() };
    let generation = client.list_entities(page).await?.into_inner().generation;
    Ok((format!("generation {generation}"), is_ready(channel).await?))
}

async fn pusher(channel: Channel) -> Result<(Pusher, bool), tonic::Status> {
    let mut client = v1::gateways_client::GatewaysClient::new(channel.clone());
    let pusher = Pusher {
        leader: client.get_leader(v1::GetLeaderRequest {}).await?.into_inner(),
        gateways: client.list_gateways(v1::ListGatewaysRequest {}).await?.into_inner().gateways,
        isolation: client.get_isolation(v1::GetIsolationRequest {}).await?.into_inner(),
    };
    Ok((pusher, is_ready(channel).await?))
}

impl Status {
    /// Notes a replica, and gives what it told besides.
    fn add<T>(
        &mut self,
        service: &'static str,
        replica: &Replica,
        answer: Result<(T, (String, bool)), String>,
    ) -> Option<T> {
        let (told, detail, state) = match answer {
            Ok((told, (detail, true))) => (Some(told), detail, ServiceState::Ready),
            Ok((told, (detail, false))) => (Some(told), detail, ServiceState::NotReady),
            Err(reason) => (None, reason, ServiceState::Unreachable),
        };
        self.services.push(Service { service, address: replica.address.clone(), state, detail });
        told
    }

    fn take(&mut self, pusher: Pusher) {
        let Pusher { leader, gateways, isolation } = pusher;
        self.leader = Some(Leader {
            identity: leader.identity,
            lease: leader.lease,
            epoch: leader.epoch,
            election_disabled: leader.election_disabled,
        });
        self.gateways = gateways.into_iter().map(gateway).collect();
        self.quarantine = isolation.quarantine.into_iter().map(quarantined).collect();
        self.last_good = isolation.last_good.filter(|last| last.generation > 0).map(|last| LastGood {
            generation: last.generation,
            place: last.place,
            trouble: last.trouble,
        });
    }

    fn judge(&mut self) {
        let mut problems = Vec::new();
        for service in &self.services {
            match service.state {
                ServiceState::Ready => (),
                ServiceState::NotReady => {
                    problems.push(format!("{} {} is not ready: {}", service.service, service.address, service.detail));
                }
                ServiceState::Unreachable => problems.push(format!(
                    "{} {} cannot be reached: {}; check --{}-url",
                    service.service, service.address, service.detail, service.service
                )),
            }
        }
        if self.leader.as_ref().is_some_and(|leader| leader.identity.is_empty()) {
            problems.push("nobody leads: nothing is pushed but to empty gateways".to_owned());
        }
        if self.leader.is_some() && self.gateways.is_empty() {
            problems.push("no gateway is known; check --kong-admin-url or --kong-admin-svc of the pushers".to_owned());
        }
        for gateway in self.gateways.iter().filter(|gateway| gateway.state != "in sync") {
            let reason = if gateway.last_error.is_empty() { "" } else { ": " };
            problems.push(format!("gateway {} is {}{reason}{}", gateway.url, gateway.state, gateway.last_error));
        }
        for entry in &self.quarantine {
            problems.push(format!("{} is left out: {}", entry.entity, entry.reason));
        }
        if let Some(last) = self.last_good.as_ref().filter(|last| !last.trouble.is_empty()) {
            problems.push(format!("the last good configuration could not be kept: {}", last.trouble));
        }
        self.problems = problems;
    }
}

fn gateway(gateway: v1::Gateway) -> Gateway {
    let state = match gateway.state() {
        gateway::State::Unspecified | gateway::State::Unknown => "unknown",
        gateway::State::InSync => "in sync",
        gateway::State::Pending => "pending",
        gateway::State::Unreachable => "unreachable",
        gateway::State::Rejected => "refusing",
        gateway::State::Unsuitable => "unsuitable",
    };
    Gateway {
        url: gateway.url,
        pod: gateway.pod,
        state: state.to_owned(),
        generation: gateway.generation,
        observed_hash: gateway.observed_hash,
        expected_hash: gateway.expected_hash,
        lag: gateway.lag.map(|lag| lag.seconds as f64 + f64::from(lag.nanos) / 1e9),
        consecutive_failures: gateway.consecutive_failures,
        last_error: gateway.last_error,
        version: gateway.facts.map(|facts| facts.version).unwrap_or_default(),
    }
}

fn quarantined(entry: v1::Quarantined) -> Quarantined {
    let within = entry.within.map(|key| format!("{}/{}", key.collection, key.name)).unwrap_or_default();
    let objects = entry.objects.into_iter().map(crate::explain::object_name).collect();
    Quarantined {
        entity: format!("{} {}", entry.kind, entry.name),
        within,
        objects,
        reason: entry.reason,
        closed: entry.closed,
    }
}

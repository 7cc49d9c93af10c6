//! The gRPC service of what the pusher knows of the gateways and of the election.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use silverback_gateway::{GatewayReport, State};
use silverback_kong::EntityKey;
use silverback_lease::{Handle, LeaseName};
use silverback_proto::v1::{self, gateway, gateways_server::Gateways, watch_gateways_response::Event};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use crate::fleet::Reports;
use crate::isolation_service::{self, Kept, Shown};
use crate::progress::{self, Offers};

/// The election, where there is one.
pub(crate) struct Election {
    pub(crate) lease: LeaseName,
    pub(crate) handle: Handle,
}

/// Serves reports.
pub(crate) struct GatewaysService {
    pub(crate) reports: watch::Receiver<Reports>,
    pub(crate) election: Option<Election>,
    pub(crate) identity: String,
    pub(crate) shown: watch::Receiver<Shown>,
    pub(crate) kept: watch::Receiver<Kept>,
    pub(crate) offers: watch::Receiver<Offers>,
}

#[tonic::async_trait]
impl Gateways for GatewaysService {
    type WatchGatewaysStream = Pin<Box<dyn Stream<Item = Result<v1::WatchGatewaysResponse, Status>> + Send>>;

    async fn list_gateways(
        &self,
        _: Request<v1::ListGatewaysRequest>,
    ) -> Result<Response<v1::ListGatewaysResponse>, Status> {
        let gateways = self.reports.borrow().values().map(wire).collect();
        Ok(Response::new(v1::ListGatewaysResponse { gateways }))
    }

    async fn watch_gateways(
        &self,
        _: Request<v1::WatchGatewaysRequest>,
    ) -> Result<Response<Self::WatchGatewaysStream>, Status> {
        let mut told = Reports::new();
        let events = WatchStream::new(self.reports.clone()).flat_map(move |now| {
            let events = difference(&told, &now);
            told = now;
            futures::stream::iter(events)
        });
        Ok(Response::new(Box::pin(events)))
    }

    async fn get_leader(&self, _: Request<v1::GetLeaderRequest>) -> Result<Response<v1::Leader>, Status> {
        let me = self.identity.clone();
        let Some(election) = &self.election else {
            return Ok(Response::new(v1::Leader {
                identity: me.clone(),
                leading: true,
                election_disabled: true,
                self_: me,
                ..v1::Leader::default()
            }));
        };
        let leadership = election.handle.leadership().borrow().clone();
        let (identity, epoch) = match &leadership {
            silverback_lease::Leadership::Leading(permit) => (me.clone(), permit.epoch().to_string()),
            silverback_lease::Leadership::Standby { holder } => (holder.clone().unwrap_or_default(), String::new()),
        };
        Ok(Response::new(v1::Leader {
            identity,
            leading: election.handle.may_push_now(),
            election_disabled: false,
            epoch,
            lease: election.lease.to_string(),
            self_: me,
        }))
    }

    async fn get_isolation(&self, _: Request<v1::GetIsolationRequest>) -> Result<Response<v1::Isolation>, Status> {
        Ok(Response::new(isolation_service::answer(&self.shown.borrow(), &self.kept.borrow())))
    }

    async fn get_progress(
        &self,
        request: Request<v1::GetProgressRequest>,
    ) -> Result<Response<v1::GetProgressResponse>, Status> {
        let entities = request.into_inner().entities.into_iter();
        let entities = entities.map(|key| EntityKey::new(key.collection.as_str().into(), key.name));
        let offers = self.offers.borrow().clone();
        let (reports, shown) = (self.reports.borrow(), self.shown.borrow());
        Ok(Response::new(progress::wire(offers.progress(entities, reports.values(), &shown.quarantine))))
    }
}

fn difference(before: &Reports, now: &Reports) -> Vec<Result<v1::WatchGatewaysResponse, Status>> {
    let changed = now.iter().filter(|(url, report)| before.get(*url) != Some(report));
    let changed = changed.map(|(_, report)| Event::Changed(wire(report)));
    let removed = before.keys().filter(|url| !now.contains_key(*url)).map(|url| Event::Removed(url.clone()));
    changed.chain(removed).map(|event| Ok(v1::WatchGatewaysResponse { event: Some(event) })).collect()
}

fn wire(report: &GatewayReport) -> v1::Gateway {
    let state = match report.state {
        State::Starting => gateway::State::Unknown,
        State::Synced => gateway::State::InSync,
        State::Idle | State::Pending | State::Pushing => gateway::State::Pending,
        State::Refused => gateway::State::Rejected,
        State::Blocked => gateway::State::Unsuitable,
        State::Failing => gateway::State::Unreachable,
    };
    let hash = |hash: Option<silverback_gateway::ConfigHash>| hash.map(|hash| hash.to_string()).unwrap_or_default();
    let duration = |duration: std::time::Duration| prost_types::Duration::try_from(duration).unwrap_or_default();
    v1::Gateway {
        url: report.url.clone(),
        pod: report.pod.as_ref().map(ToString::to_string).unwrap_or_default(),
        state: state.into(),
        generation: report.generation.map_or(0, |generation| generation.0),
        observed_hash: hash(report.hash_observed),
        expected_hash: hash(report.hash_expected),
        last_pushed: report.last_push.as_ref().map(|push| push.started.into()),
        last_push_took: report.last_push.as_ref().map(|push| duration(push.took)),
        lag: report.lag.map(duration),
        consecutive_failures: report.consecutive_failures.into(),
        last_error: report.last_error.clone().unwrap_or_default(),
        facts: report.facts.as_ref().map(|facts| v1::Facts {
            version: facts.version.clone(),
            edition: facts.edition.clone(),
            router_flavor: facts.router_flavor.clone(),
            database: facts.database.clone(),
        }),
    }
}

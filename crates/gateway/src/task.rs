//! Runs one gateway's worker: one task per gateway, so that a slow one delays nobody. Carries out what the rules in
//! [`crate::worker`] say, asks for permission before and during each push, and reports.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use silverback_model::{Epoch, Generation, SetDigest, Traces};
use silverback_trace::Stage;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::client::{Accepted, Headers};
use crate::worker::{Action, Event, Goal, Grant, Pushed, Settings, Worker};
use crate::{
    Cause, Client, ConfigBody, Connector, Endpoint, Error, Facts, GatewayReport, LastPush, Observer, PushResult,
    Routing, SettingsError, State,
};

/// How often a permission is asked while a push is in flight.
const PERMISSION_CHECK: Duration = Duration::from_millis(100);

/// A config to bring to a gateway.
#[derive(Clone, Debug)]
pub struct Target {
    /// The text.
    pub body: ConfigBody,
    /// Its identity among translators.
    pub content: SetDigest,
    /// How its routes match.
    pub routing: Routing,
    /// Whether a refusal is to name faults by entity: the rule. Without it Kong also tells of missing references.
    pub flatten: bool,
    /// The translator's commit.
    pub generation: Generation,
    /// The leadership that pushes, if any: another one means that every gateway is verified first.
    pub epoch: Option<Epoch>,
    /// How old the change that it brings was when it came here.
    pub age: Duration,
    /// The changes it carries, beyond those of the target before.
    pub traces: Traces,
    /// It is for gateways that have no config at all, and never takes the place of another.
    pub only_empty: bool,
}

impl Target {
    fn goal(&self) -> Goal {
        Goal {
            hash: self.body.hash(),
            flatten: self.flatten,
            routing: self.routing,
            generation: self.generation,
            epoch: self.epoch.clone(),
            age: self.age,
            only_empty: self.only_empty,
        }
    }

    fn headers(&self, traceparent: Option<String>) -> Headers {
        Headers { epoch: self.epoch.clone(), generation: Some(self.generation), traceparent }
    }
}

/// Whether pushing is allowed: what was granted, and whether the leave holds at this very moment.
#[derive(Clone)]
pub struct Permission {
    granted: watch::Receiver<Grant>,
    holds: Arc<dyn Fn(Grant) -> bool + Send + Sync>,
}

impl Permission {
    /// `granted` tells of changes; `holds` is asked of what was granted before each push and while one is in flight,
    /// e.g. whether the Lease's deadline is still ahead. A grant that does not hold is none.
    pub fn new(granted: watch::Receiver<Grant>, holds: impl Fn(Grant) -> bool + Send + Sync + 'static) -> Self {
        Self { granted, holds: Arc::new(holds) }
    }

    /// For gateways that nobody else configures.
    pub fn always() -> Self {
        // The sender may go: its last word stays.
        Self::new(watch::channel(Grant::Push).1, |_| true)
    }

    /// What is allowed right now.
    pub fn current(&self) -> Grant {
        let granted = *self.granted.borrow();
        if (self.holds)(granted) { granted } else { Grant::Watch }
    }
}

impl std::fmt::Debug for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permission").field("granted", &*self.granted.borrow()).finish_non_exhaustive()
    }
}

enum Answer {
    Facts(Result<Facts, Error>),
    Hash(Result<crate::ConfigHash, Error>),
    Pushed(Result<Accepted, Error>),
}

/// The push in flight.
struct Sent {
    target: Arc<Target>,
    started: Instant,
    at: SystemTime,
    stage: Stage,
    /// The changes it carries.
    traces: Traces,
}

/// Keeps one gateway configured.
pub struct Task {
    endpoint: Endpoint,
    connectors: watch::Receiver<Connector>,
    client: Arc<Client>,
    observer: Option<Arc<dyn Observer>>,
    worker: Worker,
    targets: watch::Receiver<Option<Arc<Target>>>,
    target: Option<Arc<Target>>,
    permission: Permission,
    reports: watch::Sender<GatewayReport>,
    start: Instant,
    sent: Option<Sent>,
    /// The changes that the gateway lacks.
    traces: Traces,
    /// The last push that succeeded, until a hash proves it.
    pushed: Traces,
    verify: Stage,
    last_push: Option<LastPush>,
    pushes: u64,
    drain: Duration,
}

impl Task {
    /// A task that does nothing until run, and its reports. Where `connectors` brings another one, e.g. with other
    /// certificates, the next request goes by it.
    ///
    /// # Errors
    /// When the endpoint cannot be used.
    pub fn new(
        mut connectors: watch::Receiver<Connector>,
        endpoint: Endpoint,
        settings: Settings,
        targets: watch::Receiver<Option<Arc<Target>>>,
        permission: Permission,
    ) -> Result<(Self, watch::Receiver<GatewayReport>), SettingsError> {
        let first = GatewayReport { url: endpoint.url.clone(), pod: endpoint.pod.clone(), ..GatewayReport::default() };
        let (reports, seen) = watch::channel(first);
        let client = connectors.borrow_and_update().client(&endpoint)?;
        let task = Self {
            client: Arc::new(client),
            endpoint,
            connectors,
            observer: None,
            worker: Worker::new(settings),
            targets,
            target: None,
            permission,
            reports,
            start: Instant::now(),
            sent: None,
            traces: Traces::default(),
            pushed: Traces::default(),
            verify: Stage::default(),
            last_push: None,
            pushes: 0,
            drain: Duration::from_millis(500),
        };
        Ok((task, seen))
    }

    /// Who is told of each request.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// How long a push in flight may go on after a stop; 500 ms unless set.
    #[must_use]
    pub fn with_drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Runs until `stop`. Then no push starts; the one in flight may go on for the drain time, then it is cut. When the
    /// permission ends, it is cut at once.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut flight: Option<BoxFuture<'static, Answer>> = None;
        self.take_target();
        while !stop.is_cancelled() {
            if self.has_lost_leave() {
                flight = None;
                self.give_up();
            }
            let now = self.now();
            let wait = match self.worker.next(now) {
                Action::ReadFacts => {
                    flight = Some(self.read_facts());
                    continue;
                }
                Action::ReadHash => {
                    flight = Some(self.read_hash());
                    continue;
                }
                Action::Push => {
                    // A read in flight is dropped here.
                    flight = self.push();
                    continue;
                }
                Action::Wait(until) => until.saturating_sub(now).max(Duration::from_millis(1)),
            };
            self.report();
            let wait = if self.worker.is_pushing() { PERMISSION_CHECK } else { wait };
            let client = Arc::clone(&self.client);
            tokio::select! {
                answer = finished(&mut flight) => {
                    flight = None;
                    self.answered(answer);
                }
                () = changed(&mut self.targets) => self.take_target(),
                () = changed(&mut self.connectors) => self.reconnect(),
                () = changed(&mut self.permission.granted) => {}
                () = client.disconnected() => self.worker.handle(self.now(), Event::Disconnected),
                () = stop.cancelled() => {}
                () = sleep(wait) => {}
            }
        }
        if self.worker.is_pushing() {
            self.finish(flight).await;
        }
        self.report();
    }

    /// Lets the push in flight end, within the drain time and the permission.
    async fn finish(&mut self, mut flight: Option<BoxFuture<'static, Answer>>) {
        let deadline = Instant::now() + self.drain;
        while Instant::now() < deadline && !self.has_lost_leave() {
            let left = deadline.saturating_duration_since(Instant::now()).min(PERMISSION_CHECK);
            tokio::select! {
                answer = finished(&mut flight) => return self.answered(answer),
                () = sleep(left) => {}
            }
        }
        self.give_up();
    }

    /// Whether what allowed the push in flight is over.
    fn has_lost_leave(&mut self) -> bool {
        self.worker.handle(self.now(), Event::Grant(self.permission.current()));
        self.worker.must_give_up()
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn take_target(&mut self) {
        self.target = self.targets.borrow_and_update().clone();
        if let Some(target) = &self.target {
            self.traces.merge(&target.traces);
        }
        let goal = self.target.as_ref().map(|target| target.goal());
        self.worker.handle(self.now(), Event::Goal(goal));
        self.forget_traces();
    }

    /// A request in flight goes on as it began.
    fn reconnect(&mut self) {
        match self.connectors.borrow_and_update().client(&self.endpoint) {
            Ok(client) => self.client = Arc::new(client.succeeding(&self.client)),
            Err(error) => return tracing::error!(gateway = self.endpoint.url, "{error}; the old settings stay"),
        }
        self.worker.handle(self.now(), Event::Renewed);
    }

    fn read_facts(&self) -> BoxFuture<'static, Answer> {
        let client = Arc::clone(&self.client);
        async move { Answer::Facts(client.root().await) }.boxed()
    }

    fn read_hash(&mut self) -> BoxFuture<'static, Answer> {
        self.verify = Stage::call("verify", &self.pushed);
        let client = Arc::clone(&self.client);
        async move { Answer::Hash(client.status().await.map(|status| status.hash)) }.boxed()
    }

    fn push(&mut self) -> Option<BoxFuture<'static, Answer>> {
        let target = Arc::clone(self.target.as_ref()?);
        let traces = std::mem::take(&mut self.traces);
        let mut stage = Stage::call("push", &traces);
        stage.note("http.request.method", "POST");
        stage.note("silverback.gateway", self.client.gateway());
        stage.count("silverback.generation", target.generation.0);
        stage.count("http.request.body.size", target.body.len());
        let headers = target.headers(stage.traces().first().map(str::to_owned));
        let (started, at) = (Instant::now(), SystemTime::now());
        self.sent = Some(Sent { target: Arc::clone(&target), started, at, stage, traces });
        if self.has_lost_leave() {
            self.give_up();
            return None;
        }
        let client = Arc::clone(&self.client);
        let push = async move { Answer::Pushed(client.post_config(&target.body, target.flatten, &headers).await) };
        Some(push.boxed())
    }

    fn answered(&mut self, answer: Answer) {
        let now = self.now();
        let arrivals = self.worker.arrivals();
        let event = match answer {
            Answer::Facts(Ok(facts)) => Event::Facts(facts),
            Answer::Hash(Ok(hash)) => {
                self.verified(hash);
                Event::Hash(hash)
            }
            Answer::Facts(Err(error)) | Answer::Hash(Err(error)) => {
                self.failed(&error);
                Event::ReadFailed { cause: error.cause, jitter: jitter() }
            }
            Answer::Pushed(Ok(accepted)) => {
                let result = match accepted {
                    Accepted::Loaded => PushResult::Loaded,
                    Accepted::Unchanged => PushResult::Unchanged,
                };
                self.remember(result, None);
                Event::Pushed(Pushed::Taken)
            }
            Answer::Pushed(Err(error)) => {
                self.failed(&error);
                let result = match &error.cause {
                    Cause::Rejected(rejection) => PushResult::Refused(Arc::clone(rejection)),
                    cause => PushResult::Failed(cause.to_string()),
                };
                self.remember(result, Some(&error.cause));
                Event::Pushed(Pushed::Failed { cause: error.cause, jitter: jitter() })
            }
        };
        self.worker.handle(now, event);
        if let (Some(observer), Some(lag)) = (&self.observer, self.worker.lag())
            && self.worker.arrivals() > arrivals
        {
            observer.arrived(lag);
        }
        self.forget_traces();
    }

    /// What the gateway has already, somebody else pushed.
    fn forget_traces(&mut self) {
        if self.worker.state() == State::Synced {
            self.traces = Traces::default();
        }
    }

    /// Ends the way of the changes that were pushed last.
    fn verified(&mut self, hash: crate::ConfigHash) {
        let mut stage = std::mem::take(&mut self.verify);
        stage.note("http.request.method", "GET");
        stage.note("silverback.gateway", self.client.gateway());
        stage.note("silverback.hash", hash);
        if self.last_push.as_ref().is_some_and(|push| push.hash != hash) {
            stage.fail("the gateway reports another hash than that of the push");
        }
        self.pushed = Traces::default();
    }

    fn give_up(&mut self) {
        tracing::warn!(gateway = %self.client.gateway(), "gave up a push: the permission to push ended");
        self.remember(PushResult::GivenUp, None);
        self.worker.handle(self.now(), Event::Pushed(Pushed::GivenUp));
    }

    fn remember(&mut self, result: PushResult, cause: Option<&Cause>) {
        let Some(Sent { target, started, at, mut stage, mut traces }) = self.sent.take() else { return };
        let took = started.elapsed();
        let (hash, bytes) = (target.body.hash(), target.body.len());
        if matches!(result, PushResult::Loaded | PushResult::Unchanged) {
            stage.note("silverback.hash", hash);
            self.pushed = stage.traces();
            let epoch = target.epoch.as_ref().map(ToString::to_string);
            tracing::info!(gateway = %self.client.gateway(), generation = %target.generation, epoch, %hash, bytes,
                took_ms = took.as_millis(), ?result, "pushed");
        }
        if !matches!(result, PushResult::Loaded | PushResult::Unchanged) {
            stage.note("error.type", cause.map_or("given_up", Cause::kind));
            stage.fail(match &result {
                PushResult::Failed(cause) => cause,
                PushResult::GivenUp => "the permission to push ended",
                _ => "the gateway refused it",
            });
            traces.merge(&self.traces);
            self.traces = traces;
        }
        self.pushes += 1;
        let (generation, flatten) = (target.generation, target.flatten);
        let push = LastPush { started: at, took, hash, flatten, bytes, generation, result };
        if let Some(observer) = &self.observer {
            observer.pushed(&push, cause);
        }
        self.last_push = Some(push);
    }

    fn failed(&self, error: &Error) {
        if let Some(observer) = &self.observer {
            observer.failed(&error.cause);
        }
        // Who reads the reports tells people, once for each change.
        tracing::debug!(%error, "failed");
    }

    fn report(&self) {
        let worker = &self.worker;
        let behind = worker.behind_since().map(|since| self.now().saturating_sub(since));
        let obstacle = worker.obstacle().map(|obstacle| obstacle.to_string());
        let mut report = GatewayReport {
            url: self.client.gateway().to_string(),
            pod: self.endpoint.pod.clone(),
            state: worker.state(),
            generation: worker.applied().map(|(generation, _)| *generation),
            epoch: worker.applied().and_then(|(_, epoch)| epoch.clone()),
            hash_expected: worker.goal().map(|goal| goal.hash),
            hash_observed: worker.observed(),
            last_push: self.last_push.clone(),
            pushes: self.pushes,
            behind_since: behind.and_then(|behind| SystemTime::now().checked_sub(behind)),
            lag: worker.lag(),
            consecutive_failures: worker.failures(),
            last_error: worker.error().map(str::to_owned).or(obstacle),
            last_error_kind: worker.error_kind(),
            facts: worker.facts().cloned(),
        };
        self.reports.send_if_modified(|shown| {
            // The same moment, computed anew, is no change.
            if shown.behind_since.is_some() && report.behind_since.is_some() {
                report.behind_since = shown.behind_since;
            }
            let changed = *shown != report;
            if changed {
                *shown = report;
            }
            changed
        });
    }
}

async fn finished(flight: &mut Option<BoxFuture<'static, Answer>>) -> Answer {
    match flight {
        Some(flight) => flight.await,
        None => pending().await,
    }
}

/// Waits for news; for ever where none can come.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        pending::<()>().await;
    }
}

fn jitter() -> f64 {
    rand::random_range(0.0..=1.0)
}

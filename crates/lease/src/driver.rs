//! Runs the election against a Kubernetes API server: watches the Lease, carries out what the machine asks for, and
//! publishes who leads. The watch only makes it quicker: without one, the machine polls.

use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use silverback_model::leadership::LeaseTiming;
use silverback_model::{Epoch, Lineage, Version};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::leadership::LONGEST_SLEEP;
use crate::machine::{Action, Event, Machine, Purpose, Source, Write};
use crate::record::{self, PUSHED_ANNOTATION, Record};
use crate::trouble::Log;
use crate::{Clock, Identity, Leadership, LeaseName, Permit, Trouble};

/// Each watch lasts this many seconds; one that is dead without a word is noticed a little later, and polling does
/// its work until then.
const WATCH_SECONDS: u32 = 30;

/// What an elector needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Lease.
    pub lease: LeaseName,
    /// This candidate's name.
    pub identity: Identity,
    /// Timing; validated with [`LeaseTiming::validate`].
    pub timing: LeaseTiming,
}

/// One candidate in an election. Made with its [`Handle`]; does nothing until run.
pub struct Elector {
    settings: Settings,
    api: Api<Lease>,
    clock: Clock,
    machine: Machine,
    /// The Lease as known, so that a write leaves alone what is not ours.
    held: Option<Lease>,
    pushed: watch::Receiver<Option<String>>,
    outputs: Outputs,
    release: CancellationToken,
    requests: Log,
    watching: Log,
}

/// What others see and ask of an elector.
#[derive(Clone, Debug)]
pub struct Handle {
    leadership: watch::Receiver<Leadership>,
    recorded: watch::Receiver<Option<String>>,
    transitions: watch::Receiver<Option<i32>>,
    trouble: watch::Receiver<Option<Trouble>>,
    release: CancellationToken,
}

struct Outputs {
    leadership: watch::Sender<Leadership>,
    deadline: Option<watch::Sender<Option<Duration>>>,
    recorded: watch::Sender<Option<String>>,
    transitions: watch::Sender<Option<i32>>,
    trouble: watch::Sender<Option<Trouble>>,
}

/// What came back from a request.
struct Answer {
    event: Event,
    lease: Option<Lease>,
    trouble: Option<Trouble>,
}

impl Handle {
    /// Who leads. Changes when leadership is won, lost or seen to pass, not at each renewal.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// What the holder recorded on the Lease as pushed ([`PUSHED_ANNOTATION`]). Known before leadership is published.
    pub fn recorded(&self) -> watch::Receiver<Option<String>> {
        self.recorded.clone()
    }

    /// How often the Lease's holder changed, as the Lease has it.
    pub fn transitions(&self) -> watch::Receiver<Option<i32>> {
        self.transitions.clone()
    }

    /// What keeps the Lease from being read or written, if anything does.
    pub fn trouble(&self) -> watch::Receiver<Option<Trouble>> {
        self.trouble.clone()
    }

    /// May this process push at this very moment?
    pub fn may_push_now(&self) -> bool {
        self.leadership.borrow().permit().is_some_and(Permit::may_push_now)
    }

    /// Ends the leave to push at once, clears the holder if it is us, and ends the elector. Returns when that is done,
    /// or has failed for one retry period; then others take over when the Lease expires. The elector must be running, or
    /// have ended: one that never ran is waited for.
    pub async fn release(&self) {
        self.release.cancel();
        let mut leadership = self.leadership.clone();
        while leadership.changed().await.is_ok() {}
    }
}

impl Elector {
    /// A candidate. `pushed` is what each renewal records on the Lease; while it is none, what is there stays.
    pub fn new(client: kube::Client, settings: Settings, pushed: watch::Receiver<Option<String>>) -> (Self, Handle) {
        let (leadership, leadership_seen) = watch::channel(Leadership::Standby { holder: None });
        let (recorded, recorded_seen) = watch::channel(None);
        let (transitions, transitions_seen) = watch::channel(None);
        let (trouble, trouble_seen) = watch::channel(None);
        let release = CancellationToken::new();
        let handle = Handle {
            leadership: leadership_seen,
            recorded: recorded_seen,
            transitions: transitions_seen,
            trouble: trouble_seen,
            release: release.clone(),
        };
        let elector = Self {
            api: Api::namespaced(client, &settings.lease.namespace),
            machine: Machine::new(settings.identity.as_str(), settings.timing),
            settings,
            clock: Clock::start(),
            held: None,
            pushed,
            outputs: Outputs { leadership, deadline: None, recorded, transitions, trouble },
            release,
            requests: Log::new("the election"),
            watching: Log::new("watching the election's Lease (it is polled instead)"),
        };
        (elector, handle)
    }

    /// Takes part until released.
    pub async fn run(mut self) {
        let name = format!("metadata.name={}", self.settings.lease.name);
        let config = watcher::Config::default().fields(&name).timeout(WATCH_SECONDS);
        let mut events = watcher(self.api.clone(), config).default_backoff().boxed();
        let mut listed = false;
        let mut flight: Option<BoxFuture<'static, Answer>> = None;
        let mut give_up: Option<Duration> = None;
        loop {
            let now = self.clock.now();
            let action = self.machine.next(now);
            self.publish(now);
            let wait = match action {
                Action::Done => break,
                Action::Read => {
                    flight = Some(self.read());
                    continue;
                }
                Action::Write(write) => {
                    flight = Some(self.write(&write));
                    continue;
                }
                Action::Wait(until) => until.saturating_sub(now).min(LONGEST_SLEEP),
            };
            if give_up.is_some_and(|at| now >= at) {
                tracing::warn!(lease = %self.settings.lease, "could not clear the Lease's holder; others wait for its expiry");
                break;
            }
            tokio::select! {
                answer = async { match flight.as_mut() { Some(flight) => flight.await, None => std::future::pending().await } } => {
                    flight = None;
                    self.answered(answer);
                }
                Some(event) = events.next() => self.watched(event, &mut listed),
                () = self.release.cancelled(), if give_up.is_none() => {
                    give_up = Some(self.clock.now() + self.settings.timing.retry_period);
                    self.machine.handle(self.clock.now(), Event::Release);
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.publish(self.clock.now());
    }

    fn answered(&mut self, answer: Answer) {
        match answer.trouble {
            Some(trouble) => self.requests.trouble(trouble),
            None => self.requests.fine(),
        }
        self.outputs.trouble.send_if_modified(|shown| replace(shown, self.requests.last().cloned()));
        self.machine.handle(self.clock.now(), answer.event);
        self.keep(answer.lease);
    }

    fn watched(&mut self, event: watcher::Result<watcher::Event<Lease>>, listed: &mut bool) {
        let now = self.clock.now();
        match event {
            Ok(watcher::Event::Init) => *listed = false,
            Ok(watcher::Event::Apply(lease) | watcher::Event::InitApply(lease)) => {
                self.watching.fine();
                *listed = true;
                // An unusable version shows at the next read.
                if let Ok(event) = observed(&lease, Source::Watch) {
                    self.machine.handle(now, event);
                    self.keep(Some(lease));
                }
            }
            Ok(watcher::Event::InitDone) => {
                self.watching.fine();
                if !*listed && self.machine.version().is_some() {
                    self.machine.handle(now, Event::Doubt);
                }
            }
            // Perhaps it was made anew since; a read tells.
            Ok(watcher::Event::Delete(_)) => self.machine.handle(now, Event::Doubt),
            Err(error) => self.watching.trouble(Trouble::of_watch(&error, &self.settings.lease)),
        }
    }

    /// Keeps a Lease that the machine believed.
    fn keep(&mut self, lease: Option<Lease>) {
        if let Some(lease) = lease
            && record::version(&lease).ok().as_ref() == self.machine.version()
        {
            self.outputs.recorded.send_if_modified(|shown| replace(shown, record::pushed(&lease)));
            self.held = Some(lease);
        }
    }

    fn publish(&mut self, now: Duration) {
        let transitions = self.machine.transitions();
        self.outputs.transitions.send_if_modified(|shown| transitions.is_some() && replace(shown, transitions));
        match self.machine.leading(now) {
            Some(leading) => {
                let (epoch, deadline) = (leading.epoch.clone(), leading.deadline);
                self.publish_leading(epoch, deadline);
            }
            None => self.publish_standby(),
        }
    }

    fn publish_leading(&mut self, epoch: Epoch, deadline: Duration) {
        let same = self.outputs.leadership.borrow().permit().is_some_and(|permit| *permit.epoch() == epoch);
        if let Some(moving) = self.outputs.deadline.as_ref().filter(|_| same) {
            moving.send_if_modified(|shown| replace(shown, Some(deadline)));
            return;
        }
        self.end_permit();
        tracing::info!(lease = %self.settings.lease, identity = %self.settings.identity, %epoch, "leading");
        let (permit, moving) = Permit::new(epoch, self.clock, deadline);
        self.outputs.deadline = Some(moving);
        self.outputs.leadership.send_replace(Leadership::Leading(permit));
    }

    fn publish_standby(&mut self) {
        let led = self.end_permit();
        let holder = self.machine.holder().map(str::to_owned);
        self.outputs.leadership.send_if_modified(|shown| match shown {
            Leadership::Standby { holder: known } => replace(known, holder),
            Leadership::Leading(_) => {
                *shown = Leadership::Standby { holder };
                true
            }
        });
        if led {
            tracing::info!(lease = %self.settings.lease, identity = %self.settings.identity, "leading no more");
        }
    }

    fn end_permit(&mut self) -> bool {
        let Some(moving) = self.outputs.deadline.take() else { return false };
        moving.send_replace(None);
        true
    }

    /// Shorter than the retry period, so that a lost answer costs one try and not the leadership.
    fn request_timeout(&self) -> Duration {
        self.settings.timing.retry_period.mul_f64(0.8)
    }

    fn read(&self) -> BoxFuture<'static, Answer> {
        let (api, lease) = (self.api.clone(), self.settings.lease.clone());
        let timeout = self.request_timeout();
        async move {
            match tokio::time::timeout(timeout, api.get(&lease.name)).await {
                Ok(Ok(found)) => match observed(&found, Source::Read) {
                    Ok(event) => Answer { event, lease: Some(found), trouble: None },
                    Err(source) => failed(Trouble::Version { lease, source }),
                },
                Ok(Err(kube::Error::Api(status))) if status.code == 404 => {
                    Answer { event: Event::Absent { source: Source::Read }, lease: None, trouble: None }
                }
                Ok(Err(error)) => failed(Trouble::of(&error, "get", &lease)),
                Err(_) => failed(Trouble::Timeout { verb: "get", lease, within: timeout }),
            }
        }
        .boxed()
    }

    fn write(&self, write: &Write) -> BoxFuture<'static, Answer> {
        let Some(body) = self.body(write) else {
            return async { Answer { event: Event::Conflict, lease: None, trouble: None } }.boxed();
        };
        let (api, lease) = (self.api.clone(), self.settings.lease.clone());
        let timeout = self.request_timeout();
        let create = write.expected.is_none();
        async move {
            let verb = if create { "create" } else { "update" };
            let params = PostParams::default();
            let request = async {
                if create { api.create(&params, &body).await } else { api.replace(&lease.name, &params, &body).await }
            };
            match tokio::time::timeout(timeout, request).await {
                Ok(Ok(written)) => match record::version(&written) {
                    Ok(version) => {
                        let lineage = Lineage(written.metadata.uid.clone().unwrap_or_default());
                        let event = Event::Written { lineage, version, record: Record::of(&written) };
                        Answer { event, lease: Some(written), trouble: None }
                    }
                    Err(source) => failed(Trouble::Version { lease, source }),
                },
                // Another version, or another's creation; or it is gone.
                Ok(Err(kube::Error::Api(status))) if status.code == 409 || (status.code == 404 && !create) => {
                    Answer { event: Event::Conflict, lease: None, trouble: None }
                }
                Ok(Err(error)) => failed(Trouble::of(&error, verb, &lease)),
                Err(_) => failed(Trouble::Timeout { verb, lease, within: timeout }),
            }
        }
        .boxed()
    }

    /// The Lease to write, or none when the version to replace is not the one that is held.
    fn body(&self, write: &Write) -> Option<Lease> {
        let mut lease = match &write.expected {
            None => {
                let mut lease = Lease::default();
                lease.metadata.name = Some(self.settings.lease.name.clone());
                lease.metadata.namespace = Some(self.settings.lease.namespace.clone());
                lease
            }
            Some(expected) => self.held.clone().filter(|held| has_version(held, expected))?,
        };
        lease.metadata.managed_fields = None;
        let (now, release) = (Timestamp::now(), write.purpose == Purpose::Release);
        let record = Record {
            holder: if release { String::new() } else { self.settings.identity.to_string() },
            duration: if release { Duration::from_secs(1) } else { self.settings.timing.duration },
            transitions: write.transitions,
            acquired: Some(write.acquired.unwrap_or(now)),
            renewed: Some(now),
        };
        record.write_to(&mut lease);
        // An acquiring write keeps what the predecessor recorded.
        if write.purpose != Purpose::Acquire
            && let Some(pushed) = self.pushed.borrow().clone()
        {
            lease.metadata.annotations.get_or_insert_default().insert(PUSHED_ANNOTATION.to_owned(), pushed);
        }
        Some(lease)
    }
}

fn observed(lease: &Lease, source: Source) -> Result<Event, silverback_model::InvalidVersion> {
    Ok(Event::Observed { version: record::version(lease)?, record: Record::of(lease), source })
}

fn failed(trouble: Trouble) -> Answer {
    let event = Event::Failed { jitter: rand::random_range(0.0..=1.0) };
    Answer { event, lease: None, trouble: Some(trouble) }
}

fn has_version(lease: &Lease, version: &Version) -> bool {
    lease.metadata.resource_version.as_deref() == Some(version.as_str())
}

fn replace<T: PartialEq>(shown: &mut T, new: T) -> bool {
    let changed = *shown != new;
    if changed {
        *shown = new;
    }
    changed
}

#[cfg(test)]
mod tests;

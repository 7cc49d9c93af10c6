//! The rules of keeping one gateway configured, pure: time and jitter are passed in.
//!
//! One push in flight, the latest config wins. The first change goes at once; a quiet time follows each push, at most
//! as long as that gateway took. Where a push may have taken effect or not, the hash is read before anything is sent
//! again. The hash is read after each push, when a connection ends and every few seconds; a wrong one, or none, is
//! repaired. A content that was refused is not sent again. Knows no HTTP and no clock.

use std::sync::Arc;
use std::time::Duration;

use silverback_model::{Epoch, Generation};

use crate::{Cause, ConfigHash, Facts, Routing, State};

/// Whether a worker may push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// It may read only.
    #[default]
    Watch,
    /// It may fill a gateway that has no config at all: with what any leader would send.
    Fill,
    /// It may push.
    Push,
}

/// Timing of a worker.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How often the hash is read while nothing changes.
    pub verify_every: Duration,
    /// The longest quiet time after a push, however long the gateway took.
    pub longest_quiet: Duration,
    /// First pause after a failure; doubles with each further one.
    pub shortest_pause: Duration,
    /// Longest pause after a failure. A longer `Retry-After` is honoured up to ten times this.
    pub longest_pause: Duration,
    /// Longest pause after a connection that was refused: such a try costs next to nothing, and a gateway that starts
    /// is to be configured the moment it answers.
    pub longest_pause_unreached: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            verify_every: Duration::from_secs(5),
            longest_quiet: Duration::from_secs(10),
            shortest_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(10),
            longest_pause_unreached: Duration::from_millis(500),
        }
    }
}

/// What the gateway should have, as far as these rules need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goal {
    /// The hash the gateway will report.
    pub hash: ConfigHash,
    /// Whether faults are asked for by entity; asking the other way is another question about the same content.
    pub flatten: bool,
    /// How its routes match.
    pub routing: Routing,
    /// The translator's commit it is.
    pub generation: Generation,
    /// The leadership it is pushed under.
    pub epoch: Option<Epoch>,
    /// How old the change that it brings was when it came.
    pub age: Duration,
    /// It is for gateways that have no config at all: what others have is as good or newer.
    pub only_empty: bool,
}

impl Goal {
    fn question(&self) -> (ConfigHash, bool) {
        (self.hash, self.flatten)
    }
}

/// What became of a push.
#[derive(Clone, Debug)]
pub enum Pushed {
    /// The gateway took it (201), or had it already (304).
    Taken,
    /// The request failed, for this cause.
    Failed {
        /// Why.
        cause: Cause,
        /// Random number in 0..=1 that spreads retries.
        jitter: f64,
    },
    /// It was given up by us: the permission ended.
    GivenUp,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// There is another config to bring, or none.
    Goal(Option<Goal>),
    /// The permission changed.
    Grant(Grant),
    /// Answer to [`Action::ReadFacts`].
    Facts(Facts),
    /// Answer to [`Action::ReadHash`].
    Hash(ConfigHash),
    /// Answer to either: it failed.
    ReadFailed {
        /// Why.
        cause: Cause,
        /// Random number in 0..=1 that spreads retries.
        jitter: f64,
    },
    /// Answer to [`Action::Push`].
    Pushed(Pushed),
    /// A connection ended.
    Disconnected,
    /// What we show and trust is different now: what failed may succeed.
    Renewed,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `GET /`.
    ReadFacts,
    /// `GET /status`.
    ReadHash,
    /// `POST /config` of the present goal. A read in flight is given up for it.
    Push,
    /// Nothing before this time, unless an event comes first.
    Wait(Duration),
}

/// Why a gateway is not pushed to, though it may be and could be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Its routes match in another way than the config's.
    #[error(
        "its router flavour is {flavor}, the config is written for {wanted}: give all gateways the same \
         KONG_ROUTER_FLAVOR"
    )]
    Routing {
        /// The gateway's.
        flavor: String,
        /// What the config needs.
        wanted: &'static str,
    },
    /// It does not run without a database.
    #[error("it runs with a database ({0}): set KONG_DATABASE=off; only gateways without one take whole configs")]
    Database(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Flight {
    Facts,
    Hash,
    Push { goal: Goal, started: Duration, behind_since: Duration, fills: bool },
}

/// One gateway's worker.
#[derive(Clone, Debug)]
pub struct Worker {
    settings: Settings,
    goal: Option<Goal>,
    grant: Grant,
    facts: Option<Arc<Facts>>,
    facts_due: bool,
    observed: Option<ConfigHash>,
    /// The gateway's config is in doubt: the hash is read before the next push.
    hash_due: bool,
    /// The gateway said that it took this; the next hash proves it.
    unproven: Option<ConfigHash>,
    verify_at: Duration,
    /// Until then, connections that end are no reason to look.
    unmoved_until: Duration,
    quiet_until: Duration,
    not_before: Duration,
    failures: u32,
    error: Option<String>,
    error_kind: Option<&'static str>,
    refused: Option<(ConfigHash, bool)>,
    flight: Option<Flight>,
    applied: Option<(Generation, Option<Epoch>)>,
    behind_since: Option<Duration>,
    /// The same of what came while a push was in flight that does not bring it.
    behind_next: Option<Duration>,
    lag: Option<Duration>,
    arrivals: u64,
}

/// No event is due at any time.
const NEVER: Duration = Duration::from_secs(3_600);

impl Worker {
    /// A worker that knows nothing of its gateway yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            goal: None,
            grant: Grant::Watch,
            facts: None,
            facts_due: true,
            observed: None,
            hash_due: true,
            unproven: None,
            verify_at: Duration::ZERO,
            unmoved_until: Duration::ZERO,
            quiet_until: Duration::ZERO,
            not_before: Duration::ZERO,
            failures: 0,
            error: None,
            error_kind: None,
            refused: None,
            flight: None,
            applied: None,
            behind_since: None,
            behind_next: None,
            lag: None,
            arrivals: 0,
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Duration, event: Event) {
        match event {
            Event::Goal(goal) => self.aim(now, goal),
            Event::Grant(grant) => {
                // Whoever held it before may have pushed anything.
                self.hash_due |= grant > self.grant;
                self.grant = grant;
            }
            Event::Facts(facts) => self.learn(facts),
            Event::Hash(hash) => self.observe(now, hash),
            Event::ReadFailed { cause, jitter } => {
                if matches!(self.flight, Some(Flight::Facts | Flight::Hash)) {
                    self.flight = None;
                    self.fail(now, &cause, jitter);
                }
            }
            Event::Pushed(pushed) => self.pushed(now, pushed),
            Event::Disconnected => self.disconnected(now),
            Event::Renewed => self.not_before = now,
        }
    }

    /// What to do now; anything but waiting counts as started at `now`, and ends with the event that answers it.
    pub fn next(&mut self, now: Duration) -> Action {
        if matches!(self.flight, Some(Flight::Push { .. })) {
            return Action::Wait(now + NEVER);
        }
        let wanted = self.wants_push();
        let known = !self.facts_due && !self.hash_due;
        let earliest = self.quiet_until.max(self.not_before);
        if let Some(goal) = self.goal.as_ref().filter(|_| wanted && known && now >= earliest) {
            let behind_since = self.behind_since.unwrap_or(now);
            let fills = self.observed == Some(ConfigHash::EMPTY);
            self.flight = Some(Flight::Push { goal: goal.clone(), started: now, behind_since, fills });
            return Action::Push;
        }
        if self.flight.is_some() {
            return Action::Wait(if wanted && known { earliest } else { now + NEVER });
        }
        if now < self.not_before {
            return Action::Wait(self.not_before);
        }
        if self.facts_due {
            self.flight = Some(Flight::Facts);
            return Action::ReadFacts;
        }
        if self.hash_due || now >= self.verify_at {
            self.flight = Some(Flight::Hash);
            return Action::ReadHash;
        }
        Action::Wait(if wanted { self.verify_at.min(earliest) } else { self.verify_at })
    }

    /// Whether a push is in flight.
    pub fn is_pushing(&self) -> bool {
        matches!(self.flight, Some(Flight::Push { .. }))
    }

    /// Whether the push in flight has to be cut: what allowed it is over, be it that the grant is less, or that it is that
    /// of another leadership, between which and the one of this push others may have pushed.
    pub fn must_give_up(&self) -> bool {
        let Some(Flight::Push { goal: sent, fills, .. }) = &self.flight else { return false };
        let granted = match self.grant {
            Grant::Watch => false,
            Grant::Fill => *fills,
            Grant::Push => true,
        };
        let epoch = self.goal.as_ref().and_then(|goal| goal.epoch.as_ref());
        let succeeded = epoch.is_some() && sent.epoch.is_some() && sent.epoch.as_ref() != epoch;
        !granted || succeeded
    }

    /// What stands against pushing the present goal to this gateway.
    pub fn obstacle(&self) -> Option<Obstacle> {
        let facts = self.facts.as_ref()?;
        if !matches!(facts.database.as_str(), "" | "off") {
            return Some(Obstacle::Database(facts.database.clone()));
        }
        let wanted = self.goal.as_ref()?.routing;
        (facts.routing()? != wanted).then(|| Obstacle::Routing {
            flavor: facts.router_flavor.clone(),
            wanted: match wanted {
                Routing::Fields => "traditional or traditional_compatible",
                Routing::Expressions => "expressions",
            },
        })
    }

    /// How the gateway is doing.
    pub fn state(&self) -> State {
        let goal = self.goal.as_ref();
        if self.is_pushing() {
            State::Pushing
        } else if self.failures > 0 {
            State::Failing
        } else if self.observed.is_none() {
            State::Starting
        } else if self.obstacle().is_some() {
            State::Blocked
        } else if goal.is_none() {
            State::Idle
        } else if self.is_in_sync() {
            State::Synced
        } else if self.is_refused() {
            State::Refused
        } else {
            State::Pending
        }
    }

    /// The config to bring.
    pub fn goal(&self) -> Option<&Goal> {
        self.goal.as_ref()
    }

    /// The hash seen last, or the one that a push just promised.
    pub fn observed(&self) -> Option<ConfigHash> {
        self.observed
    }

    /// What the gateway says about itself.
    pub fn facts(&self) -> Option<&Arc<Facts>> {
        self.facts.as_ref()
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// What went wrong last, until it went right.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// One word for what went wrong last, until it went right.
    pub fn error_kind(&self) -> Option<&'static str> {
        self.error.as_ref().and(self.error_kind)
    }

    /// The commit the gateway has, and the leadership that brought or found it.
    pub fn applied(&self) -> Option<&(Generation, Option<Epoch>)> {
        self.applied.as_ref()
    }

    /// Since when the gateway lacks a change.
    pub fn behind_since(&self) -> Option<Duration> {
        self.behind_since
    }

    /// How long the last change took, from when it was made until the gateway had it.
    pub fn lag(&self) -> Option<Duration> {
        self.lag
    }

    /// How many changes have arrived, each with a lag.
    pub fn arrivals(&self) -> u64 {
        self.arrivals
    }

    fn is_in_sync(&self) -> bool {
        // What is in flight is about to change it.
        !self.is_pushing() && self.goal.as_ref().is_some_and(|goal| self.observed == Some(goal.hash))
    }

    fn is_refused(&self) -> bool {
        self.goal.as_ref().is_some_and(|goal| self.refused == Some(goal.question()))
    }

    fn wants_push(&self) -> bool {
        let only_empty = self.goal.as_ref().is_some_and(|goal| goal.only_empty);
        let granted = match self.grant {
            Grant::Watch => false,
            Grant::Push if !only_empty => true,
            Grant::Push | Grant::Fill => self.observed == Some(ConfigHash::EMPTY),
        };
        granted && self.goal.is_some() && !self.is_in_sync() && !self.is_refused() && self.obstacle().is_none()
    }

    fn aim(&mut self, now: Duration, goal: Option<Goal>) {
        let epoch = |goal: &Option<Goal>| goal.as_ref().and_then(|goal| goal.epoch.clone());
        self.hash_due |= epoch(&self.goal) != epoch(&goal);
        let refused = self.goal.as_ref().map(Goal::question) != goal.as_ref().map(Goal::question);
        if refused && self.refused.take().is_some() {
            self.error = None;
        }
        self.goal = goal;
        let Some(goal) = self.goal.as_ref().filter(|_| !self.is_in_sync()) else { return self.arrive(now) };
        let since = now.saturating_sub(goal.age);
        match &self.flight {
            Some(Flight::Push { goal: sent, .. }) if sent.hash == goal.hash => self.behind_next = None,
            Some(Flight::Push { .. }) => drop(self.behind_next.get_or_insert(since)),
            _ => drop(self.behind_since.get_or_insert(since)),
        }
    }

    /// The gateway has the goal, or there is none.
    fn arrive(&mut self, now: Duration) {
        if let Some(since) = self.behind_since.take() {
            self.landed(now, since);
        }
        if let Some(goal) = self.goal.as_ref().filter(|_| self.is_in_sync()) {
            self.applied = Some((goal.generation, goal.epoch.clone()));
        }
    }

    fn landed(&mut self, now: Duration, behind_since: Duration) {
        self.lag = Some(now.saturating_sub(behind_since));
        self.arrivals += 1;
    }

    /// Perhaps it restarts. Of a request in flight its answer tells more; and a gateway that closes connections after each
    /// answer means nothing by it, so that a look that found no change serves for a while.
    fn disconnected(&mut self, now: Duration) {
        if self.flight.is_none() && now >= self.unmoved_until {
            self.verify_at = self.verify_at.min(now);
            self.unmoved_until = now + self.settings.verify_every;
        }
    }

    fn learn(&mut self, facts: Facts) {
        if self.flight == Some(Flight::Facts) {
            self.flight = None;
        }
        self.facts_due = false;
        if self.facts.as_deref() != Some(&facts) {
            // Another version may judge otherwise.
            self.refused = None;
            self.facts = Some(Arc::new(facts));
        }
    }

    fn observe(&mut self, now: Duration, hash: ConfigHash) {
        if self.flight != Some(Flight::Hash) {
            return;
        }
        self.flight = None;
        self.hash_due = false;
        self.verify_at = now + self.settings.verify_every;
        let emptied = hash.is_empty() && self.observed.is_some_and(|before| !before.is_empty());
        // An empty gateway may be another one, under the same address. One that refuses may have been given another
        // version, or another limit, and have kept its config.
        self.facts_due |= emptied || self.refused.is_some();
        if self.observed.replace(hash) != Some(hash) {
            self.unmoved_until = now;
        }
        let promised = self.unproven.take();
        if self.is_in_sync() {
            self.arrive(now);
        } else if self.goal.is_some() {
            self.behind_since.get_or_insert(now);
        }
        match promised {
            Some(promised) if promised != hash => {
                let text = format!("it took config {promised}, but reports {hash}; does something else configure it?");
                self.error_kind = Some("drift");
                self.pause(now, text, self.settings.longest_pause, None, 1.0);
            }
            _ if !self.wants_push() => {
                self.failures = 0;
                if !self.is_refused() {
                    self.error = None;
                }
            }
            _ => {}
        }
    }

    fn pushed(&mut self, now: Duration, pushed: Pushed) {
        let Some(Flight::Push { goal, started, behind_since, .. }) = self.flight.take() else { return };
        let took = now.saturating_sub(started);
        let behind_next = self.behind_next.take();
        match pushed {
            Pushed::Taken => {
                self.quiet_until = now + took.min(self.settings.longest_quiet);
                self.observed = Some(goal.hash);
                self.unproven = Some(goal.hash);
                self.verify_at = now;
                self.applied = Some((goal.generation, goal.epoch.clone()));
                self.landed(now, behind_since);
                self.behind_since = behind_next.filter(|_| !self.is_in_sync());
            }
            Pushed::GivenUp => self.hash_due = true,
            Pushed::Failed { cause: cause @ (Cause::Rejected(_) | Cause::TooLarge { .. }), .. } => {
                self.quiet_until = now + took.min(self.settings.longest_quiet);
                self.refused = Some(goal.question());
                self.failures = 0;
                self.error_kind = Some(cause.kind());
                self.error = Some(cause.to_string());
            }
            Pushed::Failed { cause, jitter } => self.fail(now, &cause, jitter),
        }
    }

    fn fail(&mut self, now: Duration, cause: &Cause, jitter: f64) {
        self.hash_due = true;
        // What answers next may be another gateway, or the same one restarted with another configuration.
        self.facts_due |= cause.is_connection();
        self.error_kind = Some(cause.kind());
        let longest = match cause {
            Cause::Unreachable(_) => self.settings.longest_pause_unreached,
            _ => self.settings.longest_pause,
        };
        self.pause(now, cause.to_string(), longest, cause.retry_after(), jitter);
    }

    fn pause(&mut self, now: Duration, text: String, longest: Duration, retry_after: Option<Duration>, jitter: f64) {
        let Settings { shortest_pause, longest_pause, .. } = self.settings;
        let doubled = shortest_pause.saturating_mul(1 << self.failures.min(16)).min(longest);
        let pause = doubled.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
        let asked = retry_after.unwrap_or_default().min(longest_pause * 10);
        self.not_before = now + pause.max(asked);
        self.failures = self.failures.saturating_add(1);
        self.error = Some(text);
    }
}

#[cfg(test)]
mod tests;

//! The election's rules, pure: client-go's, with time passed in.
//!
//! Every write is a compare-and-set on the resourceVersion. Others' expiry is judged by when this process saw the
//! record change last, never by a written time. The own deadline counts from the *start* of the last successful
//! renewal. Losing the Lease ends the permission to act and nothing else: the candidate goes on as a standby.
//!
//! Knows no clock, no API server and no randomness: times are durations since an arbitrary start, and the jitter of
//! retries comes with the event that makes them needed.

use std::time::Duration;

use jiff::Timestamp;
use silverback_model::leadership::{LeaseTiming, may_push, may_take_over};
use silverback_model::{Epoch, Lineage, Version};

use crate::Record;

/// What happened. The answer to a request ([`Event::Observed`] or [`Event::Absent`] by [`Source::Read`],
/// [`Event::Written`], [`Event::Conflict`], [`Event::Failed`]) ends the request in flight.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The Lease was seen.
    Observed {
        /// Its resourceVersion.
        version: Version,
        /// What it says.
        record: Record,
        /// How it was seen.
        source: Source,
    },
    /// There is no such Lease.
    Absent {
        /// How that was seen.
        source: Source,
    },
    /// A watch suggests that what is known is out of date, without saying what is true.
    Doubt,
    /// The write in flight was done.
    Written {
        /// The version space of the Lease: its uid.
        lineage: Lineage,
        /// resourceVersion of the write.
        version: Version,
        /// What the Lease says now.
        record: Record,
    },
    /// The write in flight met another version, or another's creation.
    Conflict,
    /// The request in flight failed; whether a write took effect is not known.
    Failed {
        /// Random number in 0..=1 that spreads retries.
        jitter: f64,
    },
    /// Stop for good: clear the holder if that is us.
    Release,
}

/// How a Lease was seen. Reads are quorum reads by this machine's own wish; watches may lag behind our own writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The answer to [`Action::Read`].
    Read,
    /// An event of a watch.
    Watch,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Read the Lease; answer with `Observed`, `Absent` or `Failed`.
    Read,
    /// Write the Lease; answer with `Written`, `Conflict` or `Failed`.
    Write(Write),
    /// Nothing before this time, unless an event comes first.
    Wait(Duration),
    /// Released: nothing ever again.
    Done,
}

/// Why a Lease is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To become the holder.
    Acquire,
    /// To remain the holder.
    Renew,
    /// To hand over: no holder, a duration of one second.
    Release,
}

/// A compare-and-set write of the Lease. The writer puts in the identity and the present wall-clock time.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Why.
    pub purpose: Purpose,
    /// The resourceVersion that must still be there; none to create the Lease.
    pub expected: Option<Version>,
    /// `leaseTransitions` to write.
    pub transitions: i32,
    /// `acquireTime` to keep; none to write the present time.
    pub acquired: Option<Timestamp>,
}

/// A leadership as of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leading {
    /// The write that began it.
    pub epoch: Epoch,
    /// It ends here unless renewed.
    pub deadline: Duration,
}

#[derive(Clone, Debug)]
enum Seen {
    Unknown,
    Absent { held_until: Duration },
    Present { version: Version, record: Record, since: Duration },
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    started: Duration,
    purpose: Option<Purpose>,
}

/// One candidate.
#[derive(Clone, Debug)]
pub struct Machine {
    identity: String,
    timing: LeaseTiming,
    seen: Seen,
    /// When anything was last heard of the Lease; silence is answered with a read.
    heard: Duration,
    /// What is known may be out of date: read before anything else.
    doubt: bool,
    flight: Option<Flight>,
    not_before: Duration,
    leading: Option<Leading>,
    renewed: Duration,
    releasing: bool,
}

impl Machine {
    /// A candidate that has seen nothing yet. Its identity must be its own ([`crate::Identity`]): a Lease that names it is
    /// taken for ours. `timing` is taken as validated.
    pub fn new(identity: impl Into<String>, timing: LeaseTiming) -> Self {
        Self {
            identity: identity.into(),
            timing,
            seen: Seen::Unknown,
            heard: Duration::ZERO,
            doubt: true,
            flight: None,
            not_before: Duration::ZERO,
            leading: None,
            renewed: Duration::ZERO,
            releasing: false,
        }
    }

    /// The leadership, if there is one at `now`.
    pub fn leading(&self, now: Duration) -> Option<&Leading> {
        self.leading.as_ref().filter(|leading| may_push(now, Some(leading.deadline)))
    }

    /// Who holds the Lease, as far as is known. May be this candidate without [`Machine::leading`]: when its deadline
    /// passed before it could renew.
    pub fn holder(&self) -> Option<&str> {
        match &self.seen {
            Seen::Present { record, .. } if !record.holder.is_empty() => Some(&record.holder),
            _ => None,
        }
    }

    /// How often the holder changed, as far as is known.
    pub fn transitions(&self) -> Option<i32> {
        match &self.seen {
            Seen::Present { record, .. } => Some(record.transitions),
            _ => None,
        }
    }

    /// resourceVersion of the Lease as known; what was seen with another one was not believed, or is gone.
    pub fn version(&self) -> Option<&Version> {
        match &self.seen {
            Seen::Present { version, .. } => Some(version),
            _ => None,
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Duration, event: Event) {
        self.lapse(now);
        match event {
            Event::Observed { version, record, source } => self.observe(now, version, record, source),
            Event::Absent { source } => self.absent(now, source),
            Event::Doubt => self.doubt = true,
            Event::Written { lineage, version, record } => self.written(now, Epoch { lineage, version }, record),
            Event::Conflict => {
                self.flight = None;
                self.doubt = true;
                // Somebody else writes as well: let them finish.
                self.not_before = now + self.timing.retry_period / 20;
            }
            Event::Failed { jitter } => self.failed(now, jitter),
            Event::Release => {
                self.releasing = true;
                self.leading = None;
            }
        }
    }

    /// What to do now. A [`Action::Read`] or [`Action::Write`] counts as started at `now`.
    pub fn next(&mut self, now: Duration) -> Action {
        self.lapse(now);
        if self.flight.is_some() {
            let patience = now + self.timing.retry_period;
            return Action::Wait(self.leading.as_ref().map_or(patience, |leading| leading.deadline.min(patience)));
        }
        if self.releasing {
            return self.next_of_released(now);
        }
        if let Some(deadline) = self.leading.as_ref().map(|leading| leading.deadline) {
            return self.next_of_leader(now, deadline);
        }
        self.next_of_standby(now)
    }

    fn next_of_released(&mut self, now: Duration) -> Action {
        let ours = self.holder() == Some(&self.identity);
        if !self.doubt && !ours {
            return Action::Done;
        }
        if now < self.not_before {
            return Action::Wait(self.not_before);
        }
        if self.doubt { self.read(now) } else { self.write(now, Purpose::Release) }
    }

    fn next_of_leader(&mut self, now: Duration, deadline: Duration) -> Action {
        let due = if self.doubt { now } else { self.renewed + self.timing.retry_period }.max(self.not_before);
        if now < due {
            Action::Wait(due.min(deadline))
        } else if self.doubt {
            self.read(now)
        } else {
            self.write(now, Purpose::Renew)
        }
    }

    fn next_of_standby(&mut self, now: Duration) -> Action {
        if now < self.not_before {
            return Action::Wait(self.not_before);
        }
        // A holder renews once per retry period, so a working watch is never silent for two.
        let poll = self.heard + self.timing.retry_period * 2;
        let (held_by_other, expiry) = match &self.seen {
            Seen::Unknown => return self.read(now),
            Seen::Absent { held_until } => (now < *held_until, *held_until),
            Seen::Present { record, since, .. } => {
                let other = !record.holder.is_empty() && record.holder != self.identity;
                (other, LeaseTiming::expiry(*since, self.written_duration(record)))
            }
        };
        if self.doubt {
            self.read(now)
        } else if may_take_over(held_by_other, now, expiry) {
            self.write(now, Purpose::Acquire)
        } else if now >= poll {
            self.read(now)
        } else {
            Action::Wait(expiry.min(poll))
        }
    }

    fn read(&mut self, now: Duration) -> Action {
        self.flight = Some(Flight { started: now, purpose: None });
        Action::Read
    }

    fn write(&mut self, now: Duration, purpose: Purpose) -> Action {
        let (expected, transitions, acquired) = match &self.seen {
            Seen::Present { version, record, .. } => {
                let change = purpose == Purpose::Acquire && record.holder != self.identity;
                let keep = !change && purpose != Purpose::Release;
                let transitions = record.transitions.saturating_add(i32::from(change));
                (Some(version.clone()), transitions, record.acquired.filter(|_| keep))
            }
            Seen::Unknown | Seen::Absent { .. } => (None, 0, None),
        };
        self.flight = Some(Flight { started: now, purpose: Some(purpose) });
        Action::Write(Write { purpose, expected, transitions, acquired })
    }

    /// Ends a leadership whose deadline passed.
    fn lapse(&mut self, now: Duration) {
        if self.leading(now).is_none() {
            self.leading = None;
        }
    }

    /// A Lease that does not say for how long it is held is held for as long as we would hold it.
    fn written_duration(&self, record: &Record) -> Duration {
        if record.duration.is_zero() { self.timing.duration } else { record.duration }
    }

    fn observe(&mut self, now: Duration, version: Version, record: Record, source: Source) {
        self.heard = now;
        match source {
            Source::Read => {
                self.flight = None;
                self.doubt = false;
            }
            // A watch lags: what it tells of the past is no news. After an etcd restore versions start lower; then
            // silence, or a conflict, leads to a read.
            Source::Watch => {
                if matches!(&self.seen, Seen::Present { version: known, .. } if version <= *known) {
                    return;
                }
            }
        }
        let since = match &self.seen {
            Seen::Present { record: known, since, .. } if *known == record => *since,
            _ => now,
        };
        if record.holder != self.identity {
            self.leading = None;
        }
        self.seen = Seen::Present { version, record, since };
    }

    /// A Lease that vanished is still believed to be held until it would have expired: its holder may not know yet.
    fn absent(&mut self, now: Duration, source: Source) {
        self.heard = now;
        if source == Source::Read {
            self.flight = None;
            self.doubt = false;
        }
        self.leading = None;
        let held_until = match &self.seen {
            Seen::Present { record, since, .. } if !record.holder.is_empty() && record.holder != self.identity => {
                LeaseTiming::expiry(*since, self.written_duration(record))
            }
            Seen::Absent { held_until } => *held_until,
            _ => now,
        };
        self.seen = Seen::Absent { held_until };
    }

    fn written(&mut self, now: Duration, epoch: Epoch, record: Record) {
        let Some(Flight { started, purpose }) = self.flight.take() else { return };
        self.heard = now;
        let newer = matches!(&self.seen, Seen::Present { version: known, .. } if *known > epoch.version);
        if newer {
            // The watch has already told of a write after ours.
            self.doubt = true;
            return;
        }
        self.seen = Seen::Present { version: epoch.version.clone(), record, since: now };
        let deadline = self.timing.deadline(started);
        if purpose == Some(Purpose::Release) || self.releasing || !may_push(now, Some(deadline)) {
            return;
        }
        self.renewed = started;
        match &mut self.leading {
            Some(leading) => leading.deadline = leading.deadline.max(deadline),
            None => self.leading = Some(Leading { epoch, deadline }),
        }
    }

    fn failed(&mut self, now: Duration, jitter: f64) {
        let Some(flight) = self.flight.take() else { return };
        if flight.purpose.is_some_and(|purpose| purpose != Purpose::Renew) {
            // It may have taken effect.
            self.doubt = true;
        }
        let pause = self.timing.retry_period.mul_f64(1.0 + 0.2 * jitter.clamp(0.0, 1.0));
        let soonest = now + self.timing.retry_period / 20;
        // A leader, and one that is about to leave, has no time to lose.
        let paced = if self.releasing { soonest } else { flight.started + pause };
        self.not_before = paced.max(soonest);
    }
}

#[cfg(test)]
mod tests;

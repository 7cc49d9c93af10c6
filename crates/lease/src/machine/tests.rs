//! Single rules first; then many candidates, a faulty network and an API server in one simulated world, where no two
//! may ever have leave to act at once.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::Identity;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn v(n: u64) -> Version {
    Version::from_counter(n)
}

fn lineage() -> Lineage {
    Lineage("uid-of-the-lease".into())
}

fn held_by(holder: &str, renewed: i64) -> Record {
    let renewed = Timestamp::from_second(renewed).ok();
    Record {
        holder: holder.into(),
        duration: ms(15_000),
        transitions: 4,
        acquired: Timestamp::from_second(7).ok(),
        renewed,
    }
}

fn machine() -> Machine {
    Machine::new("me", LeaseTiming::default())
}

/// A machine that read `record` at `now`.
fn having_read(now: Duration, version: u64, record: Record) -> Machine {
    let mut machine = machine();
    assert_eq!(machine.next(now), Action::Read);
    machine.handle(now, Event::Observed { version: v(version), record, source: Source::Read });
    machine
}

fn leader(now: Duration) -> Machine {
    let mut machine = having_read(now, 1, Record::default());
    assert!(matches!(machine.next(now), Action::Write(_)));
    machine.handle(now, Event::Written { lineage: lineage(), version: v(2), record: held_by("me", 1) });
    assert!(machine.leading(now).is_some());
    machine
}

#[test]
fn an_absent_lease_is_created() {
    let mut machine = machine();
    machine.next(ms(0));
    machine.handle(ms(0), Event::Absent { source: Source::Read });
    let Action::Write(write) = machine.next(ms(0)) else { panic!("it should write") };
    assert_eq!(write, Write { purpose: Purpose::Acquire, expected: None, transitions: 0, acquired: None });
}

#[test]
fn an_empty_holder_is_replaced_at_once_and_counts_as_a_transition() {
    let mut machine = having_read(ms(0), 9, held_by("", 1));
    let Action::Write(write) = machine.next(ms(0)) else { panic!("it should write") };
    assert_eq!(write, Write { purpose: Purpose::Acquire, expected: Some(v(9)), transitions: 5, acquired: None });
}

#[test]
fn a_standby_sleeps_to_the_locally_observed_expiry_and_judges_by_no_written_time() {
    let mut machine = having_read(ms(3_000), 9, held_by("other", -1_000_000));
    assert_eq!(machine.next(ms(3_000)), Action::Wait(ms(7_000)), "silence is answered after two retry periods");
    for at in [7_000, 11_000, 15_000] {
        assert_eq!(machine.next(ms(at)), Action::Read);
        let unchanged = Event::Observed { version: v(9), record: held_by("other", -1_000_000), source: Source::Read };
        machine.handle(ms(at), unchanged);
    }
    assert_eq!(machine.next(ms(15_000)), Action::Wait(ms(18_000)), "reading the same again is no renewal");
    assert!(matches!(machine.next(ms(18_000)), Action::Write(Write { purpose: Purpose::Acquire, .. })));
}

#[test]
fn a_touched_lease_is_not_a_renewed_one() {
    let mut machine = having_read(ms(0), 9, held_by("other", 1));
    let touched = Event::Observed { version: v(10), record: held_by("other", 1), source: Source::Watch };
    machine.handle(ms(14_000), touched);
    let Action::Write(write) = machine.next(ms(15_000)) else { panic!("it should write") };
    assert_eq!(write.expected, Some(v(10)), "the newest version is what must still be there");
    assert_eq!(write.transitions, 5);
}

#[test]
fn the_deadline_counts_from_the_start_of_the_renewal() {
    let mut machine = leader(ms(0));
    let Action::Write(write) = machine.next(ms(2_000)) else { panic!("it should renew") };
    assert_eq!((write.purpose, write.transitions), (Purpose::Renew, 4));
    assert_eq!(write.acquired, Timestamp::from_second(7).ok(), "acquireTime is kept");
    machine.handle(ms(3_500), Event::Written { lineage: lineage(), version: v(3), record: held_by("me", 2) });
    let leading = machine.leading(ms(3_500)).cloned().unwrap();
    assert_eq!(leading.deadline, ms(12_000));
    assert_eq!(leading.epoch, Epoch { lineage: lineage(), version: v(2) }, "a renewal begins no new epoch");
}

#[test]
fn a_leader_that_cannot_renew_stops_and_goes_on_as_standby() {
    let mut machine = leader(ms(0));
    let mut now = ms(2_000);
    while machine.leading(now).is_some() {
        match machine.next(now) {
            Action::Write(_) => machine.handle(now + ms(10), Event::Failed { jitter: 1.0 }),
            Action::Wait(until) => now = until,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(now, ms(10_000));
    now += ms(2_000);
    let Action::Write(write) = machine.next(now) else { panic!("it should try again") };
    assert_eq!((write.purpose, write.transitions), (Purpose::Acquire, 4), "the holder did not change");
    machine.handle(now, Event::Written { lineage: lineage(), version: v(8), record: held_by("me", 3) });
    assert_eq!(machine.leading(now).unwrap().epoch.version, v(8), "a new leadership has a new epoch");
}

#[test]
fn an_answer_that_comes_after_the_deadline_gives_no_leave() {
    let mut machine = having_read(ms(0), 1, Record::default());
    machine.next(ms(0));
    machine.handle(ms(30_000), Event::Written { lineage: lineage(), version: v(2), record: held_by("me", 1) });
    assert_eq!(machine.leading(ms(30_000)), None);
}

#[test]
fn a_renewal_whose_answer_was_lost_is_no_loss() {
    let mut machine = leader(ms(0));
    assert!(matches!(machine.next(ms(2_000)), Action::Write(_)));
    machine.handle(ms(3_600), Event::Failed { jitter: 0.0 });
    assert!(matches!(machine.next(ms(4_000)), Action::Write(_)));
    machine.handle(ms(4_010), Event::Conflict);
    assert_eq!(machine.next(ms(4_110)), Action::Read);
    machine.handle(ms(4_120), Event::Observed { version: v(3), record: held_by("me", 2), source: Source::Read });
    let Action::Write(write) = machine.next(ms(4_120)) else { panic!("it should renew") };
    assert_eq!((write.purpose, write.expected), (Purpose::Renew, Some(v(3))));
    assert!(machine.leading(ms(4_120)).is_some());
}

#[test]
fn another_holder_ends_the_leadership_at_once() {
    let mut machine = leader(ms(0));
    machine.handle(ms(10), Event::Observed { version: v(3), record: held_by("thief", 1), source: Source::Watch });
    assert_eq!(machine.leading(ms(10)), None);
    assert_eq!(machine.holder(), Some("thief"));
}

#[test]
fn a_watch_that_lags_behind_our_own_write_ends_nothing() {
    let mut machine = leader(ms(0));
    machine.handle(ms(10), Event::Observed { version: v(1), record: held_by("old", 1), source: Source::Watch });
    assert!(machine.leading(ms(10)).is_some());
}

#[test]
fn a_lease_that_vanishes_is_held_until_it_would_have_expired() {
    let mut machine = having_read(ms(0), 9, held_by("other", 1));
    machine.handle(ms(1_000), Event::Absent { source: Source::Watch });
    assert_eq!(machine.next(ms(1_000)), Action::Wait(ms(5_000)));
    assert_eq!(machine.next(ms(5_000)), Action::Read);
    machine.handle(ms(14_000), Event::Absent { source: Source::Read });
    assert!(matches!(machine.next(ms(15_000)), Action::Write(Write { expected: None, .. })));
}

#[test]
fn a_release_clears_our_own_holder_only() {
    let mut ours = leader(ms(0));
    ours.handle(ms(5), Event::Release);
    assert_eq!(ours.leading(ms(5)), None, "leave ends before the write is sent");
    let Action::Write(write) = ours.next(ms(5)) else { panic!("it should clear the holder") };
    assert_eq!((write.purpose, write.transitions, write.acquired), (Purpose::Release, 4, None));
    ours.handle(ms(9), Event::Written { lineage: lineage(), version: v(3), record: held_by("", 1) });
    assert_eq!(ours.next(ms(9)), Action::Done);

    let mut theirs = having_read(ms(0), 9, held_by("other", 1));
    theirs.handle(ms(5), Event::Release);
    assert_eq!(theirs.next(ms(5)), Action::Done);
}

#[test]
fn a_release_while_a_write_is_in_flight_waits_for_its_answer() {
    let mut machine = having_read(ms(0), 1, Record::default());
    assert!(matches!(machine.next(ms(0)), Action::Write(_)));
    machine.handle(ms(5), Event::Release);
    assert!(matches!(machine.next(ms(5)), Action::Wait(_)));
    machine.handle(ms(50), Event::Failed { jitter: 0.5 });
    let Action::Wait(until) = machine.next(ms(50)) else { panic!("it should pause") };
    assert_eq!(machine.next(until), Action::Read, "the write may have taken effect");
    machine.handle(until, Event::Observed { version: v(2), record: held_by("me", 1), source: Source::Read });
    assert!(matches!(machine.next(until), Action::Write(Write { purpose: Purpose::Release, .. })));
}

// ---- the simulated world

const TICK: Duration = Duration::from_millis(20);

/// A message that arrives some time; the second number tells answers that came too late from those awaited.
struct Message<T> {
    arrives: Duration,
    body: T,
}

struct Candidate {
    id: usize,
    identity: Identity,
    machine: Machine,
    /// This clock's rate against the world's.
    rate: f64,
    paused_until: Duration,
    watch_lag: Option<Duration>,
    asked: u64,
    asked_at: Option<Duration>,
    inbox: Vec<Message<(Option<u64>, Event)>>,
}

impl Candidate {
    fn local(&self, world: Duration) -> Duration {
        world.mul_f64(self.rate)
    }

    fn leads(&self, world: Duration) -> Option<Epoch> {
        self.machine.leading(self.local(world)).map(|leading| leading.epoch.clone())
    }
}

enum Ask {
    Read,
    Write { identity: String, write: Write },
}

struct World {
    rng: SmallRng,
    now: Duration,
    version: u64,
    lease: Option<(u64, Record)>,
    candidates: Vec<Candidate>,
    server: Vec<Message<(usize, u64, Ask)>>,
    next_id: usize,
    /// Chance of losing a message.
    loss: f64,
    slowest: u64,
    skew: f64,
    server_down_until: Duration,
    last_epoch: Option<Epoch>,
    epochs: u64,
    leader_now: Option<usize>,
}

impl World {
    fn new(seed: u64, candidates: usize, loss: f64, slowest: u64, skew: f64) -> Self {
        let mut world = Self {
            rng: SmallRng::seed_from_u64(seed),
            now: Duration::ZERO,
            version: 100,
            lease: None,
            candidates: Vec::new(),
            server: Vec::new(),
            next_id: 0,
            loss,
            slowest,
            skew,
            server_down_until: Duration::ZERO,
            last_epoch: None,
            epochs: 0,
            leader_now: None,
        };
        for _ in 0..candidates {
            world.join();
        }
        world
    }

    fn join(&mut self) {
        let id = self.next_id;
        self.next_id += 1;
        let rate = self.rng.random_range(1.0 - self.skew..=1.0 + self.skew);
        let watch_lag = self.rng.random_bool(0.7).then(|| ms(self.rng.random_range(0..=self.slowest)));
        // All were given the same name, as replicas of a Deployment are; the random part alone tells them apart.
        let identity = Identity::of("pusher");
        let machine = Machine::new(identity.as_str(), LeaseTiming::default());
        let paused_until = Duration::ZERO;
        self.candidates.push(Candidate {
            id,
            identity,
            machine,
            rate,
            paused_until,
            watch_lag,
            asked: 0,
            asked_at: None,
            inbox: Vec::new(),
        });
    }

    fn delay(&mut self) -> Duration {
        self.now + ms(self.rng.random_range(0..=self.slowest))
    }

    fn lost(&mut self) -> bool {
        self.loss > 0.0 && self.rng.random_bool(self.loss)
    }

    fn tick(&mut self) {
        self.now += TICK;
        self.serve();
        for at in 0..self.candidates.len() {
            if self.candidates[at].paused_until <= self.now {
                self.step(at);
            }
        }
        self.check();
    }

    fn serve(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.server.extract_if(.., |message| message.arrives <= now).collect();
        for Message { body: (id, number, ask), .. } in due {
            if self.now < self.server_down_until {
                continue;
            }
            let answer = match ask {
                Ask::Read => match &self.lease {
                    Some((version, record)) => {
                        Event::Observed { version: v(*version), record: record.clone(), source: Source::Read }
                    }
                    None => Event::Absent { source: Source::Read },
                },
                Ask::Write { identity, write } => self.apply(identity, write),
            };
            let arrives = self.delay();
            if !self.lost()
                && let Some(to) = self.candidates.iter_mut().find(|c| c.id == id)
            {
                to.inbox.push(Message { arrives, body: (Some(number), answer) });
            }
        }
    }

    fn apply(&mut self, identity: String, write: Write) -> Event {
        if write.expected != self.lease.as_ref().map(|(version, _)| v(*version)) {
            return Event::Conflict;
        }
        self.version += self.rng.random_range(1..5);
        let stamp = Timestamp::from_millisecond(i64::try_from(self.now.as_millis()).unwrap()).ok();
        let release = write.purpose == Purpose::Release;
        let record = Record {
            holder: if release { String::new() } else { identity },
            duration: if release { ms(1_000) } else { LeaseTiming::default().duration },
            transitions: write.transitions,
            acquired: write.acquired.or(stamp),
            renewed: stamp,
        };
        self.lease = Some((self.version, record.clone()));
        let now = self.now;
        for candidate in &mut self.candidates {
            let Some(lag) = candidate.watch_lag else { continue };
            let event = Event::Observed { version: v(self.version), record: record.clone(), source: Source::Watch };
            candidate.inbox.push(Message { arrives: now + lag, body: (None, event) });
        }
        Event::Written { lineage: lineage(), version: v(self.version), record }
    }

    fn step(&mut self, at: usize) {
        let now = self.now;
        let candidate = &mut self.candidates[at];
        let local = candidate.local(now);
        let due: Vec<_> = candidate.inbox.extract_if(.., |message| message.arrives <= now).collect();
        for Message { body: (number, event), .. } in due {
            if number.is_none_or(|number| candidate.asked_at.is_some() && number == candidate.asked) {
                if number.is_some() {
                    candidate.asked_at = None;
                }
                candidate.machine.handle(local, event);
            }
        }
        if candidate.asked_at.is_some_and(|asked| now >= asked + ms(1_600)) {
            candidate.asked_at = None;
            candidate.machine.handle(local, Event::Failed { jitter: self.rng.random_range(0.0..=1.0) });
        }
        let candidate = &mut self.candidates[at];
        let ask = match candidate.machine.next(local) {
            Action::Read => Ask::Read,
            Action::Write(write) => Ask::Write { identity: candidate.identity.to_string(), write },
            Action::Wait(_) => return,
            Action::Done => {
                self.candidates.remove(at);
                return self.join();
            }
        };
        candidate.asked += 1;
        candidate.asked_at = Some(now);
        let (id, number) = (candidate.id, candidate.asked);
        let arrives = self.delay();
        if !self.lost() {
            self.server.push(Message { arrives, body: (id, number, ask) });
        }
    }

    /// The two promises: never two with leave to act, and epochs that only rise.
    fn check(&mut self) {
        let leading: Vec<_> = self.candidates.iter().filter_map(|c| Some((c.id, c.leads(self.now)?))).collect();
        assert!(leading.len() <= 1, "two lead at {:?}: {leading:?}", self.now);
        self.leader_now = leading.first().map(|(id, _)| *id);
        if let Some((_, epoch)) = leading.into_iter().next() {
            if let Some(last) = &self.last_epoch {
                assert!(epoch >= *last, "epoch {epoch} follows {last}");
            }
            self.epochs += u64::from(self.last_epoch.as_ref() != Some(&epoch));
            self.last_epoch = Some(epoch);
        }
    }

    fn until(&mut self, limit: Duration, what: &str, mut holds: impl FnMut(&Self) -> bool) -> Duration {
        let start = self.now;
        while !holds(self) {
            assert!(self.now < start + limit, "{what} did not come about within {limit:?}");
            self.tick();
        }
        self.now - start
    }

    /// Kills, pauses, releases and cuts at random.
    fn mischief(&mut self) {
        let at = self.rng.random_range(0..self.candidates.len());
        match self.rng.random_range(0..100) {
            0..25 => {
                let frozen = self.now + ms(self.rng.random_range(0..40_000));
                self.candidates[at].paused_until = frozen;
            }
            25..40 => {
                // A dead process acts no more, so its leave is void.
                self.candidates.remove(at);
                self.join();
            }
            40..55 => {
                let local = self.candidates[at].local(self.now);
                self.candidates[at].machine.handle(local, Event::Release);
            }
            55..70 => self.server_down_until = self.now + ms(self.rng.random_range(0..20_000)),
            70..85 => self.loss = self.rng.random_range(0.0..0.6),
            85..95 => {
                let local = self.candidates[at].local(self.now);
                self.candidates[at].machine.handle(local, Event::Doubt);
            }
            _ => self.candidates[at].watch_lag = Some(ms(self.rng.random_range(0..30_000))),
        }
    }
}

/// How many random worlds to try: `SILVERBACK_LEASE_WORLDS`, else 1,000.
fn worlds() -> u64 {
    std::env::var("SILVERBACK_LEASE_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

/// Seeds of worlds that broke once, one a line: they are tried first, and new ones are added. To be committed.
const BROKEN_WORLDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/broken-worlds.txt");

fn broken_worlds() -> Vec<u64> {
    let text = std::fs::read_to_string(BROKEN_WORLDS).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

fn keep_broken_world(seed: u64) {
    use std::io::Write;
    if !broken_worlds().contains(&seed) {
        let mut file = std::fs::File::options().create(true).append(true).open(BROKEN_WORLDS).unwrap();
        writeln!(file, "{seed}").unwrap();
    }
}

/// A world of mischief for a minute and a half, then calm, in which somebody must lead. Gives the number of epochs.
fn live_through(seed: u64) -> u64 {
    let slowest = [10, 100, 400, 2_500][usize::try_from(seed % 4).unwrap()];
    let mut world = World::new(seed, 3, 0.1, slowest, 0.15);
    while world.now < ms(90_000) {
        if world.rng.random_bool(0.01) {
            world.mischief();
        }
        world.tick();
    }
    world.loss = 0.0;
    world.slowest = 100;
    world.server_down_until = Duration::ZERO;
    for candidate in &mut world.candidates {
        candidate.paused_until = Duration::ZERO;
        candidate.watch_lag = Some(ms(10));
    }
    world.until(ms(25_000), "a leader", |world| world.leader_now.is_some());
    world.epochs
}

#[test]
fn never_two_lead_and_epochs_rise_whatever_happens() {
    let mut epochs = 0;
    for seed in broken_worlds().into_iter().chain(0..worlds()) {
        match std::panic::catch_unwind(|| live_through(seed)) {
            Ok(seen) => epochs += seen,
            Err(_) => {
                keep_broken_world(seed);
                panic!("the world of seed {seed} broke; its seed was added to {BROKEN_WORLDS}");
            }
        }
    }
    assert!(epochs > 2 * worlds(), "leadership hardly ever changed, so little was tried: {epochs}");
}

#[test]
fn after_a_crash_another_leads_within_the_lease_and_a_retry() {
    for seed in 0..50 {
        let mut world = World::new(seed, 3, 0.0, 30, 0.0);
        world.until(ms(5_000), "a first leader", |world| world.leader_now.is_some());
        let run = ms(world.rng.random_range(0..10_000));
        let target = world.now + run;
        world.until(ms(20_000), "time", |world| world.now >= target);
        let leader = world.leader_now.unwrap();
        world.candidates.retain(|candidate| candidate.id != leader);
        let took =
            world.until(ms(17_200), "a second leader", |world| world.leader_now.is_some_and(|now| now != leader));
        assert!(took >= ms(12_000), "it was taken over while its holder might still have acted, after {took:?}");
    }
}

#[test]
fn a_clean_release_hands_over_at_once() {
    for seed in 0..50 {
        let mut world = World::new(seed, 3, 0.0, 20, 0.05);
        for candidate in &mut world.candidates {
            candidate.watch_lag = Some(ms(20));
        }
        world.until(ms(5_000), "a first leader", |world| world.leader_now.is_some());
        let leader = world.leader_now.unwrap();
        let at = world.candidates.iter().position(|candidate| candidate.id == leader).unwrap();
        let local = world.candidates[at].local(world.now);
        world.candidates[at].machine.handle(local, Event::Release);
        world.until(ms(400), "a second leader", |world| world.leader_now.is_some_and(|now| now != leader));
    }
}

#[test]
fn without_any_watch_a_release_is_found_by_polling() {
    let mut world = World::new(3, 2, 0.0, 20, 0.0);
    for candidate in &mut world.candidates {
        candidate.watch_lag = None;
    }
    world.until(ms(5_000), "a first leader", |world| world.leader_now.is_some());
    let leader = world.leader_now.unwrap();
    let at = world.candidates.iter().position(|candidate| candidate.id == leader).unwrap();
    let local = world.candidates[at].local(world.now);
    world.candidates[at].machine.handle(local, Event::Release);
    world.until(ms(4_500), "a second leader", |world| world.leader_now.is_some_and(|now| now != leader));
}

//! A simulated gateway with everything that can go wrong; the worker's promises are checked at every step.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Mischief {
    /// Another config is to be brought.
    Change(u64),
    /// The flag says whether the end of a connection is seen.
    Restart(bool),
    /// A connection ends for no reason.
    Disconnect,
    AlterByHand,
    Grant(Grant),
    /// What becomes of the next requests.
    Fate(Fate),
    /// Time passes.
    Pass(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Good,
    Refused,
    /// It fails; the flag says whether it took effect.
    Cut(bool),
    Timeout(bool),
    Error500(bool),
    Busy(u64),
    Unreachable,
}

fn mischief() -> impl Strategy<Value = Mischief> {
    let fate = prop_oneof![
        3 => Just(Fate::Good),
        1 => Just(Fate::Refused),
        1 => any::<bool>().prop_map(Fate::Cut),
        1 => any::<bool>().prop_map(Fate::Timeout),
        1 => any::<bool>().prop_map(Fate::Error500),
        1 => (1u64..20_000).prop_map(Fate::Busy),
        1 => Just(Fate::Unreachable),
    ];
    prop_oneof![
        4 => (1u64..6).prop_map(Mischief::Change),
        1 => any::<bool>().prop_map(Mischief::Restart),
        1 => Just(Mischief::Disconnect),
        1 => Just(Mischief::AlterByHand),
        1 => prop_oneof![Just(Grant::Watch), Just(Grant::Fill), Just(Grant::Push)].prop_map(Mischief::Grant),
        3 => fate.prop_map(Mischief::Fate),
        6 => (1u64..8_000).prop_map(Mischief::Pass),
    ]
}

struct World {
    worker: Worker,
    now: Duration,
    has: ConfigHash,
    goal: Option<Goal>,
    grant: Grant,
    /// What the last push could not do without.
    needed: Grant,
    fate: Fate,
    /// What is in flight, what it carries, and when its answer comes.
    flight: Option<(Action, Option<Goal>, Duration)>,
    /// The worker must read the hash before it pushes.
    in_doubt: bool,
    not_before: Duration,
    refused: Option<ConfigHash>,
    pushes: u32,
}

impl World {
    fn new() -> Self {
        let mut worker = Worker::new(Settings::default());
        worker.handle(ms(0), Event::Grant(Grant::Push));
        Self {
            worker,
            now: ms(0),
            has: ConfigHash::EMPTY,
            goal: None,
            grant: Grant::Push,
            needed: Grant::Push,
            fate: Fate::Good,
            flight: None,
            in_doubt: true,
            not_before: ms(0),
            refused: None,
            pushes: 0,
        }
    }

    fn tell(&mut self, event: Event) {
        self.worker.handle(self.now, event);
    }

    fn act(&mut self) -> Duration {
        loop {
            let action = self.worker.next(self.now);
            let pushing = self.flight.as_ref().is_some_and(|(action, ..)| *action == Action::Push);
            match action {
                Action::Wait(until) => return until,
                Action::Push => {
                    assert!(!pushing, "two pushes in flight");
                    assert!(!self.in_doubt, "pushed without a look at the gateway");
                    assert!(self.now >= self.not_before, "pushed before Retry-After");
                    let empty = self.worker.observed() == Some(ConfigHash::EMPTY);
                    let needed = if empty { Grant::Fill } else { Grant::Push };
                    assert!(self.grant >= needed, "pushed without permission");
                    self.needed = needed;
                    let goal = self.goal.clone().expect("there is something to push");
                    assert_ne!(self.refused, Some(goal.hash), "pushed what was refused");
                    assert_ne!(self.worker.observed(), Some(goal.hash), "pushed what it has");
                    self.pushes += 1;
                    self.flight = Some((Action::Push, Some(goal), self.now + ms(300)));
                }
                read => {
                    assert!(self.flight.is_none(), "two requests in flight");
                    self.flight = Some((read, None, self.now + ms(5)));
                }
            }
        }
    }

    fn answer(&mut self, action: &Action, goal: Option<Goal>) {
        let jitter = 0.5;
        let broken = match self.fate {
            Fate::Unreachable => Some((Cause::Unreachable("refused".into()), false)),
            Fate::Cut(landed) => Some((cut(), landed)),
            Fate::Timeout(landed) => Some((Cause::Timeout(ms(1), ""), landed)),
            Fate::Error500(landed) => Some((Cause::Status { status: 500, message: String::new() }, landed)),
            Fate::Busy(wait) => Some((Cause::Busy { message: String::new(), retry_after: Some(ms(wait)) }, false)),
            Fate::Good | Fate::Refused => None,
        };
        match (action, broken) {
            (Action::Push, Some((cause, landed))) => {
                if landed && let Some(goal) = goal {
                    self.has = goal.hash;
                }
                self.in_doubt = true;
                self.not_before = self.now + cause.retry_after().unwrap_or_default();
                self.tell(Event::Pushed(Pushed::Failed { cause, jitter }));
            }
            (_, Some((cause, _))) => {
                self.not_before = self.now + cause.retry_after().unwrap_or_default();
                self.tell(Event::ReadFailed { cause, jitter });
            }
            (Action::Push, None) if self.fate == Fate::Refused => {
                let sent = goal.map(|goal| goal.hash);
                // Only while nothing else is wanted is it the present content that was refused.
                self.refused = sent.filter(|sent| self.goal.as_ref().is_some_and(|goal| goal.hash == *sent));
                self.tell(failed(refused()));
            }
            (Action::Push, None) => {
                if let Some(goal) = goal {
                    self.has = goal.hash;
                }
                self.tell(Event::Pushed(Pushed::Taken));
            }
            (Action::ReadHash, None) => {
                self.in_doubt = false;
                let has = self.has;
                self.tell(Event::Hash(has));
            }
            (_, None) => self.tell(Event::Facts(facts("traditional_compatible"))),
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let wake = self.act();
            let answer = self.flight.as_ref().map(|(_, _, at)| *at);
            let next = answer.map_or(wake, |answer| answer.min(wake));
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            if answer == Some(next)
                && let Some((action, goal, _)) = self.flight.take()
            {
                self.answer(&action, goal);
            }
        }
    }

    fn suffer(&mut self, mischief: Mischief) {
        match mischief {
            Mischief::Change(n) => {
                if self.goal.as_ref().map(|goal| goal.hash) != Some(hash(n)) {
                    self.refused = None;
                }
                self.goal = Some(goal(n));
                self.tell(Event::Goal(Some(goal(n))));
            }
            Mischief::Restart(seen) => {
                self.has = ConfigHash::EMPTY;
                if seen {
                    self.tell(Event::Disconnected);
                }
            }
            Mischief::Disconnect => self.tell(Event::Disconnected),
            Mischief::AlterByHand => self.has = hash(1_000),
            Mischief::Grant(grant) => {
                self.in_doubt |= grant > self.grant;
                self.grant = grant;
                self.tell(Event::Grant(grant));
                let leave_is_over = self.worker.is_pushing() && grant < self.needed;
                assert_eq!(self.worker.must_give_up(), leave_is_over);
                if leave_is_over {
                    self.flight = None;
                    self.in_doubt = true;
                    self.tell(Event::Pushed(Pushed::GivenUp));
                }
            }
            Mischief::Fate(fate) => self.fate = fate,
            Mischief::Pass(time) => self.pass(ms(time)),
        }
        self.act();
    }
}

proptest! {
    #[test]
    fn promises_hold_and_the_gateway_gets_the_config(story in proptest::collection::vec(mischief(), 1..60)) {
        let mut world = World::new();
        for mischief in story {
            world.suffer(mischief);
        }
        world.suffer(Mischief::Fate(Fate::Good));
        world.suffer(Mischief::Grant(Grant::Push));
        world.suffer(Mischief::Change(77));
        // The longest Retry-After, a round of verification, and a quiet time.
        world.pass(ms(40_000));
        prop_assert_eq!(world.has, hash(77));
        prop_assert_eq!(world.worker.state(), State::Synced);
        prop_assert_eq!(world.worker.error(), None);
        prop_assert_eq!(world.worker.behind_since(), None);
        let pushes = world.pushes;
        world.pass(ms(60_000));
        prop_assert_eq!(world.pushes, pushes, "a gateway in sync is left alone");
    }
}

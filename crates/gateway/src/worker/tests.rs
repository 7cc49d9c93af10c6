//! Single rules, one after the other.

mod simulation;

use std::sync::Arc;

use silverback_model::{Lineage, Version};

use super::*;
use crate::Rejection;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn hash(n: u64) -> ConfigHash {
    if n == 0 { ConfigHash::EMPTY } else { ConfigHash::of(&n.to_be_bytes()) }
}

fn goal(n: u64) -> Goal {
    Goal { hash: hash(n), flatten: true, generation: Generation(n), ..Goal::default() }
}

fn facts(flavor: &str) -> Facts {
    Facts { router_flavor: flavor.into(), database: "off".into(), ..Facts::default() }
}

fn failed(cause: Cause) -> Event {
    Event::Pushed(Pushed::Failed { cause, jitter: 1.0 })
}

fn cut() -> Cause {
    Cause::Cut("reset".into())
}

fn refused() -> Cause {
    Cause::Rejected(Arc::new(Rejection::default()))
}

/// A worker that may push and knows that its gateway has config `has`.
fn ready(now: Duration, has: u64) -> Worker {
    let mut worker = Worker::new(Settings::default());
    worker.handle(now, Event::Grant(Grant::Push));
    assert_eq!(worker.next(now), Action::ReadFacts);
    worker.handle(now, Event::Facts(facts("traditional")));
    assert_eq!(worker.next(now), Action::ReadHash);
    worker.handle(now, Event::Hash(hash(has)));
    worker
}

fn push(worker: &mut Worker, at: Duration, n: u64) {
    worker.handle(at, Event::Goal(Some(goal(n))));
    assert_eq!(worker.next(at), Action::Push);
}

#[test]
fn the_first_change_goes_at_once_and_a_quiet_time_follows() {
    let mut worker = ready(ms(0), 1);
    push(&mut worker, ms(100), 2);
    worker.handle(ms(150), Event::Goal(Some(goal(3))));
    worker.handle(ms(160), Event::Goal(Some(goal(4))));
    assert!(matches!(worker.next(ms(160)), Action::Wait(_)), "one push in flight");
    worker.handle(ms(400), Event::Pushed(Pushed::Taken));
    assert_eq!(worker.lag(), Some(ms(300)));
    assert_eq!(worker.next(ms(400)), Action::ReadHash, "the quiet time is used to verify");
    worker.handle(ms(405), Event::Hash(hash(2)));
    assert_eq!(worker.next(ms(405)), Action::Wait(ms(700)), "as long as the gateway took");
    assert_eq!(worker.next(ms(700)), Action::Push);
    worker.handle(ms(800), Event::Pushed(Pushed::Taken));
    assert_eq!(worker.observed(), Some(hash(4)), "the latest wins");
    assert_eq!(worker.applied().map(|(generation, _)| generation.0), Some(4));
}

#[test]
fn a_gateway_that_has_the_config_is_not_sent_it() {
    let mut worker = ready(ms(0), 7);
    worker.handle(ms(1), Event::Goal(Some(goal(7))));
    assert_eq!(worker.next(ms(1)), Action::Wait(ms(5_000)));
    assert_eq!(worker.state(), State::Synced);
    assert_eq!(worker.next(ms(5_000)), Action::ReadHash);
    worker.handle(ms(5_010), Event::Hash(hash(7)));
    assert_eq!(worker.next(ms(5_010)), Action::Wait(ms(10_010)));
}

#[test]
fn an_alteration_by_hand_is_repaired() {
    let mut worker = ready(ms(0), 7);
    worker.handle(ms(1), Event::Goal(Some(goal(7))));
    worker.next(ms(5_001));
    worker.handle(ms(5_001), Event::Hash(hash(99)));
    assert_eq!(worker.next(ms(5_001)), Action::Push);
}

#[test]
fn an_emptied_gateway_is_asked_what_it_is_before_it_is_filled() {
    let mut worker = ready(ms(0), 7);
    worker.handle(ms(1), Event::Goal(Some(goal(7))));
    worker.next(ms(5_001));
    worker.handle(ms(5_001), Event::Hash(ConfigHash::EMPTY));
    assert_eq!(worker.next(ms(5_001)), Action::ReadFacts);
    worker.handle(ms(5_002), Event::Facts(facts("expressions")));
    assert!(matches!(worker.next(ms(5_002)), Action::Wait(_)));
    assert_eq!(worker.state(), State::Blocked);
    assert!(worker.obstacle().unwrap().to_string().contains("KONG_ROUTER_FLAVOR"));
}

#[test]
fn a_connection_that_ends_is_a_reason_to_look_at_once() {
    let mut worker = ready(ms(0), 7);
    worker.handle(ms(1), Event::Goal(Some(goal(7))));
    worker.handle(ms(1_000), Event::Disconnected);
    assert_eq!(worker.next(ms(1_000)), Action::ReadHash);
    let refused = Cause::Unreachable("refused".into());
    worker.handle(ms(1_001), Event::ReadFailed { cause: refused, jitter: 1.0 });
    assert_eq!(worker.next(ms(1_001)), Action::Wait(ms(1_251)), "it is down for a moment");
    assert_eq!(worker.next(ms(1_251)), Action::ReadFacts);
    worker.handle(ms(1_252), Event::Facts(facts("traditional")));
    assert_eq!(worker.next(ms(1_252)), Action::ReadHash);
    worker.handle(ms(1_253), Event::Hash(ConfigHash::EMPTY));
    worker.next(ms(1_253));
    worker.handle(ms(1_254), Event::Facts(facts("traditional")));
    assert_eq!(worker.next(ms(1_254)), Action::Push);
    worker.handle(ms(1_300), Event::Pushed(Pushed::Taken));
    assert_eq!(worker.next(ms(1_300)), Action::ReadHash);
    worker.handle(ms(1_301), Event::Hash(hash(7)));
    worker.handle(ms(1_400), Event::Disconnected);
    assert_eq!(worker.next(ms(1_400)), Action::ReadHash, "it was no false alarm, so the next one counts");
}

#[test]
fn a_gateway_that_closes_every_connection_is_asked_twice_as_often_and_no_more() {
    let mut worker = ready(ms(0), 7);
    worker.handle(ms(1), Event::Goal(Some(goal(7))));
    let (mut now, mut reads) = (ms(1), 0);
    while now < ms(60_000) {
        match worker.next(now) {
            Action::Wait(until) => now = until,
            Action::ReadHash => {
                reads += 1;
                now += ms(3);
                worker.handle(now, Event::Hash(hash(7)));
                worker.handle(now, Event::Disconnected);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((12..=24).contains(&reads), "{reads} reads in a minute");
}

#[test]
fn a_connection_that_ends_holds_no_change_back() {
    let mut worker = ready(ms(0), 7);
    worker.handle(ms(1), Event::Goal(Some(goal(7))));
    worker.handle(ms(1_000), Event::Disconnected);
    push(&mut worker, ms(1_000), 8);
    worker.handle(ms(1_001), Event::Disconnected);
    assert!(worker.is_pushing());
}

#[test]
fn after_a_cut_push_the_hash_is_read_first() {
    let mut worker = ready(ms(0), 1);
    push(&mut worker, ms(0), 2);
    worker.handle(ms(50), failed(cut()));
    assert_eq!(worker.state(), State::Failing);
    assert_eq!(worker.next(ms(50)), Action::Wait(ms(300)));
    assert_eq!(worker.next(ms(300)), Action::ReadFacts);
    worker.handle(ms(301), Event::Facts(facts("traditional")));
    assert_eq!(worker.next(ms(301)), Action::ReadHash);
    worker.handle(ms(302), Event::Hash(hash(2)));
    assert!(matches!(worker.next(ms(302)), Action::Wait(_)), "it had landed");
    assert_eq!((worker.state(), worker.failures(), worker.error()), (State::Synced, 0, None));
}

#[test]
fn a_refused_content_is_not_sent_again_until_it_changes() {
    let mut worker = ready(ms(0), 1);
    push(&mut worker, ms(0), 2);
    worker.handle(ms(20), failed(refused()));
    assert_eq!(worker.state(), State::Refused);
    for at in [5_000, 10_010, 15_020] {
        assert_eq!(worker.next(ms(at)), Action::ReadHash, "it is watched on");
        worker.handle(ms(at), Event::Hash(hash(1)));
        assert_eq!(worker.next(ms(at)), Action::ReadFacts, "it may have become one that takes it");
        worker.handle(ms(at), Event::Facts(facts("traditional")));
        assert!(matches!(worker.next(ms(at)), Action::Wait(_)));
        assert!(worker.error().is_some(), "what is wrong stays visible");
    }
    // The same content, asked in the other way, is another question.
    worker.handle(ms(16_000), Event::Goal(Some(Goal { flatten: false, ..goal(2) })));
    assert_eq!(worker.next(ms(16_000)), Action::Push);
    worker.handle(ms(16_010), failed(refused()));
    push(&mut worker, ms(17_000), 3);
}

#[test]
fn another_version_may_judge_a_refused_content_otherwise() {
    let mut worker = ready(ms(0), 1);
    push(&mut worker, ms(0), 2);
    worker.handle(ms(20), failed(refused()));
    worker.next(ms(5_000));
    worker.handle(ms(5_000), Event::ReadFailed { cause: cut(), jitter: 0.0 });
    assert_eq!(worker.next(ms(6_000)), Action::ReadFacts);
    worker.handle(ms(6_000), Event::Facts(Facts { version: "4.0.0".into(), ..facts("traditional") }));
    assert_eq!(worker.next(ms(6_000)), Action::ReadHash);
    worker.handle(ms(6_000), Event::Hash(hash(1)));
    assert_eq!(worker.next(ms(6_000)), Action::Push);
}

#[test]
fn a_raised_limit_lets_in_what_was_too_large() {
    let mut worker = ready(ms(0), 1);
    push(&mut worker, ms(0), 2);
    worker.handle(ms(20), failed(Cause::TooLarge { size: 11 << 20, limit: Some(10 << 20) }));
    assert_eq!(worker.state(), State::Refused);
    assert_eq!(worker.next(ms(5_000)), Action::ReadHash);
    worker.handle(ms(5_000), Event::Hash(hash(1)));
    assert_eq!(worker.next(ms(5_000)), Action::ReadFacts);
    worker.handle(ms(5_000), Event::Facts(Facts { body_limit: Some(20 << 20), ..facts("traditional") }));
    assert_eq!(worker.next(ms(5_000)), Action::Push);
}

#[test]
fn a_gateway_that_starts_is_tried_often() {
    let mut worker = Worker::new(Settings::default());
    worker.handle(ms(0), Event::Grant(Grant::Push));
    worker.handle(ms(0), Event::Goal(Some(goal(1))));
    let (mut now, mut tries) = (ms(0), 0);
    while now < ms(60_000) {
        assert_eq!(worker.next(now), Action::ReadFacts);
        worker.handle(now, Event::ReadFailed { cause: Cause::Unreachable("refused".into()), jitter: 1.0 });
        let Action::Wait(until) = worker.next(now) else { panic!("it should pause") };
        assert!(until - now <= ms(500), "{:?}", until - now);
        (now, tries) = (until, tries + 1);
    }
    assert!(tries < 200, "{tries} tries in a minute");
    assert_eq!(worker.error_kind(), Some("unreachable"));
}

#[test]
fn other_certificates_are_tried_at_once() {
    let mut worker = ready(ms(0), 1);
    for at in [ms(5_000), ms(6_000), ms(8_000)] {
        assert_ne!(worker.next(at), Action::Push);
        worker.handle(at, Event::ReadFailed { cause: cut(), jitter: 1.0 });
    }
    assert!(matches!(worker.next(ms(8_001)), Action::Wait(_)));
    worker.handle(ms(8_002), Event::Renewed);
    assert_eq!(worker.next(ms(8_002)), Action::ReadFacts);
}

#[test]
fn a_push_of_twenty_seconds_is_waited_for_and_the_latest_follows() {
    let mut worker = ready(ms(0), 1);
    push(&mut worker, ms(1_000), 2);
    for n in 3..8 {
        let at = ms(n * 2_000);
        worker.handle(at, Event::Goal(Some(goal(n))));
        assert!(matches!(worker.next(at), Action::Wait(_)), "one push in flight");
    }
    worker.handle(ms(21_000), Event::Pushed(Pushed::Taken));
    assert_eq!(worker.lag(), Some(ms(20_000)));
    assert_eq!(worker.behind_since(), Some(ms(6_000)), "since the first change that it did not bring");
    assert_eq!(worker.next(ms(21_000)), Action::ReadHash);
    worker.handle(ms(21_010), Event::Hash(hash(2)));
    assert_eq!(worker.next(ms(21_010)), Action::Wait(ms(26_010)), "quiet time is no more than ten seconds");
    worker.next(ms(26_010));
    worker.handle(ms(26_010), Event::Hash(hash(2)));
    assert_eq!(worker.next(ms(31_000)), Action::Push);
    worker.handle(ms(31_500), Event::Pushed(Pushed::Taken));
    assert_eq!((worker.observed(), worker.lag()), (Some(hash(7)), Some(ms(25_500))));
}

#[test]
fn lag_counts_from_when_the_change_was_made() {
    let mut worker = ready(ms(0), 1);
    let aged = Goal { age: ms(40), ..goal(2) };
    worker.handle(ms(1_000), Event::Goal(Some(aged)));
    assert_eq!(worker.next(ms(1_000)), Action::Push);
    worker.handle(ms(1_010), Event::Pushed(Pushed::Taken));
    assert_eq!((worker.lag(), worker.arrivals()), (Some(ms(50)), 1));
}

#[test]
fn retry_after_is_honoured() {
    let mut worker = ready(ms(0), 1);
    push(&mut worker, ms(0), 2);
    worker.handle(ms(10), failed(Cause::Busy { message: "loading".into(), retry_after: Some(ms(10_000)) }));
    worker.handle(ms(20), Event::Goal(Some(goal(3))));
    assert_eq!(worker.next(ms(20)), Action::Wait(ms(10_010)));
    assert_eq!(worker.next(ms(10_010)), Action::ReadHash);
    worker.handle(ms(10_020), Event::Hash(hash(1)));
    assert_eq!(worker.next(ms(10_020)), Action::Push);
}

#[test]
fn pauses_grow_and_end_with_success() {
    let mut worker = ready(ms(0), 1);
    worker.handle(ms(0), Event::Goal(Some(goal(2))));
    let (mut now, mut pauses) = (ms(0), Vec::new());
    for _ in 0..9 {
        assert_eq!(worker.next(now), Action::Push);
        worker.handle(now, failed(Cause::Status { status: 500, message: "no".into() }));
        let Action::Wait(until) = worker.next(now) else { panic!("it should pause") };
        pauses.push((until - now).as_millis());
        now = until;
        assert_eq!(worker.next(now), Action::ReadHash);
        worker.handle(now, Event::Hash(hash(1)));
    }
    assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
    assert_eq!(worker.next(now), Action::Push);
    worker.handle(now, Event::Pushed(Pushed::Taken));
    worker.next(now);
    worker.handle(now, Event::Hash(hash(2)));
    assert_eq!((worker.failures(), worker.state()), (0, State::Synced));
}

#[test]
fn a_change_does_not_wait_for_a_routine_read() {
    let mut worker = ready(ms(0), 1);
    worker.handle(ms(1), Event::Goal(Some(goal(1))));
    assert_eq!(worker.next(ms(5_000)), Action::ReadHash);
    push(&mut worker, ms(5_001), 2);
    worker.handle(ms(5_002), Event::Hash(hash(1)));
    assert!(worker.is_pushing(), "the answer of a read that was given up changes nothing");
}

#[test]
fn a_gateway_that_says_it_took_a_config_and_does_not_have_it_is_pushed_to_with_pauses() {
    let mut worker = ready(ms(0), 1);
    push(&mut worker, ms(0), 2);
    worker.handle(ms(10), Event::Pushed(Pushed::Taken));
    assert_eq!(worker.next(ms(10)), Action::ReadHash);
    worker.handle(ms(11), Event::Hash(hash(9)));
    assert_eq!(worker.state(), State::Failing);
    assert_eq!(worker.next(ms(11)), Action::Wait(ms(261)));
    assert_eq!(worker.next(ms(261)), Action::Push);
}

#[test]
fn a_new_leadership_verifies_first() {
    let epoch = |n| Some(Epoch { lineage: Lineage("l".into()), version: Version::from_counter(n) });
    let mut worker = ready(ms(0), 1);
    worker.handle(ms(1), Event::Goal(Some(Goal { epoch: epoch(5), ..goal(1) })));
    assert_eq!(worker.next(ms(1)), Action::ReadHash);
    worker.handle(ms(2), Event::Hash(hash(1)));
    assert_eq!(worker.applied(), Some(&(Generation(1), epoch(5))));
    worker.handle(ms(3), Event::Grant(Grant::Watch));
    worker.handle(ms(4), Event::Goal(Some(Goal { epoch: epoch(5), ..goal(2) })));
    assert!(matches!(worker.next(ms(4)), Action::Wait(_)), "nothing is pushed without permission");
    assert_eq!(worker.state(), State::Pending);
    worker.handle(ms(5), Event::Grant(Grant::Push));
    assert_eq!(worker.next(ms(5)), Action::ReadHash);
    worker.handle(ms(6), Event::Hash(hash(2)));
    assert!(matches!(worker.next(ms(6)), Action::Wait(_)), "the other leader had brought it");
}

#[test]
fn without_the_lease_an_empty_gateway_alone_is_filled() {
    for (has, fills) in [(0, true), (1, false)] {
        let mut worker = ready(ms(0), has);
        worker.handle(ms(0), Event::Grant(Grant::Fill));
        worker.handle(ms(0), Event::Goal(Some(goal(2))));
        assert_eq!(worker.next(ms(0)) == Action::Push, fills);
    }
}

#[test]
fn a_push_is_cut_when_what_allowed_it_is_over() {
    for (has, grant, cut) in [
        (1, Grant::Push, false),
        (1, Grant::Fill, true),
        (1, Grant::Watch, true),
        (0, Grant::Fill, false),
        (0, Grant::Watch, true),
    ] {
        let mut worker = ready(ms(0), has);
        push(&mut worker, ms(0), 2);
        worker.handle(ms(5), Event::Grant(grant));
        assert_eq!(worker.must_give_up(), cut, "{grant:?} at a gateway that had {has}");
    }
}

/// Between two leaderships of one replica another may have pushed, however soon the second one follows.
#[test]
fn a_push_does_not_outlive_its_leadership_in_the_next_one() {
    let epoch = |n| Some(Epoch { lineage: Lineage("l".into()), version: Version::from_counter(n) });
    for (first, then, cut) in [(5, 5, false), (5, 6, true)] {
        let mut worker = ready(ms(0), 1);
        worker.handle(ms(0), Event::Goal(Some(Goal { epoch: epoch(first), ..goal(1) })));
        assert_eq!(worker.next(ms(0)), Action::ReadHash);
        worker.handle(ms(1), Event::Hash(hash(1)));
        worker.handle(ms(1), Event::Goal(Some(Goal { epoch: epoch(first), ..goal(2) })));
        assert_eq!(worker.next(ms(1)), Action::Push);
        worker.handle(ms(2), Event::Goal(Some(Goal { epoch: epoch(then), ..goal(3) })));
        assert_eq!(worker.must_give_up(), cut);
    }
}

#[test]
fn a_push_given_up_is_looked_into_and_counts_as_no_failure() {
    let mut worker = ready(ms(0), 1);
    push(&mut worker, ms(0), 2);
    worker.handle(ms(5), Event::Grant(Grant::Watch));
    worker.handle(ms(5), Event::Pushed(Pushed::GivenUp));
    assert_eq!(worker.next(ms(5)), Action::ReadHash);
    assert_eq!(worker.failures(), 0);
}

#[test]
fn a_gateway_with_a_database_is_not_pushed_to() {
    let mut worker = Worker::new(Settings::default());
    worker.handle(ms(0), Event::Grant(Grant::Push));
    worker.handle(ms(0), Event::Goal(Some(goal(1))));
    worker.next(ms(0));
    worker.handle(ms(0), Event::Facts(Facts { database: "postgres".into(), ..Facts::default() }));
    worker.next(ms(0));
    worker.handle(ms(0), Event::Hash(hash(0)));
    assert!(matches!(worker.next(ms(0)), Action::Wait(_)));
    assert!(worker.obstacle().unwrap().to_string().contains("KONG_DATABASE"));
}

#[test]
fn what_is_for_empty_gateways_alone_takes_no_ones_place() {
    let only_empty = |n| Event::Goal(Some(Goal { only_empty: true, ..goal(n) }));
    let mut full = ready(ms(0), 1);
    full.handle(ms(1), only_empty(2));
    assert!(matches!(full.next(ms(1)), Action::Wait(_)));
    full.handle(ms(2), Event::Goal(Some(goal(2))));
    assert_eq!(full.next(ms(2)), Action::Push, "the same, meant for all");
    let mut empty = ready(ms(0), 0);
    empty.handle(ms(1), only_empty(2));
    assert_eq!(empty.next(ms(1)), Action::Push);
}

//! Tests of what must never be seen in part: one change that spans collections, and what is held only while something
//! else refers to it.

use silverback_model::{CollectionId, Digest, Lineage, ObjectKey, Traces, Version, rules};
use silverback_proto::v1::watch_response::Frame;

use crate::{Change, Delta, Item, Mode, Publisher, Received, Replica, SubscriberId};

fn v(n: u64) -> Version {
    Version::from_counter(n)
}

fn item(name: &str, version: u64) -> Item {
    Item::new(ObjectKey::new("shop", name), v(version), "{}")
}

fn routes() -> CollectionId {
    CollectionId::all("Ingress")
}

fn secrets() -> CollectionId {
    CollectionId::all("Secret")
}

fn publisher(seen: u64) -> Publisher {
    let mut publisher = Publisher::new(Lineage("a".into()), Digest(7), [routes(), secrets()]);
    for id in [routes(), secrets()] {
        publisher.apply(&id, Change::Replace { items: Vec::new(), version: v(seen) });
    }
    publisher
}

/// Everything that is handed out, step by step.
fn deliver(publisher: &mut Publisher, subscriber: SubscriberId, replica: &mut Replica) -> Vec<Vec<Delta>> {
    let mut steps = Vec::new();
    while let Some(frame) = publisher.next_frame(subscriber) {
        match replica.receive(frame).unwrap() {
            Received::Deltas(deltas) => steps.push(deltas),
            Received::Nothing => (),
            other => panic!("{other:?}"),
        }
    }
    steps
}

#[test]
fn a_change_that_spans_collections_is_handed_out_as_one() {
    let mut publisher = publisher(10);
    let mut replica = Replica::new(Mode::PerCollection);
    let subscriber = publisher.subscribe(replica.cursors());
    assert_eq!(deliver(&mut publisher, subscriber, &mut replica).len(), 1, "the first views belong together");

    publisher.apply(&secrets(), Change::Rescope { entered: vec![item("cert", 4)], left: Vec::new() });
    publisher.apply(&routes(), Change::Upsert(item("names-cert", 11)));
    let steps = deliver(&mut publisher, subscriber, &mut replica);
    let [step] = steps.as_slice() else { panic!("{steps:?}") };
    let kinds: Vec<_> = step.iter().map(|delta| delta.collection.kind.as_str()).collect();
    assert_eq!(kinds, ["Ingress", "Secret"]);
}

#[test]
fn what_entered_late_reaches_whoever_had_passed_its_version() {
    let (mut one, mut other) = (publisher(10), publisher(10));
    let mut replica = Replica::new(Mode::PerCollection);
    let subscriber = one.subscribe(replica.cursors());
    deliver(&mut one, subscriber, &mut replica);
    other.apply(&secrets(), Change::Rescope { entered: vec![item("cert", 4)], left: Vec::new() });

    let subscriber = other.subscribe(replica.cursors());
    let steps = deliver(&mut other, subscriber, &mut replica);
    assert_eq!(steps.concat().len(), 1, "{steps:?}");
    assert_eq!(replica.frontiers().get(&secrets()).seen, v(10), "nothing changed");

    // And it is deleted, or ceases to be held, like anything else.
    other.apply(&secrets(), Change::Rescope { entered: Vec::new(), left: vec![ObjectKey::new("shop", "cert")] });
    assert_eq!(deliver(&mut other, subscriber, &mut replica).concat()[0].item, None);
}

#[test]
fn what_another_holds_already_reaches_whoever_had_passed_its_version() {
    let mut one = publisher(10);
    one.apply(&secrets(), Change::Replace { items: vec![item("other", 3)], version: v(15) });
    let mut replica = Replica::new(Mode::PerCollection);
    let subscriber = one.subscribe(replica.cursors());
    deliver(&mut one, subscriber, &mut replica);

    // It listed after something had begun to name the Secret, of which the first one never told.
    let mut other = Publisher::new(Lineage("a".into()), Digest(7), [routes(), secrets()]);
    let list = |items| Change::Replace { items, version: v(20) };
    other.apply(&routes(), list(vec![item("names-cert", 11)]));
    other.apply(&secrets(), list(vec![item("cert", 4), item("other", 3)]));
    let subscriber = other.subscribe(replica.cursors());
    let before = replica.tally();
    let steps = deliver(&mut other, subscriber, &mut replica);
    let named: Vec<_> = steps.concat().into_iter().map(|delta| delta.key.name).collect();
    assert_eq!(named, ["names-cert", "cert"]);
    assert_eq!(replica.tally().items - before.items, 2, "what is held is not sent again");
}

#[test]
fn a_late_entry_never_replaces_what_is_newer() {
    let mut publisher = publisher(10);
    publisher.apply(&secrets(), Change::Upsert(item("cert", 12)));
    publisher.apply(&secrets(), Change::Rescope { entered: vec![item("cert", 4)], left: Vec::new() });
    let view = publisher.collection(&secrets()).unwrap();
    assert_eq!(view.items[&ObjectKey::new("shop", "cert")].version, v(12));
}

#[test]
fn who_has_seen_more_is_told_nothing_until_that_was_caught_up_with() {
    let (mut ahead, mut behind) = (publisher(20), publisher(10));
    let mut replica = Replica::new(Mode::PerCollection);
    let subscriber = ahead.subscribe(replica.cursors());
    deliver(&mut ahead, subscriber, &mut replica);

    behind.apply(&routes(), Change::Upsert(item("new", 21)));
    let subscriber = behind.subscribe(replica.cursors());
    assert_eq!(behind.behind(), [(secrets(), v(20))].into());
    assert_eq!(deliver(&mut behind, subscriber, &mut replica), Vec::<Vec<Delta>>::new());
    behind.apply(&secrets(), Change::Bookmark(v(20)));
    assert!(behind.behind().is_empty());
    assert_eq!(deliver(&mut behind, subscriber, &mut replica).concat().len(), 1);
}

#[test]
fn what_is_absent_stays_so_whatever_its_source_says_meanwhile() {
    let mut publisher = publisher(10);
    publisher.apply(&routes(), Change::Absent(v(11)));
    let mut replica = Replica::new(Mode::PerCollection);
    let subscriber = publisher.subscribe(replica.cursors());
    deliver(&mut publisher, subscriber, &mut replica);
    for change in [Change::Stale("it answers 403".into()), Change::Bookmark(v(12))] {
        publisher.apply(&routes(), change);
        deliver(&mut publisher, subscriber, &mut replica);
        assert_eq!(replica.completeness(&routes()), rules::Completeness::Absent);
    }
}

#[test]
fn coalesced_changes_are_told_of_with_the_step_that_brings_them() {
    let mut publisher = publisher(10);
    let mut replica = Replica::new(Mode::PerCollection);
    let subscriber = publisher.subscribe(replica.cursors());
    deliver(&mut publisher, subscriber, &mut replica);
    assert!(replica.take_traces().is_empty());

    for (at, trace) in [(11, "first"), (12, "second")] {
        publisher.apply(&routes(), Change::Upsert(item("one", at)));
        publisher.trace(&Traces::of(trace));
    }
    let mut frames = 0;
    while let Some(frame) = publisher.next_frame(subscriber) {
        let last = matches!(frame.frame, Some(Frame::Progress(_)));
        assert_eq!(frame.traceparent, if last { "first" } else { "" }, "the step is whole with its last frame");
        replica.receive(frame).unwrap();
        frames += 1;
    }
    let traces = replica.take_traces();
    assert_eq!((traces.first(), traces.linked().collect::<Vec<_>>()), (Some("first"), vec!["second"]));
    assert!(frames > 1 && replica.take_traces().is_empty());
}

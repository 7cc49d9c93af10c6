//! What resuming costs, and what noticing damage does.

use std::time::Duration;

use silverback_model::{Commit, Digest, Lineage, Version};
use silverback_proto::v1::{self, watch_response::Frame};

use super::{Reader, Stop, collection, item, key};
use crate::{Change, Item, Mode, Publisher, Received, Tally};

fn watcher(objects: u8) -> Publisher {
    let mut publisher = Publisher::new(Lineage("cluster".into()), Digest(7), [collection(0)]);
    let items = (0..objects).map(|name| item(name, 1, 1)).collect();
    publisher.apply(&collection(0), Change::Replace { items, version: Version::from_counter(10) });
    publisher
}

/// What it cost a reader to come up to date.
fn read(reader: &mut Reader, publishers: &mut [Publisher]) -> Tally {
    let before = reader.replica.tally();
    while !matches!(reader.deliver(&mut { usize::MAX }, publishers), Stop::Idle) {}
    let after = reader.replica.tally();
    Tally {
        snapshots: after.snapshots - before.snapshots,
        deltas: after.deltas - before.deltas,
        items: after.items - before.items,
        bytes: after.bytes - before.bytes,
    }
}

#[test]
fn another_watcher_brings_only_what_is_newer() {
    let mut watchers = [watcher(100), watcher(100)];
    let mut reader = Reader::new(Mode::PerCollection, 0, &mut watchers);
    assert_eq!(read(&mut reader, &mut watchers).items, 100);
    watchers[1].apply(&collection(0), Change::Upsert(item(3, 11, 2)));
    watchers[1].apply(&collection(0), Change::Delete { key: key(4), version: Version::from_counter(12) });
    reader.connect(1, &mut watchers);
    let cost = read(&mut reader, &mut watchers);
    assert_eq!((cost.snapshots, cost.deltas, cost.items, reader.held.len()), (0, 1, 1, 99));
}

#[test]
fn what_a_list_passed_over_reaches_whoever_heard_of_it() {
    let mut watchers = [watcher(100), watcher(100)];
    watchers[0].apply(&collection(0), Change::Upsert(item(3, 11, 2)));
    watchers[0].apply(&collection(0), Change::Delete { key: key(4), version: Version::from_counter(12) });
    let mut reader = Reader::new(Mode::PerCollection, 0, &mut watchers);
    read(&mut reader, &mut watchers);

    // Both are again what they were before, which is all that the other watcher knows.
    let again = |name| if matches!(name, 3 | 4) { item(name, 14, 1) } else { item(name, 1, 1) };
    let list = Change::Replace { items: (0..100).map(again).collect(), version: Version::from_counter(15) };
    watchers[1].apply(&collection(0), list);
    reader.connect(1, &mut watchers);
    let cost = read(&mut reader, &mut watchers);
    assert_eq!((cost.snapshots, cost.deltas, cost.items, reader.held.len()), (0, 1, 2, 100));
}

#[test]
fn what_is_read_otherwise_though_nobody_wrote_it_reaches_whoever_heard_of_it() {
    let mut watchers = [watcher(100)];
    let mut reader = Reader::new(Mode::PerCollection, 0, &mut watchers);
    read(&mut reader, &mut watchers);
    let otherwise = |name| item(name, 1, if name == 7 { 2 } else { 1 });
    let version = Version::from_counter(20);
    watchers[0].apply(&collection(0), Change::Replace { items: (0..100).map(otherwise).collect(), version });
    reader.connect(0, &mut watchers);
    let cost = read(&mut reader, &mut watchers);
    assert_eq!((cost.snapshots, cost.deltas, cost.items, reader.held.len()), (0, 1, 1, 100));
}

#[test]
fn a_watcher_that_is_behind_sets_nobody_back() {
    let mut watchers = [watcher(100), watcher(100)];
    watchers[0].apply(&collection(0), Change::Upsert(item(3, 15, 2)));
    let mut reader = Reader::new(Mode::PerCollection, 0, &mut watchers);
    read(&mut reader, &mut watchers);
    let held = reader.held.clone();

    reader.connect(1, &mut watchers);
    read(&mut reader, &mut watchers);
    assert_eq!(reader.held, held, "the other has seen no more than version 10");
    assert_eq!(watchers[1].behind(), [(collection(0), Version::from_counter(15))].into());

    watchers[1].apply(&collection(0), Change::Upsert(item(3, 15, 2)));
    assert!(watchers[1].behind().is_empty());
    watchers[1].apply(&collection(0), Change::Upsert(item(5, 16, 2)));
    assert_eq!(read(&mut reader, &mut watchers).items, 1);
}

fn translator(process: u64, entities: u16, altered: &str) -> Publisher {
    let mut publisher = Publisher::new(Lineage(format!("t{process}")), Digest(7), []).committing();
    let entity = |n: u16| {
        let body = if n == 7 { altered.to_owned() } else { "x".repeat(1000) };
        Item::new(silverback_model::ObjectKey::new("", format!("entity-{n}")), Version::from_counter(process), body)
    };
    let items = (0..entities).map(entity).collect();
    publisher.apply(&collection(0), Change::Replace { items, version: Version::from_counter(process) });
    let content = publisher.content();
    publisher.commit_as(Commit { content, entities: u64::from(entities), ..Commit::default() });
    publisher
}

#[test]
fn another_translator_brings_only_what_differs() {
    let mut translators = [translator(1, 1000, "before"), translator(2, 990, "after")];
    let mut reader = Reader::new(Mode::PerCommit, 0, &mut translators);
    let whole = read(&mut reader, &mut translators);
    reader.connect(1, &mut translators);
    let cost = read(&mut reader, &mut translators);
    assert_eq!((cost.snapshots, cost.deltas, cost.items, reader.held.len()), (0, 1, 1, 990));
    assert!(cost.bytes < 2_000 && whole.bytes > 1_000_000, "{cost:?} after {whole:?}");
}

#[test]
fn a_flipped_bit_is_noticed_and_mended_by_a_whole_view() {
    let mut watchers = [watcher(10)];
    let mut reader = Reader::new(Mode::PerCollection, 0, &mut watchers);
    read(&mut reader, &mut watchers);
    watchers[0].apply(&collection(0), Change::Upsert(item(1, 11, 2)));
    let mut failures = 0;
    while let Some(mut frame) = watchers[0].next_frame(reader.subscriber) {
        if let Some(Frame::Batch(batch)) = &mut frame.frame {
            batch.upserts[0].body = "\"3\"".into();
        }
        failures += usize::from(reader.replica.receive(frame).is_err());
    }
    assert_eq!(failures, 1);
    reader.connect(0, &mut watchers);
    assert_eq!(read(&mut reader, &mut watchers).snapshots, 1);
    assert_eq!(reader.held[&("services".to_owned(), key(1))], "\"2\"");
}

#[test]
fn whoever_comes_to_a_server_that_stops_is_sent_on() {
    let mut watchers = [watcher(10)];
    watchers[0].close("this watcher stops");
    let mut reader = Reader::new(Mode::PerCollection, 0, &mut watchers);
    assert!(matches!(reader.deliver(&mut { usize::MAX }, &mut watchers), Stop::Over(None)));
}

#[test]
fn changes_are_dated_by_the_oldest_that_was_not_told() {
    let at = Duration::from_secs;
    let mut translators = [translator(1, 3, "before")];
    let mut reader = Reader::new(Mode::PerCommit, 0, &mut translators);
    read(&mut reader, &mut translators);
    assert_eq!(reader.replica.commit().and_then(|commit| commit.changed_at), None, "a whole view has no date");
    for (now, name) in [(100, 50), (101, 51)] {
        let translator = &mut translators[0];
        translator.date(at(now));
        translator.apply(&collection(0), Change::Upsert(item(name, now, 1)));
        let content = translator.content();
        let entities = translator.collections().map(|(_, view)| view.items.len() as u64).sum();
        translator.commit_as(Commit { content, entities, changed_at: Some(at(now - 50)), ..Commit::default() });
    }
    while let Some(frame) = translators[0].next_frame(reader.subscriber) {
        reader.replica.receive(frame).unwrap();
    }
    assert_eq!(reader.replica.changed_at(), Some(at(100)), "by the server's clock");
    assert_eq!(reader.replica.commit().unwrap().changed_at, Some(at(50)), "by the source's");
}

/// What a server of the first version sends: nothing of what was added since.
fn of_the_first_version(mut frame: v1::WatchResponse) -> v1::WatchResponse {
    match &mut frame.frame {
        Some(Frame::End(end)) => end.continues = false,
        Some(Frame::Progress(progress)) => (progress.continues, progress.changed_at) = (false, None),
        Some(Frame::Absent(absent)) => (absent.continues, absent.lineage) = (false, String::new()),
        _ => (),
    }
    frame
}

#[test]
fn a_server_of_the_first_version_is_understood() {
    let mut watcher = Publisher::new(Lineage("cluster".into()), Digest(7), [collection(0), collection(1)]);
    let items = (0..5).map(|name| item(name, 1, 1)).collect();
    watcher.apply(&collection(0), Change::Replace { items, version: Version::from_counter(10) });
    watcher.apply(&collection(1), Change::Absent(Version::from_counter(10)));
    let mut watchers = [watcher];
    let reader = Reader::new(Mode::PerCollection, 0, &mut watchers);
    let (mut replica, mut handed_out) = (reader.replica, 0);
    while let Some(frame) = watchers[0].next_frame(reader.subscriber) {
        if let Received::Deltas(deltas) = replica.receive(of_the_first_version(frame)).unwrap() {
            handed_out += deltas.len();
        }
    }
    assert!(replica.is_whole());
    assert_eq!(handed_out, 5);
}

#[test]
fn a_consumer_of_the_first_version_is_sent_everything_by_another_translator() {
    let mut translators = [translator(1, 100, "before"), translator(2, 100, "after")];
    let mut reader = Reader::new(Mode::PerCommit, 0, &mut translators);
    read(&mut reader, &mut translators);
    let mut cursors = reader.replica.cursors();
    cursors.iter_mut().for_each(|cursor| cursor.held.clear());
    (reader.at, reader.subscriber) = (1, translators[1].subscribe(cursors));
    let cost = read(&mut reader, &mut translators);
    assert_eq!((cost.snapshots, cost.deltas, cost.items), (1, 0, 100));
}

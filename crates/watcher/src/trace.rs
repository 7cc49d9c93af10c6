//! Where a change begins its way: a stage for the event that told of it, and one for its being published.

use silverback_model::{CollectionId, Lineage, Traces};
use silverback_sync::{Change, Outcome, Publisher, SharedPublisher};
use silverback_trace::Stage;

/// Applies a change that was read in `lineage` as a step of its own, and has followers know which event it was. `None`
/// where another history began meanwhile: what was read before says nothing in it.
pub(crate) fn apply(
    publisher: &SharedPublisher,
    lineage: &Lineage,
    collection: &CollectionId,
    change: Change,
) -> Option<Outcome> {
    let event = event(collection, &change);
    publish(publisher, &event.traces(), |publisher| {
        (publisher.lineage() == lineage).then(|| publisher.apply(collection, change))
    })
}

/// Alters what is published, if at all, in one step, and has followers know which events they were.
pub(crate) fn publish(
    publisher: &SharedPublisher,
    events: &Traces,
    alter: impl FnOnce(&mut Publisher) -> Option<Outcome>,
) -> Option<Outcome> {
    let publish = Stage::of("publish", events);
    publisher.write(|publisher| {
        let outcome = alter(publisher);
        if outcome == Some(Outcome::Altered) {
            publisher.trace(&publish.traces());
        }
        outcome
    })
}

/// The event that told of a change; none for what changes no object.
fn event(collection: &CollectionId, change: &Change) -> Stage {
    let mut stage = match change {
        Change::Bookmark(_) | Change::Stale(_) => return Stage::default(),
        _ => Stage::first("watch event"),
    };
    stage.note("silverback.collection", collection);
    match change {
        Change::Upsert(item) => {
            stage.note("silverback.object", &item.key);
            stage.note("silverback.version", &item.version);
        }
        Change::Delete { key, version } => {
            stage.note("silverback.object", key);
            stage.note("silverback.version", version);
        }
        Change::Replace { items, version } => {
            stage.count("silverback.objects", items.len());
            stage.note("silverback.version", version);
        }
        _ => (),
    }
    stage
}

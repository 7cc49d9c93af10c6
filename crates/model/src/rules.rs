//! The rules of state streaming, as predicates.
//!
//! Each is a pure question with one answer; the machines in `sync`, their property tests, debug assertions and
//! production counters all ask here.

use crate::{Commit, Cursor, Digest, Frontier, Inputs, Lineage, SetDigest, Version};

/// Merging is per key, and the higher version wins: may `incoming` replace what is held at `held`, in a collection that
/// is complete up to `seen`?
///
/// What is dated at or before `seen` is old news, whatever was held meanwhile: the frontier is the tombstone of a key
/// that is absent. So duplicates and late arrivals change nothing.
pub fn upsert_wins(held: Option<&Version>, seen: &Version, incoming: &Version) -> bool {
    incoming > seen && held.is_none_or(|held| incoming > held)
}

/// May a deletion dated `deleted` remove the object held at `held`, in a collection that is complete up to `seen`?
pub fn delete_wins(held: &Version, seen: &Version, deleted: &Version) -> bool {
    deleted > seen && deleted >= held
}

/// A key that a complete view up to `seen` does not name is deleted, if what is held is not newer than that view.
pub fn absence_deletes(held: &Version, seen: &Version) -> bool {
    held <= seen
}

/// A staged view may be swapped in only if it holds as many objects, and the same, as the server said.
pub fn view_is_whole(said: (u64, SetDigest), got: (u64, SetDigest)) -> bool {
    said == got
}

/// A frontier keeps its invariant and never goes back.
pub fn frontier_advances(from: &Frontier, to: &Frontier) -> bool {
    to.changed <= to.seen && from.seen <= to.seen && from.changed <= to.changed
}

/// What is kept for a slow reader is bounded by the keys there are and those it was told of, whatever the number of
/// events.
pub fn pending_is_bounded(pending: usize, live: usize, told: usize) -> bool {
    pending <= live + told
}

/// How complete a required collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Never yet seen whole: nothing may be derived from it.
    Never,
    /// Seen whole; `stale` when its source has been unreachable or refusing since.
    Whole {
        /// Whether the source is in trouble right now.
        stale: bool,
    },
    /// Its kind is known not to be installed.
    Absent,
}

/// Nothing is derived or published before every required collection was complete once.
pub fn may_derive(required: impl IntoIterator<Item = Completeness>) -> bool {
    required.into_iter().all(|completeness| completeness != Completeness::Never)
}

/// Nothing is derived from two histories at once: after etcd was restored, not before everything is of the new one.
pub fn one_history<'a>(lineages: impl IntoIterator<Item = &'a Lineage>) -> bool {
    let mut lineages = lineages.into_iter();
    let first = lineages.next();
    lineages.all(|lineage| Some(lineage) == first)
}

/// What a server does with a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Sends what is newer than the cursor, and the keys of all else.
    Delta,
    /// The cursor tells what is held: what differs is sent, whatever the versions mean.
    Difference,
    /// The cursor is ahead of this server: it must bring itself up to date before it judges.
    CatchUpFirst,
    /// Everything is sent.
    Snapshot,
}

/// Cursors are good at any replica of a lineage, since the versions are the API server's own.
pub fn resume(cursor: &Cursor, lineage: &Lineage, trim: Digest, server_seen: &Version) -> Resume {
    let comparable = cursor.lineage == *lineage && !cursor.seen.is_zero();
    if comparable && cursor.seen > *server_seen {
        Resume::CatchUpFirst
    } else if !cursor.held.is_empty() {
        Resume::Difference
    } else if comparable && cursor.trim == trim {
        Resume::Delta
    } else {
        Resume::Snapshot
    }
}

/// A consumer was ahead of a server, which then asked the API server how far it is: did history go back?
///
/// Only a consistent list that was begun after the consumer came may answer.
pub fn history_went_back(asked: &Version, api_server: &Version) -> bool {
    api_server < asked
}

/// May a pusher that holds `held` take `next`? Only if `next` has seen every change that `held` was made from, in
/// every collection, so that a gateway is never set back in time. A collection that holds the same has nothing to be set
/// back in, however long ago it was looked at.
///
/// Inputs of two lineages cannot be compared; then the answer is yes, since the old lineage no longer exists.
pub fn may_follow(held: &Inputs, next: &Inputs) -> bool {
    let same = |collection| held.digests.get(collection).is_some_and(|it| next.digests.get(collection) == Some(it));
    let seen = |(collection, frontier): (_, &Frontier)| {
        next.frontiers.get(collection).seen >= frontier.changed || same(collection)
    };
    held.lineage != next.lineage || held.frontiers.0.iter().all(seen)
}

/// Were two commits made from the same objects, at the same minute, by the same software with the same settings?
pub fn same_inputs(a: &Inputs, b: &Inputs) -> bool {
    let rest = |inputs: &Inputs| (inputs.settings, inputs.feedback, inputs.minute);
    let told = !a.digests.is_empty();
    told && a.digests == b.digests && a.lineage == b.lineage && rest(a) == rest(b) && a.software == b.software
}

/// Same inputs must give equal configs; a pair of commits that breaks this is a defect worth a counter.
pub fn agree(a: &Commit, b: &Commit) -> bool {
    !same_inputs(&a.inputs, &b.inputs) || (a.content == b.content && a.entities == b.entities)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CollectionId, Frontiers};
    use proptest::prelude::*;

    fn v(n: u64) -> Version {
        Version::from_counter(n)
    }

    fn cursor(seen: u64) -> Cursor {
        Cursor {
            collection: CollectionId::all("Service"),
            lineage: Lineage("a".into()),
            trim: Digest(1),
            seen: v(seen),
            held: Vec::new(),
        }
    }

    #[test]
    fn a_late_upsert_of_a_deleted_key_is_not_believed() {
        assert!(!upsert_wins(None, &v(9), &v(9)));
        assert!(upsert_wins(None, &v(9), &v(10)));
    }

    #[test]
    fn old_news_change_nothing_even_where_trimming_kept_an_older_version() {
        assert!(!delete_wins(&v(5), &v(9), &v(7)), "it was deleted at 7 and came back at 8, equal to what it was");
        assert!(!upsert_wins(Some(&v(5)), &v(9), &v(7)));
        assert!(delete_wins(&v(5), &v(9), &v(10)));
    }

    #[test]
    fn a_cursor_of_another_history_or_trimming_means_nothing() {
        let here = Lineage("a".into());
        assert_eq!(resume(&cursor(5), &here, Digest(1), &v(7)), Resume::Delta);
        assert_eq!(resume(&cursor(8), &here, Digest(1), &v(7)), Resume::CatchUpFirst);
        assert_eq!(resume(&cursor(5), &Lineage("b".into()), Digest(1), &v(7)), Resume::Snapshot);
        assert_eq!(resume(&cursor(5), &here, Digest(2), &v(7)), Resume::Snapshot);
        assert_eq!(resume(&cursor(0), &here, Digest(1), &v(7)), Resume::Snapshot);
    }

    #[test]
    fn nobody_is_set_back_by_a_server_that_is_behind_even_to_be_told_everything() {
        let here = Lineage("a".into());
        assert_eq!(resume(&cursor(8), &here, Digest(2), &v(7)), Resume::CatchUpFirst);
        assert!(history_went_back(&v(8), &v(7)) && !history_went_back(&v(8), &v(8)));
    }

    #[test]
    fn a_cursor_that_tells_what_is_held_needs_no_versions() {
        let cursor = Cursor { held: vec![Digest(3)], ..cursor(8) };
        assert_eq!(resume(&cursor, &Lineage("b".into()), Digest(1), &v(2)), Resume::Difference);
        assert_eq!(resume(&cursor, &Lineage("a".into()), Digest(1), &v(9)), Resume::Difference);
        assert_eq!(resume(&cursor, &Lineage("a".into()), Digest(1), &v(7)), Resume::CatchUpFirst);
    }

    #[test]
    fn commits_of_the_same_objects_must_agree_though_one_has_seen_further() {
        let commit = |seen, objects, content| Commit {
            inputs: holding(inputs(seen, 5), objects),
            content: SetDigest(Digest(content)),
            ..Commit::default()
        };
        assert!(!agree(&commit(9, 1, 1), &commit(7, 1, 2)));
        assert!(agree(&commit(9, 1, 1), &commit(7, 1, 1)));
        assert!(agree(&commit(9, 1, 1), &commit(7, 2, 2)), "they were made from different objects");
        let untold = Commit { inputs: inputs(9, 5), ..commit(9, 1, 2) };
        assert!(agree(&untold, &Commit { content: SetDigest(Digest(3)), ..untold.clone() }), "who knows?");
    }

    fn holding(inputs: Inputs, objects: u128) -> Inputs {
        Inputs { digests: [(CollectionId::all("Service"), SetDigest(Digest(objects)))].into(), ..inputs }
    }

    #[test]
    fn a_collection_that_holds_the_same_sets_nothing_back() {
        // One listed it at 9, which dates everything; the other at 6, and nothing happened since.
        assert!(may_follow(&holding(inputs(9, 9), 1), &holding(inputs(6, 6), 1)));
        assert!(!may_follow(&holding(inputs(9, 9), 1), &holding(inputs(6, 6), 2)));
    }

    fn inputs(seen: u64, changed: u64) -> Inputs {
        let frontier = Frontier { seen: v(seen), changed: v(changed) };
        Inputs { frontiers: Frontiers([(CollectionId::all("Service"), frontier)].into()), ..Inputs::default() }
    }

    #[test]
    fn a_config_that_has_not_seen_a_change_may_not_follow_one_that_has() {
        assert!(may_follow(&inputs(9, 5), &inputs(6, 3)), "it saw all changes, though it saw less");
        assert!(!may_follow(&inputs(9, 8), &inputs(6, 3)));
        assert!(!may_follow(&inputs(9, 8), &Inputs::default()), "a collection that is missing was not seen");
    }

    proptest! {
        /// Whatever the order and repetition in which versions of one key arrive, the newest is what is held.
        #[test]
        fn merging_is_independent_of_order(mut arriving in proptest::collection::vec(1u64..50, 1..30), seed: u64) {
            let newest = arriving.iter().max().copied();
            let len = arriving.len();
            arriving.rotate_left(seed as usize % len);
            let mut held: Option<Version> = None;
            for version in arriving {
                if upsert_wins(held.as_ref(), &Version::zero(), &v(version)) {
                    held = Some(v(version));
                }
            }
            prop_assert_eq!(held, newest.map(v));
        }

        #[test]
        fn frontiers_only_rise(steps in proptest::collection::vec((any::<bool>(), 0u64..100), 0..40)) {
            let mut frontier = Frontier::default();
            for (change, version) in steps {
                let before = frontier.clone();
                if change { frontier.change(&v(version)) } else { frontier.see(&v(version)) }
                prop_assert!(frontier_advances(&before, &frontier));
            }
        }
    }
}

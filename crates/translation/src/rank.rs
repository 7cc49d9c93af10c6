//! Order among routes whose priorities are equal but for the last bits: the Gateway API asks for the oldest object to
//! win, then the first by name, then the first in the object.

use std::collections::{BTreeMap, BTreeSet};

use silverback_model::ObjectKey;

/// What decides among routes of one class; the smaller comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seniority {
    /// Creation time of the object.
    pub created: String,
    /// The object.
    pub object: ObjectKey,
    /// Rule, match and host within it.
    pub place: (usize, usize, usize),
}

/// A route's place among those of its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rank {
    /// The host among whose routes it is; empty where those of all hosts share a class.
    pub host: String,
    /// The priority without its last bits: routes that share it are a class.
    pub class: u64,
    /// The largest number that the last bits hold.
    pub most: u64,
    /// What decides within the class.
    pub seniority: Seniority,
}

/// Priorities of a service's routes, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Priorities {
    /// The priorities.
    pub of: BTreeMap<String, u64>,
    /// Routes whose class has no bits left for them: they share the lowest place.
    pub crowded: BTreeSet<String>,
}

/// The priority of the route that comes `before` others of its class: the first gets all the last bits. A class that is
/// too large for its bits shares the lowest.
pub(crate) fn priority(rank: &Rank, before: usize) -> u64 {
    rank.class | rank.most.saturating_sub(before as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_too_large_shares_the_lowest_place() {
        let object = ObjectKey::new("n", "a");
        let rank = Rank {
            host: String::new(),
            class: 1 << 12,
            most: 4095,
            seniority: Seniority { created: String::new(), object, place: (0, 0, 0) },
        };
        assert_eq!(priority(&rank, 0), (1 << 12) + 4095);
        assert_eq!(priority(&rank, 4095), 1 << 12);
        assert_eq!(priority(&rank, 9999), 1 << 12, "never a wrap");
    }
}

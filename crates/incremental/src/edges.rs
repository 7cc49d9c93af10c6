//! Edges between slots of collections.

use indexmap::IndexSet;

/// One key's place in one collection. It stands for the key as long as that has a value; then it may stand for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    pub(crate) node: u32,
    pub(crate) at: u32,
}

/// Stands for a whole collection instead of one of its slots.
pub(crate) const WHOLE: u32 = u32::MAX;

/// So many slots are looked through one by one.
const FEW: usize = 8;

/// A set of slots. Most have one member or none, some have as many as there are keys: small while few, and changed in
/// constant time however many.
#[derive(Debug, Default)]
pub(crate) enum Edges {
    #[default]
    None,
    One(Slot),
    Few(Vec<Slot>),
    Many(Box<IndexSet<Slot>>),
}

impl Edges {
    pub(crate) fn insert(&mut self, slot: Slot) {
        match self {
            Self::None => *self = Self::One(slot),
            Self::One(held) if *held == slot => {}
            Self::One(held) => *self = Self::Few(vec![*held, slot]),
            Self::Few(held) if held.contains(&slot) => {}
            Self::Few(held) if held.len() < FEW => held.push(slot),
            Self::Few(held) => *self = Self::Many(Box::new(held.iter().copied().chain([slot]).collect())),
            Self::Many(held) => drop(held.insert(slot)),
        }
    }

    pub(crate) fn remove(&mut self, slot: Slot) {
        match self {
            Self::None => {}
            Self::One(held) => {
                if *held == slot {
                    *self = Self::None;
                }
            }
            Self::Few(held) => held.retain(|held| *held != slot),
            Self::Many(held) => drop(held.swap_remove(&slot)),
        }
        if self.is_empty() {
            *self = Self::None;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        let (few, many): (&[Slot], Option<&IndexSet<Slot>>) = match self {
            Self::None => (&[], None),
            Self::One(held) => (std::slice::from_ref(held), None),
            Self::Few(held) => (held, None),
            Self::Many(held) => (&[], Some(held)),
        };
        few.iter().chain(many.into_iter().flatten()).copied()
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Few(held) => held.len(),
            Self::Many(held) => held.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(edits in proptest::collection::vec((any::<bool>(), 0u32..20), 0..80)) {
            let (mut edges, mut set) = (Edges::default(), BTreeSet::new());
            for (insert, at) in edits {
                let slot = Slot { node: 1, at };
                if insert {
                    edges.insert(slot);
                    set.insert(slot);
                } else {
                    edges.remove(slot);
                    set.remove(&slot);
                }
                prop_assert_eq!(edges.iter().collect::<BTreeSet<_>>(), set.clone());
                prop_assert_eq!((edges.len(), edges.is_empty()), (set.len(), set.is_empty()));
            }
        }
    }
}

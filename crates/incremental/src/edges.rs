//! Edges between slots of collections.

use indexmap::IndexSet;

/// One key's place in one collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot {
    pub(crate) node: u32,
    pub(crate) at: u32,
}

/// Stands for a whole collection instead of one of its slots.
pub(crate) const WHOLE: u32 = u32::MAX;

/// A set of slots that costs eight bytes while empty, and is changed in constant time however large it gets.
#[derive(Debug, Default)]
pub(crate) struct Edges(Option<Box<IndexSet<Slot>>>);

impl Edges {
    pub(crate) fn insert(&mut self, slot: Slot) {
        self.0.get_or_insert_default().insert(slot);
    }

    pub(crate) fn remove(&mut self, slot: Slot) {
        if let Some(slots) = &mut self.0 {
            slots.swap_remove(&slot);
            if slots.is_empty() {
                self.0 = None;
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.0.iter().flat_map(|slots| slots.iter().copied())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |slots| slots.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

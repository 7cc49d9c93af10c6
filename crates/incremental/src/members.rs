//! The members of a group, in order.

use std::collections::BTreeSet;

/// So many members are kept side by side.
const FEW: usize = 8;

/// A set of keys in order. Most groups have one member: those cost no more than the key, while in a group as large as
/// the cluster a change costs next to nothing as well.
#[derive(Clone, Debug)]
pub struct Members<K>(Held<K>);

#[derive(Clone, Debug)]
enum Held<K> {
    Few(Vec<K>),
    Many(BTreeSet<K>),
}

impl<K> Default for Members<K> {
    fn default() -> Self {
        Self(Held::Few(Vec::new()))
    }
}

impl<K: Ord> Members<K> {
    pub(crate) fn insert(&mut self, key: K) {
        match &mut self.0 {
            Held::Few(held) => match held.binary_search(&key) {
                Ok(_) => {}
                Err(at) if held.len() < FEW => {
                    held.reserve_exact(1);
                    held.insert(at, key);
                }
                Err(_) => self.0 = Held::Many(std::mem::take(held).into_iter().chain([key]).collect()),
            },
            Held::Many(held) => drop(held.insert(key)),
        }
    }

    pub(crate) fn remove(&mut self, key: &K) {
        match &mut self.0 {
            Held::Few(held) => held.retain(|held| held != key),
            Held::Many(held) => drop(held.remove(key)),
        }
    }

    /// The members, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &K> {
        let (few, many): (&[K], Option<&BTreeSet<K>>) = match &self.0 {
            Held::Few(held) => (held, None),
            Held::Many(held) => (&[], Some(held)),
        };
        few.iter().chain(many.into_iter().flatten())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Held::Few(held) => held.len(),
            Held::Many(held) => held.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// However they are kept.
impl<K: Ord> PartialEq for Members<K> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<K: Ord> FromIterator<K> for Members<K> {
    fn from_iter<T: IntoIterator<Item = K>>(keys: T) -> Self {
        let mut members = Self::default();
        keys.into_iter().for_each(|key| members.insert(key));
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_set_in_order(edits in proptest::collection::vec((any::<bool>(), 0u8..20), 0..80)) {
            let (mut members, mut set) = (Members::default(), BTreeSet::new());
            for (insert, key) in edits {
                if insert {
                    members.insert(key);
                    set.insert(key);
                } else {
                    members.remove(&key);
                    set.remove(&key);
                }
                prop_assert!(members.iter().eq(&set));
                prop_assert_eq!((members.len(), members.is_empty()), (set.len(), set.is_empty()));
                prop_assert_eq!(&set.iter().copied().collect::<Members<u8>>(), &members);
            }
        }
    }
}

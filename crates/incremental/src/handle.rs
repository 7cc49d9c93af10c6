//! Handles: typed names of a graph's collections. Copies are free, so functions capture them.

use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;

use crate::members::Members;

/// What a key must be able to do.
pub trait Key: Ord + Hash + Clone + Debug + Send + Sync + 'static {}
impl<T: Ord + Hash + Clone + Debug + Send + Sync + 'static> Key for T {}

/// What a value must be able to do: compare, so that equal outputs stop a change.
pub trait Data: PartialEq + Send + Sync + 'static {}
impl<T: PartialEq + Send + Sync + 'static> Data for T {}

/// Where a collection is: which graph, and which place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub(crate) graph: u64,
    pub(crate) node: u32,
}

/// Anything that can be read by key.
pub trait Collection<K: Key, V: Data>: Copy {
    /// Where it is.
    fn place(&self) -> Place;
}

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident<$a:ident, $b:ident>) => {
        $(#[$doc])*
        pub struct $name<$a, $b> {
            place: Place,
            types: PhantomData<fn() -> ($a, $b)>,
        }

        impl<$a, $b> $name<$a, $b> {
            pub(crate) fn at(place: Place) -> Self {
                Self { place, types: PhantomData }
            }
        }

        impl<$a, $b> Clone for $name<$a, $b> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$a, $b> Copy for $name<$a, $b> {}
    };
}

handle! {
    /// A collection that is set from outside.
    Input<K, V>
}
handle! {
    /// A collection made by a pure function of recorded reads.
    Derived<K, V>
}
handle! {
    /// The keys of a collection by group: reading a group gives its members.
    Index<G, K>
}

impl<K: Key, V: Data> Collection<K, V> for Input<K, V> {
    fn place(&self) -> Place {
        self.place
    }
}

impl<K: Key, V: Data> Collection<K, V> for Derived<K, V> {
    fn place(&self) -> Place {
        self.place
    }
}

impl<G: Key, K: Key> Collection<G, Members<K>> for Index<G, K> {
    fn place(&self) -> Place {
        self.place
    }
}

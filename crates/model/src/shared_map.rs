//! A sorted map whose clones share what is equal: for many versions of one large thing, each a little different from the
//! one before. Entries lie side by side in runs, so that one costs little more than itself.

use std::borrow::Borrow;
use std::sync::Arc;

/// Entries of a run at most: what is copied when one of them changes.
const LONGEST: usize = 64;
/// A run with fewer joins its neighbour.
const SHORTEST: usize = LONGEST / 4;

/// A sorted map. A clone costs a pointer for each run.
#[derive(Clone, Debug)]
pub struct SharedMap<K, V> {
    /// None of them empty.
    runs: Vec<Arc<Vec<(K, V)>>>,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self { runs: Vec::new(), len: 0 }
    }
}

impl<K, V> SharedMap<K, V> {
    /// A map without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        self.runs.iter().flat_map(|run| run.iter().map(|(key, value)| (key, value)))
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// What is there under a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let run = self.runs.get(self.run_of(key))?;
        let at = search(run, key).ok()?;
        run.get(at).map(|(_, value)| value)
    }

    /// Whether anything is there under a key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The entries from a key on, in order.
    pub fn range_from<'a>(&'a self, first: &K) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
        let at = self.run_of(first);
        let skip = self.runs.get(at).map_or(0, |run| search(run, first).unwrap_or_else(|place| place));
        let runs = self.runs.get(at..).unwrap_or_default().iter();
        runs.flat_map(|run| run.iter().map(|(key, value)| (key, value))).skip(skip)
    }

    /// Puts a value under a key, and gives what was there before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let at = self.run_of(&key);
        let is_last = at + 1 >= self.runs.len();
        let Some(run) = self.runs.get_mut(at).map(Arc::make_mut) else {
            self.runs.push(Arc::new(vec![(key, value)]));
            self.len = 1;
            return None;
        };
        match search(run, &key) {
            Ok(place) => run.get_mut(place).map(|(_, before)| std::mem::replace(before, value)),
            Err(place) => {
                run.insert(place, (key, value));
                self.len += 1;
                if run.len() > LONGEST {
                    // What comes in order fills the runs. Elsewhere than at the end it would leave short ones side by side.
                    let in_order = is_last && place == LONGEST;
                    let rest = run.split_off(if in_order { LONGEST } else { LONGEST / 2 });
                    run.shrink_to_fit();
                    self.runs.insert(at + 1, Arc::new(rest));
                }
                None
            }
        }
    }

    /// Removes a key, and gives what was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.run_of(key);
        let run = self.runs.get_mut(at)?;
        let place = search(run, key).ok()?;
        let run = Arc::make_mut(run);
        let (_, value) = run.remove(place);
        self.len -= 1;
        if run.len() < SHORTEST {
            self.join(at);
        }
        Some(value)
    }

    /// Joins a short run with a neighbour, if they fit in one.
    fn join(&mut self, at: usize) {
        let length = |at: usize| self.runs.get(at).map_or(0, |run| run.len());
        let fits =
            |right: &usize| *right > 0 && *right < self.runs.len() && length(right - 1) + length(*right) <= LONGEST;
        let Some(right) = [at + 1, at].into_iter().find(fits) else {
            return self.runs.retain(|run| !run.is_empty()); // the last one
        };
        let moved = self.runs.remove(right);
        if let Some(left) = self.runs.get_mut(right - 1) {
            Arc::make_mut(left).extend(moved.iter().cloned());
        }
    }

    /// The run that holds a key, or would.
    fn run_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        let begins = |run: &Arc<Vec<(K, V)>>| run.first().is_some_and(|(first, _)| first.borrow() <= key);
        self.runs.partition_point(begins).saturating_sub(1)
    }
}

fn search<K: Borrow<Q>, V, Q: Ord + ?Sized>(run: &[(K, V)], key: &Q) -> Result<usize, usize> {
    run.binary_search_by(|(it, _)| it.borrow().cmp(key))
}

impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for SharedMap<K, V> {}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K: Ord + Clone, V: Clone, const N: usize> From<[(K, V); N]> for SharedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Map = SharedMap<u16, u32>;

    fn assert_equal(map: &Map, oracle: &BTreeMap<u16, u32>) {
        assert!(map.iter().eq(oracle.iter()), "{map:?} {oracle:?}");
        assert_eq!((map.len(), map.is_empty()), (oracle.len(), oracle.is_empty()));
        assert!(map.runs.iter().all(|run| !run.is_empty() && run.len() <= LONGEST), "{map:?}");
        let short = map.runs.windows(2).filter(|runs| runs[0].len() + runs[1].len() <= SHORTEST).count();
        assert_eq!(short, 0, "{map:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn is_a_map_and_leaves_its_clones_alone(
            steps in proptest::collection::vec((0u16..400, any::<bool>()), 0..1_500),
            asked in 0u16..400,
        ) {
            let (mut map, mut oracle) = (Map::default(), BTreeMap::new());
            let mut before = Vec::new();
            for (at, (key, inserts)) in steps.into_iter().enumerate() {
                if at % 100 == 0 {
                    before.push((map.clone(), oracle.clone()));
                }
                // Deletions prevail in the second half, so that runs get short.
                let value = u32::try_from(at).unwrap();
                if inserts || (at < 750 && key % 2 == 0) {
                    prop_assert_eq!(map.insert(key, value), oracle.insert(key, value));
                } else {
                    prop_assert_eq!(map.remove(&key), oracle.remove(&key));
                }
            }
            before.push((map, oracle));
            for (map, oracle) in &before {
                assert_equal(map, oracle);
                prop_assert_eq!(map.get(&asked), oracle.get(&asked));
                prop_assert!(map.range_from(&asked).eq(oracle.range(asked..)));
                prop_assert_eq!(map, &oracle.iter().map(|(key, value)| (*key, *value)).collect::<Map>());
            }
        }
    }

    #[test]
    fn entries_between_full_runs_leave_no_short_runs_side_by_side() {
        // A full run and one of a single entry, then what belongs between them, the last first.
        let full = (0..64).map(|key| (key, 0));
        let mut map: Map = full.chain([(100, 0)]).collect();
        for key in (64..100).rev() {
            map.insert(key, 0);
            assert_equal(&map, &map.iter().map(|(key, value)| (*key, *value)).collect());
        }
    }

    #[test]
    fn one_change_copies_one_run() {
        let map: Map = (0..10_000).map(|key| (key, 0)).collect();
        let mut next = map.clone();
        next.insert(5_000, 1);
        next.remove(&7_000);
        let shared = |run: &&Arc<_>| next.runs.iter().any(|it| Arc::ptr_eq(it, run));
        assert_eq!(map.runs.iter().filter(shared).count(), map.runs.len() - 2);
        assert_eq!(map.runs.len(), 10_000usize.div_ceil(LONGEST), "what came in order fills its runs");
    }
}

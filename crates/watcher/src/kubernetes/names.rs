//! Who names which Secrets and ConfigMaps, and which of those names are still to be looked up.
//!
//! Pure bookkeeping. An object is told to consumers only after everything it names was seen once, or seen to be
//! missing: until then the name is pending, which is not missing.

use std::collections::{BTreeMap, BTreeSet};

use silverback_model::{CollectionId, ObjectKey};

use super::list_watch::Place;

type Referrers = BTreeMap<ObjectKey, BTreeSet<Place>>;

/// What objects name.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// What the objects that were told name. Objects that name nothing are left out.
    told: BTreeMap<CollectionId, Referrers>,
    /// What the objects that are about to be told name: one change of a collection at a time.
    coming: BTreeMap<CollectionId, Referrers>,
    /// How many objects of both name it.
    counts: BTreeMap<Place, usize>,
    /// Named by an object that is about to be told, and neither held nor known to be missing; with why the last
    /// attempt to look it up failed.
    pending: BTreeMap<Place, Option<String>>,
}

/// What a change of a referring collection does to what its objects name.
pub(super) enum Naming {
    /// These are all of them.
    Whole(Referrers),
    /// One object is added or altered.
    One(ObjectKey, BTreeSet<Place>),
    /// One object is deleted.
    Gone(ObjectKey),
}

impl Names {
    /// Whether anything names it.
    pub(super) fn is_named(&self, place: &Place) -> bool {
        self.counts.contains_key(place)
    }

    /// What is pending, and why it could not be looked up.
    pub(super) fn pending(&self) -> &BTreeMap<Place, Option<String>> {
        &self.pending
    }

    /// A change is about to be told. From now on what it names is held; what comes back must be looked up first.
    /// `is_known` says whether a name is held, or nothing that is held here.
    ///
    /// What an object named before, and was told with, need not be looked up again: its collection tells of it.
    pub(super) fn announce(
        &mut self,
        collection: &CollectionId,
        naming: &Naming,
        is_known: impl Fn(&Place) -> bool,
    ) -> BTreeSet<Place> {
        let coming: Referrers = match naming {
            Naming::Whole(all) => all.clone(),
            Naming::One(key, places) => [(key.clone(), places.clone())].into(),
            Naming::Gone(_) => Referrers::new(),
        };
        let told = self.told.get(collection);
        let mut awaited = BTreeSet::new();
        for (key, places) in &coming {
            let before = told.and_then(|told| told.get(key));
            let fresh = places.iter().filter(|place| before.is_none_or(|before| !before.contains(place)));
            awaited.extend(fresh.filter(|place| !is_known(place)).cloned());
        }
        for place in &awaited {
            self.pending.entry(place.clone()).or_default();
        }
        coming.values().flatten().for_each(|place| *self.counts.entry(place.clone()).or_default() += 1);
        if let Some(dropped) = self.coming.insert(collection.clone(), coming) {
            self.release(dropped.values().flatten()); // a change that was never told
        }
        awaited
    }

    /// The change that was announced last has been told. Gives what nothing names any longer.
    pub(super) fn told(&mut self, collection: &CollectionId, naming: Naming) -> Vec<Place> {
        let coming = self.coming.remove(collection).unwrap_or_default();
        let told = self.told.entry(collection.clone()).or_default();
        let before: Vec<BTreeSet<Place>> = match naming {
            Naming::Whole(_) => {
                let mut now = coming;
                now.retain(|_, places| !places.is_empty());
                std::mem::replace(told, now).into_values().collect()
            }
            Naming::One(key, _) => {
                let before = told.remove(&key);
                told.extend(coming.into_iter().filter(|(_, places)| !places.is_empty()));
                before.into_iter().collect()
            }
            Naming::Gone(key) => told.remove(&key).into_iter().collect(),
        };
        self.release(before.iter().flatten())
    }

    fn release<'a>(&mut self, places: impl Iterator<Item = &'a Place>) -> Vec<Place> {
        let mut free = Vec::new();
        for place in places {
            let Some(count) = self.counts.get_mut(place) else { continue };
            *count -= 1;
            if *count == 0 {
                self.counts.remove(place);
                self.pending.remove(place);
                free.push(place.clone());
            }
        }
        free
    }

    /// It is held now, or known to be missing. Whether that was awaited.
    pub(super) fn settle(&mut self, place: &Place) -> bool {
        self.pending.remove(place).is_some()
    }

    /// An attempt to look it up failed. Whether that is news.
    pub(super) fn failed(&mut self, place: &Place, reason: &str) -> bool {
        let Some(last) = self.pending.get_mut(place) else { return false };
        last.replace(reason.to_owned()).as_deref() != Some(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use silverback_resources::registry::KindId;

    fn cert(name: &str) -> Place {
        (KindId::SECRET, ObjectKey::new("shop", name))
    }

    fn one(key: &str, names: &[&str]) -> Naming {
        Naming::One(ObjectKey::new("shop", key), names.iter().map(|name| cert(name)).collect())
    }

    fn ingresses() -> CollectionId {
        CollectionId::all("Ingress.networking.k8s.io")
    }

    #[test]
    fn what_is_not_held_is_pending_until_it_is_settled() {
        let mut names = Names::default();
        let awaited = names.announce(&ingresses(), &one("a", &["held", "late"]), |place| *place == cert("held"));
        assert_eq!(awaited, [cert("late")].into());
        assert!(names.is_named(&cert("late")) && names.pending().contains_key(&cert("late")));
        assert!(names.settle(&cert("late")) && !names.settle(&cert("late")));
        assert!(names.told(&ingresses(), one("a", &["held", "late"])).is_empty());
        // Told once as missing, it needs no second look: its collection tells when it appears.
        assert!(names.announce(&ingresses(), &one("a", &["held", "late"]), |_| false).is_empty());
    }

    #[test]
    fn what_an_object_named_is_held_until_its_successor_was_told() {
        let mut names = Names::default();
        names.announce(&ingresses(), &one("a", &["old"]), |_| true);
        names.told(&ingresses(), one("a", &["old"]));
        names.announce(&ingresses(), &one("a", &["new"]), |_| false);
        assert!(names.is_named(&cert("old")), "consumers still have the object that names it");
        assert_eq!(names.told(&ingresses(), one("a", &["new"])), [cert("old")]);
        assert!(!names.is_named(&cert("old")) && names.is_named(&cert("new")));
    }

    #[test]
    fn a_change_that_was_never_told_leaves_nothing_behind() {
        let mut names = Names::default();
        names.announce(&ingresses(), &one("a", &["x"]), |_| false);
        names.announce(&ingresses(), &Naming::Whole(Referrers::new()), |_| false);
        names.told(&ingresses(), Naming::Whole(Referrers::new()));
        assert!(!names.is_named(&cert("x")) && names.pending().is_empty());
    }

    #[test]
    fn a_failure_is_news_once() {
        let mut names = Names::default();
        names.announce(&ingresses(), &one("a", &["x"]), |_| false);
        assert!(names.failed(&cert("x"), "403"));
        assert!(!names.failed(&cert("x"), "403"));
        assert!(!names.failed(&cert("y"), "403"), "nobody waits for it");
    }

    proptest! {
        /// Whatever changes are told or given up, what is named is exactly what the objects that were told name.
        #[test]
        fn counts_are_those_of_what_was_told(
            steps in proptest::collection::vec((0..4u8, proptest::collection::btree_set(0..5u8, 0..4), 0..8u8), 0..40)
        ) {
            let mut names = Names::default();
            let mut truth = BTreeMap::<ObjectKey, BTreeSet<Place>>::new();
            for (object, named, what) in steps {
                let key = ObjectKey::new("shop", format!("o{object}"));
                let places: BTreeSet<_> = named.iter().map(|n| cert(&format!("s{n}"))).collect();
                let naming = || match what {
                    0 => Naming::Whole([(key.clone(), places.clone())].into()),
                    1 => Naming::Gone(key.clone()),
                    _ => Naming::One(key.clone(), places.clone()),
                };
                names.announce(&ingresses(), &naming(), |_| false);
                if what == 7 {
                    continue; // never told
                }
                names.told(&ingresses(), naming());
                match what {
                    0 => truth = [(key, places)].into(),
                    1 => { truth.remove(&key); }
                    _ => { truth.insert(key, places); }
                }
            }
            names.announce(&ingresses(), &Naming::Gone(ObjectKey::default()), |_| false);
            names.told(&ingresses(), Naming::Gone(ObjectKey::default()));
            let expected: BTreeSet<_> = truth.values().flatten().cloned().collect();
            let named: BTreeSet<_> = names.counts.keys().cloned().collect();
            prop_assert_eq!(named, expected);
        }
    }
}

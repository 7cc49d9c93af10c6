//! The entities there are, with the objects they were made from, and the versions of those. Versions are looked up when an
//! entity is shown: a new version of an equal object makes nothing anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use silverback_incremental::Slot;
use silverback_kong::{EntityKey, Rendered};
use silverback_model::{ObjectKey, ObjectRef, Provenance};

use crate::intake::kind_of_maker;
use crate::output::{Entity, ObjectChange};
use crate::product::{Made, Product};
use crate::source::Maker;

/// An entity as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    /// Its text.
    pub rendered: Rendered,
    /// The objects it was made from.
    pub makers: Arc<[Maker]>,
}

/// Entities by key.
pub(crate) type Entities = BTreeMap<EntityKey, Kept>;

/// What is known of an object beside what rules read of it.
#[derive(Default)]
struct Known {
    version: Option<Box<str>>,
    /// What it had a part in; sorted.
    entities: Vec<EntityKey>,
}

/// All entities.
#[derive(Default)]
pub(crate) struct Store {
    /// Those that leave.
    pub entities: Entities,
    /// Which entities a rule gave for a key, so that what it no longer gives is taken away.
    given: HashMap<Slot, Box<[EntityKey]>>,
    /// Objects by the place of their kind, and key.
    objects: HashMap<(u8, ObjectKey), Known>,
}

impl Store {
    /// Notes an object's version. Gives whether it is other than before.
    pub(crate) fn see(&mut self, change: &ObjectChange) -> bool {
        let Some(kind) = kind_of_maker(&change.object.kind) else { return false };
        let at = (kind, change.object.key.clone());
        if change.content.is_some() {
            let known = self.objects.entry(at).or_default();
            let other = known.version.as_deref() != Some(&change.version);
            if other {
                known.version = Some(change.version.as_str().into());
            }
            return other;
        }
        if let Some(known) = self.objects.get_mut(&at) {
            known.version = None;
        }
        self.forget(&at);
        false
    }

    /// The version of an object that is there.
    pub(crate) fn version(&self, object: &ObjectRef) -> Option<&str> {
        self.known(object)?.version.as_deref()
    }

    fn forget(&mut self, at: &(u8, ObjectKey)) {
        if self.objects.get(at).is_some_and(|known| known.version.is_none() && known.entities.is_empty()) {
            self.objects.remove(at);
        }
    }

    /// Takes over what rules give now. Gives the keys whose entities are other than before.
    pub(crate) fn replace(&mut self, given: &[(Slot, Option<Arc<Product>>)]) -> BTreeSet<EntityKey> {
        // What goes is taken away before what comes is put: an entity may move from one rule to another.
        let mut before: Entities = BTreeMap::new();
        for (slot, _) in given {
            for key in self.given.remove(slot).into_iter().flatten() {
                before.extend(self.take_away(&key).map(|entity| (key, entity)));
            }
        }
        let mut changed = BTreeSet::new();
        for (slot, product) in given {
            let Some(product) = product.as_ref().filter(|product| !product.entities.is_empty()) else { continue };
            self.given.insert(*slot, product.entities.iter().map(|made| made.key.clone()).collect());
            for made in &product.entities {
                self.put(made);
                if before.remove(&made.key).as_ref() != self.entities.get(&made.key) {
                    changed.insert(made.key.clone());
                }
            }
        }
        changed.extend(before.into_keys());
        changed
    }

    fn put(&mut self, made: &Made) {
        for maker in made.makers.iter() {
            let Some(kind) = kind_of_maker(&maker.object.kind) else { continue };
            let entities = &mut self.objects.entry((kind, maker.object.key.clone())).or_default().entities;
            if let Err(at) = entities.binary_search(&made.key) {
                entities.reserve_exact(1);
                entities.insert(at, made.key.clone());
            }
        }
        let kept = Kept { rendered: made.rendered.clone(), makers: made.makers.clone() };
        self.entities.insert(made.key.clone(), kept);
    }

    fn take_away(&mut self, key: &EntityKey) -> Option<Kept> {
        let entity = self.entities.remove(key)?;
        for maker in entity.makers.iter() {
            let Some(kind) = kind_of_maker(&maker.object.kind) else { continue };
            let at = (kind, maker.object.key.clone());
            if let Some(known) = self.objects.get_mut(&at) {
                known.entities.retain(|held| held != key);
            }
            self.forget(&at);
        }
        Some(entity)
    }

    fn known(&self, object: &ObjectRef) -> Option<&Known> {
        self.objects.get(&(kind_of_maker(&object.kind)?, object.key.clone()))
    }

    /// The entities an object had a part in, in the order of their keys.
    pub(crate) fn entities_of(&self, object: &ObjectRef) -> &[EntityKey] {
        self.known(object).map_or(&[], |known| &known.entities)
    }

    /// The rule that gave an entity, and the key it gave it for.
    pub(crate) fn giver(&self, key: &EntityKey) -> Option<Slot> {
        self.given.iter().find(|(_, given)| given.contains(key)).map(|(slot, _)| *slot)
    }

    /// An entity as others see it.
    pub(crate) fn shown(&self, key: &EntityKey) -> Option<Arc<Entity>> {
        self.entities.get(key).map(|kept| Arc::new(self.show(kept)))
    }

    /// The same of one that was looked up.
    pub(crate) fn show(&self, kept: &Kept) -> Entity {
        let provenance = kept.makers.iter().map(|maker| {
            let version = self.known(&maker.object).and_then(|known| known.version.as_deref());
            let version = version.unwrap_or_default().to_owned();
            Provenance { object: maker.object.clone(), uid: maker.uid.clone(), version }
        });
        Entity { rendered: kept.rendered.clone(), provenance: provenance.collect() }
    }

    /// Number of entries in all tables; zero when every object is gone.
    pub(crate) fn footprint(&self) -> usize {
        self.entities.len() + self.given.len() + self.objects.len()
    }
}

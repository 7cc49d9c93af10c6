//! The last check before anything leaves: what two entities claim, or what refers to what is not there, would make a
//! gateway refuse everything. The entity at fault is held back, with a diagnostic for the objects it is made from.
//!
//! What is held back depends on the entities alone, not on their history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use silverback_kong::EntityKey;
use silverback_kong::self_check::{Finding, SelfCheck};

use crate::output::{Entity, Reason};
use crate::source::Notes;

type Entities = BTreeMap<EntityKey, Arc<Entity>>;

/// Holds entities back.
#[derive(Default)]
pub(crate) struct Gate {
    check: SelfCheck,
    held: Entities,
}

impl Gate {
    /// Gives back what is held, before changes are made to the whole.
    pub(crate) fn open(&mut self, entities: &mut Entities) -> BTreeSet<EntityKey> {
        let held = std::mem::take(&mut self.held);
        let keys = held.keys().cloned().collect();
        entities.extend(held);
        keys
    }

    /// Takes out of `entities` what cannot leave. `changed` are the keys whose entities are other than at the last time,
    /// `released` what [`Gate::open`] gave back. Gives what is wrong, and the keys that are held now or were before.
    pub(crate) fn close(
        &mut self,
        entities: &mut Entities,
        changed: &BTreeSet<EntityKey>,
        released: BTreeSet<EntityKey>,
    ) -> (Notes, BTreeSet<EntityKey>) {
        for key in changed.union(&released) {
            let value = entities.get(key).map(|entity| entity.rendered.value());
            self.check.replace(key, value.as_ref());
        }
        let mut notes = Notes::default();
        while !self.check.is_clean() {
            let findings = self.check.findings(|key| entities.get(key).map(|entity| entity.rendered.value()));
            let before = self.held.len();
            for finding in &findings {
                self.hold(finding, entities, &mut notes);
            }
            if self.held.len() == before {
                break;
            }
        }
        let mut moved = released;
        moved.extend(self.held.keys().cloned());
        (notes, moved)
    }

    fn hold(&mut self, finding: &Finding, entities: &mut Entities, notes: &mut Notes) {
        let victim = match finding {
            Finding::Duplicate { entities, .. } => entities.last(),
            Finding::Dangling { entity, .. } => Some(entity),
        };
        let Some((key, entity)) = victim.and_then(|key| entities.remove_entry(key)) else { return };
        for maker in &entity.provenance {
            let message = format!("{key} is left out, gateways would refuse everything because of it: {finding}");
            notes.error(&maker.object, "", Reason::Conflict, message);
        }
        self.check.replace(&key, None);
        self.held.insert(key, entity);
    }

    /// Number of entries; zero when every entity is gone.
    pub(crate) fn footprint(&self) -> usize {
        self.check.len() + self.held.len()
    }
}

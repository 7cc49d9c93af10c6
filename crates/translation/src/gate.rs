//! The last check before anything leaves: what two entities claim, or what refers to what is not there, would make a
//! gateway refuse everything. The entity at fault is held back, with a diagnostic for the objects it is made from. A
//! plugin whose instance name is taken loses the name alone: what it guards must not be left without it.
//!
//! What is held back depends on the entities alone, not on their history.

use std::collections::BTreeSet;

use silverback_kong::self_check::{Finding, INSTANCE_NAME, SelfCheck};
use silverback_kong::{EntityKey, Rendered};

use crate::output::Reason;
use crate::source::Notes;
use crate::store::{Entities, Kept};

/// Holds entities back.
#[derive(Default)]
pub(crate) struct Gate {
    check: SelfCheck,
    /// What is held back, or altered, as it was.
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
            let before = notes.0.len();
            for finding in &findings {
                self.hold(finding, entities, &mut notes);
            }
            if notes.0.len() == before {
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
        let nameless = is_instance_name(finding).then(|| without_instance_name(&key, &entity));
        let what = if nameless.is_some() { "goes without its instance_name" } else { "is left out" };
        for maker in entity.makers.iter() {
            let message = format!("{key} {what}, gateways would refuse everything because of it: {finding}");
            notes.error(&maker.object, "", Reason::Conflict, message);
        }
        self.check.replace(&key, nameless.as_ref().map(|entity| entity.rendered.value()).as_ref());
        entities.extend(nameless.map(|entity| (key.clone(), entity)));
        self.held.entry(key).or_insert(entity);
    }

    /// Number of entries; zero when every entity is gone.
    pub(crate) fn footprint(&self) -> usize {
        self.check.len() + self.held.len()
    }
}

fn is_instance_name(finding: &Finding) -> bool {
    matches!(finding, Finding::Duplicate { what, .. } if *what == INSTANCE_NAME)
}

fn without_instance_name(key: &EntityKey, entity: &Kept) -> Kept {
    let mut value = entity.rendered.value();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("instance_name");
    }
    Kept { rendered: Rendered::of_value(key, &value), makers: entity.makers.clone() }
}

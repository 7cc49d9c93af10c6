//! What is wrong, by who says it and by whom it concerns.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use silverback_incremental::Slot;
use silverback_kong::EntityKey;
use silverback_model::ObjectRef;

use crate::output::Diagnostic;

/// Who says that something is wrong. What one says replaces what it said before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Speaker {
    /// The reading of an object.
    Reading(ObjectRef),
    /// A rule, of one key.
    Rule(Slot),
    /// Whoever withholds what became of an object.
    Withheld(ObjectRef),
    /// The last check.
    Gate,
    /// The gateways, of what is within an entity.
    Feedback(EntityKey),
}

/// All that is wrong.
#[derive(Default)]
pub(crate) struct Diagnostics {
    said: HashMap<Speaker, Vec<Diagnostic>>,
    about: BTreeMap<ObjectRef, BTreeMap<Speaker, Vec<Diagnostic>>>,
}

impl Diagnostics {
    /// Somebody says this now, in place of what they said before.
    pub(crate) fn say(&mut self, by: Speaker, notes: Vec<Diagnostic>, touched: &mut BTreeSet<ObjectRef>) {
        let before = if notes.is_empty() { self.said.remove(&by) } else { self.said.insert(by.clone(), notes.clone()) };
        let before = before.unwrap_or_default();
        if before == notes {
            return;
        }
        for old in before {
            if let Some(said) = self.about.get_mut(&old.object) {
                said.remove(&by);
                if said.is_empty() {
                    self.about.remove(&old.object);
                }
            }
            touched.insert(old.object);
        }
        for note in notes {
            touched.insert(note.object.clone());
            self.about.entry(note.object.clone()).or_default().entry(by.clone()).or_default().push(note);
        }
    }

    /// Everything said about an object, sorted, each thing once.
    pub(crate) fn about(&self, object: &ObjectRef) -> Vec<Diagnostic> {
        let said = self.about.get(object).into_iter().flat_map(BTreeMap::values).flatten();
        let all: BTreeSet<&Diagnostic> = said.collect();
        all.into_iter().cloned().collect()
    }

    /// The objects that something is said about, in order.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        self.about.keys()
    }

    /// Number of entries; zero when all is well.
    pub(crate) fn footprint(&self) -> usize {
        self.said.len() + self.about.len()
    }
}

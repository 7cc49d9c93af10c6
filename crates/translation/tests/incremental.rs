//! Whatever the history, what comes out is what the objects alone make; and what is told along the way adds up to it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use silverback_model::ObjectRef;
use silverback_translation::{Diagnostic, ObjectChange, RouterFlavor, Settings, Translator, upsert};

use crate::world::{Edit, history, survivors};

/// A consumer of outputs: what it holds is what it was told.
#[derive(Default)]
struct Follower {
    entities: BTreeMap<silverback_kong::EntityKey, std::sync::Arc<silverback_translation::Entity>>,
    diagnostics: BTreeMap<ObjectRef, Vec<Diagnostic>>,
}

impl Follower {
    fn hear(&mut self, output: silverback_translation::Output) {
        for (key, entity) in output.changed {
            match entity {
                Some(entity) => self.entities.insert(key, entity),
                None => self.entities.remove(&key),
            };
        }
        for (object, diagnostics) in output.diagnostics {
            if diagnostics.is_empty() {
                self.diagnostics.remove(&object);
            } else {
                self.diagnostics.insert(object, diagnostics);
            }
        }
    }
}

fn diagnostics(translator: &Translator) -> BTreeMap<ObjectRef, Vec<Diagnostic>> {
    translator.diagnostics().map(|(object, all)| (object.clone(), all)).collect()
}

fn settings(expressions: bool) -> Settings {
    let mut settings = Settings::default();
    if expressions {
        settings.router_flavor = RouterFlavor::Expressions;
    }
    settings.feature_gates.rewrite_uris = true;
    settings.feature_gates.kong_service_facade = true;
    settings
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn incremental_is_from_scratch(history in history(), expressions: bool) {
        let mut translator = Translator::new(settings(expressions));
        let mut follower = Follower::default();
        for batch in &history {
            follower.hear(translator.apply(batch.iter().map(Edit::change).collect()));
        }
        let objects = survivors(history.iter().flatten());
        let mut fresh = Translator::new(settings(expressions));
        fresh.apply(objects.values().rev().map(upsert).collect());
        prop_assert_eq!(translator.entities(), fresh.entities());
        prop_assert_eq!(diagnostics(&translator), diagnostics(&fresh));
        prop_assert_eq!(&follower.entities, translator.entities());
        prop_assert_eq!(&follower.diagnostics, &diagnostics(&translator));
    }

    #[test]
    fn nothing_is_left_when_everything_is_gone(history in history()) {
        let mut translator = Translator::new(settings(false));
        for batch in &history {
            translator.apply(batch.iter().map(Edit::change).collect());
        }
        let objects = survivors(history.iter().flatten());
        let gone = objects.values().map(|object| ObjectChange { content: None, ..upsert(object) });
        translator.apply(gone.collect());
        prop_assert!(translator.entities().is_empty());
        prop_assert_eq!(translator.footprint(), Translator::new(settings(false)).footprint());
    }
}

//! Whatever the history, what comes out is what the objects alone make; and what is told along the way adds up to it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::Value;
use silverback_model::ObjectRef;
use silverback_translation::{Diagnostic, ObjectChange, RouterFlavor, Settings, Translator, upsert};

use crate::gateway_scene;
use crate::golden::{folders, objects, own};
use crate::parity::shared;
use crate::world::{Edit, application, history, survivors};

/// A consumer of outputs: what it holds is what it was told.
#[derive(Default)]
struct Follower {
    entities: BTreeMap<silverback_kong::EntityKey, std::sync::Arc<silverback_translation::Entity>>,
    diagnostics: BTreeMap<ObjectRef, Vec<Diagnostic>>,
    statuses: BTreeMap<ObjectRef, std::sync::Arc<silverback_status::ObjectStatus>>,
}

impl Follower {
    fn hear(&mut self, output: silverback_translation::Output) {
        for (key, entity) in output.changed {
            match entity {
                Some(entity) => self.entities.insert(key, entity),
                None => self.entities.remove(&key),
            };
        }
        for (object, status) in output.statuses {
            match status {
                Some(status) => self.statuses.insert(object, status),
                None => self.statuses.remove(&object),
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

/// Every object of every recorded case, ours and, where they are at hand, the others: a pool that edits draw from.
static POOL: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let mut cases = folders(&own());
    match shared() {
        Some(folder) => cases.extend(folders(&folder)),
        None => println!("the pool is small: the recorded cases are not here (SILVERBACK_SHARED)"),
    }
    cases.iter().flat_map(|case| objects(&case.join("in.yaml"))).collect()
});

/// Batches of edits of objects from the pool. Few cases meet by chance, so neighbours are drawn together.
fn pooled() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let edit = |from: usize| {
        (0..40usize, proptest::bool::weighted(0.8)).prop_map(move |(step, set)| {
            let object = POOL[(from + step) % POOL.len()].clone();
            if set { Edit::Set(object) } else { Edit::Delete(object) }
        })
    };
    let batch = (0..POOL.len()).prop_flat_map(move |from| proptest::collection::vec(edit(from), 1..30));
    proptest::collection::vec(batch, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn incremental_is_from_scratch_for_recorded_objects(history in pooled(), expressions: bool, seed: u64) {
        let mut translator = Translator::new(settings(expressions));
        for batch in &history {
            translator.apply(batch.iter().map(Edit::change).collect());
        }
        // The same objects, in another order, in one batch and in many.
        let mut objects: Vec<Value> = survivors(history.iter().flatten()).into_values().collect();
        let middle = seed as usize % objects.len().max(1);
        objects.rotate_left(middle);
        let mut fresh = Translator::new(settings(expressions));
        fresh.apply(objects.iter().map(upsert).collect());
        let mut piecewise = Translator::new(settings(expressions));
        for object in objects.iter().rev() {
            piecewise.apply(vec![upsert(object)]);
        }
        prop_assert_eq!(translator.entities(), fresh.entities());
        prop_assert_eq!(piecewise.entities(), fresh.entities());
        prop_assert_eq!(translator.statuses(), fresh.statuses());
        prop_assert_eq!(piecewise.statuses(), fresh.statuses());
        prop_assert_eq!(diagnostics(&translator), diagnostics(&fresh));
        prop_assert_eq!(diagnostics(&piecewise), diagnostics(&fresh));
        let gone = objects.iter().map(|object| ObjectChange { content: None, ..upsert(object) });
        translator.apply(gone.collect());
        prop_assert_eq!(translator.footprint(), Translator::new(settings(expressions)).footprint());
    }
}

/// Puts all objects in, changes some, and takes all out again.
fn come_and_go(objects: &[Value], expressions: bool, entities: usize) {
    let mut translator = Translator::new(settings(expressions));
    let empty = translator.footprint();
    assert!(objects.len() >= 10_000);
    for batch in objects.chunks(1_000) {
        translator.apply(batch.iter().map(upsert).collect());
    }
    assert_eq!(translator.entities().len(), entities);
    let gone = |object: &Value| ObjectChange { content: None, ..upsert(object) };
    let some = || objects.iter().step_by(7);
    translator.apply(some().map(gone).collect());
    translator.apply(some().map(upsert).collect());
    assert_eq!(translator.entities().len(), entities);
    for batch in objects.chunks(777) {
        translator.apply(batch.iter().map(gone).collect());
    }
    assert!(translator.entities().is_empty());
    assert_eq!(translator.footprint(), empty);
}

#[test]
fn ten_thousand_objects_leave_nothing_behind() {
    let objects: Vec<Value> = (0..2_500).flat_map(|at| application(at, 2)).collect();
    come_and_go(&objects, false, 3 * 2_500);
}

#[test]
fn ten_thousand_objects_of_the_gateway_api_leave_nothing_behind() {
    let scenes = (0..480).flat_map(gateway_scene::application);
    let objects: Vec<Value> = std::iter::once(gateway_scene::class()).chain(scenes).collect();
    for expressions in [false, true] {
        // Seven services, their upstreams and two plugins each; two key pairs and one authority for all.
        come_and_go(&objects, expressions, 480 * 16 + 3);
    }
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
        prop_assert_eq!(translator.statuses(), fresh.statuses());
        prop_assert_eq!(&follower.entities, &translator.entities());
        prop_assert_eq!(&follower.statuses, &translator.statuses());
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

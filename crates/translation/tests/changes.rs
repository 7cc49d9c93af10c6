//! Every change of every kind of the Gateway API: an object that comes last, goes, comes back, or has one value changed.
//! What comes out is what the objects alone make, and the work for it is that of the scene, however many others there are.

use std::collections::BTreeMap;

use serde_json::Value;
use silverback_model::ObjectKey;
use silverback_translation::{
    Diagnostic, ObjectChange, Output, Publishing, RouterFlavor, Settings, Translator, upsert,
};

use crate::gateway_scene::{application, class, proxy};

fn translator(flavor: RouterFlavor, objects: &[Value]) -> Translator {
    let publishing = Publishing { service: Some(ObjectKey::new("kong", "proxy")), ..Publishing::default() };
    let mut translator = Translator::new(Settings { router_flavor: flavor, publishing, ..Settings::default() });
    translator.apply(objects.iter().map(upsert).collect());
    translator
}

fn gone(object: &Value) -> ObjectChange {
    ObjectChange { content: None, ..upsert(object) }
}

/// All that there is to compare.
fn told(translator: &Translator) -> impl PartialEq + std::fmt::Debug + use<> {
    let diagnostics: BTreeMap<_, Vec<Diagnostic>> =
        translator.diagnostics().map(|(object, all)| (object.clone(), all)).collect();
    let entities: BTreeMap<_, _> =
        translator.entities().into_iter().map(|(key, it)| (key.clone(), it.clone())).collect();
    (entities, diagnostics, translator.statuses())
}

/// The object with one value changed, for every value but those that say which object it is.
fn edits(object: &Value) -> Vec<Value> {
    const KEPT: [&str; 7] = [
        "/apiVersion",
        "/kind",
        "/metadata/name",
        "/metadata/namespace",
        "/metadata/uid",
        "/metadata/generation",
        "/data",
    ];
    let mut places = Vec::new();
    leaves(object, &mut String::new(), &mut places);
    places.retain(|place| !KEPT.iter().any(|kept| place.starts_with(kept)));
    let edit = |place: &String| {
        let mut object = object.clone();
        let value = object.pointer_mut(place).unwrap();
        *value = match &*value {
            Value::String(text) => format!("{text}x").into(),
            Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
            other => panic!("{place}: {other}"),
        };
        object
    };
    places.iter().map(edit).collect()
}

fn leaves(value: &Value, place: &mut String, places: &mut Vec<String>) {
    let length = place.len();
    let mut each = |name: &str, value: &Value| {
        place.push('/');
        place.push_str(&name.replace('~', "~0").replace('/', "~1"));
        leaves(value, place, places);
        place.truncate(length);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| each(name, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| each(&at.to_string(), value)),
        _ => places.push(place.clone()),
    }
}

#[test]
fn whatever_changes_the_outcome_is_from_scratch() {
    let objects: Vec<Value> = [class(), proxy()].into_iter().chain(application(0)).collect();
    for flavor in [RouterFlavor::Traditional, RouterFlavor::Expressions] {
        let whole = told(&translator(flavor, &objects));
        let mut changing = translator(flavor, &objects);
        for (at, object) in objects.iter().enumerate() {
            let name = format!("{flavor:?}: {} {}", object["kind"], object["metadata"]["name"]);
            let others: Vec<Value> = [&objects[..at], &objects[at + 1..]].concat();
            let without = told(&translator(flavor, &others));
            assert!(without != whole, "{name} does not matter");
            changing.apply(vec![gone(object)]);
            assert!(told(&changing) == without, "{name} goes");
            changing.apply(vec![upsert(object)]);
            assert!(told(&changing) == whole, "{name} comes back");
            let mut late = translator(flavor, &others);
            late.apply(vec![upsert(object)]);
            assert!(told(&late) == whole, "{name} comes last");
            for edited in edits(object) {
                let mut fresh: Vec<Value> = others.clone();
                fresh.push(edited.clone());
                changing.apply(vec![upsert(&edited)]);
                assert!(told(&changing) == told(&translator(flavor, &fresh)), "{name} becomes {edited}");
                changing.apply(vec![upsert(object)]);
                assert!(told(&changing) == whole, "{name} becomes what it was, after {edited}");
            }
        }
    }
}

/// What one change reruns, changes and tells, by namespaces and names.
fn effect(output: &Output) -> (usize, Vec<String>) {
    let entities = output.changed.iter().map(|(key, _)| key.to_string());
    let objects = output.statuses.iter().map(|(object, _)| object.to_string());
    let said = output.diagnostics.iter().map(|(object, _)| object.to_string());
    (output.reran, entities.chain(objects).chain(said).collect())
}

#[test]
fn the_work_of_a_change_does_not_depend_on_how_much_there_is() {
    // In the expressions flavour routes of equal priority are put in order by age, which is told by a test of its own.
    let mut clusters = [2, 12].map(|scenes| {
        let all: Vec<Value> = [class(), proxy()].into_iter().chain((0..scenes).flat_map(application)).collect();
        // Equal key pairs are one certificate.
        let own = |object: &&Value| object["kind"] != "Secret" || object["metadata"]["namespace"] == "g1-guest";
        translator(RouterFlavor::Traditional, &all.iter().filter(own).cloned().collect::<Vec<_>>())
    });
    let mut reran_at_most = 0;
    for object in application(1) {
        let back = upsert(&object);
        let mut changes: Vec<ObjectChange> = vec![gone(&object), back.clone()];
        for edited in edits(&object) {
            changes.extend([upsert(&edited), back.clone()]);
        }
        for change in changes {
            let [few, many] = clusters.each_mut().map(|cluster| effect(&cluster.apply(vec![change.clone()])));
            let name = format!("{} {}: {:?}", object["kind"], object["metadata"]["name"], change.content);
            assert_eq!(few, many, "{name}");
            reran_at_most = reran_at_most.max(few.0);
        }
    }
    assert!(reran_at_most < 200, "{reran_at_most}");
}

//! The watcher holds only Secrets and ConfigMaps that an object names, as the registry declares, or that a label keeps:
//! translation must come to the same without all others.

use std::collections::BTreeSet;

use serde_json::Value;
use silverback_model::ObjectKey;
use silverback_resources::projection;
use silverback_resources::registry::{self, Kind, KindId};
use silverback_translation::{Edition, FeatureGates, Settings, render};

use crate::golden::{MINUTE, folders, objects, own};
use crate::parity::shared;

fn kind_of(object: &Value) -> Option<&'static Kind> {
    let version = object["apiVersion"].as_str()?;
    let group = version.split_once('/').map_or("", |(group, _)| group);
    registry::by_kind(group, object["kind"].as_str()?)
}

/// The objects that a watcher of these would hold.
fn held(all: &[Value]) -> Vec<Value> {
    let named: BTreeSet<(KindId, ObjectKey)> =
        all.iter().filter_map(|object| Some(registry::references(kind_of(object)?, object))).flatten().collect();
    let is_held = |object: &&Value| {
        let Some(kind) = kind_of(object).filter(|kind| [KindId::SECRET, KindId::CONFIG_MAP].contains(&kind.id)) else {
            return true;
        };
        let labels = object.pointer("/metadata/labels");
        let kept = kind.kept_for_labels.iter().any(|label| labels.is_some_and(|labels| labels.get(label).is_some()));
        kept || projection::key(object).is_some_and(|key| named.contains(&(kind.id, key)))
    };
    all.iter().filter(is_held).cloned().collect()
}

#[test]
fn translation_needs_no_secret_that_the_watcher_does_not_hold() {
    let feature_gates: FeatureGates = serde_json::from_value(serde_json::json!({
        "GatewayAlpha": true, "KongCustomEntity": true, "KongServiceFacade": true
    }))
    .unwrap();
    let settings = Settings { edition: Edition::Enterprise, feature_gates, ..Settings::default() };
    let recorded = shared();
    if recorded.is_none() {
        eprintln!("skipped in part: the recorded cases are not at hand");
    }
    let cases = [Some(own()), recorded].into_iter().flatten().flat_map(|folder| folders(&folder));
    let (mut secrets, mut dropped) = (0, 0);
    for case in cases.filter(|case| case.join("in.yaml").is_file()) {
        let all = objects(&case.join("in.yaml"));
        let some = held(&all);
        dropped += all.len() - some.len();
        secrets += some.iter().filter(|object| object["kind"] == "Secret").count();
        let (expected, got) = (render(&all, &settings, &[], MINUTE), render(&some, &settings, &[], MINUTE));
        assert_eq!(got.0.value(), expected.0.value(), "{}: something that is not held decides", case.display());
    }
    assert!(secrets > 5, "only {secrets} Secrets are held in all cases, and {dropped} objects are not");
}

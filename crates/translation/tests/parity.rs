//! Parity: the recorded cases of the Kong Ingress Controller, where that folder is at hand.
//!
//! `parity.txt` lists the cases that differ, with the reason. A case that is listed and equal is an error as well, so
//! that the list stays true.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use silverback_translation::{Edition, FeatureGates, MissingPlugins, RouterFlavor, Settings, render};

use crate::compare::{differences, normalise};
use crate::golden::{MINUTE, folders, objects};

/// The recorded cases.
pub fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("SILVERBACK_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    folder.join("golden").is_dir().then(|| folder.join("golden"))
}

fn settings(flags: &Value) -> Settings {
    let mut gates = flags["feature_flags"].as_object().cloned().unwrap_or_default();
    let expressions = gates.remove("ExpressionRoutes") == Some(Value::Bool(true));
    gates.entry("SupportRedirectPlugin").or_insert(Value::Bool(false));
    let feature_gates: FeatureGates = serde_json::from_value(Value::Object(gates)).unwrap();
    Settings {
        router_flavor: if expressions { RouterFlavor::Expressions } else { RouterFlavor::Traditional },
        feature_gates,
        missing_plugins: MissingPlugins::Kic,
        edition: Edition::Enterprise,
        ..Settings::default()
    }
}

/// Objects that stand for what the gateway refuses, as `Kind/namespace/name`.
fn broken(objects: &[Value]) -> Vec<String> {
    let text =
        |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    objects
        .iter()
        .filter(|object| text(object, "/metadata/annotations/test.konghq.com~1broken") == "true")
        .map(|object| {
            let part = |pointer: &str| text(object, pointer);
            format!("{}/{}/{}", part("/kind"), part("/metadata/namespace"), part("/metadata/name"))
        })
        .collect()
}

fn listed() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity.txt");
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(": ").unwrap()).map(|(case, why)| (case.to_owned(), why.to_owned())).collect()
}

#[test]
fn parity() {
    let Some(folder) = shared() else {
        println!("skipped: the recorded cases are not here (SILVERBACK_SHARED)");
        return;
    };
    let listed = listed();
    let only = std::env::var("PARITY_ONLY").unwrap_or_default();
    let (mut equal, mut wrong) = (0, Vec::new());
    for case in folders(&folder) {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        if !name.contains(&only) {
            continue;
        }
        let objects = objects(&case.join("in.yaml"));
        let mut goldens: Vec<String> = fs::read_dir(&case)
            .unwrap()
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix("_golden.yaml")?.to_owned()))
            .collect();
        goldens.sort();
        for setting in goldens {
            let flags = fs::read_to_string(case.join(format!("{setting}_settings.yaml"))).unwrap_or_default();
            let flags: Value = if flags.is_empty() { Value::Null } else { serde_saphyr::from_str(&flags).unwrap() };
            let want = fs::read_to_string(case.join(format!("{setting}_golden.yaml"))).unwrap();
            let want: Value = serde_saphyr::from_str(&want).unwrap();
            let (document, _) = render(&objects, &settings(&flags), &broken(&objects), MINUTE);
            let lines = differences(&normalise(&want), &normalise(&document.deck_value()));
            let title = format!("{name}/{setting}");
            match (lines.is_empty(), listed.get(&title)) {
                (true, None) => equal += 1,
                (true, Some(_)) => wrong.push(format!("{title} is equal now: take it off the list")),
                (false, Some(_)) => {}
                (false, None) => wrong.push(format!("{title}:\n    {}", lines.join("\n    "))),
            }
        }
    }
    println!("{equal} outputs equal, {} differ for reasons listed", listed.len());
    assert!(wrong.is_empty(), "{} differ, {equal} are equal:\n{}", wrong.len(), wrong.join("\n"));
}

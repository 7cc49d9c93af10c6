//! The definitions against the published ones, where these are at hand: every field with its type, bounds and default,
//! and the rules by what they accept and refuse.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{all, schema};

/// Where we differ, and why. An entry without a difference fails the test.
const INTENDED: &[(&str, &str, &str)] = &[
    (
        "kongingresses.configuration.konghq.com",
        ".proxy",
        "any content is refused by a rule, so its fields need no schema; kept open so that stored objects are not cut",
    ),
    (
        "kongingresses.configuration.konghq.com",
        ".route",
        "any content is refused by a rule, so its fields need no schema; kept open so that stored objects are not cut",
    ),
];

/// The folder of published definitions; `None` (and a word about it) where there is none.
pub(super) fn published() -> Option<Vec<Value>> {
    let shared = std::env::var_os("SILVERBACK_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let Ok(files) = std::fs::read_dir(shared.join("crds/kong")) else {
        eprintln!("skipped: no published CRDs in {} (SILVERBACK_SHARED names another folder)", shared.display());
        return None;
    };
    let mut found = Vec::new();
    for file in files {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for entry in crate::manifest::parse(&path.display().to_string(), &text) {
            found.push(entry.object.unwrap_or_else(|error| panic!("{error}")));
        }
    }
    Some(found)
}

pub(super) fn name(crd: &Value) -> &str {
    crd["metadata"]["name"].as_str().unwrap()
}

/// Every path of a schema with the keywords that say what is valid there.
fn flatten(path: &str, schema: &Value, required: bool, out: &mut BTreeMap<String, Value>) {
    let keywords = schema.as_object().unwrap();
    let needed: BTreeSet<&str> = keywords.get("required").into_iter().flat_map(strings).collect();
    let mut said: Map<String, Value> = keywords
        .iter()
        .filter(|(name, _)| {
            let structure = matches!(name.as_str(), "properties" | "items" | "additionalProperties" | "required");
            !structure && !matches!(name.as_str(), "description" | "x-kubernetes-validations")
        })
        .map(|(name, keyword)| (name.clone(), keyword.clone()))
        .collect();
    said.insert("(required)".into(), required.into());
    out.insert(path.to_owned(), said.into());
    for (name, below) in keywords.get("properties").and_then(Value::as_object).into_iter().flatten() {
        flatten(&format!("{path}.{name}"), below, needed.contains(name.as_str()), out);
    }
    for (keyword, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(below) = keywords.get(keyword) {
            flatten(&format!("{path}{mark}"), below, false, out);
        }
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[test]
fn every_field_is_the_published_one() {
    let Some(published) = published() else { return };
    let ours = all();
    assert_eq!(
        ours.iter().map(name).collect::<BTreeSet<_>>(),
        published.iter().map(name).collect::<BTreeSet<_>>(),
        "the same kinds"
    );
    let mut differences = Vec::new();
    let mut used = BTreeSet::new();
    for theirs in &published {
        let crd = name(theirs);
        let ours = ours.iter().find(|ours| name(ours) == crd).unwrap();
        let (mut left, mut right) = (BTreeMap::new(), BTreeMap::new());
        flatten("", schema(ours), false, &mut left);
        flatten("", schema(theirs), false, &mut right);
        for path in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
            let (ours, theirs) = (left.get(path), right.get(path));
            if ours == theirs {
                continue;
            }
            let intended = INTENDED.iter().position(|(of, prefix, _)| *of == crd && path.starts_with(prefix));
            match intended {
                Some(at) => _ = used.insert(at),
                None => differences.push(format!("{crd} {path}: ours {ours:?}, published {theirs:?}")),
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(used.len(), INTENDED.len(), "an intended difference is none any more");
}

#[test]
fn names_scopes_versions_and_columns_are_the_published_ones() {
    let Some(published) = published() else { return };
    for theirs in &published {
        let ours = super::named(name(theirs));
        for field in ["/spec/group", "/spec/scope", "/spec/names/kind", "/spec/names/listKind", "/spec/names/plural"]
            .into_iter()
            .chain(["/spec/names/singular", "/spec/names/shortNames"])
        {
            assert_eq!(ours.pointer(field), theirs.pointer(field), "{} {field}", name(theirs));
        }
        // Ours are found under every category; not all of the published ones are.
        let categories: BTreeSet<&str> = strings(&ours["spec"]["names"]["categories"]).collect();
        assert!(strings(&theirs["spec"]["names"]["categories"]).all(|category| categories.contains(category)));
        let versions = |crd: &Value| -> Vec<Value> {
            let versions = crd["spec"]["versions"].as_array().unwrap();
            versions.iter().map(|v| json!([v["name"], v["served"], v["storage"], v["subresources"]])).collect()
        };
        assert_eq!(versions(&ours), versions(theirs), "{}", name(theirs));
        let columns = |crd: &Value| -> Vec<Value> {
            let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array();
            let said = |c: &Value| json!([c["name"], c["type"], c["jsonPath"], c["priority"]]);
            columns.into_iter().flatten().map(said).collect()
        };
        assert_eq!(columns(&ours), columns(theirs), "{}", name(theirs));
    }
}

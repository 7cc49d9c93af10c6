//! What is served: groups, versions and resources, in the old form and in the aggregated one. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kinds::Kind;

/// Media type of the aggregated form.
pub(crate) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// `GET /version`. The version is that of the Kubernetes API that is imitated.
pub(crate) fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.0-silverback-devcluster", "gitCommit": "", "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "",
    })
}

/// Versions of a group that any of its kinds has, the preferred one first.
fn versions<'a>(kinds: &[&'a Kind]) -> Vec<&'a str> {
    let mut versions: Vec<&str> = Vec::new();
    for version in kinds.iter().flat_map(|kind| &kind.versions) {
        if !versions.contains(&version.as_str()) {
            versions.push(version);
        }
    }
    // Stable ones first: v1, then v1beta1, then v1alpha2.
    versions.sort_by_key(|version| {
        (version.contains("alpha"), version.contains("beta"), std::cmp::Reverse(version.to_owned()))
    });
    versions
}

fn groups(kinds: &[Kind]) -> BTreeMap<&str, Vec<&Kind>> {
    let mut groups: BTreeMap<&str, Vec<&Kind>> = BTreeMap::new();
    for kind in kinds {
        groups.entry(&kind.group).or_default().push(kind);
    }
    groups
}

fn group(name: &str, kinds: &[&Kind]) -> Value {
    let versions: Vec<Value> = versions(kinds)
        .iter()
        .map(|version| json!({ "groupVersion": format!("{name}/{version}"), "version": version }))
        .collect();
    json!({ "name": name, "preferredVersion": versions.first(), "versions": versions })
}

/// The answer to a discovery path; none where there is no such group or version.
pub(crate) fn legacy(kinds: &[Kind], path: &[&str]) -> Option<Value> {
    let groups = groups(kinds);
    match path {
        ["api"] => Some(json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "" }],
        })),
        ["apis"] => {
            let named = groups.iter().filter(|(name, _)| !name.is_empty());
            let groups: Vec<Value> = named.map(|(name, kinds)| group(name, kinds)).collect();
            Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
        }
        ["apis", name] => {
            let mut found = group(name, groups.get(name)?);
            found["kind"] = "APIGroup".into();
            found["apiVersion"] = "v1".into();
            Some(found)
        }
        ["api", version] => resources(version, groups.get("")?),
        ["apis", name, version] => resources(version, groups.get(name)?),
        _ => None,
    }
}

fn resources(version: &str, kinds: &[&Kind]) -> Option<Value> {
    let served: Vec<_> = kinds.iter().filter(|kind| kind.serves(version)).collect();
    let first = served.first()?;
    let resources: Vec<Value> = served.iter().flat_map(|kind| kind.declarations()).collect();
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": first.api_version(version), "resources": resources,
    }))
}

/// Every group below `/api` (`core`) or `/apis`.
pub(crate) fn aggregated(kinds: &[Kind], core: bool) -> Value {
    let groups = groups(kinds);
    let items: Vec<Value> = groups
        .iter()
        .filter(|(name, _)| name.is_empty() == core)
        .map(|(name, kinds)| {
            let versions: Vec<Value> = versions(kinds)
                .iter()
                .map(|version| {
                    let served = kinds.iter().filter(|kind| kind.serves(version));
                    let resources: Vec<Value> = served.map(|kind| discovered(kind, name, version)).collect();
                    json!({ "version": version, "freshness": "Current", "resources": resources })
                })
                .collect();
            let meta = if core { json!({}) } else { json!({ "name": name }) };
            json!({ "metadata": meta, "versions": versions })
        })
        .collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}

fn discovered(kind: &Kind, group: &str, version: &str) -> Value {
    let declarations = kind.declarations();
    let response = json!({ "group": group, "version": version, "kind": kind.kind });
    let mut resource = json!({
        "resource": kind.plural, "responseKind": response, "singularResource": kind.singular,
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "verbs": declarations.first().map(|main| main["verbs"].clone()),
    });
    if !kind.short_names.is_empty() {
        resource["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        resource["categories"] = json!(kind.categories);
    }
    if kind.status {
        resource["subresources"] =
            json!([{ "subresource": "status", "responseKind": response, "verbs": ["get", "patch", "update"] }]);
    }
    resource
}

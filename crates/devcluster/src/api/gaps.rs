//! What a real API server does and this one does not: refused by name where a request asks for it, and told in a warning
//! where it would happen by itself, since a client can live without it. Pure.

use http::Method;
use serde_json::Value;

use super::failure::{Failure, Outcome};
use super::kinds::Kind;
use crate::query::Query;

const REST: &str = "this development cluster";

/// Kinds of every real cluster that are not served here, by their group: no controllers run.
const GROUPS: [(&str, &str); 12] = [
    ("admissionregistration.k8s.io", "admission webhooks and policies"),
    ("apiregistration.k8s.io", "aggregated API servers"),
    ("apps", "workloads; nothing runs here"),
    ("authentication.k8s.io", "authentication; every client may do everything"),
    ("authorization.k8s.io", "authorization; every client may do everything"),
    ("autoscaling", "scaling; nothing runs here"),
    ("batch", "workloads; nothing runs here"),
    ("certificates.k8s.io", "certificates"),
    ("policy", "disruption budgets; nothing runs here"),
    ("rbac.authorization.k8s.io", "authorization; every client may do everything"),
    ("scheduling.k8s.io", "scheduling; nothing runs here"),
    ("storage.k8s.io", "storage; nothing runs here"),
];

/// The same of the core group.
const CORE: [&str; 11] = [
    "bindings",
    "componentstatuses",
    "endpoints",
    "limitranges",
    "nodes",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "replicationcontrollers",
    "resourcequotas",
];

/// Kinds that a real cluster serves and this one does not.
///
/// # Errors
/// Names what they are for.
pub(crate) fn kind(group: &str, plural: &str) -> Outcome<()> {
    if let Some((_, what)) = GROUPS.iter().find(|(name, _)| *name == group) {
        return Err(Failure::not_done(what));
    }
    if group.is_empty() && CORE.contains(&plural) {
        return Err(Failure::not_done(&format!("{plural}; nothing runs here")));
    }
    Ok(())
}

/// What is said of schemas, which `kubectl` asks for where it is not told to leave validation.
pub(crate) const NO_SCHEMAS: &str =
    "this development cluster does not do schemas of what it serves (OpenAPI): use --validate=false";

/// Paths beside those of kinds.
///
/// # Errors
/// Names what they are for.
pub(crate) fn path(path: &str) -> Outcome<()> {
    if path.starts_with("api/v1/watch/") || path.split('/').nth(3) == Some("watch") {
        return Err(Failure::not_done("watches by path; ask for ?watch=1"));
    }
    Ok(())
}

/// What the query and the body of a deletion ask for.
///
/// # Errors
/// Names what is asked for in vain.
pub(crate) fn deletion(query: &Query, body: &Value) -> Outcome<()> {
    let policy = body["propagationPolicy"].as_str().unwrap_or_else(|| query.get("propagationPolicy"));
    if !matches!(policy, "" | "Background") {
        return Err(Failure::not_done(&format!("garbage collection (propagationPolicy={policy})")));
    }
    if !body["orphanDependents"].is_null() || !query.get("orphanDependents").is_empty() {
        return Err(Failure::not_done("garbage collection (orphanDependents)"));
    }
    Ok(())
}

/// What a write asks for.
///
/// # Errors
/// Names what is asked for in vain.
pub(crate) fn write(kind: &Kind, query: &Query, object: &Value) -> Outcome<()> {
    if query.get("fieldValidation") == "Strict" {
        return Err(Failure::not_done("the validation of fields (fieldValidation=Strict); use --validate=false"));
    }
    if kind.defines_kinds() && object["spec"]["conversion"]["strategy"] == "Webhook" {
        return Err(Failure::not_done("conversion between versions (spec.conversion.strategy: Webhook)"));
    }
    Ok(())
}

/// What a write goes without, as texts of `Warning` headers.
pub(crate) fn warnings(kind: &Kind, method: &Method, query: &Query, object: &Value) -> Vec<String> {
    let mut told = Vec::new();
    if query.get("fieldValidation") == "Warn" {
        told.push(format!("{REST} does not validate fields (fieldValidation=Warn)"));
    }
    let owners = object["metadata"]["ownerReferences"].as_array();
    if owners.is_some_and(|owners| !owners.is_empty()) {
        told.push(format!("{REST} does no garbage collection: objects outlive their metadata.ownerReferences"));
    }
    if method == Method::POST && kind.group.is_empty() && kind.plural == "services" {
        told.push(format!(
            "{REST} fills in no defaults and allocates no cluster IPs: a Service stays as it is written"
        ));
    }
    if kind.defines_kinds() {
        let schemas: Vec<&Value> = object["spec"]["versions"].as_array().into_iter().flatten().collect();
        let has = |what: fn(&str, &Value) -> bool| schemas.iter().any(|version| contains(&version["schema"], &what));
        if has(|name, value| name == "properties" && value.is_object()) {
            told.push(format!("{REST} neither holds objects against schemas nor prunes unknown fields"));
        }
        if has(|name, _| name == "default") {
            told.push(format!("{REST} fills in no defaults of schemas"));
        }
        if has(|name, value| name == "x-kubernetes-validations" && value.is_array()) {
            told.push(format!("{REST} evaluates no CEL rules (x-kubernetes-validations)"));
        }
        if schemas.iter().any(|version| version["subresources"]["scale"].is_object()) {
            told.push(format!("{REST} serves no subresource scale"));
        }
    }
    told
}

/// Whether a schema has a field like that anywhere. Properties may be called like keywords, so their names do not count.
fn contains(schema: &Value, what: &impl Fn(&str, &Value) -> bool) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            let inside = match (name.as_str(), value) {
                ("properties", Value::Object(properties)) => properties.values().any(|of| contains(of, what)),
                _ => contains(value, what),
            };
            what(name, value) || inside
        }),
        Value::Array(all) => all.iter().any(|one| contains(one, what)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kinds;
    use serde_json::json;

    fn definition(schema: Value) -> Value {
        json!({ "spec": { "versions": [{ "schema": { "openAPIV3Schema": schema } }] } })
    }

    fn told(schema: Value) -> Vec<String> {
        let kind = kinds::built_in().into_iter().find(Kind::defines_kinds).unwrap();
        warnings(&kind, &Method::POST, &Query::parse(""), &definition(schema))
    }

    #[test]
    fn what_a_schema_asks_for_is_told() {
        let anything = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        assert_eq!(told(anything), Vec::<String>::new());
        let rule = json!([{ "rule": "self.a > 0" }]);
        let schema =
            json!({ "properties": { "a": { "default": 1, "type": "integer" } }, "x-kubernetes-validations": rule });
        let said = told(schema).join("\n");
        for part in ["schemas", "no defaults", "CEL"] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    }

    #[test]
    fn properties_named_like_keywords_are_none() {
        let said = told(json!({ "properties": { "default": { "type": "string" } } })).join("\n");
        assert!(!said.contains("no defaults"), "{said}");
    }
}

//! What the generated definitions are like; [`parity`] compares them with the published ones.

mod cel;
mod parity;
mod rules;

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::registry::{self, KINDS, KindId};
use crate::types::Named;

pub(super) fn schema(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

pub(super) fn named(name: &str) -> Value {
    all().into_iter().find(|crd| crd["metadata"]["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn every_kind_of_kong_has_a_definition() {
    let defined: BTreeSet<String> =
        all().iter().map(|crd| crd["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    let listed = KINDS.iter().filter(|kind| kind.group.ends_with("konghq.com")).filter_map(registry::Kind::crd_name);
    assert_eq!(defined, listed.collect());
    assert_eq!(defined.len(), 13);
}

/// Keywords that a structural schema may use.
const KEYWORDS: &[&str] = &[
    "additionalProperties",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

fn check_structural(path: &str, schema: &Value, root: bool) {
    let keywords = schema.as_object().unwrap_or_else(|| panic!("{path} is no schema"));
    for keyword in keywords.keys() {
        assert!(KEYWORDS.contains(&keyword.as_str()), "{path} uses {keyword}");
    }
    let open = keywords.contains_key("x-kubernetes-preserve-unknown-fields");
    assert!(keywords.get("type").is_some_and(Value::is_string) || open, "{path} has no type");
    let properties = keywords.get("properties").and_then(Value::as_object);
    for name in keywords.get("required").and_then(Value::as_array).into_iter().flatten() {
        assert!(properties.is_some_and(|all| all.contains_key(name.as_str().unwrap())), "{path} requires {name}");
    }
    for (name, below) in properties.into_iter().flatten() {
        assert!(name == "metadata" || below.get("description").is_some(), "{path}.{name} is not described");
        if !(root && name == "metadata") {
            check_structural(&format!("{path}.{name}"), below, false);
        }
    }
    for below in ["items", "additionalProperties"] {
        if let Some(schema) = keywords.get(below) {
            check_structural(&format!("{path}[]"), schema, false);
        }
    }
}

#[test]
fn schemas_are_structural_and_described() {
    for crd in all() {
        check_structural(crd["metadata"]["name"].as_str().unwrap(), schema(&crd), true);
    }
}

#[test]
fn definitions_are_complete_objects() {
    let crd = named("kongvaults.configuration.konghq.com");
    assert_eq!(crd["spec"]["scope"], "Cluster");
    assert_eq!(
        crd["spec"]["names"],
        json!({"kind": "KongVault", "listKind": "KongVaultList", "plural": "kongvaults", "singular": "kongvault",
            "shortNames": ["kv"], "categories": ["kong-ingress-controller", "kong"]})
    );
    let version = &crd["spec"]["versions"][0];
    assert_eq!(
        (&version["name"], &version["served"], &version["storage"]),
        (&json!("v1alpha1"), &json!(true), &json!(true))
    );
    assert_eq!(version["subresources"], json!({"status": {}}));
    assert_eq!(schema(&crd)["required"], json!(["spec"]));
}

fn agrees<T: Named>(id: KindId) {
    let kind = id.kind();
    assert_eq!((T::GROUP, T::VERSION, T::KIND), (kind.group, kind.best_version(), kind.kind));
}

#[test]
fn types_say_of_themselves_what_the_registry_says() {
    agrees::<IngressClassParameters>(KindId::INGRESS_CLASS_PARAMETERS);
    agrees::<KongPlugin>(KindId::KONG_PLUGIN);
    agrees::<KongClusterPlugin>(KindId::KONG_CLUSTER_PLUGIN);
    agrees::<KongConsumer>(KindId::KONG_CONSUMER);
    agrees::<KongConsumerGroup>(KindId::KONG_CONSUMER_GROUP);
    agrees::<KongCustomEntity>(KindId::KONG_CUSTOM_ENTITY);
    agrees::<KongIngress>(KindId::KONG_INGRESS);
    agrees::<KongLicense>(KindId::KONG_LICENSE);
    agrees::<KongServiceFacade>(KindId::KONG_SERVICE_FACADE);
    agrees::<KongUpstreamPolicy>(KindId::KONG_UPSTREAM_POLICY);
    agrees::<KongVault>(KindId::KONG_VAULT);
    agrees::<TCPIngress>(KindId::TCP_INGRESS);
    agrees::<UDPIngress>(KindId::UDP_INGRESS);
}

fn read<T: DeserializeOwned>(id: KindId, object: &Value) -> T {
    let trimmed = id.kind().projection().read(object.to_string().as_bytes()).unwrap();
    serde_json::from_value(trimmed).unwrap()
}

#[test]
fn trimmed_objects_are_read() {
    let plugin: KongClusterPlugin = read(
        KindId::KONG_CLUSTER_PLUGIN,
        &json!({
            "metadata": {"name": "limit", "labels": {"global": "true"}}, "plugin": "rate-limiting",
            "config": {"minute": 5}, "protocols": ["http"], "run_on": "all", "instance_name": "one",
            "configPatches": [{"path": "/a", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "namespace": "n"}}}],
            "ordering": {"before": {"access": ["key-auth"]}}, "status": {"conditions": []},
        }),
    );
    assert_eq!(plugin.metadata.label("global"), Some("true"));
    assert_eq!(plugin.config.unwrap()["minute"], 5);
    let secret = &plugin.config_patches[0].value_from.secret_key_ref;
    assert_eq!((secret.secret("home").to_string(), secret.key()), ("n/s".to_owned(), "k"));

    let consumer: KongConsumer = read(
        KindId::KONG_CONSUMER,
        &json!({"metadata": {"name": "a"}, "username": "u", "custom_id": "c", "credentials": ["k"],
            "consumerGroups": ["g"], "spec": {"controlPlaneRef": {"type": "konnectNamespacedRef",
            "konnectNamespacedRef": {"name": "cp"}}}}),
    );
    assert_eq!((consumer.credentials, consumer.consumer_groups), (vec!["k".to_owned()], vec!["g".to_owned()]));
    assert!(!consumer.spec.unwrap().control_plane_ref.unwrap().is_ingress_controller());

    let policy: KongUpstreamPolicy = read(
        KindId::KONG_UPSTREAM_POLICY,
        &json!({"metadata": {"name": "a"}, "spec": {"algorithm": "consistent-hashing", "hashOn": {"queryArg": "q"},
            "healthchecks": {"threshold": 25, "active": {"type": "http", "httpsVerifyCertificate": true,
            "unhealthy": {"httpFailures": 3, "tcpFailures": 2}}, "passive": {"healthy": {"httpStatuses": [200]}}}}}),
    );
    let checks = policy.spec.unwrap().healthchecks.unwrap();
    assert_eq!(checks.passive.unwrap().healthy.unwrap().http_statuses, Some(vec![200]));
    assert_eq!(checks.active.unwrap().unhealthy.unwrap().tcp_failures, Some(2));

    let l4: TCPIngress = read(
        KindId::TCP_INGRESS,
        &json!({"metadata": {"name": "a"}, "spec": {"tls": [{"secretName": "s", "hosts": ["h"]}],
            "rules": [{"port": 9000, "host": "h", "backend": {"serviceName": "b", "servicePort": 80}}]}}),
    );
    assert_eq!(l4.spec.unwrap().rules[0].backend.service_port, 80);
}

#[test]
fn a_licence_is_never_printed() {
    let license: KongLicense = serde_json::from_value(json!({"enabled": true, "rawLicenseString": "hush"})).unwrap();
    assert!(!format!("{license:?}").contains("hush"));
}

//! While a kind cannot be brought up to date, what newly names something that is not known there keeps its effect, and
//! everything else flows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use silverback_kong::EntityKey;
use silverback_model::ObjectRef;
use silverback_translation::{Entity, Reason, Settings, Translator, object_ref, upsert};

use crate::world::application;

const SERVICE: &str = "Service";
const PLUGIN: &str = "KongPlugin.configuration.konghq.com";

/// All kinds that something may name.
const NAMED: [&str; 17] = [
    SERVICE,
    "EndpointSlice.discovery.k8s.io",
    "Secret",
    "ConfigMap",
    "IngressClass.networking.k8s.io",
    "IngressClassParameters.configuration.konghq.com",
    PLUGIN,
    "KongClusterPlugin.configuration.konghq.com",
    "KongConsumerGroup.configuration.konghq.com",
    "KongUpstreamPolicy.configuration.konghq.com",
    "KongIngress.configuration.konghq.com",
    "KongServiceFacade.incubator.ingress-controller.konghq.com",
    "KongVault.configuration.konghq.com",
    "Gateway.gateway.networking.k8s.io",
    "GatewayClass.gateway.networking.k8s.io",
    "ListenerSet.gateway.networking.k8s.io",
    "Namespace",
];

fn doubt(kinds: &[&str]) -> BTreeSet<String> {
    kinds.iter().map(|kind| (*kind).to_owned()).collect()
}

fn meta(name: &str, plugins: &str) -> Value {
    json!({
        "name": name, "namespace": "n", "uid": name, "resourceVersion": "1",
        "annotations": { "konghq.com/plugins": plugins },
    })
}

fn ingress(path: &str, service: &str, plugins: &str) -> Value {
    let backend = json!({ "service": { "name": service, "port": { "number": 80 } } });
    let rule = json!({ "http": { "paths": [{ "path": path, "pathType": "Prefix", "backend": backend }] } });
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta("i", plugins),
        "spec": { "ingressClassName": "kong", "rules": [rule] },
    })
}

fn service(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": meta(name, ""), "spec": { "ports": [{ "port": 80 }] } })
}

fn slice(service: &str, address: &str) -> Value {
    let mut metadata = meta(service, "");
    metadata["labels"] = json!({ "kubernetes.io/service-name": service });
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
        "ports": [{ "port": 8080 }], "endpoints": [{ "addresses": [address] }],
    })
}

fn plugin(name: &str) -> Value {
    json!({
        "apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin", "metadata": meta(name, ""),
        "plugin": "key-auth",
    })
}

/// A shop behind a plugin.
fn shop() -> (Translator, BTreeMap<ObjectRef, Value>) {
    let objects = [ingress("/shop", "shop", "auth"), service("shop"), slice("shop", "10.0.0.1"), plugin("auth")];
    let mut translator = Translator::new(Settings::default());
    let output = translator.apply(objects.iter().map(upsert).collect());
    assert!(output.diagnostics.is_empty(), "{:?}", output.diagnostics);
    (translator, objects.into_iter().map(|object| (object_ref(&object), object)).collect())
}

fn rendered(translator: &Translator) -> BTreeMap<EntityKey, Arc<Entity>> {
    translator.entities()
}

fn afresh<'a>(objects: impl IntoIterator<Item = &'a Value>) -> BTreeMap<EntityKey, Arc<Entity>> {
    let mut translator = Translator::new(Settings::default());
    translator.apply(objects.into_iter().map(upsert).collect());
    rendered(&translator)
}

/// What becomes of a change while a kind is in doubt, and once what it names is there after all.
fn is_withheld(altered: &Value, kind: &str, then: &[Value]) {
    let (mut translator, mut objects) = shop();
    let before = rendered(&translator);
    let output = translator.apply_in_doubt(0, vec![upsert(altered)], &doubt(&[kind]));
    assert_eq!(rendered(&translator), before, "the last output is kept");
    assert!(translator.withholds());
    let told = output.diagnostics.iter().find(|(object, _)| *object == object_ref(altered)).unwrap();
    let [note] = told.1.as_slice() else { panic!("{told:?}") };
    assert!(note.reason == Reason::ReferenceNotFound && note.message.contains(kind), "{note}");

    // Everything else flows, and what is withheld stays so.
    objects.insert(object_ref(&slice("shop", "")), slice("shop", "10.0.0.2"));
    translator.apply_in_doubt(0, vec![upsert(&slice("shop", "10.0.0.2"))], &doubt(&[kind]));
    assert_eq!(rendered(&translator), afresh(objects.values()));

    // The doubt is over, whatever is there then.
    for then in [then, &[]] {
        let (mut translator, mut objects) = shop();
        translator.apply_in_doubt(0, vec![upsert(altered)], &doubt(&[kind]));
        translator.apply(then.iter().map(upsert).collect());
        objects.extend(then.iter().chain([altered]).map(|object| (object_ref(object), object.clone())));
        assert_eq!(rendered(&translator), afresh(objects.values()));
        assert!(!translator.withholds());
        let all: Vec<_> = translator.diagnostics().flat_map(|(_, all)| all).collect();
        assert!(all.iter().all(|note| !note.message.contains("stays in force")), "{all:?}");
    }
}

#[test]
fn a_backend_that_is_not_known_takes_no_route_away() {
    is_withheld(&ingress("/shop", "cart", "auth"), SERVICE, &[service("cart"), slice("cart", "10.0.0.3")]);
}

#[test]
fn a_plugin_that_is_not_known_closes_no_route() {
    is_withheld(&ingress("/shop", "shop", "other"), PLUGIN, &[plugin("other")]);
    let mut shop = service("shop");
    shop["metadata"] = meta("shop", "other");
    is_withheld(&shop, PLUGIN, &[plugin("other")]);
}

#[test]
fn endpoints_that_are_not_known_empty_no_upstream() {
    let (mut translator, _) = shop();
    let before = rendered(&translator);
    let changes = vec![upsert(&ingress("/shop", "cart", "auth")), upsert(&service("cart"))];
    translator.apply_in_doubt(0, changes, &doubt(&["EndpointSlice.discovery.k8s.io"]));
    assert_eq!(rendered(&translator), before);
}

#[test]
fn what_is_withheld_gives_way_to_what_comes_later() {
    let (mut translator, mut objects) = shop();
    let doubt = doubt(&[SERVICE]);
    translator.apply_in_doubt(0, vec![upsert(&ingress("/shop", "cart", "auth"))], &doubt);
    let again = ingress("/store", "shop", "auth");
    translator.apply_in_doubt(0, vec![upsert(&again)], &doubt);
    objects.insert(object_ref(&again), again);
    assert_eq!(rendered(&translator), afresh(objects.values()));
    assert!(!translator.withholds());
    assert_eq!(translator.diagnostics().count(), 0);
}

#[test]
fn what_names_nothing_new_is_withheld_by_no_doubt() {
    for kind in NAMED {
        let mut translator = Translator::new(Settings::default());
        let objects: Vec<Value> = (0..3).flat_map(|at| application(at, 1)).collect();
        translator.apply(objects.iter().map(upsert).collect());
        let altered = objects.iter().cloned().map(|mut object| {
            object["metadata"]["annotations"]["konghq.com/tags"] = json!("altered");
            object
        });
        let altered: Vec<Value> = altered.collect();
        translator.apply_in_doubt(0, altered.iter().map(upsert).collect(), &doubt(&[kind]));
        assert!(!translator.withholds(), "{kind}");
        assert_eq!(rendered(&translator), afresh(&altered), "{kind}");
    }
}

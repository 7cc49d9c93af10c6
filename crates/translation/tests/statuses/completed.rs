//! Statuses as gateways complete them, and while nothing is decided.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use silverback_kong::EntityKey;
use silverback_status::{Held, Progress};
use silverback_translation::upsert;

use super::gateways::{https, key_pair};
use super::*;

const SECRET: &str = "Secret";

/// A Gateway with a listener in clear and one with a certificate, a set that adds one more of each, and a route.
fn scene() -> Vec<Value> {
    let mut gateway = gateway(json!([http("web"), https("tls", "a.test", json!([{"name": "pair"}]))]));
    gateway["spec"]["allowedListeners"] = json!({"namespaces": {"from": "Same"}});
    vec![gateway, key_pair("n"), set("pair"), route(json!([rule()]))]
}

/// A set whose listeners have the certificate of a Secret, and none.
fn set(secret: &str) -> Value {
    let parent = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"});
    let plain = json!({"name": "plain", "port": 80, "protocol": "HTTP", "hostname": "c.test"});
    let listeners = json!([plain, https("more", "b.test", json!([{ "name": secret }]))]);
    object("ListenerSet", "x", json!({"parentRef": parent, "listeners": listeners}))
}

/// What gateways have of all entities.
fn all(translator: &Translator, held: &Held) -> BTreeMap<EntityKey, Held> {
    translator.entities().into_keys().map(|key| (key, held.clone())).collect()
}

fn some(entities: BTreeMap<EntityKey, Held>) -> Option<Progress> {
    Some(Progress { gateways: 3, configured: true, entities })
}

fn completed(translator: &Translator, kind: &str, name: &str, progress: Option<&Progress>) -> Value {
    let object = ObjectRef::new(format!("{kind}.gateway.networking.k8s.io"), ObjectKey::new("n", name));
    let status = translator.status(&object).unwrap();
    serde_json::to_value((**status).clone().completed(&object, progress)).unwrap()
}

/// What is said of `Programmed`: of Gateway and set with their listeners, then of the route.
fn programmed(translator: &Translator, progress: Option<&Progress>) -> [Vec<String>; 3] {
    let told = |all: &Value| conditions(all).into_iter().find(|it| it.starts_with("Programmed=")).unwrap();
    let of = |kind: &str, name: &str| {
        let status = completed(translator, kind, name, progress);
        let listeners = status["listeners"].as_array().unwrap().iter().map(|it| told(&it["conditions"]));
        std::iter::once(told(&status["conditions"])).chain(listeners).collect()
    };
    let route = completed(translator, "HTTPRoute", "r", progress);
    [of("Gateway", "g"), of("ListenerSet", "x"), vec![told(&route["parents"][0]["conditions"])]]
}

/// "This condition indicates whether a Gateway has generated some configuration that is assumed to be ready soon in the
/// underlying data plane."
#[test]
fn what_gateways_hold_is_programmed() {
    let translator = translated(&scene());
    let told = programmed(&translator, some(all(&translator, &Held::AsWanted)).as_ref());
    assert_eq!(told.concat(), ["Programmed=True/Programmed"; 7]);
}

/// "Pending: … the Listener is either not yet reconciled or not yet online and ready to accept client traffic."
#[test]
fn what_gateways_do_not_hold_yet_is_pending() {
    let translator = translated(&scene());
    let told = programmed(&translator, some(all(&translator, &Held::NotYet)).as_ref());
    let (yes, no) = ("Programmed=True/Programmed", "Programmed=False/Pending");
    assert_eq!(
        told,
        [vec![no, yes, no], vec![no, yes, no], vec![no]],
        "nothing is needed in clear but a configuration"
    );
    let empty = Progress { gateways: 3, ..Progress::default() };
    assert_eq!(programmed(&translator, Some(&empty)).concat(), [no; 7]);
}

/// "It should be set to Unknown if the controller performs updates to the status before it has all the information it needs
/// to be able to determine if the condition is true."
#[test]
fn what_gateways_hold_may_be_unknown() {
    let translator = translated(&scene());
    assert_eq!(programmed(&translator, None).concat(), ["Programmed=Unknown/Pending"; 7]);
}

/// "NoResources: … the Gateway is not scheduled because insufficient infrastructure resources are available."
#[test]
fn without_gateways_there_are_no_resources() {
    let translator = translated(&scene());
    let [gateway, set, route] = programmed(&translator, Some(&Progress::default()));
    assert_eq!(gateway[0], "Programmed=False/NoResources");
    assert_eq!([&gateway[1..], &set, &route].concat(), ["Programmed=False/Pending"; 6]);
}

/// "Invalid: … the ListenerSet is syntactically or semantically invalid. For example, … invalid values in the TLS
/// configuration": all its listeners have what gateways refuse.
#[test]
fn what_gateways_refuse_is_invalid() {
    let mut only_tls = set("pair");
    only_tls["spec"]["listeners"].as_array_mut().unwrap().remove(0);
    let mut objects = scene();
    objects[2] = only_tls;
    let translator = translated(&objects);
    let route = ObjectRef::new("HTTPRoute.gateway.networking.k8s.io", ObjectKey::new("n", "r"));
    let refused = Held::Refused { objects: vec![route], words: "it is too weak".into() };
    let progress = some(all(&translator, &refused));
    let [gateway, set, route] = programmed(&translator, progress.as_ref());
    let (yes, no) = ("Programmed=True/Programmed", "Programmed=False/Invalid");
    assert_eq!(
        (gateway, set, route),
        (vec![yes.into(), yes.into(), no.into()], vec![no.to_owned(); 2], vec![no.into()])
    );
    let status = completed(&translator, "ListenerSet", "x", progress.as_ref());
    assert!(message(&status["conditions"], "Programmed").contains("it is too weak"));
}

/// What translation has decided stays, whatever gateways have.
#[test]
fn what_is_refused_before_stays_refused() {
    let translator = translated(&[gateway(json!([http("a"), http("b")]))]);
    let status = completed(&translator, "Gateway", "g", Some(&Progress::default()));
    assert_eq!(conditions(&status["conditions"])[2], "Programmed=False/Invalid");
    let missing = https("tls", "a.test", json!([{"name": "none"}]));
    let translator = translated(&[gateway(json!([missing]))]);
    let status = completed(&translator, "Gateway", "g", some(BTreeMap::new()).as_ref());
    assert_eq!(conditions(&status["conditions"])[2], "Programmed=False/Invalid", "none of its listeners is");
}

/// Takes an object's change while nothing is known of Secrets and Services; what is said of it then.
fn in_doubt(translator: &mut Translator, kind: &str, name: &str, changed: &Value) -> Value {
    let doubtful = [SECRET.to_owned(), "Service".to_owned()].into();
    let output = translator.apply_in_doubt(1, vec![upsert(changed)], &doubtful);
    let status = status_in(translator, kind, name);
    let (_, told) = output.statuses.iter().find(|(object, _)| object.kind.split('.').next() == Some(kind)).unwrap();
    assert_eq!(serde_json::to_value(told.as_deref()).unwrap(), status);
    status
}

fn newer(object: Value) -> Value {
    at(object, "/metadata/generation", json!(8))
}

/// "Pending: … a controller has not yet reconciled the route": while it names what may be there, or not.
#[test]
fn a_version_without_effect_is_pending() {
    let mut translator = translated(&scene());
    let wanted = at(newer(route(json!([rule()]))), "/spec/rules/0/backendRefs", backend("none"));
    let status = in_doubt(&mut translator, "HTTPRoute", "r", &wanted);
    assert_eq!(
        (parent(&status), status["observedGeneration"].clone()),
        (vec!["Accepted=Unknown/Pending".to_owned()], json!(8))
    );
    // It goes back: nothing is in doubt of what is in force.
    translator.apply_in_doubt(1, vec![upsert(&route(json!([rule()])))], &["Service".to_owned()].into());
    assert_eq!(parent(&status_in(&translator, "HTTPRoute", "r")), FINE);
}

/// "Pending: … when the status is Unknown and no controller has reconciled the Gateway."
#[test]
fn a_gateway_or_set_without_effect_is_pending() {
    let mut translator = translated(&scene());
    let pending = ["Accepted=Unknown/Pending", "Programmed=Unknown/Pending"];
    let status = in_doubt(&mut translator, "ListenerSet", "x", &newer(set("none")));
    assert_eq!(conditions(&status["conditions"]), pending);
    assert_eq!(conditions(&status["listeners"][1]["conditions"]), pending);
    let listeners = json!([http("web"), https("tls", "a.test", json!([{"name": "none"}]))]);
    let mut translator = translated(&scene());
    let status = in_doubt(&mut translator, "Gateway", "g", &at(newer(scene().remove(0)), "/spec/listeners", listeners));
    assert_eq!(conditions(&status["conditions"]), pending);
    assert_eq!(conditions(&status["listeners"][0]["conditions"]), pending);
    // As soon as that is known, it is decided.
    translator.apply(Vec::new());
    let status = status_in(&translator, "Gateway", "g");
    assert_eq!(
        conditions(&status["conditions"]),
        ["Accepted=True/Accepted", "ResolvedRefs=False/ListenersNotResolved"]
    );
    assert_eq!(status["observedGeneration"], 8);
}

/// "Pending: … the requested controller has not yet made a decision about whether to admit the GatewayClass": were it ours,
/// its Gateways would name what may be there, or not.
#[test]
fn a_class_without_effect_is_pending() {
    let foreign = at(class(), "/spec/controllerName", json!("acme.io/controller"));
    let missing = https("tls", "a.test", json!([{"name": "none"}]));
    let mut translator = translated(&[foreign, gateway(json!([missing]))]);
    assert_eq!(status_in(&translator, "GatewayClass", "kong"), Value::Null);
    let status = in_doubt(&mut translator, "GatewayClass", "kong", &newer(class()));
    assert_eq!(conditions(&status["conditions"]), ["Accepted=Unknown/Pending"]);
    translator.apply(Vec::new());
    assert_eq!(conditions(&status_in(&translator, "GatewayClass", "kong")["conditions"]), ["Accepted=True/Accepted"]);
}

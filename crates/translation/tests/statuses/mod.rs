//! Statuses of the Gateway API, reason by reason. Each test cites what the specification says: the comments of
//! `apis/v1` of kubernetes-sigs/gateway-api.

use serde_json::{Value, json};
use silverback_model::{ObjectKey, ObjectRef};
use silverback_translation::{Settings, Translator, upsert};

mod completed;
mod contests;
mod gateways;
mod policies;
mod published;
mod reasons;
mod routes;
mod sets;
mod tls;

pub const API: &str = "gateway.networking.k8s.io/v1";

pub fn object(kind: &str, name: &str, spec: Value) -> Value {
    let metadata = json!({"name": name, "namespace": "n", "uid": format!("{kind}-{name}"), "generation": 7,
        "creationTimestamp": "2026-01-01T00:00:00Z"});
    json!({"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec})
}

pub fn at(mut object: Value, pointer: &str, value: Value) -> Value {
    *object.pointer_mut(pointer).unwrap() = value;
    object
}

pub fn class() -> Value {
    let mut class = object("GatewayClass", "kong", json!({"controllerName": "konghq.com/kic-gateway-controller"}));
    class["metadata"]["namespace"] = "".into();
    class
}

pub fn gateway(listeners: Value) -> Value {
    object("Gateway", "g", json!({"gatewayClassName": "kong", "listeners": listeners}))
}

pub fn http(name: &str) -> Value {
    json!({"name": name, "port": 80, "protocol": "HTTP"})
}

pub fn service(name: &str) -> Value {
    let ports = json!([{"name": "http", "port": 80}, {"name": "h2c", "port": 81, "appProtocol": "kubernetes.io/h2c"}]);
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "n"}, "spec": {"ports": ports}})
}

pub fn backend(name: &str) -> Value {
    json!([{"group": "", "kind": "Service", "name": name, "port": 80, "weight": 1}])
}

pub fn rule() -> Value {
    json!({"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": backend("s")})
}

pub fn route(rules: Value) -> Value {
    object("HTTPRoute", "r", json!({"parentRefs": [{"name": "g"}], "rules": rules}))
}

pub fn with(rule_field: &str, value: Value) -> Value {
    let mut rule = rule();
    rule[rule_field] = value;
    route(json!([rule]))
}

/// A translation of these objects beside a class, and a Gateway and a Service where none is among them.
pub fn translated_with(settings: Settings, objects: &[Value]) -> Translator {
    let mut translator = Translator::new(settings);
    let mut all = vec![class(), gateway(json!([http("web")])), service("s")];
    all.extend(objects.iter().cloned());
    translator.apply(all.iter().map(upsert).collect());
    translator
}

pub fn translated(objects: &[Value]) -> Translator {
    translated_with(Settings::default(), objects)
}

pub fn status_in(translator: &Translator, kind: &str, name: &str) -> Value {
    let namespace = if kind == "GatewayClass" { "" } else { "n" };
    let object = ObjectRef::new(format!("{kind}.gateway.networking.k8s.io"), ObjectKey::new(namespace, name));
    translator.status(&object).map_or(Value::Null, |status| serde_json::to_value(&**status).unwrap())
}

pub fn status(objects: &[Value], kind: &str, name: &str) -> Value {
    status_in(&translated(objects), kind, name)
}

/// `Type=Status/Reason` of conditions, and the message of one.
pub fn conditions(conditions: &Value) -> Vec<String> {
    let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
    let all = conditions.as_array().into_iter().flatten();
    all.map(|it| format!("{}={}/{}", text(it, "type"), text(it, "status"), text(it, "reason"))).collect()
}

pub fn parent(status: &Value) -> Vec<String> {
    conditions(&status["parents"][0]["conditions"])
}

pub fn message(conditions: &Value, kind: &str) -> String {
    let found = conditions.as_array().unwrap().iter().find(|it| it["type"] == kind).unwrap();
    found["message"].as_str().unwrap().to_owned()
}

/// What the parent of the route `r` makes of it.
pub fn routed(objects: &[Value]) -> Vec<String> {
    parent(&status(objects, "HTTPRoute", "r"))
}

pub const REFUSED: [&str; 2] = ["Accepted=False/UnsupportedValue", "ResolvedRefs=True/ResolvedRefs"];
pub const FINE: [&str; 2] = ["Accepted=True/Accepted", "ResolvedRefs=True/ResolvedRefs"];

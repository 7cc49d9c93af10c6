//! Statuses that depend on how gateways are published: ports of their Service, and addresses.

use serde_json::{Value, json};
use silverback_translation::{ObjectChange, Publishing, upsert};

use super::gateways::GOOD_LISTENER;
use super::*;

fn key(name: &str) -> Option<ObjectKey> {
    Some(ObjectKey::new("n", name))
}

fn settings(publishing: Publishing) -> Settings {
    Settings { publishing, ..Settings::default() }
}

fn by_service() -> Settings {
    settings(Publishing { service: key("proxy"), ..Publishing::default() })
}

/// A Service that publishes gateways at these ports.
fn proxy(name: &str, ports: &[(u16, &str)], status: Value) -> Value {
    let ports: Vec<Value> = ports
        .iter()
        .map(|(port, protocol)| json!({"name": format!("p{port}"), "port": port, "protocol": protocol}))
        .collect();
    let mut service = service(name);
    service["spec"] = json!({"type": "LoadBalancer", "clusterIP": "10.96.0.7", "ports": ports});
    service["status"] = json!({ "loadBalancer": status });
    service
}

fn balanced() -> Value {
    proxy("proxy", &[(80, "TCP")], json!({"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.test"}]}))
}

fn listeners(translator: &Translator, kind: &str, name: &str) -> Vec<Vec<String>> {
    let status = status_in(translator, kind, name);
    status["listeners"].as_array().unwrap().iter().map(|it| conditions(&it["conditions"])).collect()
}

/// "PortUnavailable: … requests a port that cannot be used on the Gateway … The port is not supported by the
/// implementation."
#[test]
fn listeners_are_refused_at_ports_that_gateways_are_not_published_at() {
    let own = json!([http("web"), {"name": "far", "port": 81, "protocol": "HTTP"}, {"name": "udp", "port": 80, "protocol": "UDP"}]);
    let mut gateway = gateway(own);
    gateway["spec"]["allowedListeners"] = json!({"namespaces": {"from": "Same"}});
    let parent = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"});
    let more = json!([{"name": "a", "port": 80, "protocol": "HTTP", "hostname": "x.test"}, {"name": "b", "port": 82, "protocol": "HTTP"}]);
    let set = object("ListenerSet", "x", json!({"parentRef": parent, "listeners": more}));
    let mut translator = translated_with(by_service(), &[gateway.clone(), set, balanced()]);
    let refused = |what: &[String]| {
        assert_eq!(what[0], "Accepted=False/PortUnavailable");
        assert_eq!(what[3], "Programmed=False/PortUnavailable");
    };
    let found = listeners(&translator, "Gateway", "g");
    assert_eq!(found[0], GOOD_LISTENER);
    refused(&found[1]);
    refused(&found[2]);
    let found = listeners(&translator, "ListenerSet", "x");
    assert_eq!(found[0], GOOD_LISTENER);
    refused(&found[1]);

    // Ports may be of another Service for UDP, and follow what the Services have.
    let publishing = Publishing { service: key("proxy"), service_udp: key("udp"), ..Publishing::default() };
    let udp = proxy("udp", &[(80, "UDP")], json!({}));
    let other = translated_with(settings(publishing), &[gateway.clone(), balanced(), udp]);
    let found = listeners(&other, "Gateway", "g");
    refused(&found[1]);
    assert_eq!(found[2], GOOD_LISTENER);
    translator.apply(vec![upsert(&proxy("proxy", &[(80, "TCP"), (81, "TCP"), (80, "UDP")], json!({})))]);
    assert_eq!(listeners(&translator, "Gateway", "g"), [GOOD_LISTENER; 3]);
    // What is not known refuses nothing: a Service that is gone for a moment must not take everything away.
    translator.apply(vec![ObjectChange { content: None, ..upsert(&balanced()) }]);
    assert_eq!(listeners(&translator, "Gateway", "g"), [GOOD_LISTENER; 3]);
    let nobody = translated_with(Settings::default(), &[gateway, balanced()]);
    assert_eq!(listeners(&nobody, "Gateway", "g"), [GOOD_LISTENER; 3]);
}

fn asking(addresses: Value) -> Value {
    let mut gateway = gateway(json!([http("web")]));
    gateway["spec"]["addresses"] = addresses;
    gateway
}

/// The last condition of the Gateway, and its addresses.
fn programmed(settings: Settings, objects: &[Value]) -> (String, Value) {
    let status = status_in(&translated_with(settings, objects), "Gateway", "g");
    (conditions(&status["conditions"]).pop().unwrap(), status["addresses"].clone())
}

/// "AddressNotAssigned: … the underlying implementation and network have yet to dynamically assign addresses for a
/// Gateway": also "an implementation SHOULD automatically assign an address matching the requested type if possible".
#[test]
fn gateways_may_have_no_address_yet() {
    let waiting = proxy("proxy", &[(80, "TCP")], json!({}));
    let not_assigned = "Programmed=False/AddressNotAssigned".to_owned();
    let plain = asking(json!([]));
    assert_eq!(programmed(by_service(), &[plain.clone(), waiting]), (not_assigned.clone(), Value::Null));
    assert_eq!(
        programmed(by_service(), std::slice::from_ref(&plain)),
        (not_assigned.clone(), Value::Null),
        "no Service"
    );
    let unknown = programmed(Settings::default(), &[asking(json!([{"value": "192.0.2.1"}]))]);
    assert_eq!(unknown, (not_assigned.clone(), Value::Null), "nobody told where gateways are");
    assert_eq!(programmed(Settings::default(), &[plain]).0, "ResolvedRefs=True/ResolvedRefs", "and nobody asks");
    let by_name = settings(Publishing { addresses: vec!["lb.test".into()], ..Publishing::default() });
    assert_eq!(programmed(by_name, &[asking(json!([{"type": "IPAddress"}]))]).0, not_assigned);
}

/// "AddressNotUsable: … unable to use an address that was provided in the Gateway specification", such as "a named
/// address not being found".
#[test]
fn gateways_have_the_addresses_they_have() {
    let of = |wanted: Value| programmed(by_service(), &[asking(wanted), balanced()]);
    let known = json!([{"type": "IPAddress", "value": "192.0.2.1"}, {"type": "Hostname", "value": "lb.test"}]);
    let fine = "ResolvedRefs=True/ResolvedRefs".to_owned();
    assert_eq!(of(json!([])), (fine.clone(), known.clone()));
    assert_eq!(
        of(json!([{"value": "192.0.2.1"}, {"type": "Hostname", "value": "LB.test"}, {"type": "Hostname"}])).0,
        fine
    );
    let not_usable = "Programmed=False/AddressNotUsable".to_owned();
    assert_eq!(of(json!([{"value": "192.0.2.1"}, {"value": "192.0.2.2"}])), (not_usable.clone(), known));
    assert_eq!(of(json!([{"type": "Hostname", "value": "192.0.2.1"}])).0, not_usable);
}

/// Addresses that are given outright come before those of Services; one within the cluster is one as well.
#[test]
fn addresses_may_be_given_or_be_of_the_cluster() {
    let given = Publishing {
        service: key("proxy"),
        addresses: vec!["2001:db8::1".into()],
        addresses_udp: vec!["udp.test".into(), "2001:db8::1".into()],
        ..Publishing::default()
    };
    let of = |publishing: Publishing, service: Value| programmed(settings(publishing), &[asking(json!([])), service]).1;
    let wanted = json!([{"type": "IPAddress", "value": "2001:db8::1"}, {"type": "Hostname", "value": "udp.test"}]);
    assert_eq!(of(given, balanced()), wanted);
    let inner = at(balanced(), "/spec/type", json!("ClusterIP"));
    let wanted = json!([{"type": "IPAddress", "value": "10.96.0.7"}]);
    let by_service = Publishing { service: key("proxy"), ..Publishing::default() };
    assert_eq!(of(by_service.clone(), inner.clone()), wanted);
    let headless = at(inner, "/spec/clusterIP", json!("None"));
    let lacking = programmed(settings(by_service), &[asking(json!([])), headless]).0;
    assert_eq!(lacking, "Programmed=False/AddressNotAssigned");
}

//! Statuses of ListenerSets, and of what is attached to them.

use serde_json::{Value, json};

use super::gateways::{GOOD_LISTENER, https, key_pair};
use super::*;

fn set(name: &str, created: u8, listeners: Value) -> Value {
    let parent = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"});
    let set = object("ListenerSet", name, json!({"parentRef": parent, "listeners": listeners}));
    at(set, "/metadata/creationTimestamp", json!(format!("2026-01-0{created}T00:00:00Z")))
}

fn open_gateway(listeners: Value) -> Value {
    let mut gateway = gateway(listeners);
    gateway["spec"]["allowedListeners"] = json!({"namespaces": {"from": "Same"}});
    gateway
}

/// "NotAllowed: … the ListenerSet is not allowed to be attached to the Gateway"; "The default value is to allow no
/// ListenerSets."
#[test]
fn sets_must_be_allowed() {
    let added = set("x", 1, json!([{"name": "extra", "port": 81, "protocol": "HTTP"}]));
    let not_allowed = status(std::slice::from_ref(&added), "ListenerSet", "x");
    assert_eq!(conditions(&not_allowed["conditions"]), ["Accepted=False/NotAllowed", "Programmed=False/NotAllowed"]);
    let translator = translated(&[open_gateway(json!([http("web")])), added]);
    let allowed = status_in(&translator, "ListenerSet", "x");
    assert_eq!(conditions(&allowed["conditions"]), ["Accepted=True/Accepted"]);
    assert_eq!(conditions(&allowed["listeners"][0]["conditions"]), GOOD_LISTENER);
    assert_eq!(status_in(&translator, "Gateway", "g")["attachedListenerSets"], 1);
}

/// "From: All, None, Same, Selector … The default value is to allow no ListenerSets."
#[test]
fn namespaces_decide_whose_sets_are_allowed() {
    let label = json!({"matchLabels": {"team": "a"}});
    let cases = [
        (json!({}), false, false),
        (json!({"namespaces": {}}), false, false),
        (json!({"namespaces": {"from": "None"}}), false, false),
        (json!({"namespaces": {"from": "Same"}}), true, false),
        (json!({"namespaces": {"from": "All"}}), true, true),
        (json!({"namespaces": {"from": "Selector", "selector": label}}), true, true),
        (json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}}), false, false),
        (json!({"namespaces": {"from": "Selector"}}), false, false),
        (json!({"namespaces": {"from": "Somewhere"}}), false, false),
    ];
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": {"team": "a"}}});
    for (allowed, at_home, elsewhere) in cases {
        for (home, is_allowed) in [("n", at_home), ("m", elsewhere)] {
            let mut gateway = at(gateway(json!([http("web")])), "/metadata/namespace", json!(home));
            gateway["spec"]["allowedListeners"] = allowed.clone();
            let mut added = set("x", 1, json!([{"name": "extra", "port": 81, "protocol": "HTTP"}]));
            added["spec"]["parentRef"]["namespace"] = home.into();
            let status = status(&[namespace.clone(), gateway, added], "ListenerSet", "x");
            let wanted = if is_allowed { "Accepted=True/Accepted" } else { "Accepted=False/NotAllowed" };
            assert_eq!(conditions(&status["conditions"])[0], wanted, "{allowed} of a Gateway in {home}");
        }
    }
}

/// "ParentNotAccepted: … the parent Gateway is not accepted."
#[test]
fn sets_need_a_gateway_that_is_accepted() {
    let mut gateway = open_gateway(json!([http("web")]));
    gateway["spec"]["infrastructure"] = json!({"parametersRef": {"name": "x"}});
    let added = set("x", 1, json!([{"name": "extra", "port": 81, "protocol": "HTTP"}]));
    let status = status(&[gateway, added], "ListenerSet", "x");
    assert_eq!(conditions(&status["conditions"])[0], "Accepted=False/ParentNotAccepted");
}

/// Precedence: "parent Gateway; ListenerSet ordered by creation time (oldest first); alphabetically": the first counts,
/// "ListenersNotValid" where nothing of a set is left.
#[test]
fn sets_give_way_by_age() {
    let extra = |port: u16| json!([{"name": "extra", "port": port, "protocol": "HTTP"}]);
    let objects = [
        open_gateway(json!([http("web")])),
        set("a", 2, extra(81)),
        set("b", 1, extra(81)),
        set(
            "c",
            1,
            json!([{"name": "tcp", "port": 80, "protocol": "TCP"}, {"name": "good", "port": 82, "protocol": "HTTP"}]),
        ),
    ];
    let translator = translated(&objects);
    let accepted = |name: &str| conditions(&status_in(&translator, "ListenerSet", name)["conditions"]);
    assert_eq!(accepted("a"), ["Accepted=False/ListenersNotValid", "Programmed=False/ListenersNotValid"]);
    assert_eq!(accepted("b"), ["Accepted=True/Accepted"]);
    assert_eq!(accepted("c"), ["Accepted=True/Accepted"], "something of it is left");
    let tcp = status_in(&translator, "ListenerSet", "c")["listeners"][0]["conditions"].clone();
    assert!(conditions(&tcp).contains(&"Conflicted=True/ProtocolConflict".to_owned()));
    let gateway = status_in(&translator, "Gateway", "g");
    assert_eq!(conditions(&gateway["conditions"])[0], "Accepted=True/Accepted", "a Gateway's own come first");
    assert_eq!(gateway["attachedListenerSets"], 2);
}

#[test]
fn routes_attach_to_sets_apart_from_their_gateway() {
    let parents = json!([{"group": "gateway.networking.k8s.io", "kind": "ListenerSet", "name": "x"}]);
    let route = at(route(json!([rule()])), "/spec/parentRefs", parents);
    let added = set("x", 1, json!([{"name": "extra", "port": 81, "protocol": "HTTP", "hostname": "x.test"}]));
    let translator = translated(&[open_gateway(json!([http("web")])), added, route]);
    assert_eq!(parent(&status_in(&translator, "HTTPRoute", "r")), FINE);
    assert_eq!(status_in(&translator, "ListenerSet", "x")["listeners"][0]["attachedRoutes"], 1);
    assert_eq!(status_in(&translator, "Gateway", "g")["listeners"][0]["attachedRoutes"], 0);
    let service = translator.entities().into_iter().find(|(key, _)| key.to_string().starts_with("services/")).unwrap();
    assert_eq!(service.1.rendered.value()["routes"][0]["hosts"], json!(["x.test"]));
}

/// "If a Listener is conflicted because it has the same port as another Listener, and it also has the same hostname as
/// another Listener, the reason should be ListenerConflict and not HostnameConflict or ProtocolConflict."
#[test]
fn a_set_may_conflict_by_host_and_by_protocol() {
    let tls = |name: &str| json!({"name": name, "port": 80, "protocol": "TLS", "hostname": "a.test", "tls": {"mode": "Passthrough"}});
    let own = json!([{"name": "https", "port": 80, "protocol": "HTTPS", "hostname": "a.test", "tls": {}}, http("web")]);
    let translator = translated(&[open_gateway(own), set("x", 1, json!([tls("tls")]))]);
    let found = status_in(&translator, "ListenerSet", "x")["listeners"][0]["conditions"].clone();
    let wanted = ["Accepted=False/ListenerConflict", "Conflicted=True/ListenerConflict"];
    assert_eq!(conditions(&found)[..2], wanted);
}

/// "UnsupportedProtocol", "HostnameConflict", "InvalidCertificateRef", "InvalidRouteKinds", "RefNotPermitted" and "Invalid"
/// mean the same where a set has the listener.
#[test]
fn listeners_of_sets_are_judged_like_those_of_gateways() {
    let foreign = json!({"name": "a", "port": 81, "protocol": "acme.io/quic"});
    let mut kinds = http("b");
    kinds["port"] = 82.into();
    kinds["allowedRoutes"] = json!({"kinds": [{"kind": "TCPRoute"}]});
    let missing = https("c", "c.test", json!([{"name": "none"}]));
    let elsewhere = https("d", "d.test", json!([{"name": "pair", "namespace": "m"}]));
    let listeners = json!([foreign, kinds, missing, elsewhere, http("e")]);
    let translator = translated(&[open_gateway(json!([http("web")])), key_pair("m"), set("x", 1, listeners)]);
    let status = status_in(&translator, "ListenerSet", "x");
    let of = |at: usize| conditions(&status["listeners"][at]["conditions"]);
    assert_eq!((&*of(0)[0], &*of(0)[3]), ("Accepted=False/UnsupportedProtocol", "Programmed=False/Invalid"));
    assert_eq!(of(1)[2], "ResolvedRefs=False/InvalidRouteKinds");
    assert_eq!(of(2)[2], "ResolvedRefs=False/InvalidCertificateRef");
    assert_eq!(of(3)[2], "ResolvedRefs=False/RefNotPermitted");
    assert_eq!(of(4)[0], "Accepted=False/HostnameConflict");
}

/// "An implementation MAY reject listeners by setting the ListenerEntryStatus Accepted condition to False with the Reason
/// TooManyListeners": 1,024 are enough, and it is the youngest that do without.
#[test]
fn the_youngest_sets_do_without_where_there_are_too_many() {
    let full = |name: &str, created: u8, first: u16| {
        let listener =
            |port: u16| json!({"name": format!("l{port}"), "port": port, "protocol": "HTTP", "hostname": "x.test"});
        set(name, created, (first..first + 64).map(listener).collect())
    };
    // With the Gateway's own, one is left over.
    let mut objects = vec![open_gateway(json!([http("web")])), full("youngest", 9, 10_000)];
    objects.extend((0..15).map(|at| full(&format!("s{at:02}"), 1, 2_000 + at * 64)));
    let mut translator = translated(&objects);
    let of = |translator: &Translator, name: &str, at: usize| {
        conditions(&status_in(translator, "ListenerSet", name)["listeners"][at]["conditions"])
    };
    assert_eq!(of(&translator, "s14", 63), GOOD_LISTENER);
    assert_eq!(of(&translator, "youngest", 62), GOOD_LISTENER);
    let wanted = ["Accepted=False/TooManyListeners", "Conflicted=False/NoConflicts"];
    assert_eq!(of(&translator, "youngest", 63)[..2], wanted);
    // Nobody else is the worse for it; and when others make room, there is some.
    let older = full("older", 2, 12_000);
    translator.apply(vec![upsert(&older)]);
    assert_eq!(of(&translator, "older", 62), GOOD_LISTENER);
    let accepted = |name: &str| conditions(&status_in(&translator, "ListenerSet", name)["conditions"]);
    assert_eq!(accepted("youngest"), ["Accepted=False/ListenersNotValid", "Programmed=False/ListenersNotValid"]);
    translator.apply(vec![silverback_translation::ObjectChange { content: None, ..upsert(&older) }]);
    assert_eq!(of(&translator, "youngest", 62), GOOD_LISTENER);
}

//! HTTPRoutes and GRPCRoutes with hosts in common: "the implementation MUST accept exactly one of these two routes,
//! determined by … the oldest Route based on creation timestamp; the Route appearing first in alphabetical order";
//! "the rejected Route MUST raise an 'Accepted' condition with a status of 'False'".

use serde_json::{Value, json};
use silverback_translation::{ObjectChange, RouterFlavor, Settings, upsert};

use super::*;

const LOST: &str = "Accepted=False/HostnameConflict";

fn contender(kind: &str, name: &str, created: u8, hosts: &[&str]) -> Value {
    let mut rule = rule();
    if kind == "GRPCRoute" {
        rule["matches"] = json!([{"method": {"service": "shop.Cart"}}]);
    }
    let spec = json!({"parentRefs": [{"name": "g"}], "hostnames": hosts, "rules": [rule]});
    let route = object(kind, name, spec);
    at(route, "/metadata/creationTimestamp", json!(format!("2026-01-0{created}T00:00:00Z")))
}

fn accepted(translator: &Translator, kind: &str, name: &str) -> String {
    parent(&status_in(translator, kind, name))[0].clone()
}

fn services(translator: &Translator) -> Vec<String> {
    let keys = translator.entities().into_keys().map(|key| key.to_string());
    keys.filter(|key| key.starts_with("services/")).collect()
}

#[test]
fn the_older_of_two_kinds_is_accepted_in_both_flavours() {
    for router_flavor in [RouterFlavor::Traditional, RouterFlavor::Expressions] {
        let settings = Settings { router_flavor, ..Settings::default() };
        let http = contender("HTTPRoute", "web", 1, &["a.test", "b.test"]);
        let calls = contender("GRPCRoute", "calls", 2, &["*.test"]);
        let mut translator = translated_with(settings, &[calls, http.clone()]);
        assert_eq!(accepted(&translator, "HTTPRoute", "web"), FINE[0]);
        assert_eq!(accepted(&translator, "GRPCRoute", "calls"), LOST);
        let refused = status_in(&translator, "GRPCRoute", "calls");
        let message = message(&refused["parents"][0]["conditions"], "Accepted");
        assert!(message.starts_with("HTTPRoute n/web comes first"), "{message}");
        assert_eq!(services(&translator).len(), 1, "what is refused makes nothing");
        let gateway = status_in(&translator, "Gateway", "g");
        assert_eq!(gateway["listeners"][0]["attachedRoutes"], 1, "only accepted routes count");
        // The winner goes, and the other takes its place; it comes back younger, and loses.
        translator.apply(vec![ObjectChange { content: None, ..upsert(&http) }]);
        assert_eq!(accepted(&translator, "GRPCRoute", "calls"), FINE[0]);
        translator.apply(vec![upsert(&contender("HTTPRoute", "web", 3, &["a.test"]))]);
        assert_eq!(accepted(&translator, "HTTPRoute", "web"), LOST);
        // As soon as it has no host in common any more, both are accepted.
        translator.apply(vec![upsert(&contender("HTTPRoute", "web", 3, &["a.other"]))]);
        assert_eq!(accepted(&translator, "HTTPRoute", "web"), FINE[0]);
        assert_eq!(accepted(&translator, "GRPCRoute", "calls"), FINE[0]);
    }
}

#[test]
fn of_equal_age_the_first_by_name_is_accepted() {
    let objects = [contender("HTTPRoute", "b", 1, &[]), contender("GRPCRoute", "a", 1, &["x.test"])];
    let translator = translated(&objects);
    assert_eq!(accepted(&translator, "GRPCRoute", "a"), FINE[0]);
    assert_eq!(accepted(&translator, "HTTPRoute", "b"), LOST, "no hosts are all hosts");
}

/// A route that is not accepted, for whatever reason, keeps none of another kind away.
#[test]
fn only_who_would_be_accepted_keeps_others_away() {
    let hosts = ["a.test"];
    let mut broken = contender("HTTPRoute", "broken", 1, &hosts);
    broken["spec"]["rules"][0]["filters"] = json!([{"type": "RequestMirror"}]);
    let chain = [contender("GRPCRoute", "calls", 2, &hosts), contender("HTTPRoute", "web", 3, &hosts), broken];
    let translator = translated(&chain);
    assert_eq!(accepted(&translator, "HTTPRoute", "broken"), "Accepted=False/UnsupportedValue");
    assert_eq!(accepted(&translator, "GRPCRoute", "calls"), FINE[0]);
    assert_eq!(accepted(&translator, "HTTPRoute", "web"), LOST);
}

/// The rule is one of listeners: a route that loses at one goes on at another.
#[test]
fn a_route_may_lose_at_one_listener_and_stay_at_another() {
    let tls = json!({"name": "tls", "port": 443, "protocol": "HTTPS", "hostname": "b.test", "tls": {}});
    let listeners = json!([{"name": "web", "port": 80, "protocol": "HTTP", "hostname": "a.test"}, tls]);
    let web = contender("HTTPRoute", "web", 1, &["a.test"]);
    let calls = contender("GRPCRoute", "calls", 2, &["a.test", "b.test"]);
    let translator = translated(&[gateway(listeners), web, calls]);
    assert_eq!(accepted(&translator, "GRPCRoute", "calls"), FINE[0]);
    let gateway = status_in(&translator, "Gateway", "g");
    assert_eq!(gateway["listeners"][0]["attachedRoutes"], 1);
    assert_eq!(gateway["listeners"][1]["attachedRoutes"], 1);
    let entities = translator.entities();
    let (_, calls) = entities.iter().find(|(key, _)| key.to_string().starts_with("services/grpc")).unwrap();
    assert_eq!(calls.rendered.value()["routes"][0]["hosts"], json!(["b.test"]), "no calls to the host it lost");
}

//! Statuses of routes.

use serde_json::{Value, json};
use silverback_translation::{KongVersion, RouterFlavor, Settings};

use super::gateways::key_pair;
use super::*;

/// "A Route MUST be considered Accepted if at least one of the Route's rules is implemented by the Gateway."
#[test]
fn a_route_is_accepted_and_names_what_proves_it_programmed() {
    let status = status(&[route(json!([rule()]))], "HTTPRoute", "r");
    assert_eq!(parent(&status), FINE);
    assert_eq!(status["parents"][0]["parentRef"], json!({"name": "g"}), "as it was written");
    assert_eq!(status["parents"][0]["controllerName"], "konghq.com/kic-gateway-controller");
    assert_eq!((&status["observedGeneration"], &status["entities"][0]["name"]), (&json!(7), &json!("httproute.n.r.0")));
}

/// "NoMatchingParent: … when a Route ParentRef specifies a Port and/or SectionName that does not match any Listeners."
#[test]
fn a_listener_that_is_not_there_matches_no_parent() {
    for wanted in [json!([{"name": "g", "sectionName": "other"}]), json!([{"name": "g", "port": 81}])] {
        let route = at(route(json!([rule()])), "/spec/parentRefs", wanted);
        assert_eq!(routed(&[route])[0], "Accepted=False/NoMatchingParent");
    }
}

/// "NotAllowedByListeners: … the Gateway has no Listener whose allowedRoutes criteria permit the route."
#[test]
fn listeners_allow_by_namespace_and_kind() {
    let allowing = |allowed: Value| {
        let mut listener = http("web");
        listener["allowedRoutes"] = allowed;
        routed(&[gateway(json!([listener])), route(json!([rule()]))])[0].clone()
    };
    let refused = "Accepted=False/NotAllowedByListeners";
    assert_eq!(allowing(json!({"kinds": [{"kind": "GRPCRoute"}]})), refused);
    assert_eq!(allowing(json!({"namespaces": {"from": "None"}})), refused);
    let selector = json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}});
    assert_eq!(allowing(selector.clone()), refused, "the namespace has no label");
    let mut listener = http("web");
    listener["allowedRoutes"] = selector;
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": {"team": "a"}}});
    assert_eq!(routed(&[namespace, gateway(json!([listener])), route(json!([rule()]))]), FINE);
    let tcp = json!([{"name": "tcp", "port": 9000, "protocol": "TCP"}]);
    assert_eq!(routed(&[gateway(tcp), route(json!([rule()]))])[0], refused, "TCP carries no HTTPRoute");
}

/// "NoMatchingListenerHostname: … the Gateway has no compatible Listeners whose Hostname matches the route."
#[test]
fn hosts_must_meet() {
    let mut listener = http("web");
    listener["hostname"] = "*.a.test".into();
    let mut route = route(json!([rule()]));
    route["spec"]["hostnames"] = json!(["b.test"]);
    assert_eq!(routed(&[gateway(json!([listener])), route])[0], "Accepted=False/NoMatchingListenerHostname");
}

/// "UnsupportedValue: … a value for an Enum is not recognized", and what Kong has nothing for.
#[test]
fn what_kong_cannot_do_is_refused() {
    let filter = |filter: Value| with("filters", json!([filter]));
    let mirror = json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "s", "port": 80}}});
    let refused = [
        with("matches", json!([{"queryParams": [{"name": "q", "value": "1"}]}])),
        with("matches", json!([{"path": {"type": "Glob", "value": "/*"}}])),
        filter(mirror),
        filter(json!({"type": "ExternalAuth"})),
        filter(json!({"type": "RequestRedirect", "requestRedirect": {"statusCode": 300}})),
        filter(json!({"type": "CORS", "cors": {"allowOrigins": ["*"], "allowMethods": ["PURGE"]}})),
        with("retry", json!({"codes": [503]})),
        with("retry", json!({"attempts": 2, "backoff": "1s"})),
        with("sessionPersistence", json!({"type": "Header", "sessionName": "x"})),
        with("sessionPersistence", json!({"sessionName": "x"})),
        with("timeouts", json!({"request": "soon"})),
    ];
    let percent = json!({"backendRef": {"name": "s", "port": 80}, "percent": 10});
    let auth = json!({"protocol": "GRPC", "backendRef": {"name": "s", "port": 80}, "grpc": {}});
    let more = [
        filter(json!({"type": "RequestMirror", "requestMirror": percent})),
        filter(json!({"type": "ExternalAuth", "externalAuth": auth})),
        with("sessionPersistence", json!({"type": "Header", "header": {"name": "x"}})),
        with("sessionPersistence", json!({"type": "Cookie", "idleTimeout": "1h", "cookie": {"name": "x"}})),
        with("sessionPersistence", json!({"type": "Cookie", "cookie": {"name": "x", "lifetimeType": "Permanent"}})),
    ];
    for route in refused.into_iter().chain(more) {
        assert_eq!(routed(std::slice::from_ref(&route)), REFUSED, "{route}");
    }
    let filters = json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}]);
    let mut differing = backend("s").as_array().unwrap().clone();
    differing.push(json!({"kind": "Service", "name": "s", "port": 80, "filters": filters}));
    assert_eq!(routed(&[with("backendRefs", json!(differing))]), REFUSED, "one backend's filters");
}

#[test]
fn the_other_flavour_and_newer_gateways_can_do_more() {
    let expressions = Settings { router_flavor: RouterFlavor::Expressions, ..Settings::default() };
    let query = with("matches", json!([{"queryParams": [{"name": "q", "value": "1"}]}]));
    assert_eq!(parent(&status_in(&translated_with(expressions, &[query]), "HTTPRoute", "r")), FINE);
    let newer = Settings { kong_version: KongVersion { major: 3, minor: 11 }, ..Settings::default() };
    let sticky = with("sessionPersistence", json!({"type": "Cookie", "cookie": {"name": "x"}}));
    assert_eq!(parent(&status_in(&translated_with(newer, &[sticky]), "HTTPRoute", "r")), FINE);
}

/// "IncompatibleFilters: … for example if the URLRewrite and RequestRedirect are both present on an HTTPRoute."
#[test]
fn filters_may_exclude_each_other() {
    let rewrite = json!({"type": "URLRewrite", "urlRewrite": {"hostname": "a.test"}});
    let redirect = json!({"type": "RequestRedirect", "requestRedirect": {"hostname": "a.test"}});
    assert_eq!(routed(&[with("filters", json!([rewrite, redirect]))])[0], "Accepted=False/IncompatibleFilters");
}

/// "PartiallyInvalid: … The message for this condition MUST start with the prefix \"Dropped Rule\" … the Accepted
/// condition MUST be set to True"; "MUST NOT be set if a Route is fully valid, fully invalid, or not accepted".
#[test]
fn rules_that_cannot_be_had_are_dropped_alone() {
    let mut bad = rule();
    bad["filters"] = json!([{"type": "RequestMirror"}]);
    let route = route(json!([rule(), bad]));
    let translator = translated(&[route]);
    let status = status_in(&translator, "HTTPRoute", "r");
    let wanted = ["Accepted=True/Accepted", "ResolvedRefs=True/ResolvedRefs", "PartiallyInvalid=True/UnsupportedValue"];
    assert_eq!(parent(&status), wanted);
    let message = message(&status["parents"][0]["conditions"], "PartiallyInvalid");
    assert!(message.starts_with("Dropped Rule 1: spec.rules[1].filters[0].type: "), "{message}");
    assert_eq!(translator.entities().len(), 2, "the other rule's service and upstream");
}

/// "RefNotPermitted: … a BackendRef to an object in another namespace, where the object in the other namespace does not
/// have a ReferenceGrant explicitly allowing the reference."
#[test]
fn other_namespaces_must_grant() {
    let mut service = service("s");
    service["metadata"]["namespace"] = "m".into();
    let mut target = backend("s");
    target[0]["namespace"] = "m".into();
    let route = with("backendRefs", target);
    assert_eq!(routed(&[service.clone(), route.clone()])[1], "ResolvedRefs=False/RefNotPermitted");
    let from = json!([{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "n"}]);
    let mut grant = object("ReferenceGrant", "x", json!({"from": from, "to": [{"group": "", "kind": "Service"}]}));
    grant["metadata"]["namespace"] = "m".into();
    assert_eq!(routed(&[grant, service, route]), FINE);
}

/// "InvalidKind: … a reference to an unknown or unsupported Group and/or Kind."
#[test]
fn only_services_and_plugins_can_be_referred_to() {
    let bucket = json!([{"group": "acme.io", "kind": "Bucket", "name": "b"}]);
    assert_eq!(routed(&[with("backendRefs", bucket)])[1], "ResolvedRefs=False/InvalidKind");
    let named = json!({"group": "acme.io", "kind": "Filter", "name": "f"});
    let route = with("filters", json!([{"type": "ExtensionRef", "extensionRef": named}]));
    let translator = translated(&[route]);
    assert_eq!(parent(&status_in(&translator, "HTTPRoute", "r"))[1], "ResolvedRefs=False/InvalidKind");
    // "the filter MUST NOT be skipped. Instead, requests … MUST receive a HTTP error response."
    let service =
        translator.entities().into_iter().find(|(key, _)| key.to_string() == "services/httproute.n.r.0").unwrap();
    assert_eq!(service.1.rendered.value()["routes"][0]["plugins"][0]["config"]["status_code"], 500);
}

/// "BackendNotFound: … a reference to a resource that does not exist."
#[test]
fn what_is_referred_to_must_exist() {
    assert_eq!(routed(&[with("backendRefs", backend("none"))])[1], "ResolvedRefs=False/BackendNotFound");
    let mut target = backend("s");
    target[0]["port"] = 99.into();
    assert_eq!(routed(&[with("backendRefs", target)])[1], "ResolvedRefs=False/BackendNotFound", "no such port");
    let named = json!({"group": "configuration.konghq.com", "kind": "KongPlugin", "name": "none"});
    let route = with("filters", json!([{"type": "ExtensionRef", "extensionRef": named}]));
    assert_eq!(routed(&[route])[1], "ResolvedRefs=False/BackendNotFound");
}

/// "UnsupportedProtocol: … a reference to a resource with an app protocol that is not supported."
#[test]
fn http_is_not_spoken_as_http2_in_clear() {
    let mut target = backend("s");
    target[0]["port"] = 81.into();
    assert_eq!(routed(&[with("backendRefs", target.clone())])[1], "ResolvedRefs=False/UnsupportedProtocol");
    let grpc = object("GRPCRoute", "r", json!({"parentRefs": [{"name": "g"}], "rules": [{"backendRefs": target}]}));
    assert_eq!(parent(&status(&[grpc], "GRPCRoute", "r")), FINE, "gRPC is HTTP/2");
}

/// What Kong has nothing for is refused in rules of gRPC as well.
#[test]
fn what_kong_cannot_do_for_calls_is_refused() {
    let mirror = json!([{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "s", "port": 80}}}]);
    let persistence = json!({"type": "Header", "header": {"name": "x"}});
    for (field, value) in [("filters", mirror), ("sessionPersistence", persistence)] {
        let mut rule = json!({"backendRefs": backend("s")});
        rule[field] = value;
        let route = object("GRPCRoute", "r", json!({"parentRefs": [{"name": "g"}], "rules": [rule]}));
        assert_eq!(parent(&status(&[route], "GRPCRoute", "r")), REFUSED, "{field}");
    }
}

/// "If set, the Gateway will claim any Route with a matching scope set in its UseDefaultGateway field, subject to the
/// usual rules about which routes the Gateway can attach to."
#[test]
fn default_gateways_take_routes_that_do_not_name_them() {
    let by_default = |scope: &str, wanted: &str| {
        let mut gateway = gateway(json!([http("web")]));
        gateway["spec"]["defaultScope"] = scope.into();
        let spec = json!({"useDefaultGateways": wanted, "rules": [rule()]});
        status(&[gateway, object("HTTPRoute", "r", spec)], "HTTPRoute", "r")
    };
    let taken = by_default("All", "All");
    assert_eq!(parent(&taken), FINE);
    let gateway = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "n", "name": "g"});
    assert_eq!(
        taken["parents"],
        json!([{"parentRef": gateway, "controllerName": taken["parents"][0]["controllerName"],
        "conditions": taken["parents"][0]["conditions"]}])
    );
    for (scope, wanted) in [("None", "All"), ("All", "None"), ("None", "None")] {
        assert_eq!(by_default(scope, wanted), Value::Null, "{scope} {wanted}");
    }
    let mut closed = super::gateway(json!([{"name": "tcp", "port": 9000, "protocol": "TCP"}]));
    closed["spec"]["defaultScope"] = "All".into();
    let named = at(route(json!([rule()])), "/spec/parentRefs", json!([{"name": "g"}]));
    let mut both = named.clone();
    both["spec"]["useDefaultGateways"] = "All".into();
    let found = status(&[closed, both], "HTTPRoute", "r");
    assert_eq!(found["parents"].as_array().map(Vec::len), Some(1), "a parent that is named is one parent");
    assert_eq!(parent(&found)[0], "Accepted=False/NotAllowedByListeners");
}

#[test]
fn every_kind_of_route_has_a_status() {
    let rules = json!([{"backendRefs": backend("s")}]);
    for (kind, protocol) in [("TCPRoute", "TCP"), ("UDPRoute", "UDP"), ("TLSRoute", "TLS"), ("GRPCRoute", "HTTP")] {
        let listener = json!({"name": "l", "port": 9000, "protocol": protocol, "tls": {"mode": "Passthrough"}});
        let mut spec = json!({"parentRefs": [{"name": "g"}], "rules": rules});
        if kind == "TLSRoute" {
            spec["hostnames"] = json!(["a.test"]);
        }
        let translator = translated(&[gateway(json!([listener])), object(kind, "r", spec)]);
        assert_eq!(parent(&status_in(&translator, kind, "r")), FINE, "{kind}");
        let gateway = status_in(&translator, "Gateway", "g");
        assert_eq!(gateway["listeners"][0]["attachedRoutes"], 1, "{kind} counts");
    }
}

/// "There are a number of cases where the Accepted condition may not be set …: The Route refers to a nonexistent parent."
#[test]
fn parents_of_others_get_no_word_of_ours() {
    let foreign = at(class(), "/spec/controllerName", json!("acme.io/gateway"));
    assert_eq!(status(&[foreign, route(json!([rule()]))], "HTTPRoute", "r"), Value::Null);
    let lost = at(route(json!([rule()])), "/spec/parentRefs/0/name", json!("none"));
    assert_eq!(status(&[lost], "HTTPRoute", "r"), Value::Null);
}

fn annotated(mut route: Value, annotation: &str, value: &str) -> Value {
    route["metadata"]["annotations"] = json!({ annotation: value });
    route
}

/// What annotations ask for counts as well: where Kong would refuse every route of a rule, the rule is not served.
#[test]
fn annotations_that_let_a_rule_match_nothing_refuse_it() {
    let rules = json!([{"backendRefs": backend("s")}]);
    let calls = object("GRPCRoute", "r", json!({"parentRefs": [{"name": "g"}], "rules": rules}));
    let methods = |methods: &str| annotated(calls.clone(), "konghq.com/methods", methods);
    let refused = translated(&[methods("GET,PUT")]);
    let status = status_in(&refused, "GRPCRoute", "r");
    assert_eq!(parent(&status), REFUSED);
    let message = message(&status["parents"][0]["conditions"], "Accepted");
    assert!(message.contains("methods \"GET,PUT\"") && message.contains("POST"), "{message}");
    let attached = &status_in(&refused, "Gateway", "g")["listeners"][0]["attachedRoutes"];
    assert_eq!(attached, 0, "it is not accepted");
    assert_eq!(parent(&super::status(&[methods("GET,POST")], "GRPCRoute", "r")), FINE, "calls are served");
    let expressions = Settings { router_flavor: RouterFlavor::Expressions, ..Settings::default() };
    let ignored = translated_with(expressions, &[methods("GET")]);
    assert_eq!(parent(&status_in(&ignored, "GRPCRoute", "r")), FINE, "no annotation matches there");

    let host = annotated(route(json!([rule()])), "konghq.com/headers.Host", "a.test");
    assert_eq!(routed(&[host]), REFUSED);
    assert_eq!(routed(&[annotated(route(json!([rule(), rule()])), "konghq.com/snis", "a.test")]), FINE);
    // Calls are POST: of two rules one goes.
    let by_method = |method: &str| {
        let mut rule = rule();
        rule["matches"][0]["method"] = method.into();
        rule
    };
    let both = annotated(route(json!([by_method("GET"), by_method("POST")])), "konghq.com/protocols", "grpc");
    let wanted = ["Accepted=True/Accepted", "ResolvedRefs=True/ResolvedRefs", "PartiallyInvalid=True/UnsupportedValue"];
    assert_eq!(routed(&[both]), wanted);
}

/// What Kong's plugin cannot do for other sites is refused, and the field named.
#[test]
fn cors_that_kong_cannot_follow_is_refused_by_its_field() {
    for (cors, field) in [
        (json!({"cors": {"allowMethods": ["GET"]}}), "allowOrigins"),
        (json!({"cors": {"allowOrigins": ["https://a.test"], "allowMethods": ["GET", "PURGE"]}}), "allowMethods"),
        (json!({}), "filters[0]"),
    ] {
        let mut filter = cors;
        filter["type"] = "CORS".into();
        let status = status(&[with("filters", json!([filter]))], "HTTPRoute", "r");
        assert_eq!(parent(&status), REFUSED, "{field}");
        let message = message(&status["parents"][0]["conditions"], "Accepted");
        assert!(message.contains("spec.rules[0].filters[0]") && message.contains(field), "{message}");
    }
}

/// A TLSRoute at listeners that end TLS: what refuses it, and that nothing else does.
#[test]
fn streams_whose_tls_ends_at_the_gateway_are_told_by_server_names() {
    let listener = |protocol: &str, tls: Value, host: &str| {
        let mut listener = json!({"name": "l", "port": 9443, "protocol": protocol, "tls": tls});
        if !host.is_empty() {
            listener["hostname"] = host.into();
        }
        listener
    };
    let ending = || json!({"mode": "Terminate", "certificateRefs": [{"name": "pair"}]});
    let found = |listener: Value, hosts: Value| {
        let spec = json!({"parentRefs": [{"name": "g"}], "hostnames": hosts, "rules": [{"backendRefs": backend("s")}]});
        translated(&[key_pair("n"), gateway(json!([listener])), object("TLSRoute", "r", spec)])
    };
    let told = |listener: Value, hosts: Value| parent(&status_in(&found(listener, hosts), "TLSRoute", "r"));

    let served = found(listener("TLS", ending(), ""), json!(["a.test"]));
    assert_eq!(parent(&status_in(&served, "TLSRoute", "r")), FINE);
    let entities = served.entities();
    let service = entities.iter().find(|(key, _)| key.to_string() == "services/tlsroute.n.r.0").unwrap();
    let routes = &service.1.rendered.value()["routes"];
    assert_eq!((&routes[0]["protocols"], &routes[0]["snis"]), (&json!(["tls"]), &json!(["a.test"])));

    assert_eq!(told(listener("TLS", ending(), ""), json!([])), REFUSED, "nothing tells its streams from others");
    assert_eq!(told(listener("TLS", ending(), "a.test"), json!([])), FINE, "the listener's host does");
    let far = told(listener("TLS", ending(), "a.test"), json!(["b.test"]));
    assert_eq!(far[0], "Accepted=False/NoMatchingListenerHostname");
    let https = told(listener("HTTPS", ending(), ""), json!(["a.test"]));
    assert_eq!(https[0], "Accepted=False/NotAllowedByListeners");
    let bare = found(listener("TLS", json!({"mode": "Terminate"}), ""), json!(["a.test"]));
    let listener = conditions(&status_in(&bare, "Gateway", "g")["listeners"][0]["conditions"]);
    assert!(listener.contains(&"ResolvedRefs=False/InvalidCertificateRef".to_owned()), "{listener:?}");
}

//! Statuses of the Gateway API, reason by reason. Each test cites what the specification says: the comments of
//! `apis/v1` of kubernetes-sigs/gateway-api.

use serde_json::{Value, json};
use silverback_model::{ObjectKey, ObjectRef};
use silverback_translation::{KongVersion, ObjectChange, RouterFlavor, Settings, Translator, upsert};

const API: &str = "gateway.networking.k8s.io/v1";

fn object(kind: &str, name: &str, spec: Value) -> Value {
    let metadata = json!({"name": name, "namespace": "n", "uid": format!("{kind}-{name}"), "generation": 7,
        "creationTimestamp": "2026-01-01T00:00:00Z"});
    json!({"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec})
}

fn at(mut object: Value, pointer: &str, value: Value) -> Value {
    *object.pointer_mut(pointer).unwrap() = value;
    object
}

fn class() -> Value {
    let mut class = object("GatewayClass", "kong", json!({"controllerName": "konghq.com/kic-gateway-controller"}));
    class["metadata"]["namespace"] = "".into();
    class
}

fn gateway(listeners: Value) -> Value {
    object("Gateway", "g", json!({"gatewayClassName": "kong", "listeners": listeners}))
}

fn http(name: &str) -> Value {
    json!({"name": name, "port": 80, "protocol": "HTTP"})
}

fn service(name: &str) -> Value {
    let ports = json!([{"name": "http", "port": 80}, {"name": "h2c", "port": 81, "appProtocol": "kubernetes.io/h2c"}]);
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "n"}, "spec": {"ports": ports}})
}

fn backend(name: &str) -> Value {
    json!([{"group": "", "kind": "Service", "name": name, "port": 80, "weight": 1}])
}

fn rule() -> Value {
    json!({"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": backend("s")})
}

fn route(rules: Value) -> Value {
    object("HTTPRoute", "r", json!({"parentRefs": [{"name": "g"}], "rules": rules}))
}

fn with(rule_field: &str, value: Value) -> Value {
    let mut rule = rule();
    rule[rule_field] = value;
    route(json!([rule]))
}

/// A translation of these objects beside a class, and a Gateway and a Service where none is among them.
fn translated_with(settings: Settings, objects: &[Value]) -> Translator {
    let mut translator = Translator::new(settings);
    let mut all = vec![class(), gateway(json!([http("web")])), service("s")];
    all.extend(objects.iter().cloned());
    translator.apply(all.iter().map(upsert).collect());
    translator
}

fn translated(objects: &[Value]) -> Translator {
    translated_with(Settings::default(), objects)
}

fn status_in(translator: &Translator, kind: &str, name: &str) -> Value {
    let namespace = if kind == "GatewayClass" { "" } else { "n" };
    let object = ObjectRef::new(format!("{kind}.gateway.networking.k8s.io"), ObjectKey::new(namespace, name));
    translator.statuses().get(&object).map_or(Value::Null, |status| serde_json::to_value(&**status).unwrap())
}

fn status(objects: &[Value], kind: &str, name: &str) -> Value {
    status_in(&translated(objects), kind, name)
}

/// `Type=Status/Reason` of conditions, and the message of one.
fn conditions(conditions: &Value) -> Vec<String> {
    let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
    let all = conditions.as_array().into_iter().flatten();
    all.map(|it| format!("{}={}/{}", text(it, "type"), text(it, "status"), text(it, "reason"))).collect()
}

fn parent(status: &Value) -> Vec<String> {
    conditions(&status["parents"][0]["conditions"])
}

fn message(conditions: &Value, kind: &str) -> String {
    let found = conditions.as_array().unwrap().iter().find(|it| it["type"] == kind).unwrap();
    found["message"].as_str().unwrap().to_owned()
}

/// What the parent of the route `r` makes of it.
fn routed(objects: &[Value]) -> Vec<String> {
    parent(&status(objects, "HTTPRoute", "r"))
}

const REFUSED: [&str; 2] = ["Accepted=False/UnsupportedValue", "ResolvedRefs=True/ResolvedRefs"];
const FINE: [&str; 2] = ["Accepted=True/Accepted", "ResolvedRefs=True/ResolvedRefs"];

// Routes.

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
    for route in refused {
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

// Gateways and listeners.

fn listener_conditions(listeners: Value) -> Vec<Vec<String>> {
    let status = status(&[gateway(listeners)], "Gateway", "g");
    status["listeners"].as_array().unwrap().iter().map(|it| conditions(&it["conditions"])).collect()
}

const GOOD_LISTENER: [&str; 3] =
    ["Accepted=True/Accepted", "Conflicted=False/NoConflicts", "ResolvedRefs=True/ResolvedRefs"];

#[test]
fn a_gateway_and_its_listeners_are_accepted() {
    let status = status(&[], "Gateway", "g");
    assert_eq!(conditions(&status["conditions"]), FINE);
    assert_eq!(status["observedGeneration"], 7);
    let listener = &status["listeners"][0];
    assert_eq!(conditions(&listener["conditions"]), GOOD_LISTENER);
    let kinds: Vec<_> = listener["supportedKinds"].as_array().unwrap().iter().map(|it| it["kind"].clone()).collect();
    assert_eq!(kinds, ["HTTPRoute", "GRPCRoute"]);
}

/// "The AttachedRoutes number represents the number of Routes with the Accepted condition set to True that have been
/// attached to this Listener"; "the count MUST be set for Listeners, even if the Accepted condition of an individual
/// Listener is set to False".
#[test]
fn accepted_routes_are_counted_by_listener() {
    let mut bad = http("bad");
    bad["protocol"] = "HTTPS".into();
    bad["tls"] = json!({"mode": "Passthrough"});
    bad["port"] = 443.into();
    let named = |name: &str, section: &str| {
        let route = at(route(json!([rule()])), "/metadata/name", json!(name));
        at(route, "/spec/parentRefs", json!([{"name": "g", "sectionName": section}]))
    };
    let refused = at(with("filters", json!([{"type": "RequestMirror"}])), "/metadata/name", json!("refused"));
    let all = at(route(json!([rule()])), "/metadata/name", json!("all"));
    let mut translator = translated(&[gateway(json!([http("web"), bad])), named("a", "web"), refused, all]);
    let counts = |translator: &Translator| {
        let status = status_in(translator, "Gateway", "g");
        (status["listeners"][0]["attachedRoutes"].clone(), status["listeners"][1]["attachedRoutes"].clone())
    };
    assert_eq!(counts(&translator), (json!(2), json!(1)));
    translator.apply(vec![ObjectChange { content: None, ..upsert(&named("a", "web")) }]);
    assert_eq!(counts(&translator), (json!(1), json!(1)));
}

/// "If a set of Listeners contains Listeners that are not distinct … the implementation MUST set the Conflicted
/// condition … MUST NOT pick one conflicting Listener as the winner"; "ListenersNotValid … whether or not they accept".
#[test]
fn listeners_that_are_not_distinct_are_conflicted() {
    let other = json!({"name": "other", "port": 81, "protocol": "HTTP"});
    let twice = [http("a"), http("b"), other.clone()];
    let found = listener_conditions(json!(twice));
    let conflicted = |reason: &str| {
        let refused = format!("Accepted=False/{reason}");
        let programmed = format!("Programmed=False/{reason}");
        vec![refused, format!("Conflicted=True/{reason}"), "ResolvedRefs=True/ResolvedRefs".into(), programmed]
    };
    assert_eq!(found[0], conflicted("HostnameConflict"));
    assert_eq!(found[1], conflicted("HostnameConflict"));
    assert_eq!(found[2], GOOD_LISTENER);
    let tcp = json!({"name": "b", "port": 80, "protocol": "TCP"});
    assert_eq!(listener_conditions(json!([http("a"), tcp]))[0], conflicted("ProtocolConflict"));
    let partly = status(&[gateway(json!([http("a"), http("b"), other]))], "Gateway", "g");
    assert_eq!(conditions(&partly["conditions"])[0], "Accepted=True/ListenersNotValid");
    let wholly = status(&[gateway(json!([http("a"), http("b")])), route(json!([rule()]))], "Gateway", "g");
    let wanted = ["Accepted=False/ListenersNotValid", "ResolvedRefs=True/ResolvedRefs", "Programmed=False/Invalid"];
    assert_eq!(conditions(&wholly["conditions"]), wanted);
    let route = routed(&[gateway(json!([http("a"), http("b")])), route(json!([rule()]))]);
    assert_eq!(route[0], "Accepted=False/NoMatchingParent", "no listener implements it");
}

/// "UnsupportedProtocol: … its protocol type is not supported"; "UnsupportedValue: … a value … that is not supported".
#[test]
fn listeners_that_kong_has_not_are_refused() {
    let of = |listener: Value| listener_conditions(json!([listener]))[0][0].clone();
    let foreign = json!({"name": "l", "port": 80, "protocol": "acme.io/quic"});
    assert_eq!(of(foreign), "Accepted=False/UnsupportedProtocol");
    let passing = json!({"name": "l", "port": 443, "protocol": "HTTPS", "tls": {"mode": "Passthrough"}});
    assert_eq!(of(passing), "Accepted=False/UnsupportedValue");
    let validation = json!({"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]});
    let old = json!({"name": "l", "port": 443, "protocol": "HTTPS", "tls": {"frontendValidation": validation}});
    assert_eq!(of(old), "Accepted=False/UnsupportedValue");
    let mut new = gateway(json!([{"name": "l", "port": 443, "protocol": "HTTPS", "tls": {}}]));
    new["spec"]["tls"] = json!({"frontend": {"default": {"validation": validation}}});
    let status = status(&[new], "Gateway", "g");
    assert_eq!(conditions(&status["listeners"][0]["conditions"])[0], "Accepted=False/UnsupportedValue");
}

/// "InvalidRouteKinds: … If kinds are specified in Spec that are not supported, they MUST NOT appear in this list … If
/// both valid and invalid Route kinds are specified, the implementation MUST reference the valid Route kinds."
#[test]
fn kinds_that_a_listener_cannot_take_are_left_out() {
    let mut listener = http("web");
    listener["allowedRoutes"] = json!({"kinds": [{"kind": "TCPRoute"}, {"kind": "HTTPRoute"}]});
    let status = status(&[gateway(json!([listener]))], "Gateway", "g");
    let listener = &status["listeners"][0];
    assert_eq!(conditions(&listener["conditions"])[2], "ResolvedRefs=False/InvalidRouteKinds");
    assert_eq!(listener["supportedKinds"], json!([{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}]));
    assert_eq!(conditions(&status["conditions"])[1], "ResolvedRefs=False/ListenersNotResolved");
}

fn https(name: &str, host: &str, secret: Value) -> Value {
    json!({"name": name, "port": 443, "protocol": "HTTPS", "hostname": host, "tls": {"certificateRefs": secret}})
}

fn key_pair(namespace: &str) -> Value {
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(vec!["a.test".into()]).unwrap().self_signed(&key).unwrap();
    let data = json!({"tls.crt": encode(&cert.pem()), "tls.key": encode(&key.serialize_pem())});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pair", "namespace": namespace}, "data": data})
}

fn encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// "InvalidCertificateRef: … at least one TLS CertificateRef that is invalid or does not exist"; "RefNotPermitted: … in
/// another namespace, where the object in the other namespace does not have a ReferenceGrant".
#[test]
fn certificates_must_be_there_and_granted() {
    let resolved = |objects: &[Value], secret: Value| {
        let mut all = vec![gateway(json!([https("l", "a.test", secret)]))];
        all.extend(objects.iter().cloned());
        let status = status(&all, "Gateway", "g");
        (conditions(&status["listeners"][0]["conditions"])[2].clone(), status["listeners"][0]["entities"].clone())
    };
    let missing = "ResolvedRefs=False/InvalidCertificateRef";
    assert_eq!(resolved(&[], json!([{"name": "pair"}])).0, missing);
    assert_eq!(resolved(&[], json!([{"kind": "ConfigMap", "name": "pair"}])).0, missing);
    assert_eq!(resolved(&[], json!([])).0, missing);
    let broken = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pair", "namespace": "n"},
        "data": {"tls.crt": "eA==", "tls.key": "eA=="}});
    assert_eq!(resolved(&[broken], json!([{"name": "pair"}])).0, missing);
    let (good, entities) = resolved(&[key_pair("n")], json!([{"name": "pair"}]));
    assert_eq!(good, "ResolvedRefs=True/ResolvedRefs");
    assert_eq!(entities[0]["collection"], "certificates", "what proves it programmed");
    let (foreign, _) = resolved(&[key_pair("m")], json!([{"name": "pair", "namespace": "m"}]));
    assert_eq!(foreign, "ResolvedRefs=False/RefNotPermitted");
    let from = json!([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "n"}]);
    let mut grant = object("ReferenceGrant", "x", json!({"from": from, "to": [{"group": "", "kind": "Secret"}]}));
    grant["metadata"]["namespace"] = "m".into();
    let (granted, _) = resolved(&[grant, key_pair("m")], json!([{"name": "pair", "namespace": "m"}]));
    assert_eq!(granted, "ResolvedRefs=True/ResolvedRefs");
}

/// "OverlappingTLSConfig … A: foo.example.com B: foo.example.org C: *.example.com … set for Listeners A and C, but not
/// B"; "a negative polarity condition and MUST NOT be set when it is False".
#[test]
fn overlapping_hosts_of_tls_are_told() {
    let secret = json!([{"name": "pair"}]);
    let listeners =
        ["foo.example.com", "foo.example.org", "*.example.com"].map(|host| https(host, host, secret.clone()));
    let found = listener_conditions(json!(listeners));
    let overlaps = "OverlappingTLSConfig=True/OverlappingHostnames".to_owned();
    let told: Vec<bool> = found.iter().map(|conditions| conditions.contains(&overlaps)).collect();
    assert_eq!(told, [true, false, true]);
    assert!(!found[1].iter().any(|it| it.starts_with("OverlappingTLSConfig")));
}

/// "InvalidParameters: … the parametersRef field was invalid"; "UnsupportedAddress: … an address that was provided is a
/// type which is not supported"; "Invalid: … syntactically or semantically invalid".
#[test]
fn gateways_with_what_cannot_be_had_are_not_accepted() {
    let with = |field: &str, value: Value| {
        let mut gateway = gateway(json!([http("web")]));
        gateway["spec"][field] = value;
        conditions(&status(&[gateway.clone()], "Gateway", "g")["conditions"])
    };
    let parameters = json!({"parametersRef": {"group": "acme.io", "kind": "X", "name": "x"}});
    assert_eq!(with("infrastructure", parameters)[0], "Accepted=False/InvalidParameters");
    let address = json!([{"type": "acme.io/name", "value": "x"}]);
    assert_eq!(with("addresses", address)[0], "Accepted=False/UnsupportedAddress");
    let backend = json!({"backend": {"clientCertificateRef": {"name": "x"}}});
    let found = with("tls", backend);
    assert_eq!((&*found[0], &*found[2]), ("Accepted=False/Invalid", "Programmed=False/Invalid"));
    let plain = json!([{"type": "IPAddress", "value": "192.0.2.1"}]);
    assert_eq!(with("addresses", plain), FINE, "what becomes of an address is said where addresses are known");
}

// GatewayClasses.

/// "MUST be set to True if the controller will support provisioning Gateways using this class"; supportedFeatures "MUST
/// be sorted in ascending alphabetical order".
#[test]
fn a_class_is_accepted_and_says_what_is_supported() {
    let status = status(&[], "GatewayClass", "kong");
    assert_eq!(conditions(&status["conditions"])[0], "Accepted=True/Accepted");
    let names: Vec<_> =
        status["supportedFeatures"].as_array().unwrap().iter().map(|it| it["name"].to_string()).collect();
    assert!(names.is_sorted() && names.contains(&"\"HTTPRoute\"".to_owned()));
}

/// "InvalidParameters: … the parametersRef field refers to … an unsupported resource or kind".
#[test]
fn a_class_has_no_parameters() {
    let mut class = class();
    class["spec"]["parametersRef"] = json!({"group": "acme.io", "kind": "X", "name": "x"});
    assert_eq!(
        conditions(&status(&[class], "GatewayClass", "kong")["conditions"])[0],
        "Accepted=False/InvalidParameters"
    );
}

// ListenerSets.

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

// BackendTLSPolicies.

fn authority(name: &str) -> Value {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n"}, "data": {"ca.crt": pem}})
}

fn policy(name: &str, created: u8, validation: Value) -> Value {
    let targets = json!([{"group": "", "kind": "Service", "name": "s"}]);
    let policy = object("BackendTLSPolicy", name, json!({"targetRefs": targets, "validation": validation}));
    at(policy, "/metadata/creationTimestamp", json!(format!("2026-01-0{created}T00:00:00Z")))
}

fn trusting(name: &str) -> Value {
    json!({"hostname": "s.test", "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": name}]})
}

fn policed(objects: &[Value], name: &str) -> Vec<String> {
    let mut all = vec![route(json!([rule()]))];
    all.extend(objects.iter().cloned());
    let status = status(&all, "BackendTLSPolicy", name);
    conditions(&status["ancestors"][0]["conditions"])
}

/// "Support: Core - An optional single reference to a Kubernetes ConfigMap, with the CA certificate in a key named
/// ca.crt"; "SHOULD use Gateway as the PolicyAncestorStatus object".
#[test]
fn a_policy_is_accepted_for_its_gateway() {
    let objects = [route(json!([rule()])), authority("ca"), policy("p", 1, trusting("ca"))];
    let translator = translated(&objects);
    let status = status_in(&translator, "BackendTLSPolicy", "p");
    assert_eq!(conditions(&status["ancestors"][0]["conditions"]), FINE);
    assert_eq!(
        (&status["ancestors"][0]["ancestorRef"]["kind"], &status["ancestors"][0]["ancestorRef"]["name"]),
        (&json!("Gateway"), &json!("g"))
    );
    let value = |prefix: &str| {
        let found = translator.entities().into_iter().find(|(key, _)| key.to_string().starts_with(prefix)).unwrap();
        found.1.rendered.value()
    };
    let (service, authority) = (value("services/"), value("ca_certificates/"));
    assert_eq!((&service["protocol"], &service["tls_verify"]), (&json!("https"), &json!(true)));
    assert_eq!(service["ca_certificates"], json!([authority["id"]]));
    assert_eq!(value("upstreams/")["host_header"], "s.test");
}

/// "The older policy by creation timestamp takes precedence … For any BackendTLSPolicy that does not take precedence, …
/// Accepted … False, with Reason Conflicted."
#[test]
fn of_policies_for_a_target_the_older_counts() {
    let objects = [authority("ca"), policy("a", 2, trusting("ca")), policy("b", 1, trusting("ca"))];
    assert_eq!(policed(&objects, "a")[0], "Accepted=False/Conflicted");
    assert_eq!(policed(&objects, "b")[0], "Accepted=True/Accepted");
    // "They select different sectionNames in the same target": then they are distinct.
    let mut port = policy("a", 2, trusting("ca"));
    port["spec"]["targetRefs"][0]["sectionName"] = "http".into();
    assert_eq!(policed(&[authority("ca"), port, policy("b", 1, trusting("ca"))], "a")[0], "Accepted=True/Accepted");
}

/// "If an implementation does not support the WellKnownCACertificates field … Accepted … False, with a Reason Invalid."
#[test]
fn policies_that_kong_cannot_follow_are_invalid() {
    let system = json!({"hostname": "s.test", "wellKnownCACertificates": "System"});
    assert_eq!(policed(&[policy("p", 1, system)], "p")[0], "Accepted=False/Invalid");
    let mut names = trusting("ca");
    names["subjectAltNames"] = json!([{"type": "Hostname", "hostname": "x.test"}]);
    assert_eq!(policed(&[authority("ca"), policy("p", 1, names)], "p")[0], "Accepted=False/Invalid");
}

/// "InvalidCACertificateRef … InvalidKind … Connections using an invalid CACertificateRef MUST fail, and the client MUST
/// receive an HTTP 5xx error response. If ALL CACertificateRefs are invalid … Accepted … False, NoValidCACertificate."
#[test]
fn authorities_must_be_ones() {
    let all_bad = ["Accepted=False/NoValidCACertificate", "ResolvedRefs=False/InvalidCACertificateRef"];
    assert_eq!(policed(&[policy("p", 1, trusting("none"))], "p"), all_bad);
    let empty = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "n"}, "data": {"x": "y"}});
    assert_eq!(policed(&[empty, policy("p", 1, trusting("ca"))], "p"), all_bad);
    let mut kind = trusting("ca");
    kind["caCertificateRefs"][0]["kind"] = "Bucket".into();
    assert_eq!(policed(&[policy("p", 1, kind)], "p")[1], "ResolvedRefs=False/InvalidKind");
    let mut some = trusting("ca");
    some["caCertificateRefs"].as_array_mut().unwrap().push(json!({"kind": "ConfigMap", "name": "none"}));
    let some_bad = ["Accepted=True/Accepted", "ResolvedRefs=False/InvalidCACertificateRef"];
    assert_eq!(policed(&[authority("ca"), policy("p", 1, some)], "p"), some_bad);
    let translator = translated(&[route(json!([rule()])), policy("p", 1, trusting("none"))]);
    let service = translator.entities().into_iter().find(|(key, _)| key.to_string().starts_with("services/")).unwrap();
    assert_eq!(service.1.rendered.value()["plugins"][0]["config"]["status_code"], 502);
}

/// "UnsupportedProtocol": Kong verifies no certificates of gRPC servers, so calls must not go there.
#[test]
fn calls_do_not_go_to_backends_that_must_be_verified() {
    let rules = json!([{"backendRefs": backend("s")}]);
    let grpc = object("GRPCRoute", "r", json!({"parentRefs": [{"name": "g"}], "rules": rules}));
    let objects = [grpc, authority("ca"), policy("p", 1, trusting("ca"))];
    assert_eq!(parent(&status(&objects, "GRPCRoute", "r"))[1], "ResolvedRefs=False/UnsupportedProtocol");
}

/// "TargetNotFound: … the policy is attached to an invalid target resource."
#[test]
fn a_target_must_exist() {
    let mut port = policy("p", 1, trusting("ca"));
    port["spec"]["targetRefs"][0]["sectionName"] = "none".into();
    assert_eq!(policed(&[authority("ca"), port], "p")[0], "Accepted=False/TargetNotFound");
}

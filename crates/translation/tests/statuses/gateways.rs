//! Statuses of Gateways, their listeners and their classes.

use serde_json::{Value, json};
use silverback_translation::{ObjectChange, upsert};

use super::*;

fn listener_conditions(listeners: Value) -> Vec<Vec<String>> {
    let status = status(&[gateway(listeners)], "Gateway", "g");
    status["listeners"].as_array().unwrap().iter().map(|it| conditions(&it["conditions"])).collect()
}

pub const GOOD_LISTENER: [&str; 3] =
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
    assert_eq!(of(foreign.clone()), "Accepted=False/UnsupportedProtocol");
    assert_eq!(listener_conditions(json!([foreign]))[0][3], "Programmed=False/Invalid");
    let auth = json!({"requests": [{"type": "ExternalAuth", "externalAuth": {"protocol": "HTTP"}}]});
    let filtering = json!({"name": "l", "port": 80, "protocol": "HTTP", "filters": auth});
    assert_eq!(of(filtering), "Accepted=False/UnsupportedValue", "nobody passes a filter that is not run");
    let options = json!({"name": "l", "port": 443, "protocol": "HTTPS", "tls": {"options": {"acme.io/min": "1.3"}}});
    assert_eq!(of(options), "Accepted=False/UnsupportedValue");
    let passing = json!({"name": "l", "port": 443, "protocol": "HTTPS", "tls": {"mode": "Passthrough"}});
    assert_eq!(of(passing), "Accepted=False/UnsupportedValue");
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

pub fn https(name: &str, host: &str, secret: Value) -> Value {
    json!({"name": name, "port": 443, "protocol": "HTTPS", "hostname": host, "tls": {"certificateRefs": secret}})
}

pub fn key_pair(namespace: &str) -> Value {
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(vec!["a.test".into()]).unwrap().self_signed(&key).unwrap();
    let data = json!({"tls.crt": encode(&cert.pem()), "tls.key": encode(&key.serialize_pem())});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pair", "namespace": namespace}, "data": data})
}

pub fn encode(text: &str) -> String {
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
/// type which is not supported".
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
    let inside = json!([{"type": "IPAddress", "value": "192.0.2.1", "routability": "Cluster"}]);
    assert_eq!(with("addresses", inside)[0], "Accepted=False/UnsupportedAddress");
    let labels = json!({"labels": {"a": "b"}, "annotations": {"a": "b"}});
    assert_eq!(with("infrastructure", labels), FINE, "nothing is made for a Gateway that could have them");
    let plain = json!([{"type": "IPAddress", "value": "192.0.2.1"}]);
    assert_eq!(with("addresses", plain)[..2], FINE, "what becomes of it is another condition's");
}

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

const KNOWN_VERSION: &str = "SupportedVersion=True/SupportedVersion";

fn definition(plural: &str, bundle: Option<&str>) -> Value {
    let name = format!("{plural}.gateway.networking.k8s.io");
    let annotations = bundle.map_or(json!({}), |it| json!({"gateway.networking.k8s.io/bundle-version": it}));
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "annotations": annotations}})
}

/// "If implementations detect any Gateway API CRDs that either do not have this annotation set, or have it set to a
/// version that is not recognized or supported …, this condition MUST be set to false"; "best effort … the Accepted
/// condition to true and the SupportedVersion condition to false"; "A message SHOULD be included … that includes the
/// detected CRD version(s) … and the CRD version(s) that are supported".
#[test]
fn a_class_says_whether_the_bundle_is_known() {
    let class = |definitions: &[Value]| status(definitions, "GatewayClass", "kong")["conditions"].clone();
    let known = definition("gatewayclasses", Some("v1.7.0"));
    let wanted = ["Accepted=True/Accepted", KNOWN_VERSION];
    assert_eq!(conditions(&class(std::slice::from_ref(&known))), wanted);
    let mut other = definition("widgets", None);
    other["metadata"]["name"] = "widgets.acme.io".into();
    assert_eq!(conditions(&class(&[known.clone(), other])), wanted, "CRDs of others do not count");
    for unknown in [Some("v1.8.0"), Some("v1.2.1"), None] {
        let mixed = [known.clone(), definition("httproutes", unknown)];
        let found = class(&mixed);
        let wanted = ["Accepted=True/Accepted", "SupportedVersion=False/UnsupportedVersion"];
        assert_eq!(conditions(&found), wanted, "{unknown:?}");
        let message = message(&found, "SupportedVersion");
        assert!(message.contains("v1.7.0") && message.contains(unknown.unwrap_or("no bundle")), "{message}");
        // It ends with the CRD.
        let mut translator = translated(&mixed);
        translator.apply(vec![ObjectChange { content: None, ..upsert(&mixed[1]) }]);
        assert_eq!(conditions(&status_in(&translator, "GatewayClass", "kong")["conditions"])[1], KNOWN_VERSION);
    }
    assert_eq!(conditions(&class(&[])), ["Accepted=True/Accepted"], "without CRDs to be seen nothing is said");
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

//! Statuses of BackendTLSPolicies.

use serde_json::{Value, json};

use super::*;

pub fn authority(name: &str) -> Value {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n"}, "data": {"ca.crt": pem}})
}

pub fn policy(name: &str, created: u8, validation: Value) -> Value {
    let targets = json!([{"group": "", "kind": "Service", "name": "s"}]);
    let policy = object("BackendTLSPolicy", name, json!({"targetRefs": targets, "validation": validation}));
    at(policy, "/metadata/creationTimestamp", json!(format!("2026-01-0{created}T00:00:00Z")))
}

pub fn trusting(name: &str) -> Value {
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
    let mut policy_with_options = policy("p", 1, trusting("ca"));
    policy_with_options["spec"]["options"] = json!({"acme.io/ciphers": "x"});
    assert_eq!(policed(&[authority("ca"), policy_with_options.clone()], "p")[0], "Accepted=False/Invalid");
    policy_with_options["spec"]["options"] = json!({"tls-verify-depth": "2"});
    assert_eq!(policed(&[authority("ca"), policy_with_options], "p")[0], "Accepted=True/Accepted");
    names["subjectAltNames"] = json!([{"type": "Hostname", "hostname": "x.test"}]);
    assert_eq!(policed(&[authority("ca"), policy("p", 1, names)], "p")[0], "Accepted=False/Invalid");
}

/// An option that means nothing has no effect, and is told.
#[test]
fn a_depth_is_a_number() {
    let depth = |text: &str| {
        let mut policy = policy("p", 1, trusting("ca"));
        policy["spec"]["options"] = json!({"tls-verify-depth": text});
        let translator = translated(&[route(json!([rule()])), authority("ca"), policy]);
        let service = translator.entities().into_iter().find(|(key, _)| key.to_string().starts_with("services/"));
        let told: Vec<_> = translator
            .diagnostics()
            .filter(|(object, _)| object.kind.starts_with("BackendTLSPolicy"))
            .flat_map(|(_, told)| told)
            .map(|told| format!("{}: {}", told.field, told.message))
            .collect();
        let service = service.unwrap().1.rendered.value();
        assert!(service.get("plugins").is_none(), "it is no reason to answer 502");
        (service["tls_verify_depth"].clone(), told)
    };
    assert_eq!(depth("2"), (json!(2), vec![]));
    for bad in ["two", "-1", "65"] {
        let (value, told) = depth(bad);
        let words =
            format!("spec.options[tls-verify-depth]: {bad:?} has no effect: an integer from 0 to 64 is expected");
        assert_eq!((value, told), (Value::Null, vec![words]));
    }
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

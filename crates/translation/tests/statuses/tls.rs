//! TLS of Gateways: whose certificates clients need, which certificate backends are shown, which certificates overlap.

use serde_json::{Value, json};

use super::gateways::{encode, https, key_pair};
use super::policies::{authority, policy, trusting};
use super::*;

fn validating(references: Value, mode: &str) -> Value {
    let mut gateway = gateway(json!([https("l", "a.test", json!([{"name": "pair"}]))]));
    let validation = json!({"caCertificateRefs": references, "mode": mode});
    gateway["spec"]["tls"] = json!({"frontend": {"default": {"validation": validation}}});
    gateway
}

fn listener_of(objects: &[Value]) -> (String, String) {
    let mut all = vec![key_pair("n")];
    all.extend(objects.iter().cloned());
    let found = conditions(&status(&all, "Gateway", "g")["listeners"][0]["conditions"]);
    (found[0].clone(), found[2].clone())
}

fn map(name: &str) -> Value {
    json!([{"group": "", "kind": "ConfigMap", "name": name}])
}

/// Kong verifies no certificates of clients by itself, so a listener that asks for it is not accepted; what it refers
/// to is judged all the same. "InvalidCACertificateRef: … cannot be resolved …, or is misconfigured";
/// "InvalidCACertificateKind: … unknown or unsupported kind"; "RefNotPermitted"; "If ALL CACertificateRefs are invalid …
/// Accepted … False, with the Reason NoValidCACertificate."
#[test]
fn authorities_of_clients_are_judged_and_not_used() {
    let of = |references: Value, objects: &[Value]| {
        let mut all = vec![validating(references, "AllowValidOnly")];
        all.extend(objects.iter().cloned());
        listener_of(&all)
    };
    let result = |accepted: &str, resolved: &str| (format!("Accepted=False/{accepted}"), resolved.to_owned());
    let fine = of(map("ca"), &[authority("ca")]);
    assert_eq!(fine, result("UnsupportedValue", "ResolvedRefs=True/ResolvedRefs"));
    let missing = of(map("none"), &[]);
    assert_eq!(missing, result("NoValidCACertificate", "ResolvedRefs=False/InvalidCACertificateRef"));
    let empty = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "n"}, "data": {"x": "y"}});
    assert_eq!(of(map("ca"), &[empty]), missing);
    let kind = of(json!([{"group": "", "kind": "Bucket", "name": "ca"}]), &[]);
    assert_eq!(kind, result("NoValidCACertificate", "ResolvedRefs=False/InvalidCACertificateKind"));
    let foreign = of(json!([{"group": "", "kind": "ConfigMap", "name": "ca", "namespace": "m"}]), &[]);
    assert_eq!(foreign, result("NoValidCACertificate", "ResolvedRefs=False/RefNotPermitted"));
    let some = json!([map("ca")[0], map("none")[0]]);
    let partly = of(some, &[authority("ca")]);
    assert_eq!(partly, result("UnsupportedValue", "ResolvedRefs=False/InvalidCACertificateRef"));
}

/// "Per port configuration … overrides the default configuration for all Listeners handling HTTPS traffic that match
/// this port"; older bundles have it at the listener.
#[test]
fn validation_is_found_where_every_bundle_has_it() {
    let accepted = |tls: Value| {
        let mut gateway = gateway(json!([https("l", "a.test", json!([{"name": "pair"}]))]));
        gateway["spec"]["tls"] = tls;
        listener_of(&[gateway, authority("ca")]).0
    };
    let validation = json!({"validation": {"caCertificateRefs": map("ca")}});
    let per_port = |port: u16, tls: &Value| json!([{"port": port, "tls": tls}]);
    let frontend = |default: &Value, port: u16, own: &Value| json!({"frontend": {"default": default, "perPort": per_port(port, own)}});
    let (fine, refused) = ("Accepted=True/Accepted", "Accepted=False/UnsupportedValue");
    assert_eq!(accepted(frontend(&json!({}), 443, &validation)), refused);
    assert_eq!(accepted(frontend(&json!({}), 444, &validation)), fine);
    assert_eq!(accepted(frontend(&validation, 443, &json!({}))), fine);
    assert_eq!(accepted(frontend(&validation, 444, &json!({}))), refused);
    let mut old = https("l", "a.test", json!([{"name": "pair"}]));
    old["tls"]["frontendValidation"] = validation["validation"].clone();
    assert_eq!(listener_of(&[gateway(json!([old])), authority("ca")]).0, refused);
}

/// "InsecureFrontendValidationMode … true when the Gateway FrontendValidationModeType is configured to allow insecure
/// fallback behavior … removed as soon as FrontendValidationModeType is changed back".
#[test]
fn a_gateway_says_that_anybody_is_to_be_let_in() {
    let told = |mode: &str| {
        let found = status(&[validating(map("ca"), mode), authority("ca")], "Gateway", "g");
        conditions(&found["conditions"])
            .contains(&"InsecureFrontendValidationMode=True/ConfigurationChanged".to_owned())
    };
    assert!(told("AllowInsecureFallback"));
    assert!(!told("AllowValidOnly"));
}

fn showing(name: &str, secret: Value) -> Value {
    let mut gateway = gateway(json!([http("web")]));
    gateway["metadata"]["name"] = name.into();
    gateway["spec"]["tls"] = json!({"backend": {"clientCertificateRef": secret}});
    gateway
}

fn shown(translator: &Translator) -> Value {
    let entities = translator.entities();
    let (_, service) = entities.iter().find(|(key, _)| key.to_string().starts_with("services/")).unwrap();
    service.rendered.value()["client_certificate"].clone()
}

/// "InvalidClientCertificateRef: … a nonexistent or unsupported resource or kind, or when the data within that resource
/// is malformed"; "RefNotPermitted: … in another namespace, where the object in the other namespace does not have a
/// ReferenceGrant".
#[test]
fn the_certificate_for_backends_must_be_one() {
    let resolved = |secret: Value, objects: &[Value]| {
        let mut all = vec![showing("g", secret)];
        all.extend(objects.iter().cloned());
        let found = status(&all, "Gateway", "g");
        let found = conditions(&found["conditions"]);
        assert_eq!(
            found[0], FINE[0],
            "it \"does not directly impact the Gateway's Accepted or Programmed conditions\""
        );
        found[1].clone()
    };
    let invalid = "ResolvedRefs=False/InvalidClientCertificateRef";
    assert_eq!(resolved(json!({"name": "pair"}), &[key_pair("n")]), FINE[1]);
    assert_eq!(resolved(json!({"name": "pair"}), &[]), invalid);
    assert_eq!(resolved(json!({"name": "pair", "kind": "ConfigMap"}), &[key_pair("n")]), invalid);
    let broken = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pair", "namespace": "n"},
        "data": {"tls.crt": encode("x"), "tls.key": encode("x")}});
    assert_eq!(resolved(json!({"name": "pair"}), &[broken]), invalid);
    let foreign = json!({"name": "pair", "namespace": "m"});
    assert_eq!(resolved(foreign, &[key_pair("m")]), "ResolvedRefs=False/RefNotPermitted");
}

/// What is shown is the Gateway's, at backends of which a policy says that they speak TLS, unless Gateways disagree.
#[test]
fn backends_that_speak_tls_are_shown_the_certificate_of_the_gateway() {
    let pair = json!({"name": "pair"});
    let tls = [authority("ca"), policy("p", 1, trusting("ca")), key_pair("n")];
    let translated = |gateways: &[Value], parents: Value, tls: &[Value]| {
        let route = at(route(json!([rule()])), "/spec/parentRefs", parents);
        let all: Vec<Value> = gateways.iter().chain(tls).cloned().chain([route]).collect();
        super::translated(&all)
    };
    let one = translated(&[showing("g", pair.clone())], json!([{"name": "g"}]), &tls);
    let entities = one.entities();
    let (certificate, _) = entities.iter().find(|(key, _)| key.to_string().starts_with("certificates/")).unwrap();
    assert_eq!(shown(&one).as_str().map(|id| format!("certificates/{id}")), Some(certificate.to_string()));
    let plain = translated(&[showing("g", pair.clone())], json!([{"name": "g"}]), &tls[2..]);
    assert_eq!(shown(&plain), Value::Null, "no policy, no TLS");
    let mut old = showing("g", pair.clone());
    old["spec"]["backendTLS"] = old["spec"]["tls"]["backend"].take();
    let old = translated(&[old], json!([{"name": "g"}]), &tls);
    assert_eq!(shown(&old), shown(&one), "as older bundles have it");
    let other = at(gateway(json!([http("web")])), "/metadata/name", json!("other"));
    let both = translated(&[showing("g", pair), other], json!([{"name": "g"}, {"name": "other"}]), &tls);
    assert_eq!(shown(&both), Value::Null);
    let said: Vec<_> = both.diagnostics().flat_map(|(_, all)| all).map(|it| it.message).collect();
    assert!(said.iter().any(|it| it.contains("Gateways that show different ones")), "{said:?}");
}

fn certificate(name: &str, names: &[&str]) -> Value {
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
    let cert = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let data = json!({"tls.crt": encode(&cert.pem()), "tls.key": encode(&key.serialize_pem())});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "n"}, "data": data})
}

/// "Overlapping Certificates: Listener A contains a certificate with a SAN for *.example.com, while Listener B contains a
/// certificate with a SAN for foo.example.com"; "If … both are true, it SHOULD set the OverlappingCertificates Reason."
#[test]
fn overlapping_certificates_are_told() {
    let told = |port: u16, hosts: [&str; 2], names: [&[&str]; 2]| {
        let mut other = https("b", hosts[1], json!([{"name": "b"}]));
        other["port"] = port.into();
        let listeners = json!([https("a", hosts[0], json!([{"name": "a"}])), other]);
        let objects = [gateway(listeners), certificate("a", names[0]), certificate("b", names[1])];
        let status = status(&objects, "Gateway", "g");
        let of = |at: usize| conditions(&status["listeners"][at]["conditions"]).into_iter().nth(3);
        assert_eq!(of(0), of(1), "\"MUST be set on all Listeners with overlapping TLS config\"");
        of(0)
    };
    let overlaps = |what: &str| Some(format!("OverlappingTLSConfig=True/{what}"));
    let apart = ["foo.a.test", "bar.a.test"];
    assert_eq!(told(443, apart, [&["*.a.test"], &["bar.a.test"]]), overlaps("OverlappingCertificates"));
    assert_eq!(told(443, apart, [&["foo.a.test"], &["bar.a.test"]]), None);
    assert_eq!(told(443, apart, [&["*.test"], &["bar.a.test"]]), None, "a wildcard stands for one label");
    assert_eq!(told(444, apart, [&["*.a.test"], &["bar.a.test"]]), None, "another port");
    let within = ["*.a.test", "bar.a.test"];
    assert_eq!(told(443, within, [&["*.a.test"], &["bar.a.test"]]), overlaps("OverlappingCertificates"));
    assert_eq!(told(443, within, [&["foo.a.test"], &["bar.a.test"]]), overlaps("OverlappingHostnames"));
}

//! What reruns: the work of a change is proportional to what it changes.

use crate::world::application;
use serde_json::{Value, json};
use silverback_kong::{Collection, EntityKey};
use silverback_model::ObjectRef;
use silverback_translation::{ObjectChange, Output, Settings, Translator, object_ref, upsert};

const SERVICES: usize = 200;

fn meta(name: &str) -> Value {
    json!({"name": name, "namespace": "n", "uid": name, "resourceVersion": "1"})
}

fn ingress(at: usize, path: &str) -> Value {
    let backend = json!({"service": {"name": format!("s{at}"), "port": {"number": 80}}});
    let rule = json!({"host": format!("h{at}.test"), "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta(&format!("i{at}")),
        "spec": {"ingressClassName": "kong", "rules": [rule]},
    })
}

fn service(at: usize, annotation: &str) -> Value {
    let mut metadata = meta(&format!("s{at}"));
    metadata["annotations"] = json!({"konghq.com/host-header": annotation});
    json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"name": "http", "port": 80}]}})
}

fn slice(at: usize, address: &str) -> Value {
    let mut metadata = meta(&format!("e{at}"));
    metadata["labels"] = json!({"kubernetes.io/service-name": format!("s{at}")});
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
        "ports": [{"name": "http", "port": 8080}], "endpoints": [{"addresses": [address]}],
    })
}

fn cluster() -> Translator {
    let mut translator = Translator::new(Settings::default());
    let objects = (0..SERVICES).flat_map(|at| [ingress(at, "/"), service(at, "h.test"), slice(at, "10.0.0.1")]);
    translator.apply(objects.map(|object| upsert(&object)).collect());
    assert_eq!(translator.entities().len(), 2 * SERVICES);
    translator
}

fn changed(output: &Output) -> Vec<String> {
    output.changed.iter().map(|(key, _)| key.to_string()).collect()
}

#[test]
fn an_endpoint_touches_one_upstream() {
    let mut translator = cluster();
    let output = translator.apply(vec![upsert(&slice(7, "10.0.0.9"))]);
    assert_eq!(changed(&output), ["upstreams/s7.n.80.svc"]);
    assert_eq!(output.reran, 1);
}

#[test]
fn a_path_touches_its_service_and_no_upstream() {
    let mut translator = cluster();
    let output = translator.apply(vec![upsert(&ingress(7, "/new"))]);
    assert_eq!(changed(&output), ["services/n.s7.80"]);
    // Its claims, the plan they make, the plugins bound to it, the service.
    assert_eq!(output.reran, 4);
}

#[test]
fn an_annotation_of_a_service_touches_what_is_made_of_it() {
    let mut translator = cluster();
    let output = translator.apply(vec![upsert(&service(7, "other.test"))]);
    assert_eq!(changed(&output), ["services/n.s7.80", "upstreams/s7.n.80.svc"][1..]);
    assert!(output.reran <= 4, "{}", output.reran);
}

#[test]
fn a_plugin_touches_its_users_only() {
    let mut translator = Translator::new(Settings::default());
    let objects: Vec<Value> = (0..SERVICES).flat_map(|at| application(at, 1)).collect();
    translator.apply(objects.iter().map(upsert).collect());
    let mut plugin = application(7, 1)[3].clone();
    plugin["config"]["minute"] = 6.into();
    let output = translator.apply(vec![upsert(&plugin)]);
    assert_eq!(changed(&output).len(), 1, "{:?}", changed(&output));
    assert!(changed(&output)[0].starts_with("plugins/rate-limiting:route/n7.app7"), "{:?}", changed(&output));
    // Its spec, and where it is bound.
    assert!(output.reran <= 3, "{}", output.reran);
}

#[test]
fn an_unrelated_secret_touches_nothing() {
    let mut translator = cluster();
    let secret = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("some"), "data": data});
    let output = translator.apply(vec![upsert(&secret(json!({"release": "aGk="})))]);
    assert_eq!((output.changed.len(), output.reran), (0, 0));
    // Whether a key pair is wanted is asked once; what becomes of it later concerns nobody.
    let output = translator.apply(vec![upsert(&secret(json!({"tls.crt": "aGk=", "tls.key": "aGk="})))]);
    assert_eq!((output.changed.len(), output.reran), (0, 1));
    let output = translator.apply(vec![upsert(&secret(json!({"tls.crt": "aG8=", "tls.key": "aG8="})))]);
    assert_eq!((output.changed.len(), output.reran), (0, 0));
}

#[test]
fn an_unrelated_object_touches_nothing() {
    let mut translator = cluster();
    let output = translator.apply(vec![upsert(&service(SERVICES + 1, "h.test"))]);
    assert_eq!((output.changed.len(), output.reran), (0, 0));
    let again = upsert(&slice(7, "10.0.0.1"));
    let output = translator.apply(vec![again]);
    assert_eq!((output.changed.len(), output.reran), (0, 0), "an equal object is no change");
}

#[test]
fn a_new_version_of_an_equal_object_changes_provenance_alone() {
    let mut translator = cluster();
    let key = EntityKey::new(Collection::Services, "n.s7.80");
    let before = translator.entity(&key).unwrap();
    let mut object = ingress(7, "/");
    object["metadata"]["resourceVersion"] = "2".into();
    let output = translator.apply(vec![upsert(&object)]);
    assert_eq!((changed(&output), output.reran), (vec!["services/n.s7.80".to_owned()], 0));
    let after = translator.entity(&key).unwrap();
    assert_eq!(before.rendered, after.rendered);
    let version = |entity: &silverback_translation::Entity| {
        entity.provenance.iter().find(|maker| maker.object.kind.starts_with("Ingress")).unwrap().version.clone()
    };
    assert_eq!((version(&before), version(&after)), ("1".to_owned(), "2".to_owned()));
}

#[test]
fn a_missing_service_is_told_and_untold() {
    let mut translator = cluster();
    let gone = ObjectChange { content: None, ..upsert(&service(7, "")) };
    let output = translator.apply(vec![gone]);
    let ingress = object_ref(&ingress(7, "/"));
    let (object, said) = &output.diagnostics[0];
    assert_eq!((object, said.len()), (&ingress, 1));
    assert_eq!(
        said[0].to_string(),
        "Ingress.networking.k8s.io n/i7: spec.rules[0].http.paths[0].backend: Service n/s7 does not exist: requests for it are answered with an error (ServiceNotFound)"
    );
    let output = translator.apply(vec![upsert(&service(7, "h.test"))]);
    assert_eq!(output.diagnostics, [(ingress.clone(), vec![])]);
    let explanation = translator.explain(&ingress);
    assert_eq!(explanation.entities.len(), 1);
    assert_eq!(translator.entities_of(&ObjectRef::new("Service", ingress.key.clone())), []);
}

fn api(kind: &str, name: &str, spec: Value) -> Value {
    let metadata = if kind == "GatewayClass" { json!({"name": name}) } else { meta(name) };
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec})
}

fn gateway(hostname: &str) -> Value {
    let listeners = json!([{"name": "web", "port": 80, "protocol": "HTTP", "hostname": hostname},
        {"name": "other", "port": 81, "protocol": "HTTP"}]);
    api("Gateway", "g", json!({"gatewayClassName": "kong", "listeners": listeners}))
}

fn http_route(at: usize, path: &str, section: &str) -> Value {
    let backends = json!([{"kind": "Service", "name": format!("s{at}"), "port": 80}]);
    let rule = json!({"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": backends});
    let parents = json!([{"name": "g", "sectionName": section}]);
    let spec = json!({"parentRefs": parents, "hostnames": [format!("h{at}.test")], "rules": [rule]});
    api("HTTPRoute", &format!("r{at}"), spec)
}

fn routes(settings: Settings) -> Translator {
    let mut translator = Translator::new(settings);
    let class = api("GatewayClass", "kong", json!({"controllerName": "konghq.com/kic-gateway-controller"}));
    let objects =
        (0..SERVICES).flat_map(|at| [http_route(at, "/", "web"), service(at, "h.test"), slice(at, "10.0.0.1")]);
    translator.apply([class, gateway("")].into_iter().chain(objects).map(|object| upsert(&object)).collect());
    assert_eq!(translator.entities().len(), 2 * SERVICES);
    translator
}

fn told(output: &Output) -> Vec<String> {
    output.statuses.iter().map(|(object, _)| object.to_string()).collect()
}

#[test]
fn a_path_of_an_http_route_touches_its_service_and_no_status() {
    let mut translator = routes(Settings::default());
    let output = translator.apply(vec![upsert(&http_route(7, "/new", "web"))]);
    assert_eq!((changed(&output), told(&output)), (vec!["services/httproute.n.r7.0".to_owned()], vec![]));
    // Its claims, once alone and once beside others; their status, where it stands, its matches and their order at its host,
    // the plan, the plugins bound to it, the service.
    assert_eq!(output.reran, 9);
    let output = translator.apply(vec![upsert(&slice(7, "10.0.0.9"))]);
    assert_eq!((changed(&output), output.reran), (vec!["upstreams/httproute.n.r7.0".to_owned()], 1));
}

#[test]
fn routes_are_counted_without_a_look_at_the_others() {
    let mut translator = routes(Settings::default());
    let output = translator.apply(vec![upsert(&http_route(7, "/", "other"))]);
    let gateway = "Gateway.gateway.networking.k8s.io n/g".to_owned();
    assert_eq!(told(&output), [gateway, "HTTPRoute.gateway.networking.k8s.io n/r7".to_owned()]);
    // As above, but that its service stays equal; and the Gateway's status, once.
    assert!(output.reran <= 10, "{}", output.reran);
    let gone = ObjectChange { content: None, ..upsert(&http_route(8, "/", "web")) };
    let output = translator.apply(vec![gone]);
    assert_eq!(told(&output).len(), 2, "{:?}", told(&output));
}

#[test]
fn a_listener_touches_the_routes_of_its_gateway() {
    let mut translator = routes(Settings::default());
    let output = translator.apply(vec![upsert(&gateway("h7.test"))]);
    // All others have no listener any more.
    assert_eq!(told(&output).len(), SERVICES, "the Gateway, and all routes but one");
    let expected = translator.entities().keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(expected, ["services/httproute.n.r7.0", "upstreams/httproute.n.r7.0"]);
}

#[test]
fn a_missing_backend_touches_the_status_of_its_route() {
    let mut translator = routes(Settings::default());
    let output = translator.apply(vec![ObjectChange { content: None, ..upsert(&service(7, "")) }]);
    assert_eq!(told(&output), ["HTTPRoute.gateway.networking.k8s.io n/r7"]);
}

#[test]
fn an_entity_tells_why_it_is_what_it_is() {
    let mut translator = cluster();
    let mut with_plugin = ingress(7, "/");
    with_plugin["metadata"]["annotations"] = json!({"konghq.com/plugins": "gone"});
    translator.apply(vec![upsert(&with_plugin)]);
    let key = EntityKey::new(Collection::Services, "n.s7.80");
    let trace = translator.trace(&key).unwrap().to_string();
    let lines: Vec<&str> = trace.lines().map(str::trim_start).collect();
    assert_eq!(lines[0], "kong services \"n.s7.80\"");
    for told in [
        "plans \"n.s7.80\"",
        "claimants ClaimantKey { kind: Ingress, key: ObjectKey { namespace: \"n\", name: \"i7\" } }",
        "services ObjectKey { namespace: \"n\", name: \"s7\" }",
        "plugin specs ObjectKey { namespace: \"n\", name: \"gone\" } (not there)",
    ] {
        assert!(lines.contains(&told), "{told}: {trace}");
    }
    let upstream = EntityKey::new(Collection::Upstreams, "s7.n.80.svc");
    let trace = translator.trace(&upstream).unwrap().to_string();
    assert!(trace.contains("endpoint slices ObjectKey { namespace: \"n\", name: \"e7\" }"), "{trace}");
    assert_eq!(translator.trace(&EntityKey::new(Collection::Services, "none")), None);
}

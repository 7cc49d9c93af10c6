//! What gateways refuse does not leave: a table of values, one object each. Whatever the object says, the configuration is
//! one that a gateway takes, the value is not in it, its object is told, and what has no part in it goes out.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use silverback_translation::{Diagnostic, RouterFlavor, Settings, object_ref, render};

use crate::golden::MINUTE;
use crate::judged::gateway;

/// A value that gateways refuse.
struct Row {
    /// What it is.
    name: &'static str,
    /// The object that holds it comes first.
    objects: Vec<Value>,
    /// What must not be in the configuration.
    gone: &'static str,
    /// What its object is told; empty: nothing is lost, and nothing said.
    told: &'static str,
}

fn row(name: &'static str, objects: impl Into<Vec<Value>>, gone: &'static str, told: &'static str) -> Row {
    Row { name, objects: objects.into(), gone, told }
}

fn object(kind: &str, name: &str, annotations: &[(&str, &str)], fields: Value) -> Value {
    let api = match kind {
        "Service" | "Secret" | "ConfigMap" => "v1",
        "Ingress" => "networking.k8s.io/v1",
        "HTTPRoute" => "gateway.networking.k8s.io/v1",
        "TCPIngress" | "KongUpstreamPolicy" | "KongConsumerGroup" => "configuration.konghq.com/v1beta1",
        "KongVault" | "KongCustomEntity" => "configuration.konghq.com/v1alpha1",
        _ => "configuration.konghq.com/v1",
    };
    let class = ("kubernetes.io/ingress.class", "kong");
    let annotations: Map<String, Value> =
        annotations.iter().chain([&class]).map(|(name, value)| (name.to_string(), json!(value))).collect();
    let mut object = json!({
        "apiVersion": api, "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "uid": format!("{kind}-{name}"), "annotations": annotations},
    });
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    object
}

fn ingress(name: &str, service: &str, path: &str, annotations: &[(&str, &str)]) -> Value {
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    let path = json!({"path": path, "pathType": "ImplementationSpecific", "backend": backend});
    let rule = json!({"host": format!("{name}.test"), "http": {"paths": [path]}});
    object("Ingress", name, annotations, json!({"spec": {"rules": [rule]}}))
}

fn service(name: &str, annotations: &[(&str, &str)]) -> Value {
    object("Service", name, annotations, json!({"spec": {"ports": [{"name": "http", "port": 80}]}}))
}

/// An Ingress with these annotations.
fn on_ingress(annotations: &[(&str, &str)]) -> Vec<Value> {
    vec![ingress("it", "web", "/it", annotations)]
}

/// A Service with these annotations, and an Ingress to it.
fn on_service(annotations: &[(&str, &str)]) -> Vec<Value> {
    vec![service("it", annotations), ingress("to-it", "it", "/", &[])]
}

fn plugin(name: &str, fields: Value) -> Value {
    object("KongPlugin", name, &[], fields)
}

/// A plugin, named by an Ingress.
fn used_plugin(fields: Value) -> Vec<Value> {
    vec![plugin("it", fields), ingress("user", "web", "/user", &[("konghq.com/plugins", "it")])]
}

fn secret(name: &str, labels: Value, values: &[(&str, &str)]) -> Value {
    let data: Map<String, Value> =
        values.iter().map(|(key, value)| (key.to_string(), json!(STANDARD.encode(value)))).collect();
    let mut secret = object("Secret", name, &[], json!({"data": data}));
    secret["metadata"]["labels"] = labels;
    secret
}

/// A consumer with one credential.
fn credential(kind: &str, values: &[(&str, &str)]) -> Vec<Value> {
    let consumer = object("KongConsumer", "it", &[], json!({"username": "it", "credentials": ["it"]}));
    vec![consumer, secret("it", json!({"konghq.com/credential": kind}), values)]
}

fn custom(entity: &str, fields: Value) -> Vec<Value> {
    let spec = json!({"type": entity, "controllerName": "kong", "fields": fields});
    vec![object("KongCustomEntity", "it", &[], json!({"spec": spec}))]
}

fn vault(spec: Value) -> Vec<Value> {
    vec![object("KongVault", "it", &[], json!({"spec": spec}))]
}

fn http_route(rule: Value) -> Vec<Value> {
    let backend = json!([{"kind": "Service", "name": "web", "port": 80}]);
    let mut rule = rule;
    rule["backendRefs"] = backend;
    vec![object("HTTPRoute", "it", &[], json!({"spec": {"hostnames": [], "rules": [rule]}}))]
}

fn policy(spec: Value) -> Vec<Value> {
    let policy = object("KongUpstreamPolicy", "it", &[], json!({"spec": spec}));
    let mut objects = on_service(&[("konghq.com/upstream-policy", "it")]);
    objects.push(policy);
    objects
}

fn authority(id: &str, years: std::ops::Range<i32>, is_ca: bool) -> Vec<Value> {
    let mut params = rcgen::CertificateParams::default();
    if is_ca {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(years.start, 1, 1), rcgen::date_time_ymd(years.end, 1, 1));
    let pem = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    vec![secret("it", json!({"konghq.com/ca-cert": "true"}), &[("id", id), ("cert", &pem)])]
}

const ID: &str = "ca000000-0000-4000-8000-000000000001";

fn routes() -> Vec<Row> {
    vec![
        row("a host among the headers", on_ingress(&[("konghq.com/headers.Host", "a")]), "\"Host\"", "host"),
        row("a header's name", on_ingress(&[("konghq.com/headers.x~(", "a")]), "x~(", "left out"),
        row("an Enterprise protocol", on_ingress(&[("konghq.com/protocols", "wss")]), "wss", "protocols"),
        row("no protocol", on_ingress(&[("konghq.com/protocols", "http,ftp")]), "ftp", "protocols"),
        row("protocols of two groups", on_ingress(&[("konghq.com/protocols", "http,tcp")]), "tcp", "protocols"),
        row("a stream by its path", on_ingress(&[("konghq.com/protocols", "tls")]), "\"tls\"", "protocols"),
        row(
            "strip_path with gRPC",
            on_ingress(&[("konghq.com/protocols", "grpc"), ("konghq.com/strip-path", "true")]),
            "\"strip_path\":true",
            "",
        ),
        row(
            "a method with gRPC",
            on_ingress(&[("konghq.com/protocols", "grpc"), ("konghq.com/methods", "GET")]),
            "\"methods\"",
            "",
        ),
        row("a redirect's code", on_ingress(&[("konghq.com/https-redirect-status-code", "303")]), "303", "303"),
        row("path handling", on_ingress(&[("konghq.com/path-handling", "v7")]), "v7", ""),
        row("a tag", on_ingress(&[("konghq.com/tags", "good,a/b")]), "a/b", "tags"),
        row("a path not in normal form", [ingress("it", "web", "/a/%7e", &[])], "\"/a/%7e\"", ""),
        row("encoding that is none", [ingress("it", "web", "/a/%zz", &[])], "\"/a/%zz\"", ""),
        row("a regular expression that is none", [ingress("it", "web", "/~/a(", &[])], "/a(", "left out"),
        row("a route that matches nothing", http_route(json!({"matches": [{"method": null}]})), "\"none\"", ""),
        row(
            "a redirect to no host",
            http_route(json!({"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]})),
            "\"redirect\"",
            "",
        ),
        row(
            "a redirect to what is no host",
            http_route(json!({"filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "/a.test"}}]})),
            "/a.test",
            "hostname",
        ),
        row("a weight", weighty(), "70000", ""),
        row("a method", http_route(json!({"matches": [{"method": "GET/"}]})), "[\"GET/\"]", ""),
        row("a stream that is to be redirected", [stream()], "\"https\"", "force-ssl"),
    ]
}

fn stream() -> Value {
    let rule = json!({"port": 9000, "backend": {"serviceName": "web", "servicePort": 80}});
    object(
        "TCPIngress",
        "it",
        &[("ingress.kubernetes.io/force-ssl-redirect", "true")],
        json!({"spec": {"rules": [rule]}}),
    )
}

fn weighty() -> Vec<Value> {
    let mut route = http_route(json!({}));
    route[0]["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(70_000);
    route
}

fn services() -> Vec<Row> {
    vec![
        row("no time", on_service(&[("konghq.com/connect-timeout", "0")]), "connect_timeout", "connect_timeout"),
        row("too much time", on_service(&[("konghq.com/read-timeout", "2147483647")]), "2147483647", "read_timeout"),
        row("fewer than no retries", on_service(&[("konghq.com/retries", "-1")]), "retries", "retries"),
        row("too many retries", on_service(&[("konghq.com/retries", "32768")]), "retries", "retries"),
        row("an Enterprise protocol to servers", on_service(&[("konghq.com/protocol", "wss")]), "wss", "protocol"),
        row(
            "a path with TLS",
            on_service(&[("konghq.com/protocol", "tls"), ("konghq.com/path", "/base")]),
            "/base",
            "path",
        ),
        row("a path with spaces", on_service(&[("konghq.com/path", "/a b")]), "/a b", "path"),
        row("verification without TLS", on_service(&[("konghq.com/tls-verify", "true")]), "tls_verify", "tls_verify"),
        row(
            "a depth without end",
            on_service(&[("konghq.com/protocol", "https"), ("konghq.com/tls-verify-depth", "65")]),
            "tls_verify_depth",
            "tls_verify_depth",
        ),
        row(
            "authorities that do not exist",
            on_service(&[
                ("konghq.com/protocol", "https"),
                ("konghq.com/tls-verify", "true"),
                ("konghq.com/ca-certificates-secrets", "gone"),
            ]),
            "ca_certificates",
            "gone",
        ),
        row("a Host header", on_service(&[("konghq.com/host-header", "a b")]), "a b", "host_header"),
        row("slots", policy(json!({"slots": 5})), "\"slots\"", ""),
        row("a hash of nothing", policy(json!({"hashOn": {"header": ""}})), "hash_on", ""),
        row("a status", policy(json!({"healthchecks": {"active": {"healthy": {"httpStatuses": [7, 200]}}}})), "[7", ""),
        row("a check's header", policy(json!({"healthchecks": {"active": {"headers": {"a b": ["c"]}}}})), "a b", ""),
        row("sticky sessions before 3.11", policy(json!({"algorithm": "sticky-sessions"})), "sticky-sessions", ""),
    ]
}

fn identities() -> Vec<Row> {
    let with_plugin = object("KongConsumer", "it", &[("konghq.com/plugins", "limit")], json!({"custom_id": "c-77"}));
    let limit = plugin("limit", json!({"plugin": "rate-limiting", "config": {"minute": 5, "policy": "local"}}));
    vec![
        row("an empty key", credential("key-auth", &[("key", "")]), "keyauth", "empty"),
        row("an algorithm", credential("jwt", &[("key", "k"), ("algorithm", "none")]), "\"none\"", "algorithm"),
        row("no public key", credential("jwt", &[("key", "k"), ("algorithm", "RS256")]), "RS256", "rsa_public_key"),
        row(
            "a client's type",
            credential("oauth2", &[("name", "n"), ("client_id", "c"), ("client_type", "x")]),
            "oauth2_credentials",
            "client_type",
        ),
        row(
            "a way back",
            credential("oauth2", &[("name", "n"), ("client_id", "c"), ("redirect_uris", "a.test")]),
            "a.test",
            "redirect_uris",
        ),
        row("an Enterprise credential", credential("mtls-auth", &[("subject_name", "s")]), "mtls_auth", "Enterprise"),
        row("a plugin of a consumer without a username", [with_plugin, limit], "\"rate-limiting\"", "username"),
        row(
            "groups, which only Enterprise has",
            [object("KongConsumerGroup", "it", &[], json!({}))],
            "consumer_groups",
            "Enterprise",
        ),
        row("an authority's id", authority("seven", 2000..2040, true), "ca_certificates", "UUID"),
        row("an authority that has expired", authority(ID, 1990..2000, true), "ca_certificates", "expired"),
        row("an authority that is none", authority(ID, 2000..2040, false), "ca_certificates", "constraints"),
        row("a vault's prefix", vault(json!({"backend": "env", "prefix": "env"})), "vaults", "prefix"),
        row("a short prefix", vault(json!({"backend": "env", "prefix": "a"})), "vaults", "prefix"),
        row("an Enterprise vault", vault(json!({"backend": "hcv", "prefix": "hash"})), "vaults", "Enterprise"),
        row(
            "a field of a vault",
            vault(json!({"backend": "env", "prefix": "my-env", "config": {"ttl": 5}})),
            "vaults",
            "ttl",
        ),
    ]
}

fn plugins() -> Vec<Row> {
    let quota = json!({"minute": 5, "policy": "cluster"});
    let instance = json!({"plugin": "cors", "instance_name": "a b"});
    vec![
        row("a policy", used_plugin(json!({"plugin": "rate-limiting", "config": quota})), "\"cluster\"", "policy"),
        row("an Enterprise plugin", used_plugin(json!({"plugin": "degraphql"})), "degraphql", "Enterprise"),
        row("a plugin of nobody's", used_plugin(json!({"plugin": "nonsense"})), "nonsense", "nonsense"),
        row(
            "an order among plugins",
            used_plugin(json!({"plugin": "cors", "ordering": {"before": {"access": ["acl"]}}})),
            "ordering",
            "ordering",
        ),
        row("a plugin's protocol", used_plugin(json!({"plugin": "cors", "protocols": ["ftp"]})), "ftp", "protocol"),
        row("an instance's name", used_plugin(instance), "a b", "instance_name"),
        row("an Enterprise entity", custom("degraphql_routes", json!({"uri": "/a"})), "degraphql", "Enterprise"),
        row(
            "a key of another name",
            custom("keys", json!({"name": "k", "kid": "a", "jwk": r#"{"kty":"oct","k":"YQ","kid":"b"}"#})),
            "\"keys\"",
            "kid",
        ),
        row("an entity made from others", custom("services", json!({"name": "mine"})), "mine", "other objects"),
    ]
}

/// Schemas as gateways give them, of the plugins above.
fn schemas() -> BTreeMap<String, Value> {
    let with = |config: Value| {
        let protocols =
            json!({"protocols": {"type": "set", "elements": {"type": "string", "one_of": ["http", "https"]}}});
        json!({"fields": [protocols, {"config": {"type": "record", "required": true, "fields": config}}]})
    };
    let limit = json!([
        {"minute": {"type": "number", "gt": 0}},
        {"policy": {"type": "string", "default": "local", "one_of": ["local", "redis"]}},
    ]);
    let answers = json!([{"status_code": {"type": "integer"}}, {"message": {"type": "string"}}]);
    BTreeMap::from([
        ("cors".to_owned(), with(json!([]))),
        ("rate-limiting".to_owned(), with(limit)),
        ("request-termination".to_owned(), with(answers)),
    ])
}

/// What has no part in any of this.
fn bystanders() -> Vec<Value> {
    vec![service("web", &[]), ingress("bystander", "web", "/", &[])]
}

#[tokio::test]
async fn what_gateways_refuse_does_not_leave() {
    let mut wrong = Vec::new();
    for flavor in [RouterFlavor::Traditional, RouterFlavor::Expressions] {
        let gateway = gateway(flavor).await;
        let settings = Settings { router_flavor: flavor, plugin_schemas: schemas(), ..Settings::default() };
        for row in [routes(), services(), identities(), plugins()].into_iter().flatten() {
            let objects: Vec<Value> = bystanders().into_iter().chain(row.objects.iter().cloned()).collect();
            let (document, said) = render(&objects, &settings, &[], MINUTE);
            let text = document.value().to_string();
            let at = format!("{} ({flavor:?})", row.name);
            if let Err(answer) = gateway.alter_config(&text) {
                wrong.push(format!("{at}: refused: {answer}"));
            }
            if text.contains(row.gone) {
                wrong.push(format!("{at}: {} is there still: {text}", row.gone));
            }
            if !text.contains("shop.bystander.web.bystander.test.80") {
                wrong.push(format!("{at}: the bystander is gone"));
            }
            let reference = object_ref(&row.objects[0]);
            let told: Vec<String> =
                said.iter().filter(|it| it.object == reference).map(Diagnostic::to_string).collect();
            if !row.told.is_empty() && !told.iter().any(|it| it.contains(row.told)) {
                wrong.push(format!("{at}: not told of {:?}: {told:#?}", row.told));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

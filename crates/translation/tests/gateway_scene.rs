//! A scene with an object of every kind of the Gateway API, all of which matter: whatever changes in one of them, the
//! outcome differs. Scenes share a GatewayClass and the Service that publishes gateways, and nothing else.

use serde_json::{Value, json};

use crate::gateway_world::AUTHORITY;
use crate::world::PAIRS;

const API: &str = "gateway.networking.k8s.io";

/// The class of all scenes.
pub fn class() -> Value {
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "kong", "uid": "class"},
        "spec": {"controllerName": "konghq.com/kic-gateway-controller"}})
}

/// The Service that publishes the gateways of all scenes.
pub fn proxy() -> Value {
    let port = |(port, protocol): (u16, &str)| json!({"name": format!("{protocol}-{port}"), "port": port, "protocol": protocol});
    let ports = [(80, "TCP"), (443, "TCP"), (8080, "TCP"), (8081, "TCP"), (9000, "TCP"), (9000, "UDP"), (9443, "TCP")];
    let spec = json!({"type": "LoadBalancer", "clusterIP": "10.96.0.7", "ports": ports.map(port)});
    let status = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    object("v1", "Service", "kong", "proxy", json!({"spec": spec, "status": status}))
}

fn object(version: &str, kind: &str, namespace: &str, name: &str, more: Value) -> Value {
    let uid = format!("{kind}-{namespace}-{name}");
    let mut object = json!({"apiVersion": version, "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "uid": uid, "generation": 1}});
    for (key, value) in more.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

fn api(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    object(&format!("{API}/v1"), kind, namespace, name, json!({ "spec": spec }))
}

fn annotated(mut object: Value, name: &str, value: &str) -> Value {
    object["metadata"]["annotations"][name] = value.into();
    object
}

fn service(namespace: &str, name: &str, at: usize) -> [Value; 2] {
    let ports = json!([{"name": "main", "port": 80}]);
    let mut slice = object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        namespace,
        name,
        json!({"ports": [{"name": "main", "port": 8080}],
            "endpoints": [{"addresses": [format!("10.0.{}.{}", at / 250, at % 250)]}]}),
    );
    slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": name});
    [object("v1", "Service", namespace, name, json!({"spec": {"ports": ports}})), slice]
}

/// A Gateway and its Services in one namespace; routes, further listeners, plugins and the certificate in another, which
/// is let in by its label and by grants.
pub fn application(at: usize) -> Vec<Value> {
    let (home, guest) = (format!("g{at}"), format!("g{at}-guest"));
    let (home, guest) = (home.as_str(), guest.as_str());
    let let_in = json!({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}});
    let routes = json!({ "namespaces": let_in });
    let secret = json!([{"name": "pair", "namespace": guest}]);
    let listeners = json!([
        {"name": "web", "port": 80, "protocol": "HTTP", "hostname": format!("*.{home}.test"), "allowedRoutes": routes},
        {"name": "secure", "port": 443, "protocol": "HTTPS", "hostname": format!("*.{home}.test"),
            "tls": {"certificateRefs": secret}, "allowedRoutes": routes},
        {"name": "tcp", "port": 9000, "protocol": "TCP", "allowedRoutes": routes},
        {"name": "udp", "port": 9000, "protocol": "UDP", "allowedRoutes": routes},
        {"name": "tls", "port": 9443, "protocol": "TLS", "tls": {"mode": "Passthrough"}, "allowedRoutes": routes},
    ]);
    let allowed_listeners = json!({ "namespaces": let_in });
    let gateway = json!({"gatewayClassName": "kong", "listeners": listeners, "allowedListeners": allowed_listeners});
    let set = |port: u16| {
        let listener = json!({"name": "more", "port": port, "protocol": "HTTP"});
        json!({"parentRef": {"name": "main", "namespace": home}, "listeners": [listener]})
    };
    let parents = json!([{"name": "main", "namespace": home}]);
    let backend = |name: &str| json!([{"kind": "Service", "name": name, "namespace": home, "port": 80, "weight": 1}]);
    let host = |name: &str| json!([format!("{name}.{home}.test")]);
    let limited = json!({"type": "ExtensionRef",
        "extensionRef": {"group": "configuration.konghq.com", "kind": "KongPlugin", "name": "limit"}});
    let set_header =
        json!({"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x", "value": "1"}]}});
    let http = json!({
        "parentRefs": [{"name": "main", "namespace": home}, {"kind": "ListenerSet", "name": "more"},
            {"group": "gateway.networking.x-k8s.io", "kind": "XListenerSet", "name": "old"}],
        "hostnames": host("http"),
        "rules": [
            {"matches": [{"path": {"type": "PathPrefix", "value": "/shop"}, "method": "GET",
                "headers": [{"name": "x-version", "value": "2"}]}],
                "filters": [limited, set_header], "timeouts": {"backendRequest": "2s"}, "backendRefs": backend("shop")},
            {"matches": [{"path": {"type": "Exact", "value": "/secure"}}], "backendRefs": backend("secure")},
        ],
    });
    // In the way of the other: it matches by more things than the path of the other's second rule.
    let rival = json!({"parentRefs": parents, "hostnames": host("http"), "rules": [
        {"matches": [{"method": "GET", "path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": backend("shop")}]});
    let grpc = json!({"parentRefs": parents, "hostnames": host("grpc"), "rules": [
        {"matches": [{"method": {"service": "a.B", "method": "C"}}], "backendRefs": backend("shop")}]});
    let stream = json!({"parentRefs": parents, "rules": [{"backendRefs": backend("shop")}]});
    let tls = json!({"parentRefs": parents, "hostnames": host("tls"), "rules": [{"backendRefs": backend("shop")}]});
    let from = |kind: &str, namespace: &str| json!({"group": API, "kind": kind, "namespace": namespace});
    let kinds = ["HTTPRoute", "GRPCRoute", "TCPRoute", "UDPRoute", "TLSRoute"];
    let to_services = json!({"from": kinds.map(|kind| from(kind, guest)), "to": [{"group": "", "kind": "Service"}]});
    let to_secrets = json!({"from": [from("Gateway", home)], "to": [{"group": "", "kind": "Secret", "name": "pair"}]});
    let authority = json!([{"group": "", "kind": "ConfigMap", "name": "ca"}]);
    let policy = json!({"targetRefs": [{"group": "", "kind": "Service", "name": "secure"}],
        "validation": {"hostname": "secure.internal", "caCertificateRefs": authority}});
    let (certificate, key) = &PAIRS[at % 2];
    let mut namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": guest, "uid": guest}});
    namespace["metadata"]["labels"] = json!({"team": "a"});
    let [shop, shop_endpoints] = service(home, "shop", at);
    let shop = annotated(shop, "konghq.com/upstream-policy", "spread");
    let [secure, secure_endpoints] = service(home, "secure", at);
    let kong = "configuration.konghq.com";
    vec![
        namespace,
        api("Gateway", home, "main", gateway),
        api("ListenerSet", guest, "more", set(8080)),
        object("gateway.networking.x-k8s.io/v1alpha1", "XListenerSet", guest, "old", json!({ "spec": set(8081) })),
        annotated(api("HTTPRoute", guest, "http", http), "konghq.com/preserve-host", "false"),
        api("HTTPRoute", guest, "rival", rival),
        annotated(api("GRPCRoute", guest, "grpc", grpc), "konghq.com/tags", "tag"),
        api("TCPRoute", guest, "tcp", stream.clone()),
        api("UDPRoute", guest, "udp", stream),
        annotated(api("TLSRoute", guest, "tls", tls), "konghq.com/plugins", "count"),
        api("ReferenceGrant", home, "services", to_services),
        api("ReferenceGrant", guest, "secrets", to_secrets),
        api("BackendTLSPolicy", home, "secure", policy),
        object("v1", "ConfigMap", home, "ca", json!({"data": {"ca.crt": *AUTHORITY}})),
        object("v1", "Secret", guest, "pair", json!({"data": {"tls.crt": certificate, "tls.key": key}})),
        object(&format!("{kong}/v1beta1"), "KongUpstreamPolicy", home, "spread", json!({"spec": {"slots": 100}})),
        object(
            &format!("{kong}/v1"),
            "KongPlugin",
            guest,
            "limit",
            json!({"plugin": "rate-limiting", "config": {"minute": 5}}),
        ),
        object(&format!("{kong}/v1"), "KongPlugin", guest, "count", json!({"plugin": "prometheus"})),
        shop,
        shop_endpoints,
        secure,
        secure_endpoints,
    ]
}

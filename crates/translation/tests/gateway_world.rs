//! Random objects of the Gateway API, with the few names that the rest of the world has.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::world::{Dice, HOSTS, NAMES, NAMESPACES, ROUTE_ANNOTATIONS, metadata};

const GROUP: &str = "gateway.networking.k8s.io";
const EXPERIMENTAL: &str = "gateway.networking.x-k8s.io";
const PROTOCOLS: [&str; 6] = ["HTTP", "HTTP", "HTTPS", "TLS", "TCP", "UDP"];

/// The certificate of an authority.
pub static AUTHORITY: LazyLock<String> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
});

fn object(dice: &mut Dice, kind: &str, spec: Value) -> Value {
    let group = if kind == "XListenerSet" { EXPERIMENTAL } else { GROUP };
    let mut metadata = metadata(dice, kind != "GatewayClass", &ROUTE_ANNOTATIONS);
    metadata["generation"] = dice.roll(3).into();
    json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": metadata, "spec": spec})
}

fn namespaces(dice: &mut Dice) -> Value {
    match dice.roll(4) {
        0 => json!({"from": "All"}),
        1 => json!({"from": "Selector", "selector": {"matchLabels": {"team": dice.one(&NAMES)}}}),
        2 => json!({"from": "None"}),
        _ => json!({"from": "Same"}),
    }
}

fn listener(dice: &mut Dice) -> Value {
    let protocol = dice.one(&PROTOCOLS);
    let mut listener = json!({"name": dice.one(&NAMES), "port": 80 + dice.roll(2), "protocol": protocol});
    if matches!(protocol, "HTTP" | "HTTPS" | "TLS") {
        listener["hostname"] = dice.one(&HOSTS).into();
    }
    if matches!(protocol, "HTTPS" | "TLS") {
        let secret = json!({"name": dice.one(&NAMES), "namespace": dice.one(&NAMESPACES)});
        listener["tls"] = json!({"mode": dice.one(&["Terminate", "Passthrough"]), "certificateRefs": [secret]});
    }
    if dice.roll(2) == 0 {
        listener["allowedRoutes"] = json!({"namespaces": namespaces(dice)});
    }
    listener
}

fn gateway(dice: &mut Dice) -> Value {
    let listeners = dice.some(3, listener);
    let mut spec = json!({"gatewayClassName": dice.one(&["a", "b"]), "listeners": listeners});
    if dice.roll(2) == 0 {
        spec["allowedListeners"] = json!({"namespaces": namespaces(dice)});
    }
    if dice.roll(8) == 0 {
        spec["addresses"] = json!([{"type": "x/y"}]);
    }
    object(dice, "Gateway", spec)
}

fn set(dice: &mut Dice) -> Value {
    let kind = dice.one(&["ListenerSet", "XListenerSet"]);
    let parent = json!({"name": dice.one(&NAMES), "namespace": dice.one(&NAMESPACES)});
    let listeners = dice.some(2, listener);
    object(dice, kind, json!({"parentRef": parent, "listeners": listeners}))
}

fn parent(dice: &mut Dice) -> Value {
    let mut parent = json!({"name": dice.one(&NAMES), "namespace": dice.one(&NAMESPACES)});
    match dice.roll(5) {
        0 => parent["kind"] = "ListenerSet".into(),
        1 => parent["sectionName"] = dice.one(&NAMES).into(),
        2 => parent["port"] = 80.into(),
        _ => {}
    }
    parent
}

fn backend(dice: &mut Dice) -> Value {
    let kind = dice.one(&["Service", "Service", "Service", "Bucket"]);
    json!({"kind": kind, "name": dice.one(&NAMES), "namespace": dice.one(&NAMESPACES), "port": 80, "weight": dice.roll(3)})
}

fn filter(dice: &mut Dice) -> Value {
    match dice.roll(6) {
        0 => json!({"type": "RequestMirror"}),
        1 => json!({"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}),
        2 => {
            json!({"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/z"}}})
        }
        3 => json!({"type": "CORS", "cors": {"allowOrigins": ["*"]}}),
        4 => {
            let named = json!({"group": "configuration.konghq.com", "kind": "KongPlugin", "name": dice.one(&NAMES)});
            json!({"type": "ExtensionRef", "extensionRef": named})
        }
        _ => json!({"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}),
    }
}

fn http_rule(dice: &mut Dice) -> Value {
    let matches = dice.some(2, |dice| {
        let kind = dice.one(&["Exact", "PathPrefix", "RegularExpression"]);
        let mut found = json!({"path": {"type": kind, "value": dice.one(&["/", "/x", "/x/y"])}});
        match dice.roll(5) {
            0 => found["method"] = "GET".into(),
            1 => found["queryParams"] = json!([{"name": "q", "value": "1"}]),
            2 => found["headers"] = json!([{"name": "h", "value": "1"}]),
            _ => {}
        }
        found
    });
    let mut rule = json!({"matches": matches, "filters": dice.some(1, filter), "backendRefs": dice.some(2, backend)});
    if dice.roll(3) == 0 {
        rule["timeouts"] = json!({"backendRequest": dice.one(&["1s", "60s", "x"])});
    }
    rule
}

fn grpc_rule(dice: &mut Dice) -> Value {
    let matches = dice.some(1, |dice| json!({"method": {"service": "a.B", "method": dice.one(&["C", "D"])}}));
    json!({"matches": matches, "filters": dice.some(1, filter), "backendRefs": dice.some(2, backend)})
}

fn route(dice: &mut Dice) -> Value {
    let kind = dice.one(&["HTTPRoute", "HTTPRoute", "HTTPRoute", "GRPCRoute", "TCPRoute", "UDPRoute", "TLSRoute"]);
    let rules = match kind {
        "HTTPRoute" => dice.some(3, http_rule),
        "GRPCRoute" => dice.some(2, grpc_rule),
        _ => dice.some(1, |dice| json!({"backendRefs": dice.some(2, backend)})),
    };
    let mut spec = json!({"parentRefs": dice.some(2, parent), "rules": rules});
    if matches!(kind, "HTTPRoute" | "GRPCRoute" | "TLSRoute") {
        spec["hostnames"] = json!(dice.some(2, |dice| dice.one(&HOSTS[..3]).to_owned()));
    }
    object(dice, kind, spec)
}

fn grant(dice: &mut Dice) -> Value {
    let from = json!({"group": GROUP, "kind": dice.one(&["HTTPRoute", "Gateway", "TCPRoute"]), "namespace": dice.one(&NAMESPACES)});
    let to = json!({"group": "", "kind": dice.one(&["Service", "Secret"])});
    object(dice, "ReferenceGrant", json!({"from": [from], "to": [to]}))
}

fn policy(dice: &mut Dice) -> Value {
    let mut target = json!({"group": "", "kind": "Service", "name": dice.one(&NAMES)});
    if dice.roll(3) == 0 {
        target["sectionName"] = "http".into();
    }
    let authority = json!({"group": "", "kind": dice.one(&["ConfigMap", "Secret"]), "name": dice.one(&NAMES)});
    let validation = json!({"hostname": "s.test", "caCertificateRefs": [authority]});
    object(dice, "BackendTLSPolicy", json!({"targetRefs": [target], "validation": validation}))
}

fn class(dice: &mut Dice) -> Value {
    let controller = dice.one(&["konghq.com/kic-gateway-controller", "konghq.com/kic-gateway-controller", "acme.io/x"]);
    object(dice, "GatewayClass", json!({"controllerName": controller}))
}

fn namespace(dice: &mut Dice) -> Value {
    let labels = json!({"team": dice.one(&NAMES)});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": dice.one(&NAMESPACES), "labels": labels}})
}

fn plugin(dice: &mut Dice) -> Value {
    let metadata = metadata(dice, true, &[("kubernetes.io/ingress.class", "other")]);
    let config = json!({"minute": dice.roll(2)});
    json!({"apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin", "metadata": metadata,
        "plugin": dice.one(&["rate-limiting", "cors"]), "config": config})
}

fn upstream_policy(dice: &mut Dice) -> Value {
    let metadata = metadata(dice, true, &[("x", "y")]);
    let spec = json!({"algorithm": dice.one(&["least-connections", "nonsense"]), "slots": 10 * dice.roll(3)});
    json!({"apiVersion": "configuration.konghq.com/v1beta1", "kind": "KongUpstreamPolicy", "metadata": metadata,
        "spec": spec})
}

fn authority(dice: &mut Dice) -> Value {
    let metadata = metadata(dice, true, &[("x", "y")]);
    let data = if dice.roll(2) == 0 { json!({}) } else { json!({ "ca.crt": *AUTHORITY }) };
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
}

/// A random object of the Gateway API, or one that it reads.
pub fn gateway_object(dice: &mut Dice) -> Value {
    match dice.roll(23) {
        0..=2 => class(dice),
        3..=6 => gateway(dice),
        7 => set(dice),
        8..=14 => route(dice),
        15..=16 => grant(dice),
        17..=18 => policy(dice),
        19 => plugin(dice),
        20 => upstream_policy(dice),
        21 => authority(dice),
        _ => namespace(dice),
    }
}

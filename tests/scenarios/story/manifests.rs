//! Objects as users write them. Their namespace is the scenario's, which [`super::Cluster`] fills in.

use serde_json::{Value, json};

/// Port of every Service; its endpoints listen on [`TARGET_PORT`].
const PORT: u16 = 80;
/// Port of every endpoint.
pub(crate) const TARGET_PORT: u16 = 8080;

/// A Service with one port.
pub(crate) fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": name },
        "spec": { "ports": [{ "name": "http", "port": PORT, "targetPort": TARGET_PORT }] },
    })
}

/// The EndpointSlice of a Service.
pub(crate) fn endpoints(service: &str, addresses: &[&str]) -> Value {
    let endpoints: Vec<Value> =
        addresses.iter().map(|address| json!({ "addresses": [address], "conditions": { "ready": true } })).collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": { "name": format!("{service}-1"), "labels": { "kubernetes.io/service-name": service } },
        "addressType": "IPv4",
        "ports": [{ "name": "http", "port": TARGET_PORT, "protocol": "TCP" }],
        "endpoints": endpoints,
    })
}

/// An Ingress of that class that leads one path to a Service of the same name.
pub(crate) fn ingress(class: &str, service: &str, path: &str) -> Value {
    let backend = json!({ "service": { "name": service, "port": { "number": PORT } } });
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": { "name": service },
        "spec": {
            "ingressClassName": class,
            "rules": [{ "http": { "paths": [{ "path": path, "pathType": "Prefix", "backend": backend }] } }],
        },
    })
}

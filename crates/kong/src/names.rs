//! Names of services, upstreams and routes, and the suffix of a bound plugin's instance name.
//!
//! `port` is a number, a port's name, or [`IMPLICIT_PORT`]. `*` in a host becomes `_`; no host leaves two dots in a row.

use sha2::{Digest, Sha256};

use crate::ids::Relations;

/// Stands for the port of a backend that names none.
pub const IMPLICIT_PORT: &str = "implicitPort";

/// The longest name of a service whose name is made of its backends, in bytes.
const COMBINED_MAX: usize = 511;

/// The service of an Ingress or TCPIngress backend.
pub fn service(namespace: &str, service: &str, port: &str) -> String {
    format!("{namespace}.{service}.{port}")
}

/// The upstream of a Service's port, which is the host of the services that use it.
pub fn upstream(namespace: &str, service: &str, port: &str) -> String {
    format!("{service}.{namespace}.{port}.svc")
}

/// The service of a KongServiceFacade, and its upstream.
pub fn facade(namespace: &str, facade: &str) -> String {
    format!("{namespace}.{facade}.svc.facade")
}

/// The route of an Ingress to a Service, per host.
pub fn ingress_route(namespace: &str, ingress: &str, service: &str, host: &str, port: &str) -> String {
    format!("{namespace}.{ingress}.{service}.{}.{port}", host.replace('*', "_"))
}

/// The route of an Ingress to a KongServiceFacade, per host.
pub fn ingress_facade_route(namespace: &str, ingress: &str, facade: &str, host: &str) -> String {
    format!("{namespace}.{ingress}.{}.{facade}.svc.facade", host.replace('*', "_"))
}

/// The route of an Ingress's default backend.
pub fn default_backend_route(namespace: &str, ingress: &str) -> String {
    format!("{namespace}.{ingress}")
}

/// A service made of one or more rules of a Gateway API route, and its upstream: `kind` is e.g. `httproute`.
pub fn rule(kind: &str, namespace: &str, route: &str, rule: usize) -> String {
    format!("{kind}.{namespace}.{route}.{rule}")
}

/// A host as a part of a name: `_` for none.
pub fn host_part(host: &str) -> String {
    if host.is_empty() { "_".to_owned() } else { host.replace('*', "_") }
}

/// One backend in the name of a combined service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CombinedBackend<'a> {
    /// Namespace of the Service.
    pub namespace: &'a str,
    /// Name of the Service.
    pub name: &'a str,
    /// Port, where one is given.
    pub port: Option<u16>,
    /// Weight, where one is given.
    pub weight: Option<i32>,
}

impl CombinedBackend<'_> {
    fn part(&self) -> String {
        let mut part = format!("{}.{}", self.namespace, self.name);
        if let Some(port) = self.port {
            part.push_str(&format!(".{port}"));
        }
        if let Some(weight) = self.weight {
            part.push_str(&format!(".{weight}"));
        }
        part
    }
}

/// The service shared by all rules of a namespace's HTTPRoutes that have these backends.
pub fn combined_service(kind: &str, namespace: &str, backends: &[CombinedBackend<'_>]) -> String {
    let mut parts: Vec<String> = backends.iter().map(CombinedBackend::part).collect();
    parts.sort_unstable();
    let Some(first) = parts.first() else {
        return format!("{kind}.{namespace}.svc._");
    };
    let name = format!("{kind}.{namespace}.svc.{}", parts.join("_"));
    if name.len() <= COMBINED_MAX {
        return name;
    }
    format!("{kind}.{namespace}.svc.{first}_combined.{}", hex(&Sha256::digest(name.as_bytes())))
}

/// The instance name of a bound plugin: Kong wants it unique, one object makes several entities. Global plugins keep
/// the name as it is.
pub fn plugin_instance(name: &str, to: Relations<'_>) -> String {
    let mut bound = String::new();
    let parts = [("service", to.service), ("route", to.route), ("consumer", to.consumer), ("group", to.consumer_group)];
    for (kind, entity) in parts {
        if let Some(entity) = entity {
            bound.push_str(&format!("_{kind}-{entity}"));
        }
    }
    if bound.is_empty() {
        return name.to_owned();
    }
    format!("{name}-{}", &hex(&Sha256::digest(bound.as_bytes()))[..9])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_keep_their_place_in_names() {
        assert_eq!(ingress_route("a", "b", "c", "", "80"), "a.b.c..80");
        assert_eq!(ingress_route("a", "b", "c", "*.x.io", "http"), "a.b.c._.x.io.http");
        assert_eq!(host_part(""), "_");
    }

    #[test]
    fn instance_names_tell_bindings_apart() {
        let to = Relations { route: Some("default.httpbin.httpbin..80"), ..Relations::default() };
        assert_eq!(plugin_instance("x", to), "x-21a1f5b5f");
        assert_eq!(plugin_instance("x", Relations::default()), "x");
    }

    #[test]
    fn long_combined_names_are_cut_to_a_digest() {
        let name = "n".repeat(60);
        let backends: Vec<_> = (0..9)
            .map(|port| CombinedBackend { namespace: "ns", name: &name, port: Some(port), weight: None })
            .collect();
        let long = combined_service("httproute", "ns", &backends);
        assert!(long.starts_with(&format!("httproute.ns.svc.ns.{name}.0_combined.")), "{long}");
        let mut shuffled = backends.clone();
        shuffled.reverse();
        assert_eq!(combined_service("httproute", "ns", &shuffled), long);
        assert_eq!(combined_service("httproute", "ns", &[]), "httproute.ns.svc._");
    }
}

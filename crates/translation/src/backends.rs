//! From a port of a Service to targets of an upstream.

use std::collections::BTreeMap;

use silverback_kong::Target;
use silverback_resources::types::{EndpointSlice, Service, ServicePort};

use crate::annotations::service::SERVICE_UPSTREAM;
use crate::claims::BackendPort;
use crate::settings::Settings;

/// What an absent weight counts when it is added to another.
const DEFAULT_WEIGHT: i64 = 100;

/// A port of a Service that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Port {
    /// Name among the Service's ports; empty where it has only one.
    pub name: String,
    /// Number.
    pub number: u16,
    /// What is spoken there, where the Service says.
    pub app_protocol: Option<String>,
}

/// HTTP/2 without TLS, as Services say it.
const H2C: &str = "kubernetes.io/h2c";
/// WebSocket over TLS, as Services say it.
const WSS: &str = "kubernetes.io/wss";
/// Why a port that speaks it takes no requests.
pub(crate) const NO_H2C: &str = "Kong speaks HTTP/2 in clear for gRPC alone; leave out appProtocol, or use a GRPCRoute";

/// Whether only HTTP/2 without TLS is spoken at a port.
pub(crate) fn is_h2c(port: &Port) -> bool {
    port.app_protocol.as_deref() == Some(H2C)
}

/// Whether WebSocket over TLS is spoken at a port.
pub(crate) fn is_wss(port: &Port) -> bool {
    port.app_protocol.as_deref() == Some(WSS)
}

/// Why a Service has no such port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPort {
    /// None of that number or name.
    #[error("Service {service} has no port {port}")]
    NotFound {
        /// `namespace/name`.
        service: String,
        /// Number or name.
        port: String,
    },
    /// A Service that is only a name has no ports to be named.
    #[error("Service {service} is of type ExternalName: its port must be given by number")]
    NeedsNumber {
        /// `namespace/name`.
        service: String,
    },
    /// No port was named and it is not clear which one is meant.
    #[error("Service {service} has {ports} ports: one must be named")]
    NotTheOnly {
        /// `namespace/name`.
        service: String,
        /// Number of its ports.
        ports: usize,
    },
}

/// The port of a Service that a backend means.
pub(crate) fn find_port(service: &Service, port: &BackendPort) -> Result<Port, NoPort> {
    let name = || service.metadata.key().to_string();
    let ports = &service.spec.ports;
    let found = match port {
        // The number need not be among its ports, which mean nothing for such a Service.
        BackendPort::Number(number) if service.is_external_name() => {
            return Ok(Port { number: *number, ..Port::default() });
        }
        _ if service.is_external_name() => return Err(NoPort::NeedsNumber { service: name() }),
        BackendPort::Number(number) => ports.iter().find(|port| port.port == *number),
        BackendPort::Name(wanted) => ports.iter().find(|port| {
            port.name == *wanted || port.target_port.as_ref().is_some_and(|target| target.to_string() == *wanted)
        }),
        BackendPort::Implicit if ports.len() == 1 => ports.first(),
        BackendPort::Implicit => return Err(NoPort::NotTheOnly { service: name(), ports: ports.len() }),
    };
    found
        .map(|it| Port { name: it.name.clone(), number: it.port, app_protocol: it.app_protocol.clone() })
        .ok_or_else(|| NoPort::NotFound { service: name(), port: port.to_string() })
}

/// Where requests for a port go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `host:port`.
    pub target: String,
    /// Takes no new requests.
    pub draining: bool,
}

/// Whether requests go to the Service itself and not to its pods: then endpoints do not matter.
pub(crate) fn bypasses_endpoints(service: &Service, class_says_so: bool) -> bool {
    service.is_external_name() || class_says_so || service.metadata.annotation(SERVICE_UPSTREAM) == Some("true")
}

/// The endpoint of a port of a Service that [`bypasses_endpoints`].
pub(crate) fn service_endpoint(service: &Service, port: &Port, settings: &Settings) -> Endpoint {
    let target = if service.is_external_name() {
        format!("{}:{}", service.spec.external_name, port.number)
    } else {
        let (name, namespace) = (&service.metadata.name, &service.metadata.namespace);
        let domain = &settings.cluster_domain;
        let dot = if domain.is_empty() { "" } else { "." };
        format!("{name}.{namespace}.svc{dot}{domain}:{}", port.number)
    };
    Endpoint { target, draining: false }
}

/// The endpoints of a port, from the slices of its Service: each once, in the order of their text.
pub(crate) fn endpoints<'a>(
    service: &Service,
    port: &Port,
    slices: impl IntoIterator<Item = &'a EndpointSlice>,
    drain_support: bool,
) -> Vec<Endpoint> {
    let mut found: BTreeMap<String, bool> = BTreeMap::new();
    for slice in slices {
        let numbers = slice.ports.iter().filter(|candidate| {
            *candidate.name == *port.name && protocol_fits(&candidate.protocol, &service.spec.ports)
        });
        for number in numbers.filter_map(|candidate| candidate.port) {
            for endpoint in &slice.endpoints {
                let draining = !endpoint.ready;
                if draining && !(drain_support && endpoint.terminating) {
                    continue;
                }
                let target = endpoint.address.with_port(number);
                found.entry(target).and_modify(|known| *known &= draining).or_insert(draining);
            }
        }
    }
    found.into_iter().map(|(target, draining)| Endpoint { target, draining }).collect()
}

/// TCP always fits, any other protocol only if the Service has a port of it.
fn protocol_fits(protocol: &str, ports: &[ServicePort]) -> bool {
    matches!(protocol, "" | "TCP") || ports.iter().any(|port| port.protocol == protocol)
}

/// The targets of an upstream whose backends have these weights and endpoints. A backend's weight is shared among its
/// endpoints; a target that is in several backends gets the sum.
pub(crate) fn weigh(backends: impl IntoIterator<Item = (Option<i32>, Vec<Endpoint>)>) -> Vec<Target> {
    let mut targets: BTreeMap<String, Option<i64>> = BTreeMap::new();
    for (weight, endpoints) in backends {
        let active = endpoints.iter().filter(|endpoint| !endpoint.draining).count().max(1) as i64;
        let share = weight.map(|weight| match i64::from(weight) {
            0 => 0,
            weight => (weight / active).max(1),
        });
        for endpoint in endpoints {
            let weight = if endpoint.draining { Some(0) } else { share };
            targets
                .entry(endpoint.target)
                .and_modify(|sum| *sum = Some(sum.unwrap_or(DEFAULT_WEIGHT) + weight.unwrap_or(DEFAULT_WEIGHT)))
                .or_insert(weight);
        }
    }
    targets.into_iter().map(|(target, weight)| Target { target, weight }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn service(spec: serde_json::Value) -> Service {
        let object = json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": spec});
        serde_json::from_value(object).unwrap()
    }

    fn slice(endpoints: serde_json::Value) -> EndpointSlice {
        let ports = json!([{"name": "http", "port": 8080, "protocol": "TCP"}]);
        serde_json::from_value(json!({"metadata": {"name": "web-1"}, "ports": ports, "endpoints": endpoints})).unwrap()
    }

    fn texts(endpoints: &[Endpoint]) -> Vec<&str> {
        endpoints.iter().map(|endpoint| endpoint.target.as_str()).collect()
    }

    #[test]
    fn ports_are_found_by_number_name_or_target() {
        let web =
            service(json!({"ports": [{"name": "http", "port": 80, "targetPort": "web"}, {"name": "x", "port": 81}]}));
        for port in [BackendPort::Number(80), BackendPort::Name("http".into()), BackendPort::Name("web".into())] {
            assert_eq!(find_port(&web, &port).unwrap(), Port { name: "http".into(), number: 80, ..Port::default() });
        }
        assert_eq!(
            find_port(&web, &BackendPort::Number(82)).unwrap_err().to_string(),
            "Service shop/web has no port 82"
        );
        assert!(matches!(find_port(&web, &BackendPort::Implicit), Err(NoPort::NotTheOnly { ports: 2, .. })));
        let only = service(json!({"ports": [{"port": 80}]}));
        assert_eq!(find_port(&only, &BackendPort::Implicit).unwrap().number, 80);
    }

    #[test]
    fn a_name_for_another_host_needs_a_number() {
        let external =
            service(json!({"type": "ExternalName", "externalName": "a.io", "ports": [{"name": "x", "port": 1}]}));
        assert!(matches!(find_port(&external, &BackendPort::Name("x".into())), Err(NoPort::NeedsNumber { .. })));
        let port = find_port(&external, &BackendPort::Number(443)).unwrap();
        assert_eq!(service_endpoint(&external, &port, &Settings::default()).target, "a.io:443");
    }

    #[test]
    fn the_cluster_domain_is_appended() {
        let web = service(json!({"ports": [{"port": 80}]}));
        let port = Port { number: 80, ..Port::default() };
        assert_eq!(service_endpoint(&web, &port, &Settings::default()).target, "web.shop.svc:80");
        let settings = Settings { cluster_domain: "cluster.local".into(), ..Settings::default() };
        assert_eq!(service_endpoint(&web, &port, &settings).target, "web.shop.svc.cluster.local:80");
    }

    #[test]
    fn only_ready_endpoints_count_unless_they_drain() {
        let web = service(json!({"ports": [{"name": "http", "port": 80}]}));
        let port = Port { name: "http".into(), number: 80, ..Port::default() };
        let slices = [
            slice(json!([{"addresses": ["10.0.0.2"]}, {"addresses": ["10.0.0.1"], "conditions": {"ready": true}},
                {"addresses": ["10.0.0.3"], "conditions": {"ready": false}},
                {"addresses": ["10.0.0.4"], "conditions": {"ready": false, "terminating": true}}])),
            slice(json!([{"addresses": ["10.0.0.1"]}])),
        ];
        assert_eq!(texts(&endpoints(&web, &port, &slices, false)), ["10.0.0.1:8080", "10.0.0.2:8080"]);
        let drained = endpoints(&web, &port, &slices, true);
        assert_eq!(texts(&drained), ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.4:8080"]);
        let weights: Vec<_> = weigh([(None, drained)]).into_iter().map(|target| target.weight).collect();
        assert_eq!(weights, [None, None, Some(0)]);
    }

    fn at(targets: &[&str]) -> Vec<Endpoint> {
        targets.iter().map(|target| Endpoint { target: target.to_string(), draining: false }).collect()
    }

    #[test]
    fn weights_are_shared_and_added() {
        let weigh = |backends: Vec<(Option<i32>, Vec<Endpoint>)>| -> Vec<_> {
            weigh(backends).into_iter().map(|target| (target.target, target.weight)).collect()
        };
        let (stable, canary) = (at(&["a", "b", "c"]), at(&["c"]));
        assert_eq!(
            weigh(vec![(Some(80), stable.clone()), (Some(20), canary.clone())]),
            [("a".into(), Some(26)), ("b".into(), Some(26)), ("c".to_owned(), Some(46))]
        );
        assert_eq!(
            weigh(vec![(None, stable), (None, canary)]),
            [("a".into(), None), ("b".into(), None), ("c".to_owned(), Some(200))]
        );
        assert_eq!(weigh(vec![(Some(1), at(&["a", "b"]))]), [("a".into(), Some(1)), ("b".to_owned(), Some(1))]);
    }

    proptest! {
        #[test]
        fn no_weight_makes_a_backend_vanish_unless_it_is_zero(weight in 0..1000i32, number in 1..50usize) {
            let endpoints: Vec<String> = (0..number).map(|n| n.to_string()).collect();
            let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
            for target in weigh([(Some(weight), at(&endpoints))]) {
                prop_assert_eq!(target.weight == Some(0), weight == 0);
            }
        }
    }
}

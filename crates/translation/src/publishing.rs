//! Where gateways are reached from outside: the ports and the addresses of the Services that publish them.
//!
//! As the Kong Ingress Controller has it, addresses are those of the load balancer, else the Service's own. What is not
//! known refuses nothing: a Service that is gone for a moment must not take away every listener.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use silverback_model::ObjectKey;
use silverback_resources::types::{Gateway, GatewayAddress, Listener, Service};
use silverback_status::{Address, ConditionReason};

use crate::inputs::View;

/// As many addresses as the specification lets a Gateway have.
const MOST: usize = 16;

/// How gateways are published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Publishing {
    /// The Service in front of them.
    pub service: Option<ObjectKey>,
    /// The one for UDP, where that is another.
    pub service_udp: Option<ObjectKey>,
    /// Where they are reached, whatever the Service says.
    pub addresses: Vec<String>,
    /// The same for UDP.
    pub addresses_udp: Vec<String>,
}

/// The ports that gateways are published at.
pub(crate) struct Ports {
    /// The ports of each Service, and whether they are of UDP.
    services: Vec<(ObjectKey, Vec<(u16, bool)>)>,
    /// Whether all are known that there are of TCP.
    tcp: bool,
    /// The same of UDP.
    udp: bool,
}

impl Ports {
    /// Those of the Services, as far as these are there.
    pub(crate) fn of(view: &View<'_>) -> Self {
        let Publishing { service, service_udp, .. } = &view.settings.publishing;
        let named: Vec<&ObjectKey> = service.iter().chain(service_udp).collect();
        let ports = |key: &&ObjectKey| {
            let service = view.service(key).filter(|service| !service.is_external_name())?;
            let ports = service.spec.ports.iter().map(|port| (port.port, port.protocol == "UDP"));
            Some(((*key).clone(), ports.collect()))
        };
        let services: Vec<_> = named.iter().filter_map(ports).collect();
        let known = !services.is_empty() && services.len() == named.len();
        Self { services, tcp: known && service.is_some(), udp: known }
    }

    /// Why nothing can reach a listener.
    pub(crate) fn problem(&self, listener: &Listener) -> Option<String> {
        let udp = listener.protocol == "UDP";
        let known = if udp { self.udp } else { self.tcp };
        if !known || self.services.iter().any(|(_, ports)| ports.contains(&(listener.port, udp))) {
            return None;
        }
        let names: Vec<String> = self.services.iter().map(|(key, _)| key.to_string()).collect();
        let (names, protocol, port) = (names.join(", "), if udp { "UDP" } else { "TCP" }, listener.port);
        Some(format!("port: the Service that publishes gateways ({names}) has no {protocol} port {port}; add it there"))
    }
}

/// Where gateways are reached; `None`: nobody told how they are published. Otherwise there is one, or this is why not.
fn addresses(view: &View<'_>) -> Option<Result<Vec<Address>, String>> {
    let publishing = &view.settings.publishing;
    let sources = [(&publishing.addresses, &publishing.service), (&publishing.addresses_udp, &publishing.service_udp)];
    let (mut found, mut lacking): (Vec<Address>, Vec<String>) = (Vec::new(), Vec::new());
    for (given, service) in sources {
        let known = match service {
            _ if !given.is_empty() => Ok(given.clone()),
            Some(key) => of_service(key, view.service(key).as_deref()),
            None => continue,
        };
        match known {
            Ok(known) => {
                for address in known.iter().map(|value| address(value)) {
                    if !found.contains(&address) {
                        found.push(address);
                    }
                }
            }
            Err(problem) => lacking.push(problem),
        }
    }
    found.truncate(MOST);
    match (found.is_empty(), lacking.is_empty()) {
        (false, _) => Some(Ok(found)),
        (true, false) => Some(Err(lacking.join("; "))),
        (true, true) => None,
    }
}

fn of_service(key: &ObjectKey, service: Option<&Service>) -> Result<Vec<String>, String> {
    let Some(service) = service else {
        return Err(format!(
            "Service {key}, which publishes gateways, does not exist, or its namespace is not watched"
        ));
    };
    let (found, what): (Vec<String>, _) = if service.spec.kind == "LoadBalancer" {
        let ingress = service.status.load_balancer.ingress.iter().flat_map(|it| [&it.ip, &it.hostname]);
        (ingress.filter(|it| !it.is_empty()).cloned().collect(), "load balancer has no address yet")
    } else {
        let spec = &service.spec;
        let own = if spec.cluster_ips.is_empty() { std::slice::from_ref(&spec.cluster_ip) } else { &spec.cluster_ips };
        (own.iter().filter(|it| !it.is_empty() && *it != "None").cloned().collect(), "cluster has given it no address")
    };
    if found.is_empty() { Err(format!("Service {key}, which publishes gateways: the {what}")) } else { Ok(found) }
}

fn address(value: &str) -> Address {
    let kind = if value.parse::<IpAddr>().is_ok() { "IPAddress" } else { "Hostname" };
    Address { kind: kind.into(), value: value.to_owned() }
}

/// Whether two texts are one address.
fn same(one: &str, other: &str) -> bool {
    match (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.eq_ignore_ascii_case(other),
    }
}

/// Where a Gateway is reached, and why that is not as it asks.
pub(crate) fn of_gateway(gateway: &Gateway, view: &View<'_>) -> (Vec<Address>, Option<(ConditionReason, String)>) {
    let wanted = &gateway.spec.addresses;
    match addresses(view) {
        None if wanted.is_empty() => (Vec::new(), None),
        None => {
            let message = "spec.addresses: it is not known where gateways are reached: tell it by --publish-service or \
                           --publish-status-address";
            (Vec::new(), Some((ConditionReason::AddressNotAssigned, message.to_owned())))
        }
        Some(Err(problem)) => (Vec::new(), Some((ConditionReason::AddressNotAssigned, problem))),
        Some(Ok(known)) => {
            let problem = wanted.iter().enumerate().find_map(|(at, wanted)| lacking(at, wanted, &known));
            (known, problem)
        }
    }
}

/// Why an address that is asked for is not there.
fn lacking(at: usize, wanted: &GatewayAddress, known: &[Address]) -> Option<(ConditionReason, String)> {
    let kind = wanted.kind.as_deref().unwrap_or("IPAddress");
    let field = format!("spec.addresses[{at}]");
    let Some(value) = wanted.value.as_deref().filter(|value| !value.is_empty()) else {
        let none = known.iter().all(|it| it.kind != kind);
        return none.then(|| (ConditionReason::AddressNotAssigned, format!("{field}: gateways have no {kind}")));
    };
    if known.iter().any(|it| it.kind == kind && same(&it.value, value)) {
        return None;
    }
    let all: Vec<&str> = known.iter().map(|it| it.value.as_str()).collect();
    let message = format!("{field}: gateways are not reached at {value}, but at {}", all.join(", "));
    Some((ConditionReason::AddressNotUsable, message))
}

//! EndpointSlice, kept small: a cluster has more of these than of all other kinds together, and they change most.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use silverback_model::ObjectKey;

use super::meta::{Meta, null_as_default};

/// The label that says whose endpoints these are.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Some of the endpoints of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct EndpointSlice {
    /// Namespace, shared with the Service.
    pub namespace: Box<str>,
    /// Name of the slice.
    pub name: Box<str>,
    /// Name of the Service; empty when it is nobody's.
    pub service: Box<str>,
    /// uid of the slice.
    pub uid: Box<str>,
    /// Whether it waits for finalizers.
    pub deleting: bool,
    /// Ports of every endpoint.
    pub ports: Box<[EndpointPort]>,
    /// The endpoints.
    pub endpoints: Box<[Endpoint]>,
}

impl EndpointSlice {
    /// The Service whose endpoints these are.
    pub fn owner(&self) -> Option<ObjectKey> {
        (!self.service.is_empty()).then(|| ObjectKey::new(&*self.namespace, &*self.service))
    }
}

/// A port of the endpoints of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EndpointPort {
    /// Name of the Service's port; empty where it has only one.
    #[serde(deserialize_with = "null_as_default")]
    pub name: Box<str>,
    /// TCP, UDP or SCTP; empty counts as TCP.
    #[serde(deserialize_with = "null_as_default")]
    pub protocol: Box<str>,
    /// Number; `None` means all ports, which cannot be a target.
    pub port: Option<u16>,
}

/// An endpoint. Only the first address counts: Kubernetes says that all of them are the same pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is.
    pub address: Address,
    /// Takes new requests. Unknown counts as ready.
    pub ready: bool,
    /// Is being shut down.
    pub terminating: bool,
}

/// An address of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address.
    Ip(IpAddr),
    /// A DNS name, in slices of type FQDN.
    Name(Box<str>),
}

impl Address {
    /// This address and a port: `ip:port`, `[ipv6]:port` or `name:port`.
    pub fn with_port(&self, port: u16) -> String {
        match self {
            Self::Ip(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
            other => format!("{other}:{port}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Wire {
    metadata: Meta,
    #[serde(deserialize_with = "null_as_default")]
    ports: Vec<EndpointPort>,
    #[serde(deserialize_with = "null_as_default")]
    endpoints: Vec<WireEndpoint>,
}

/// As Kubernetes writes it, or in short as the projection does.
#[derive(Deserialize)]
#[serde(untagged)]
enum WireEndpoint {
    Ready(String),
    Short { address: String, ready: Option<bool>, terminating: Option<bool> },
    Whole(WholeEndpoint),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WholeEndpoint {
    #[serde(deserialize_with = "null_as_default")]
    addresses: Vec<String>,
    conditions: Conditions,
}

impl WireEndpoint {
    fn read(self) -> Option<Endpoint> {
        let (address, ready, terminating) = match self {
            Self::Ready(address) => (address, None, None),
            Self::Short { address, ready, terminating } => (address, ready, terminating),
            Self::Whole(WholeEndpoint { addresses, conditions }) => {
                (addresses.into_iter().next()?, conditions.ready, conditions.terminating)
            }
        };
        Some(Endpoint {
            address: address.parse().map_or_else(|_| Address::Name(address.into()), Address::Ip),
            ready: ready.unwrap_or(true),
            terminating: terminating.unwrap_or(false),
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
    terminating: Option<bool>,
}

impl From<Wire> for EndpointSlice {
    fn from(wire: Wire) -> Self {
        let endpoints = wire.endpoints.into_iter().filter_map(WireEndpoint::read);
        Self {
            service: wire.metadata.label(SERVICE_NAME).unwrap_or_default().into(),
            namespace: wire.metadata.namespace.into(),
            name: wire.metadata.name.into(),
            uid: wire.metadata.uid.into(),
            deleting: wire.metadata.deletion_timestamp.is_some(),
            ports: wire.ports.into(),
            endpoints: endpoints.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::KindId;

    #[test]
    fn unknown_readiness_counts_as_ready_and_the_first_address_is_taken() {
        let slice: EndpointSlice = serde_json::from_str(
            r#"{"metadata":{"namespace":"n","name":"s","labels":{"kubernetes.io/service-name":"web"}},
                "ports":[{"name":null,"port":80}],
                "endpoints":[{"addresses":["10.0.0.1","10.0.0.2"]},{"addresses":["fd00::1"],"conditions":{"ready":false}},
                             {"addresses":[]},{"addresses":["a.example"]}]}"#,
        )
        .unwrap();
        assert_eq!(slice.owner(), Some(ObjectKey::new("n", "web")));
        let targets: Vec<_> = slice.endpoints.iter().map(|e| (e.address.with_port(80), e.ready)).collect();
        assert_eq!(
            targets,
            [("10.0.0.1:80".into(), true), ("[fd00::1]:80".into(), false), ("a.example:80".to_owned(), true)]
        );
    }

    #[test]
    fn what_is_written_in_short_says_the_same() {
        let whole = r#"{"endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":true,"terminating":false}},
            {"addresses":["10.0.0.2"],"conditions":{"ready":false,"terminating":true}}]}"#;
        let mut object: serde_json::Value = serde_json::from_str(whole).unwrap();
        KindId::ENDPOINT_SLICE.kind().projection().trim(&mut object);
        assert_eq!(object["endpoints"][0], "10.0.0.1");
        let (whole, short): (EndpointSlice, EndpointSlice) =
            (serde_json::from_str(whole).unwrap(), serde_json::from_value(object).unwrap());
        assert_eq!(whole, short);
    }
}

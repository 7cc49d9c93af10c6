//! The core group: Service, Secret, ConfigMap.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::meta::{Meta, null_as_default};

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Metadata.
    pub metadata: Meta,
    /// What it is.
    pub spec: ServiceSpec,
    /// How it is doing.
    pub status: ServiceStatus,
}

/// How a Service is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceStatus {
    /// What a load balancer in front of it told.
    pub load_balancer: LoadBalancer,
}

/// A load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LoadBalancer {
    /// Where it is reached.
    #[serde(deserialize_with = "null_as_default")]
    pub ingress: Vec<LoadBalancerAddress>,
}

/// Where a load balancer is reached: by one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LoadBalancerAddress {
    /// By an address.
    pub ip: String,
    /// By a name.
    pub hostname: String,
}

/// What a Service is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceSpec {
    /// ClusterIP, NodePort, LoadBalancer or ExternalName; empty counts as ClusterIP.
    #[serde(rename = "type")]
    pub kind: String,
    /// DNS name behind a Service of type ExternalName.
    pub external_name: String,
    /// `None` for a headless Service.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: String,
    /// The same for each family of addresses.
    #[serde(rename = "clusterIPs", deserialize_with = "null_as_default")]
    pub cluster_ips: Vec<String>,
    /// Ports.
    #[serde(deserialize_with = "null_as_default")]
    pub ports: Vec<ServicePort>,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServicePort {
    /// Empty where the Service has only one.
    pub name: String,
    /// TCP, UDP or SCTP; empty counts as TCP.
    pub protocol: String,
    /// Number.
    pub port: u16,
    /// Port of the pods.
    pub target_port: Option<TargetPort>,
    /// What is spoken there, e.g. `kubernetes.io/h2c`.
    pub app_protocol: Option<String>,
}

/// A port by number or name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum TargetPort {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

impl fmt::Display for TargetPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Service {
    /// Whether it is but a name for another host.
    pub fn is_external_name(&self) -> bool {
        self.spec.kind == "ExternalName"
    }
}

/// A Secret. Values are base64, as in the API; `stringData` never comes back from an API server.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Secret {
    /// Metadata.
    pub metadata: Meta,
    /// e.g. `kubernetes.io/tls`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Values in base64.
    #[serde(deserialize_with = "null_as_default")]
    pub data: BTreeMap<String, String>,
}

/// Shows no value.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("metadata", &self.metadata)
            .field("keys", &self.data.keys())
            .finish_non_exhaustive()
    }
}

/// A ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ConfigMap {
    /// Metadata.
    pub metadata: Meta,
    /// Values as text.
    #[serde(deserialize_with = "null_as_default")]
    pub data: BTreeMap<String, String>,
}

/// Implements [`Named`] for kinds of one group.
macro_rules! named {
    ($group:literal, $version:literal: $($kind:ident),*) => {$(
        impl crate::types::Named for $kind {
            const GROUP: &'static str = $group;
            const VERSION: &'static str = $version;
            const KIND: &'static str = stringify!($kind);
            fn meta(&self) -> &crate::types::Meta {
                &self.metadata
            }
        }
    )*};
}
pub(super) use named;

named!("", "v1": Service, Secret, ConfigMap);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Named;

    #[test]
    fn target_ports_are_numbers_or_names() {
        let service: Service = serde_json::from_str(
            r#"{"metadata":{"name":"a"},"spec":{"ports":[{"port":80,"targetPort":"web"},{"port":81,"targetPort":8081}]}}"#,
        )
        .unwrap();
        let targets: Vec<_> = service.spec.ports.iter().map(|port| port.target_port.clone()).collect();
        assert_eq!(targets, [Some(TargetPort::Name("web".into())), Some(TargetPort::Number(8081))]);
        assert_eq!(Service::KIND, "Service");
        assert_eq!(service.meta().name, "a");
    }

    #[test]
    fn debug_keeps_secrets() {
        let secret: Secret = serde_json::from_str(r#"{"data":{"key":"c2VjcmV0"}}"#).unwrap();
        assert!(!format!("{secret:?}").contains("c2VjcmV0"));
    }
}

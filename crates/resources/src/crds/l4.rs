//! TCPIngress and UDPIngress, deprecated in favour of TCPRoute and UDPRoute.

use schemars::JsonSchema;
use serde::Deserialize;

use super::definition::{Column, Definition};
use super::{kind, status};
use crate::registry::KindId;
use crate::types::Meta;

const COLUMNS: &[Column] = &[
    Column::new("Address", "string", ".status.loadBalancer.ingress[*].ip", "Where its traffic is taken"),
    Column::AGE,
];

/// Routes of TCP and TLS streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct TCPIngress {
    /// Metadata.
    #[serde(default)]
    #[schemars(skip)]
    pub metadata: Meta,
    /// The routes.
    pub spec: Option<TCPIngressSpec>,
}

/// Routes of TCP and TLS streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct TCPIngressSpec {
    /// The routes.
    #[serde(default)]
    pub rules: Vec<TCPIngressRule>,
    /// Certificates for the hosts of the routes.
    #[serde(default)]
    pub tls: Vec<L4Tls>,
}

/// One route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct TCPIngressRule {
    /// Server name of the handshake; without one every stream on the port is taken.
    pub host: Option<String>,
    /// Port of the gateway.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Where the streams go.
    pub backend: L4Backend,
}

/// Routes of UDP datagrams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct UDPIngress {
    /// Metadata.
    #[serde(default)]
    #[schemars(skip)]
    pub metadata: Meta,
    /// The routes.
    pub spec: Option<UDPIngressSpec>,
}

/// Routes of UDP datagrams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct UDPIngressSpec {
    /// The routes.
    #[serde(default)]
    pub rules: Vec<UDPIngressRule>,
}

/// One route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct UDPIngressRule {
    /// Port of the gateway.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Where the datagrams go.
    pub backend: L4Backend,
}

/// A Service of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct L4Backend {
    /// Name of the Service.
    #[schemars(length(min = 1))]
    pub service_name: String,
    /// Port of the Service.
    #[schemars(range(min = 1, max = 65535))]
    pub service_port: i32,
}

/// A certificate for some hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct L4Tls {
    /// Server names.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Name of the Secret with the certificate and its key.
    pub secret_name: Option<String>,
}

kind!(TCPIngress, "v1beta1");
kind!(UDPIngress, "v1beta1");

pub(super) fn tcp_definition() -> Definition {
    Definition::of::<TCPIngress>(KindId::TCP_INGRESS).columns(COLUMNS).status(status::load_balancer())
}

pub(super) fn udp_definition() -> Definition {
    Definition::of::<UDPIngress>(KindId::UDP_INGRESS).columns(COLUMNS).status(status::load_balancer())
}

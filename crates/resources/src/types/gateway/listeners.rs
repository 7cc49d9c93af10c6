//! gateway.networking.k8s.io: Gateways and their listeners, classes, and policies of TLS to backends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::core::named;
use super::super::meta::{Meta, null_as_default};

/// GatewayClass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GatewayClass {
    /// Metadata.
    pub metadata: Meta,
    /// Whose class it is.
    pub spec: GatewayClassSpec,
}

/// Whose class it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GatewayClassSpec {
    /// Name of the controller.
    pub controller_name: String,
    /// Settings of the implementation's own.
    pub parameters_ref: Option<ObjectRefTo>,
}

/// Gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Gateway {
    /// Metadata.
    pub metadata: Meta,
    /// What it listens for.
    pub spec: GatewaySpec,
}

/// What a Gateway listens for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GatewaySpec {
    /// Name of its class.
    pub gateway_class_name: String,
    /// Its listeners.
    #[serde(deserialize_with = "null_as_default")]
    pub listeners: Vec<Listener>,
    /// Who may add listeners; nobody where it is not given.
    pub allowed_listeners: Option<AllowedListeners>,
    /// Scope of routes that are attached though they do not name it: All or None.
    pub default_scope: Option<String>,
    /// Addresses that are asked for.
    #[serde(deserialize_with = "null_as_default")]
    pub addresses: Vec<GatewayAddress>,
    /// How the gateways are to be run.
    pub infrastructure: Option<GatewayInfrastructure>,
    /// TLS of all listeners, and towards backends.
    pub tls: Option<GatewayTls>,
    /// TLS towards backends (bundles before 1.4).
    #[serde(rename = "backendTLS")]
    pub backend_tls: Option<BackendTls>,
}

/// Who may add listeners to a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AllowedListeners {
    /// From which namespaces; none where it is not given.
    pub namespaces: Option<RouteNamespaces>,
}

/// An address that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GatewayAddress {
    /// IPAddress, Hostname, or a type of an implementation's own; IPAddress where none is given.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The address; any of the type where it is empty.
    pub value: Option<String>,
    /// From where it is to be reached.
    pub routability: Option<String>,
}

/// How the gateways are to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GatewayInfrastructure {
    /// Settings of the implementation's own.
    pub parameters_ref: Option<ObjectRefTo>,
}

/// TLS of all listeners of a Gateway, and towards backends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GatewayTls {
    /// How the gateway shows itself to backends.
    pub backend: Option<BackendTls>,
    /// How clients show themselves.
    pub frontend: Option<FrontendTls>,
}

/// How a gateway shows itself to backends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BackendTls {
    /// A Secret with a key pair.
    pub client_certificate_ref: Option<ObjectRefTo>,
}

/// How clients of HTTPS listeners show themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FrontendTls {
    /// At ports that have nothing of their own.
    pub default: TlsConfig,
    /// At single ports.
    #[serde(deserialize_with = "null_as_default")]
    pub per_port: Vec<PortTls>,
}

/// How clients show themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TlsConfig {
    /// Whose certificates they need; none: they need not show any.
    pub validation: Option<ClientValidation>,
}

/// How clients show themselves at a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PortTls {
    /// The port.
    pub port: u16,
    /// How.
    pub tls: TlsConfig,
}

/// Whose certificates clients need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClientValidation {
    /// Objects with authorities.
    #[serde(rename = "caCertificateRefs", deserialize_with = "null_as_default")]
    pub ca_certificate_refs: Vec<ObjectRefTo>,
    /// AllowValidOnly or AllowInsecureFallback; AllowValidOnly where none is given.
    pub mode: Option<String>,
}

/// One listener.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Listener {
    /// Name.
    pub name: String,
    /// Host.
    pub hostname: Option<String>,
    /// Port.
    pub port: u16,
    /// HTTP, HTTPS, TLS, TCP or UDP.
    pub protocol: String,
    /// How TLS is ended.
    pub tls: Option<ListenerTls>,
    /// What is done to requests before a route is chosen.
    pub filters: Option<Value>,
    /// Who may be attached.
    pub allowed_routes: Option<AllowedRoutes>,
}

/// How TLS is ended.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListenerTls {
    /// Terminate or Passthrough; Terminate where none is given.
    pub mode: Option<String>,
    /// Secrets with certificates.
    #[serde(deserialize_with = "null_as_default")]
    pub certificate_refs: Vec<ObjectRefTo>,
    /// More, by implementations' own names.
    #[serde(deserialize_with = "null_as_default")]
    pub options: BTreeMap<String, Value>,
    /// How clients show themselves (bundles before 1.4).
    pub frontend_validation: Option<ClientValidation>,
}

/// An object, of another namespace perhaps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ObjectRefTo {
    /// API group.
    pub group: Option<String>,
    /// Kind.
    pub kind: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

/// Who may be attached to a listener.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AllowedRoutes {
    /// From which namespaces.
    pub namespaces: Option<RouteNamespaces>,
    /// Of which kinds; those of the protocol where none is given.
    #[serde(deserialize_with = "null_as_default")]
    pub kinds: Vec<RouteKind>,
}

/// Namespaces that routes or listeners may come from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RouteNamespaces {
    /// All, Selector, Same or None.
    pub from: Option<String>,
    /// Labels of the namespaces.
    pub selector: Option<Value>,
}

/// A kind of route.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteKind {
    /// API group.
    pub group: Option<String>,
    /// Kind.
    pub kind: String,
}

/// BackendTLSPolicy: TLS from the gateway to backends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BackendTLSPolicy {
    /// Metadata.
    pub metadata: Meta,
    /// The policy.
    pub spec: BackendTlsSpec,
}

/// The policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BackendTlsSpec {
    /// For whom.
    #[serde(deserialize_with = "null_as_default")]
    pub target_refs: Vec<BackendTlsTarget>,
    /// How the backend proves who it is.
    pub validation: BackendTlsValidation,
    /// More, by the implementation's own names.
    #[serde(deserialize_with = "null_as_default")]
    pub options: BTreeMap<String, String>,
}

/// A Service of the policy's namespace, or one of its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BackendTlsTarget {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Name of a port.
    pub section_name: Option<String>,
}

/// How the backend proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BackendTlsValidation {
    /// Name in its certificate.
    pub hostname: String,
    /// Authorities.
    #[serde(rename = "caCertificateRefs", deserialize_with = "null_as_default")]
    pub ca_certificate_refs: Vec<ObjectRefTo>,
    /// Those of the system.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known: Option<String>,
    /// Other names in its certificate.
    #[serde(deserialize_with = "null_as_default")]
    pub subject_alt_names: Vec<Value>,
}

named!("gateway.networking.k8s.io", "v1": GatewayClass, Gateway);
named!("gateway.networking.k8s.io", "v1alpha3": BackendTLSPolicy);

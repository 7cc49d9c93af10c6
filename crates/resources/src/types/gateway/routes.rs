//! gateway.networking.k8s.io: routes.

use serde::{Deserialize, Serialize};

use super::super::core::named;
use super::super::meta::{Meta, null_as_default};
use super::filters::{HttpFilter, Retry, SessionPersistence};

/// Where a route wants to be attached. Statuses name it as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ParentRef {
    /// API group; the Gateway API's own where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind; Gateway where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Namespace; the route's own where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Name of one listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// Port of listeners.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// Where requests go.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct BackendTarget {
    /// API group; the core group where none is given.
    pub group: Option<String>,
    /// Kind.
    pub kind: Option<String>,
    /// Namespace; the route's own where none is given.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Port of a Service.
    pub port: Option<u16>,
    /// Share of the load.
    pub weight: Option<i32>,
    /// Changes made to the requests that go there.
    #[serde(deserialize_with = "null_as_default")]
    pub filters: Vec<HttpFilter>,
}

/// A name and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NameValue {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A header or query parameter that must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ValueMatch {
    /// Exact or RegularExpression; Exact where none is given.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A path that must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PathMatch {
    /// Exact, PathPrefix or RegularExpression; PathPrefix where none is given.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The path.
    pub value: Option<String>,
}

/// HTTPRoute.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HTTPRoute {
    /// Metadata.
    pub metadata: Meta,
    /// The routes.
    pub spec: HttpSpec,
}

/// Routes of HTTP requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpSpec {
    /// Where it wants to be attached.
    #[serde(deserialize_with = "null_as_default")]
    pub parent_refs: Vec<ParentRef>,
    /// Scope of the Gateways that it is attached to though it names none: All or None.
    pub use_default_gateways: Option<String>,
    /// Hosts.
    #[serde(deserialize_with = "null_as_default")]
    pub hostnames: Vec<String>,
    /// The routes.
    #[serde(deserialize_with = "null_as_default")]
    pub rules: Vec<HttpRule>,
}

/// Some matches that lead to the same backends.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpRule {
    /// Its name.
    pub name: Option<String>,
    /// Any of these.
    #[serde(deserialize_with = "null_as_default")]
    pub matches: Vec<HttpMatch>,
    /// What is done to requests and responses.
    #[serde(deserialize_with = "null_as_default")]
    pub filters: Vec<HttpFilter>,
    /// Where requests go.
    #[serde(deserialize_with = "null_as_default")]
    pub backend_refs: Vec<BackendTarget>,
    /// How long things may take.
    pub timeouts: Option<Timeouts>,
    /// How clients stay with their backend.
    pub session_persistence: Option<SessionPersistence>,
    /// What is tried again.
    pub retry: Option<Retry>,
}

/// All of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpMatch {
    /// The path.
    pub path: Option<PathMatch>,
    /// Headers.
    #[serde(deserialize_with = "null_as_default")]
    pub headers: Vec<ValueMatch>,
    /// Query parameters.
    #[serde(deserialize_with = "null_as_default")]
    pub query_params: Vec<ValueMatch>,
    /// The method.
    pub method: Option<String>,
}

/// How long things may take, as Gateway API durations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Timeouts {
    /// The whole request.
    pub request: Option<String>,
    /// One attempt at a backend.
    pub backend_request: Option<String>,
}

/// GRPCRoute.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GRPCRoute {
    /// Metadata.
    pub metadata: Meta,
    /// The routes.
    pub spec: GrpcSpec,
}

/// Routes of gRPC calls.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GrpcSpec {
    /// Where it wants to be attached.
    #[serde(deserialize_with = "null_as_default")]
    pub parent_refs: Vec<ParentRef>,
    /// Scope of the Gateways that it is attached to though it names none: All or None.
    pub use_default_gateways: Option<String>,
    /// Hosts.
    #[serde(deserialize_with = "null_as_default")]
    pub hostnames: Vec<String>,
    /// The routes.
    #[serde(deserialize_with = "null_as_default")]
    pub rules: Vec<GrpcRule>,
}

/// Some matches that lead to the same backends.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GrpcRule {
    /// Its name.
    pub name: Option<String>,
    /// Any of these.
    #[serde(deserialize_with = "null_as_default")]
    pub matches: Vec<GrpcMatch>,
    /// What is done to calls and answers.
    #[serde(deserialize_with = "null_as_default")]
    pub filters: Vec<HttpFilter>,
    /// Where calls go.
    #[serde(deserialize_with = "null_as_default")]
    pub backend_refs: Vec<BackendTarget>,
    /// How clients stay with their backend.
    pub session_persistence: Option<SessionPersistence>,
}

/// All of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GrpcMatch {
    /// The method.
    pub method: Option<GrpcMethod>,
    /// Headers.
    #[serde(deserialize_with = "null_as_default")]
    pub headers: Vec<ValueMatch>,
}

/// A method of a gRPC service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GrpcMethod {
    /// Exact or RegularExpression; Exact where none is given.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The service.
    pub service: Option<String>,
    /// The method.
    pub method: Option<String>,
}

/// Streams that lead to the same backends.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct L4Rule {
    /// Its name.
    pub name: Option<String>,
    /// Where streams go.
    #[serde(deserialize_with = "null_as_default")]
    pub backend_refs: Vec<BackendTarget>,
}

/// Routes of streams.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct L4Spec {
    /// Where it wants to be attached.
    #[serde(deserialize_with = "null_as_default")]
    pub parent_refs: Vec<ParentRef>,
    /// Scope of the Gateways that it is attached to though it names none: All or None.
    pub use_default_gateways: Option<String>,
    /// The routes.
    #[serde(deserialize_with = "null_as_default")]
    pub rules: Vec<L4Rule>,
}

/// Routes of TLS streams.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TlsSpec {
    /// Where it wants to be attached.
    #[serde(deserialize_with = "null_as_default")]
    pub parent_refs: Vec<ParentRef>,
    /// Scope of the Gateways that it is attached to though it names none: All or None.
    pub use_default_gateways: Option<String>,
    /// Server names.
    #[serde(deserialize_with = "null_as_default")]
    pub hostnames: Vec<String>,
    /// The routes.
    #[serde(deserialize_with = "null_as_default")]
    pub rules: Vec<L4Rule>,
}

/// TCPRoute.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TCPRoute {
    /// Metadata.
    pub metadata: Meta,
    /// The routes.
    pub spec: L4Spec,
}

/// UDPRoute.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct UDPRoute {
    /// Metadata.
    pub metadata: Meta,
    /// The routes.
    pub spec: L4Spec,
}

/// TLSRoute.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TLSRoute {
    /// Metadata.
    pub metadata: Meta,
    /// The routes.
    pub spec: TlsSpec,
}

named!("gateway.networking.k8s.io", "v1": HTTPRoute, GRPCRoute);
named!("gateway.networking.k8s.io", "v1alpha2": TCPRoute, UDPRoute, TLSRoute);

//! gateway.networking.k8s.io: one type a kind, which reads every version of it that a cluster may serve.

mod filters;
mod grants;
mod listener_sets;
mod listeners;
mod routes;

pub use filters::{
    Cors, ExtensionRef, HeaderModifier, HttpFilter, Mirror, PathModifier, Redirect, Retry, SessionCookie,
    SessionPersistence, UrlRewrite,
};
pub use grants::{GrantFrom, GrantTo, ReferenceGrant, ReferenceGrantSpec};
pub use listener_sets::{ListenerSet, ListenerSetSpec};
pub use listeners::{
    AllowedListeners, AllowedRoutes, BackendTLSPolicy, BackendTls, BackendTlsSpec, BackendTlsTarget,
    BackendTlsValidation, ClientValidation, FrontendTls, Gateway, GatewayAddress, GatewayClass, GatewayClassSpec,
    GatewayInfrastructure, GatewaySpec, GatewayTls, Listener, ListenerTls, ObjectRefTo, PortTls, RouteKind,
    RouteNamespaces, TlsConfig,
};
pub use routes::{
    BackendTarget, GRPCRoute, GrpcMatch, GrpcMethod, GrpcRule, GrpcSpec, HTTPRoute, HttpMatch, HttpRule, HttpSpec,
    L4Rule, L4Spec, NameValue, ParentRef, PathMatch, TCPRoute, TLSRoute, Timeouts, TlsSpec, UDPRoute, ValueMatch,
};

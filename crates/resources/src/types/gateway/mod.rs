//! gateway.networking.k8s.io: one type a kind, which reads every version of it that a cluster may serve.

mod grants;
mod listeners;
mod routes;

pub use grants::{GrantFrom, GrantTo, ReferenceGrant, ReferenceGrantSpec};
pub use listeners::{
    AllowedRoutes, BackendTLSPolicy, BackendTlsSpec, BackendTlsTarget, BackendTlsValidation, Gateway, GatewayClass,
    GatewayClassSpec, GatewaySpec, Listener, ListenerTls, ObjectRefTo, RouteKind, RouteNamespaces,
};
pub use routes::{
    BackendTarget, ExtensionRef, GRPCRoute, GrpcMatch, GrpcMethod, GrpcRule, GrpcSpec, HTTPRoute, HeaderModifier,
    HttpFilter, HttpMatch, HttpRule, HttpSpec, L4Rule, L4Spec, NameValue, ParentRef, PathMatch, PathModifier, Redirect,
    TCPRoute, TLSRoute, Timeouts, TlsSpec, UDPRoute, UrlRewrite, ValueMatch,
};

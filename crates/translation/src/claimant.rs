//! Claimants: the objects that claim services, routes and certificates, of whatever kind.
//!
//! One collection holds them all, so that a service can be shared by objects of several kinds.

use silverback_model::ObjectKey;
use silverback_resources::crds::{TCPIngress, UDPIngress};
use silverback_resources::types::{GRPCRoute, Gateway, HTTPRoute, Ingress, ListenerSet, TCPRoute, TLSRoute, UDPRoute};

use crate::claims::Claims;
use crate::inputs::View;
use crate::kinds::gateway_api::SetKey;
use crate::kinds::{gateway_api, ingress, l4};

/// The kinds of claimants. The order decides who comes first where objects of several kinds claim the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ClaimantKind {
    /// networking.k8s.io
    Ingress,
    /// configuration.konghq.com
    TcpIngress,
    /// configuration.konghq.com
    UdpIngress,
    /// gateway.networking.k8s.io
    HttpRoute,
    /// gateway.networking.k8s.io
    GrpcRoute,
    /// gateway.networking.k8s.io
    TcpRoute,
    /// gateway.networking.k8s.io
    UdpRoute,
    /// gateway.networking.k8s.io
    TlsRoute,
    /// gateway.networking.k8s.io
    Gateway,
    /// gateway.networking.k8s.io
    ListenerSet,
    /// gateway.networking.x-k8s.io
    XListenerSet,
}

impl ClaimantKind {
    /// Whether a listener takes it only where no route of another kind has its hosts.
    pub(crate) fn is_contested(self) -> bool {
        matches!(self, Self::HttpRoute | Self::GrpcRoute)
    }

    /// The kind, where it is a route of the Gateway API.
    pub(crate) fn of_route(self) -> Option<&'static str> {
        match self {
            Self::HttpRoute => Some("HTTPRoute"),
            Self::GrpcRoute => Some("GRPCRoute"),
            Self::TcpRoute => Some("TCPRoute"),
            Self::UdpRoute => Some("UDPRoute"),
            Self::TlsRoute => Some("TLSRoute"),
            Self::Ingress
            | Self::TcpIngress
            | Self::UdpIngress
            | Self::Gateway
            | Self::ListenerSet
            | Self::XListenerSet => None,
        }
    }
}

/// Which claimant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClaimantKey {
    /// Its kind.
    pub kind: ClaimantKind,
    /// Namespace and name.
    pub key: ObjectKey,
}

/// An object that claims services, routes and certificates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Claimant {
    /// An Ingress.
    Ingress(Ingress),
    /// A TCPIngress.
    Tcp(TCPIngress),
    /// A UDPIngress.
    Udp(UDPIngress),
    /// An HTTPRoute.
    HttpRoute(HTTPRoute),
    /// A GRPCRoute.
    GrpcRoute(GRPCRoute),
    /// A TCPRoute.
    TcpRoute(TCPRoute),
    /// A UDPRoute.
    UdpRoute(UDPRoute),
    /// A TLSRoute.
    TlsRoute(TLSRoute),
    /// A Gateway.
    Gateway(Box<Gateway>),
    /// A ListenerSet, or an XListenerSet.
    ListenerSet(SetKey, Box<ListenerSet>),
}

impl Claimant {
    /// What it claims; `None` when it is not ours.
    pub(crate) fn claims(&self, view: &View<'_>) -> Option<Claims> {
        match self {
            Self::Ingress(ingress) => ingress::claims(ingress, view),
            Self::Tcp(ingress) => l4::tcp_claims(ingress, view),
            Self::Udp(ingress) => l4::udp_claims(ingress, view),
            Self::HttpRoute(route) => gateway_api::http_claims(route, view),
            Self::GrpcRoute(route) => gateway_api::grpc_claims(route, view),
            Self::TcpRoute(route) => gateway_api::tcp_claims(route, view),
            Self::UdpRoute(route) => gateway_api::udp_claims(route, view),
            Self::TlsRoute(route) => gateway_api::tls_claims(route, view),
            Self::Gateway(gateway) => gateway_api::gateway_claims(gateway, view),
            Self::ListenerSet(key, set) => gateway_api::set_claims(set, key, view),
        }
    }
}

//! Statuses of Gateway API objects, as the specification words them. Writing them to a cluster is not done here: who
//! writes adds times, addresses, and whether what proves an object programmed has reached the gateways.
//!
//! Conditions, reasons and their meaning are those of `apis/v1` of kubernetes-sigs/gateway-api.

pub(crate) mod bundle;
mod certified;
pub(crate) mod classes;
pub(crate) mod gateways;
pub(crate) mod policies;
pub(crate) mod routes;

use serde::Serialize;
use silverback_kong::EntityKey;
use silverback_resources::types::{ParentRef, RouteKind};

/// Types of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ConditionKind {
    /// The object is valid enough to have an effect.
    Accepted,
    /// All references lead somewhere.
    ResolvedRefs,
    /// Its effect is (False: is not) on its way to the gateways. Given only where it is False whatever gateways say.
    Programmed,
    /// A listener stands in another's way. Never wrong to give: False says that it does not.
    Conflicted,
    /// Listeners of a port have hosts in common, so that connections that are reused mix them up. Never False.
    #[serde(rename = "OverlappingTLSConfig")]
    OverlappingTlsConfig,
    /// A Gateway is to let in clients whatever certificate they show. Never False.
    InsecureFrontendValidationMode,
    /// Some rules of a route are left out. Never False.
    PartiallyInvalid,
    /// The installed bundle is one that is known.
    SupportedVersion,
}

/// Reasons of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ConditionReason {
    /// It is accepted.
    Accepted,
    /// No listener of the parent takes routes of this kind from this namespace.
    NotAllowedByListeners,
    /// No listener has a host in common with the route.
    NoMatchingListenerHostname,
    /// The parent has no listener of that name and port, or none that works.
    NoMatchingParent,
    /// A value that Kong cannot serve.
    UnsupportedValue,
    /// Filters that exclude each other.
    IncompatibleFilters,
    /// All references lead somewhere.
    ResolvedRefs,
    /// No ReferenceGrant allows it.
    RefNotPermitted,
    /// Objects of this kind cannot be referred to.
    InvalidKind,
    /// What is referred to does not exist.
    BackendNotFound,
    /// The backend speaks what Kong does not speak to it.
    UnsupportedProtocol,
    /// Listeners are left out.
    ListenersNotValid,
    /// The object is not valid.
    Invalid,
    /// Settings of the implementation's own: there are none.
    InvalidParameters,
    /// An address of a type that is not known.
    UnsupportedAddress,
    /// References of listeners lead nowhere.
    ListenersNotResolved,
    /// Listeners have the same host.
    HostnameConflict,
    /// Listeners of a port have protocols that exclude each other.
    ProtocolConflict,
    /// Listeners do not stand in each other's way.
    NoConflicts,
    /// A certificate that does not exist or is none.
    InvalidCertificateRef,
    /// Kinds of routes that a listener cannot take.
    InvalidRouteKinds,
    /// Hosts of listeners overlap.
    OverlappingHostnames,
    /// The Gateway does not allow the set.
    NotAllowed,
    /// The Gateway of the set is not accepted.
    ParentNotAccepted,
    /// Another policy for the same target is older.
    Conflicted,
    /// The target does not exist.
    TargetNotFound,
    /// No authority that is referred to is one.
    #[serde(rename = "NoValidCACertificate")]
    NoValidCaCertificate,
    /// An authority that does not exist or is none.
    #[serde(rename = "InvalidCACertificateRef")]
    InvalidCaCertificateRef,
    /// An object of a kind that holds no authorities.
    #[serde(rename = "InvalidCACertificateKind")]
    InvalidCaCertificateKind,
    /// The certificate for backends does not exist or is none.
    InvalidClientCertificateRef,
    /// Certificates of listeners have names in common.
    OverlappingCertificates,
    /// A listener of a set stands in the way of others by its host and by its protocol.
    ListenerConflict,
    /// Clients may be let in whatever certificate they show.
    ConfigurationChanged,
    /// The bundle is known.
    SupportedVersion,
    /// The bundle is not known.
    UnsupportedVersion,
}

/// A condition, without the time of its last change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: ConditionKind,
    /// Whether it holds. Nothing here is unknown.
    #[serde(serialize_with = "as_text")]
    pub status: bool,
    /// Why.
    pub reason: ConditionReason,
    /// The same in words, with the way out.
    pub message: String,
}

fn as_text<S: serde::Serializer>(status: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *status { "True" } else { "False" })
}

impl Condition {
    /// It holds.
    pub(crate) fn yes(kind: ConditionKind, reason: ConditionReason, message: impl Into<String>) -> Self {
        Self { kind, status: true, reason, message: message.into() }
    }

    /// It does not hold.
    pub(crate) fn no(kind: ConditionKind, reason: ConditionReason, message: impl Into<String>) -> Self {
        Self { kind, status: false, reason, message: message.into() }
    }

    /// It holds for `good`, or does not for the given reason.
    pub(crate) fn of(kind: ConditionKind, good: ConditionReason, bad: Option<(ConditionReason, String)>) -> Self {
        match bad {
            Some((reason, message)) => Self::no(kind, reason, message),
            None => Self::yes(kind, good, ""),
        }
    }
}

/// The status of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// The generation of the object that it is of.
    pub observed_generation: i64,
    /// What its kind has.
    #[serde(flatten)]
    pub status: Status,
}

/// The status of an object, by its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Status {
    /// Of a GatewayClass.
    GatewayClass(GatewayClassStatus),
    /// Of a Gateway.
    Gateway(GatewayStatus),
    /// Of a ListenerSet.
    ListenerSet(ListenerSetStatus),
    /// Of a route.
    Route(RouteStatus),
    /// Of a policy.
    Policy(PolicyStatus),
}

/// The status of a GatewayClass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassStatus {
    /// Accepted, SupportedVersion.
    pub conditions: Vec<Condition>,
    /// Names of the conformance suite's features, sorted.
    pub supported_features: Vec<Feature>,
}

/// A feature of the conformance suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
}

/// The status of a Gateway, without its addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// Accepted, ResolvedRefs, and Programmed where it cannot be.
    pub conditions: Vec<Condition>,
    /// Its own listeners, in their order.
    pub listeners: Vec<ListenerStatus>,
    /// Sets that are attached and accepted.
    pub attached_listener_sets: usize,
}

/// The status of a ListenerSet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListenerSetStatus {
    /// Accepted, and Programmed where it cannot be.
    pub conditions: Vec<Condition>,
    /// Its listeners, in their order; none where it is not attached.
    pub listeners: Vec<ListenerStatus>,
}

/// The status of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// Kinds of routes that it can take.
    pub supported_kinds: Vec<RouteKind>,
    /// Routes, accepted by its owner, that it takes: what it is in itself makes no difference.
    pub attached_routes: usize,
    /// Accepted, Conflicted, ResolvedRefs, OverlappingTLSConfig, and Programmed where it cannot be.
    pub conditions: Vec<Condition>,
    /// It is programmed when gateways have these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<EntityKey>,
}

/// The status of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteStatus {
    /// One for each reference to a parent of ours, in their order.
    pub parents: Vec<ParentStatus>,
    /// It is programmed when gateways have these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<EntityKey>,
}

/// The status of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyStatus {
    /// The Gateways whose routes it concerns, sorted; the specification allows 16.
    pub ancestors: Vec<AncestorStatus>,
}

/// What a parent makes of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    /// The reference, as it was written.
    pub parent_ref: ParentRef,
    /// The class' controller.
    pub controller_name: String,
    /// Accepted, ResolvedRefs, PartiallyInvalid.
    pub conditions: Vec<Condition>,
}

/// What a Gateway makes of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AncestorStatus {
    /// The Gateway.
    pub ancestor_ref: ParentRef,
    /// The class' controller.
    pub controller_name: String,
    /// Accepted, ResolvedRefs.
    pub conditions: Vec<Condition>,
}

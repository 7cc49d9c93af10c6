//! Conditions: what they are about, whether they hold, and why.

use serde::{Deserialize, Serialize};

/// Types of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionKind {
    /// The object is valid enough to have an effect.
    Accepted,
    /// All references lead somewhere.
    ResolvedRefs,
    /// Its effect is at the gateways. Translation gives it only where it is False whatever gateways say.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Gateways do not listen at the port.
    PortUnavailable,
    /// The Gateway has as many listeners as it may.
    TooManyListeners,
    /// Gateways have not got an address yet.
    AddressNotAssigned,
    /// An address that gateways do not have.
    AddressNotUsable,
    /// There is no gateway.
    NoResources,
    /// Gateways have it.
    Programmed,
    /// That is not decided, or not done, yet.
    Pending,
}

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// Not known yet.
    Unknown,
}

/// A condition, without the time of its last change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: ConditionKind,
    /// Whether it holds.
    pub status: Truth,
    /// Why.
    pub reason: ConditionReason,
    /// The same in words, with the way out.
    pub message: String,
}

impl Condition {
    /// It holds.
    pub fn yes(kind: ConditionKind, reason: ConditionReason, message: impl Into<String>) -> Self {
        Self { kind, status: Truth::True, reason, message: message.into() }
    }

    /// It does not hold.
    pub fn no(kind: ConditionKind, reason: ConditionReason, message: impl Into<String>) -> Self {
        Self { kind, status: Truth::False, reason, message: message.into() }
    }

    /// Nobody knows yet.
    pub fn unknown(kind: ConditionKind, message: impl Into<String>) -> Self {
        Self { kind, status: Truth::Unknown, reason: ConditionReason::Pending, message: message.into() }
    }

    /// It holds for `good`, or does not for the given reason.
    pub fn of(kind: ConditionKind, good: ConditionReason, bad: Option<(ConditionReason, String)>) -> Self {
        match bad {
            Some((reason, message)) => Self::no(kind, reason, message),
            None => Self::yes(kind, good, ""),
        }
    }
}

//! What a route of the Gateway API came to, as far as it can be told without the objects it refers to: what each parent
//! makes of it, which rules are left out, and what must exist for all of it to be resolved.

use silverback_model::ObjectKey;
use silverback_resources::types::ParentRef;
use silverback_status::ConditionReason;

use crate::kinds::gateway_api::ListenerKey;
use crate::source::Notes;

/// What a route came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Routed {
    /// The route's generation.
    pub generation: i64,
    /// What each parent of ours makes of it.
    pub parents: Vec<Parent>,
    /// Number of its rules.
    pub rules: usize,
    /// Rules that are left out.
    pub invalid: Vec<InvalidRule>,
    /// What it refers to.
    pub references: Vec<Reference>,
}

/// What a parent makes of a route.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parent {
    /// The reference, as written.
    pub reference: ParentRef,
    /// The Gateway it leads to.
    pub gateway: ObjectKey,
    /// Why the route is not accepted there.
    pub refused: Option<(ConditionReason, String)>,
    /// The listeners that take it.
    pub places: Vec<Place>,
}

/// A listener that takes a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which.
    pub listener: ListenerKey,
    /// The hosts that both have in common; none: every host.
    pub hosts: Vec<String>,
}

/// A rule that is left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InvalidRule {
    /// Its place.
    pub rule: usize,
    /// Why.
    pub reason: ConditionReason,
    /// The same in words, with the field.
    pub message: String,
}

/// What Kong speaks to backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// HTTP/1.1, with TLS perhaps.
    Http,
    /// gRPC. Certificates of backends are not verified.
    Grpc,
    /// Whatever comes.
    Stream,
}

/// What a route refers to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reference {
    /// It leads nowhere, whatever exists.
    Bad(ConditionReason, String),
    /// A port of a Service.
    Service {
        /// Where it is written.
        field: String,
        /// The Service.
        key: ObjectKey,
        /// The port.
        port: Option<u16>,
        /// What Kong speaks to it.
        speaks: Speech,
    },
    /// A KongPlugin.
    Plugin {
        /// Where it is written.
        field: String,
        /// The plugin.
        key: ObjectKey,
    },
}

/// What is found out about a route while it is translated.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What is wrong, in words.
    pub notes: Notes,
    /// Rules that are left out.
    pub invalid: Vec<InvalidRule>,
    /// What it refers to.
    pub references: Vec<Reference>,
}

//! Statuses by kind of object: conditions and what else a kind tells, in the shape that the API gives them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use silverback_kong::EntityKey;

use crate::condition::ConditionKind::{Accepted, Programmed};
use crate::condition::{Condition, ConditionKind};

/// The status of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// The generation of the object that it is of.
    pub observed_generation: i64,
    /// What its kind has.
    #[serde(flatten)]
    pub status: Status,
}

impl ObjectStatus {
    /// The status of a newer version of the object of which nothing is decided yet, for this reason.
    #[must_use]
    pub fn undecided(mut self, generation: i64, why: &str) -> Self {
        let unknown = |kinds: &[ConditionKind]| kinds.iter().map(|kind| Condition::unknown(*kind, why)).collect();
        let accepted = || unknown(&[Accepted]);
        let both = || unknown(&[Accepted, Programmed]);
        self.observed_generation = generation;
        match &mut self.status {
            Status::GatewayClass(class) => class.conditions = accepted(),
            Status::Gateway(gateway) => {
                gateway.conditions = both();
                gateway.listeners.iter_mut().for_each(|listener| listener.conditions = both());
            }
            Status::ListenerSet(set) => {
                set.conditions = both();
                set.listeners.iter_mut().for_each(|listener| listener.conditions = both());
            }
            Status::Route(route) => route.parents.iter_mut().for_each(|parent| parent.conditions = accepted()),
            Status::Policy(policy) => policy.ancestors.iter_mut().for_each(|it| it.conditions = accepted()),
        }
        self
    }
}

/// The status of an object, by its kind. Each has a field that those after it do not have, so that its text tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassStatus {
    /// Accepted, SupportedVersion.
    pub conditions: Vec<Condition>,
    /// Names of the conformance suite's features, sorted.
    pub supported_features: Vec<Feature>,
}

/// A feature of the conformance suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// Its name.
    pub name: Cow<'static, str>,
}

/// The status of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// Where gateways are reached, as far as that is known; the specification allows 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Accepted, ResolvedRefs, and Programmed where it cannot be.
    pub conditions: Vec<Condition>,
    /// Its own listeners, in their order.
    pub listeners: Vec<ListenerStatus>,
    /// Sets that are attached and accepted.
    pub attached_listener_sets: usize,
}

/// The status of a ListenerSet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerSetStatus {
    /// Accepted, and Programmed where it cannot be.
    pub conditions: Vec<Condition>,
    /// Its listeners, in their order; none where it is not attached.
    pub listeners: Vec<ListenerStatus>,
}

/// The status of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// Kinds of routes that it can take.
    pub supported_kinds: Vec<RouteGroupKind>,
    /// Routes, accepted by its owner, that it takes: what it is in itself makes no difference.
    pub attached_routes: usize,
    /// Accepted, Conflicted, ResolvedRefs, OverlappingTLSConfig, and Programmed where it cannot be.
    pub conditions: Vec<Condition>,
    /// It is programmed when gateways have these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<EntityKey>,
}

/// The status of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteStatus {
    /// One for each reference to a parent of ours, in their order.
    pub parents: Vec<ParentStatus>,
    /// It is programmed when gateways have these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<EntityKey>,
}

/// The status of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// The Gateways whose routes it concerns, sorted; the specification allows 16.
    pub ancestors: Vec<AncestorStatus>,
}

/// What a parent makes of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    /// The reference, as it was written.
    pub parent_ref: ParentReference,
    /// The class' controller.
    pub controller_name: String,
    /// Accepted, ResolvedRefs, PartiallyInvalid.
    pub conditions: Vec<Condition>,
}

/// What a Gateway makes of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AncestorStatus {
    /// The Gateway.
    pub ancestor_ref: ParentReference,
    /// The class' controller.
    pub controller_name: String,
    /// Accepted, ResolvedRefs.
    pub conditions: Vec<Condition>,
}

/// Where gateways are reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// IPAddress or Hostname.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The address.
    pub value: String,
}

/// A kind of route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteGroupKind {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
}

/// A parent, as it was written: fields that are not there were not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// API group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Name of one listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// Port of listeners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

//! Statuses of Gateway API objects, as the specification words them, and the rule that completes them.
//!
//! Translation says all that objects alone decide, and names the entities that prove an object programmed; whoever knows
//! the gateways completes that ([`ObjectStatus::completed`]). Knows neither how objects are translated nor how statuses
//! are written: who writes adds times. Conditions, reasons and their meaning are those of `apis/v1` of
//! kubernetes-sigs/gateway-api.

mod complete;
mod condition;
mod object;

pub use complete::{Held, Progress};
pub use condition::{Condition, ConditionKind, ConditionReason, Truth};
pub use object::{
    Address, AncestorStatus, Feature, GatewayClassStatus, GatewayStatus, ListenerSetStatus, ListenerStatus,
    ObjectStatus, ParentReference, ParentStatus, PolicyStatus, RouteGroupKind, RouteStatus, Status,
};

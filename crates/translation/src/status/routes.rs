//! Statuses of routes: what each parent makes of them, and whether all they refer to exists.

use silverback_kong::{Collection, EntityKey};
use silverback_status::ConditionKind::{Accepted, PartiallyInvalid, ResolvedRefs};
use silverback_status::{Condition, ConditionReason, ObjectStatus, ParentStatus, RouteStatus, Status};

use crate::backends::{self, find_port};
use crate::claims::{BackendPort, Claims};
use crate::inputs::View;
use crate::kinds::backend_tls_policy;
use crate::routed::{Parent, Reference, Routed, Speech};
use crate::tls;

impl Routed {
    /// "A Route MUST be considered Accepted if at least one of the Route's rules is implemented": why none is.
    fn nothing_left(&self) -> Option<(ConditionReason, String)> {
        let first = self.invalid.first().filter(|_| self.invalid.len() == self.rules)?;
        let all: Vec<&str> = self.invalid.iter().map(|it| it.message.as_str()).collect();
        Some((first.reason, all.join("; ")))
    }

    /// Whether a parent accepts the route.
    pub(crate) fn is_accepted_by(&self, parent: &Parent) -> bool {
        parent.refused.is_none() && self.nothing_left().is_none()
    }
}

/// The status of a route; `None`: it is none of the Gateway API, or no parent of ours is asked.
pub(crate) fn status(claims: &Claims, view: &View<'_>) -> Option<ObjectStatus> {
    let routed = claims.routed.as_ref().filter(|routed| !routed.parents.is_empty())?;
    let problems: Vec<_> = routed.references.iter().filter_map(|reference| problem(reference, view)).collect();
    // Of several reasons the first in the object counts; the message tells all.
    let first = problems.first().map(|(reason, _)| *reason);
    let message = problems.into_iter().map(|(_, message)| message).collect::<Vec<_>>().join("; ");
    let resolved = Condition::of(ResolvedRefs, ConditionReason::ResolvedRefs, first.map(|reason| (reason, message)));
    let parents = routed.parents.iter().map(|parent| ParentStatus {
        parent_ref: super::reference(&parent.reference),
        controller_name: view.settings.gateway_controller_name.clone(),
        conditions: conditions(routed, parent, &resolved),
    });
    let services = claims.services.iter().map(|claim| EntityKey::new(Collection::Services, claim.name()));
    let status = RouteStatus { parents: parents.collect(), entities: services.collect() };
    Some(ObjectStatus { observed_generation: routed.generation, status: Status::Route(status) })
}

fn conditions(routed: &Routed, parent: &Parent, resolved: &Condition) -> Vec<Condition> {
    let refused = parent.refused.clone().or_else(|| routed.nothing_left());
    let accepted = refused.is_none();
    let mut conditions = vec![Condition::of(Accepted, ConditionReason::Accepted, refused), resolved.clone()];
    if let Some(first) = routed.invalid.first().filter(|_| accepted) {
        let dropped: Vec<String> = routed.invalid.iter().map(|it| format!("{}: {}", it.rule, it.message)).collect();
        // The specification asks for these words at the beginning.
        let message = format!("Dropped Rule {}", dropped.join("; "));
        conditions.push(Condition::yes(PartiallyInvalid, first.reason, message));
    }
    conditions
}

/// Why a reference leads nowhere.
fn problem(reference: &Reference, view: &View<'_>) -> Option<(ConditionReason, String)> {
    match reference {
        Reference::Bad(reason, message) => Some((*reason, message.clone())),
        Reference::Plugin { field, key } => {
            let missing = view.ctx.get(&view.inputs.plugins, key).is_none();
            let message = || format!("{field}: KongPlugin {key} does not exist");
            missing.then(|| (ConditionReason::BackendNotFound, message()))
        }
        Reference::Service { field, key, port, speaks } => {
            let Some(service) = view.service(key) else {
                return Some((ConditionReason::BackendNotFound, format!("{field}: Service {key} does not exist")));
            };
            match find_port(&service, &port.map_or(BackendPort::Implicit, BackendPort::Number)) {
                Err(problem) => Some((ConditionReason::BackendNotFound, format!("{field}: {problem}"))),
                Ok(port) if *speaks == Speech::Http && backends::is_h2c(&port) => {
                    let message = format!("{field}: Service {key}: {}", backends::NO_H2C);
                    Some((ConditionReason::UnsupportedProtocol, message))
                }
                Ok(port) if *speaks == Speech::Grpc => {
                    let policies = view.tls_policies(key);
                    let policy = backend_tls_policy::effective(&policies, &key.name, &port.name)?;
                    let policy = policy.metadata.key();
                    let message = format!("{field}: BackendTLSPolicy {policy}: {}", tls::UNVERIFIED);
                    Some((ConditionReason::UnsupportedProtocol, message))
                }
                Ok(_) => None,
            }
        }
    }
}

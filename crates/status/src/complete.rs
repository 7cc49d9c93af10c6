//! What gateways decide of a status: whether what an object leads to has reached them.
//!
//! Translation's verdicts stay. Of what it left open, an entity is programmed when every gateway that answers holds it as
//! it is wanted; a listener or route when all that proves it is, and gateways have a configuration at all; a Gateway or
//! ListenerSet when its listeners are. Routes are no part of that: they have conditions of their own.

use std::collections::BTreeMap;

use silverback_kong::EntityKey;
use silverback_model::ObjectRef;

use crate::condition::ConditionKind::{Accepted, Programmed};
use crate::condition::{Condition, ConditionReason, Truth};
use crate::object::{ListenerStatus, ObjectStatus, RouteStatus, Status};

/// What is known of the gateways, by whoever brings them their configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Number of gateways there are, whether they answer or not.
    pub gateways: usize,
    /// One answers, and every one that does holds a configuration of ours.
    pub configured: bool,
    /// What became of entities. One that is missing here has not reached the gateways.
    pub entities: BTreeMap<EntityKey, Held>,
}

/// What gateways hold of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Every gateway that answers holds it as it is wanted.
    AsWanted,
    /// One that answers does not, yet.
    NotYet,
    /// They refuse it, or a part of it, and have the rest.
    Refused {
        /// The objects that what is refused was made from.
        objects: Vec<ObjectRef>,
        /// The gateways' words.
        words: String,
    },
}

/// What becomes of all that proves something programmed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Unknown,
    Yes,
    Pending(String),
    Refused(String),
}

impl Verdict {
    fn condition(self) -> Condition {
        match self {
            Self::Unknown => Condition::unknown(Programmed, "what gateways have is not known yet"),
            Self::Yes => Condition::yes(Programmed, ConditionReason::Programmed, ""),
            Self::Pending(what) => Condition::no(Programmed, ConditionReason::Pending, what),
            Self::Refused(words) => Condition::no(Programmed, ConditionReason::Invalid, words),
        }
    }
}

impl Progress {
    /// What becomes of all these entities. A refusal counts where it concerns `whom`, if that is asked.
    fn of(&self, entities: &[EntityKey], whom: Option<&ObjectRef>) -> Verdict {
        if self.gateways == 0 {
            return Verdict::Pending("there is no gateway".to_owned());
        }
        if !self.configured {
            return Verdict::Pending("no gateway answers that has a configuration".to_owned());
        }
        let mut missing = Vec::new();
        for entity in entities {
            match self.entities.get(entity) {
                Some(Held::AsWanted) => (),
                Some(Held::Refused { objects, words }) => {
                    if whom.is_none_or(|whom| objects.contains(whom)) {
                        return Verdict::Refused(format!("the gateways refuse what it makes of {entity}: {words}"));
                    }
                }
                Some(Held::NotYet) | None => missing.push(entity.to_string()),
            }
        }
        if missing.is_empty() {
            return Verdict::Yes;
        }
        Verdict::Pending(format!("not every gateway that answers has it yet: {}", missing.join(", ")))
    }
}

impl ObjectStatus {
    /// The entities that prove the object, or a part of it, programmed.
    pub fn proofs(&self) -> impl Iterator<Item = &EntityKey> {
        let (own, listeners): (&[EntityKey], &[ListenerStatus]) = match &self.status {
            Status::Route(route) => (&route.entities, &[]),
            Status::Gateway(gateway) => (&[], &gateway.listeners),
            Status::ListenerSet(set) => (&[], &set.listeners),
            Status::GatewayClass(_) | Status::Policy(_) => (&[], &[]),
        };
        own.iter().chain(listeners.iter().flat_map(|listener| &listener.entities))
    }

    /// The status of `object` with what gateways decide of it. `None`: nobody knows them yet.
    #[must_use]
    pub fn completed(mut self, object: &ObjectRef, progress: Option<&Progress>) -> Self {
        match &mut self.status {
            Status::Gateway(gateway) => {
                let all = listeners(&mut gateway.listeners, progress);
                let none = progress.is_some_and(|progress| progress.gateways == 0);
                decide(&mut gateway.conditions, || match all {
                    Verdict::Pending(_) if none => {
                        let message = "there is no gateway: none is discovered or named";
                        Condition::no(Programmed, ConditionReason::NoResources, message)
                    }
                    all => all.condition(),
                });
            }
            Status::ListenerSet(set) => {
                let all = listeners(&mut set.listeners, progress);
                decide(&mut set.conditions, || all.condition());
            }
            Status::Route(route) => complete_route(route, object, progress),
            Status::GatewayClass(_) | Status::Policy(_) => (),
        }
        self
    }
}

/// Every parent that takes the route gets the same: its entities do not tell parents apart.
fn complete_route(route: &mut RouteStatus, object: &ObjectRef, progress: Option<&Progress>) {
    let verdict = progress.map_or(Verdict::Unknown, |progress| progress.of(&route.entities, Some(object)));
    for parent in &mut route.parents {
        if is(&parent.conditions, Accepted) {
            decide(&mut parent.conditions, || verdict.clone().condition());
        }
    }
}

/// Completes listeners, and says what their owner comes to: what one of them still lacks it lacks, and what is refused of
/// some takes nothing from the others.
fn listeners(listeners: &mut [ListenerStatus], progress: Option<&Progress>) -> Verdict {
    let mut all = Vec::new();
    for listener in listeners.iter_mut() {
        let verdict = progress.map_or(Verdict::Unknown, |progress| progress.of(&listener.entities, None));
        if decide(&mut listener.conditions, || verdict.clone().condition()) {
            all.push(verdict);
        }
    }
    let lacks = |it: &&Verdict| matches!(it, Verdict::Unknown | Verdict::Pending(_));
    let worst = all.iter().find(lacks).or_else(|| all.iter().find(|it| **it == Verdict::Yes)).or(all.first());
    worst.cloned().unwrap_or_else(|| Verdict::Refused("none of its listeners can be programmed".to_owned()))
}

/// Adds the condition, unless translation has decided it.
fn decide(conditions: &mut Vec<Condition>, condition: impl FnOnce() -> Condition) -> bool {
    let open = conditions.iter().all(|it| it.kind != Programmed);
    if open {
        conditions.push(condition());
    }
    open
}

fn is(conditions: &[Condition], kind: crate::ConditionKind) -> bool {
    conditions.iter().any(|it| it.kind == kind && it.status == Truth::True)
}

#[cfg(test)]
mod tests;

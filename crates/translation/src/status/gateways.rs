//! Statuses of Gateways, ListenerSets and their listeners.

use silverback_kong::{Collection, EntityKey};
use silverback_model::ObjectKey;
use silverback_resources::types::{Gateway, ListenerSet};
use silverback_status::ConditionKind::{
    Accepted, Conflicted, InsecureFrontendValidationMode, OverlappingTlsConfig, Programmed, ResolvedRefs,
};
use silverback_status::{
    Condition, ConditionReason, GatewayStatus, ListenerSetStatus, ListenerStatus, ObjectStatus, RouteGroupKind, Status,
    Truth,
};

use super::certified::Certified;
use crate::inputs::View;
use crate::kinds::gateway_api::{self, Entry, GROUP, Listening, Owner, SetKey};
use crate::publishing;
use crate::secrets;
use crate::source::Source;

/// What statuses of listeners need that other objects decide.
pub(crate) struct Around<'a> {
    /// The objects.
    pub view: &'a View<'a>,
    /// Number of routes that an owner's listener of that name takes.
    pub attached: &'a dyn Fn(&Owner, &str) -> usize,
    /// The id of the certificate that a Secret is.
    pub certificate: &'a dyn Fn(&ObjectKey) -> Option<String>,
}

/// The status of a Gateway; `None`: it is not ours.
pub(crate) fn gateway(object: &Gateway, around: &Around<'_>) -> Option<ObjectStatus> {
    let key = object.metadata.key();
    let listening = around.view.listening(&key).filter(|it| it.ours)?;
    let owner = Owner::Gateway(key);
    let source = Source::of(object);
    let certified = Certified::of(&listening, around.view);
    let at = |entry: &Entry| listener(&source, entry, object, &certified, around);
    let listeners: Vec<_> = listening.of(&owner).map(at).collect();
    let (addresses, unreachable) = publishing::of_gateway(object, around.view);
    let accepted = listening.is_accepted(&owner);
    let refused = listening.refused.clone().or_else(|| (!accepted).then(|| not_valid(&listening, &owner)));
    let mut conditions = vec![match refused.clone() {
        Some((reason, message)) => Condition::no(Accepted, reason, message),
        None if listening.of(&owner).all(Entry::serves) => Condition::yes(Accepted, ConditionReason::Accepted, ""),
        None => {
            let (reason, message) = not_valid(&listening, &owner);
            Condition::yes(Accepted, reason, message)
        }
    }];
    let unresolved: Vec<&str> = listeners.iter().filter(|it| !is_resolved(it)).map(|it| it.name.as_str()).collect();
    let unresolved = (!unresolved.is_empty()).then(|| {
        let message = format!("references of listeners lead nowhere: {}", unresolved.join(", "));
        (ConditionReason::ListenersNotResolved, message)
    });
    let unresolved = gateway_api::no_client_certificate(object, around.view).or(unresolved);
    conditions.push(Condition::of(ResolvedRefs, ConditionReason::ResolvedRefs, unresolved));
    if gateway_api::lets_in_anybody(object) {
        let message = "spec.tls.frontend: AllowInsecureFallback lets in clients whatever certificate they show";
        let reason = ConditionReason::ConfigurationChanged;
        conditions.push(Condition::yes(InsecureFrontendValidationMode, reason, message));
    }
    if let Some((_, message)) = refused {
        conditions.push(Condition::no(Programmed, ConditionReason::Invalid, message));
    } else if let Some((reason, message)) = unreachable {
        conditions.push(Condition::no(Programmed, reason, message));
    }
    let sets = listening.sets.iter().filter(|(_, allowed)| **allowed);
    let sets = sets.filter(|(set, _)| listening.is_accepted(&Owner::Set((*set).clone()))).count();
    let status = Status::Gateway(GatewayStatus { addresses, conditions, listeners, attached_listener_sets: sets });
    Some(ObjectStatus { observed_generation: object.metadata.generation, status })
}

/// The status of a ListenerSet; `None`: its Gateway is not ours.
pub(crate) fn listener_set(object: &ListenerSet, key: &SetKey, around: &Around<'_>) -> Option<ObjectStatus> {
    let Owner::Gateway(gateway) = Owner::of(&object.spec.parent_ref, &object.metadata.namespace)? else { return None };
    let listening = around.view.listening(&gateway).filter(|it| it.ours)?;
    let owner = Owner::Set(key.clone());
    let source = key.source(&object.metadata);
    let allowed = listening.sets.get(key).copied().unwrap_or_default();
    let refused = if !allowed {
        let message = format!("Gateway {gateway} lets no sets of this namespace add listeners: spec.allowedListeners");
        Some((ConditionReason::NotAllowed, message))
    } else if let Some((_, problem)) = &listening.refused {
        Some((ConditionReason::ParentNotAccepted, format!("Gateway {gateway} is not accepted: {problem}")))
    } else {
        (!listening.is_accepted(&owner)).then(|| not_valid(&listening, &owner))
    };
    let mut conditions = vec![Condition::of(Accepted, ConditionReason::Accepted, refused.clone())];
    if let Some((reason, message)) = refused {
        conditions.push(Condition::no(Programmed, reason, message));
    }
    let certified = Certified::of(&listening, around.view);
    let gateway = around.view.ctx.get(&around.view.inputs.gateways, &gateway)?;
    let at = |entry: &Entry| listener(&source, entry, &gateway, &certified, around);
    let listeners = listening.of(&owner).map(at).collect();
    let status = Status::ListenerSet(ListenerSetStatus { conditions, listeners });
    Some(ObjectStatus { observed_generation: object.metadata.generation, status })
}

fn not_valid(listening: &Listening, owner: &Owner) -> (ConditionReason, String) {
    let names = |serves: bool| {
        let some = listening.of(owner).filter(|entry| entry.serves() == serves);
        some.map(|entry| entry.listener.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (good, bad) = (names(true), names(false));
    let rest = if good.is_empty() { "no listener is left".to_owned() } else { format!("accepted are: {good}") };
    (ConditionReason::ListenersNotValid, format!("listeners are left out: {bad}; {rest}"))
}

fn is_resolved(listener: &ListenerStatus) -> bool {
    listener.conditions.iter().all(|it| it.kind != ResolvedRefs || it.status == Truth::True)
}

fn listener(
    source: &Source<'_>,
    entry: &Entry,
    gateway: &Gateway,
    certified: &Certified,
    around: &Around<'_>,
) -> ListenerStatus {
    let listener = &entry.listener;
    let validation = gateway_api::validation(listener, gateway);
    let authorities = validation.map(|it| gateway_api::authorities(gateway, &it.ca_certificate_refs, around.view));
    let (unknown, none_known) = authorities.unwrap_or_default();
    // "If ALL CACertificateRefs are invalid …, with the Reason NoValidCACertificate."
    let untrusting = unknown.as_ref().filter(|_| none_known);
    let untrusting = untrusting.map(|(_, message)| (ConditionReason::NoValidCaCertificate, message.clone()));
    let refused = entry.conflict.map(conflicted).or(untrusting).or_else(|| entry.unsupported.clone());
    let secret = gateway_api::certificate(source, listener, around.view);
    let unresolved = foreign_kind(entry).or_else(|| match &secret {
        Ok(secret) => secret.as_ref().and_then(|secret| no_certificate(secret, around.view)),
        Err((reason, _, message)) => Some((*reason, message.clone())),
    });
    let unresolved = unresolved.or(unknown);
    let mut conditions = vec![
        Condition::of(Accepted, ConditionReason::Accepted, refused.clone()),
        match entry.conflict.map(conflicted) {
            Some((reason, message)) => Condition::yes(Conflicted, reason, message),
            None => Condition::no(Conflicted, ConditionReason::NoConflicts, ""),
        },
        Condition::of(ResolvedRefs, ConditionReason::ResolvedRefs, unresolved.clone()),
    ];
    // "If … both are true, it SHOULD set the OverlappingCertificates Reason."
    let overlap = if certified.overlap(entry) {
        Some((ConditionReason::OverlappingCertificates, "the names in certificates"))
    } else {
        entry.overlaps.then_some((ConditionReason::OverlappingHostnames, "the hosts"))
    };
    if let Some((reason, what)) = overlap {
        let message =
            format!("{what} of another listener of the port overlap: connections that are reused may mix them up");
        conditions.push(Condition::yes(OverlappingTlsConfig, reason, message));
    }
    // Kinds that cannot be had do not keep the others away.
    let no_certificate = unresolved.filter(|(reason, _)| *reason != ConditionReason::InvalidRouteKinds);
    if let Some((reason, message)) = refused {
        let told = entry.conflict.is_some() || reason == ConditionReason::PortUnavailable;
        let reason = if told { reason } else { ConditionReason::Invalid };
        conditions.push(Condition::no(Programmed, reason, message));
    } else if let Some((_, message)) = no_certificate {
        conditions.push(Condition::no(Programmed, ConditionReason::Invalid, message));
    }
    let certificate = secret.ok().flatten().and_then(|secret| (around.certificate)(&secret));
    ListenerStatus {
        name: listener.name.clone(),
        supported_kinds: supported_kinds(entry),
        attached_routes: (around.attached)(&entry.owner, &listener.name),
        conditions,
        entities: certificate.map(|id| EntityKey::new(Collection::Certificates, id)).into_iter().collect(),
    }
}

fn conflicted(reason: ConditionReason) -> (ConditionReason, String) {
    let message = match reason {
        ConditionReason::HostnameConflict => "another listener of the port has the same host",
        ConditionReason::ListenerConflict => "listeners of the port have the same host, or a protocol that excludes it",
        _ => "another listener of the port has a protocol that excludes this one",
    };
    (reason, message.to_owned())
}

/// The kinds that a listener allows, of those that its protocol can carry.
fn supported_kinds(entry: &Entry) -> Vec<RouteGroupKind> {
    let named = entry.listener.allowed_routes.as_ref().map(|allowed| allowed.kinds.as_slice()).unwrap_or_default();
    let kind = |kind: &str| RouteGroupKind { group: GROUP.to_owned(), kind: kind.to_owned() };
    if named.is_empty() {
        return gateway_api::kinds_of(&entry.listener.protocol).iter().map(|it| kind(it)).collect();
    }
    let known = named.iter().filter(|it| gateway_api::is_kind(it, &entry.listener.protocol));
    known.map(|it| kind(&it.kind)).collect()
}

fn foreign_kind(entry: &Entry) -> Option<(ConditionReason, String)> {
    let named = &entry.listener.allowed_routes.as_ref()?.kinds;
    let foreign = named.iter().find(|it| !gateway_api::is_kind(it, &entry.listener.protocol))?;
    let message = format!("allowedRoutes.kinds: {} listeners take no {}", entry.listener.protocol, foreign.kind);
    Some((ConditionReason::InvalidRouteKinds, message))
}

fn no_certificate(secret: &ObjectKey, view: &View<'_>) -> Option<(ConditionReason, String)> {
    let problem = match view.secret(secret).map(|secret| secrets::key_pair(&secret)) {
        Some(Ok(_)) => return None,
        Some(Err(problem)) => problem.to_string(),
        None => "it does not exist".to_owned(),
    };
    Some((ConditionReason::InvalidCertificateRef, format!("tls.certificateRefs: Secret {secret}: {problem}")))
}

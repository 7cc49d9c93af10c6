//! Statuses of BackendTLSPolicies, one for each Gateway whose routes lead to their targets.

use std::collections::BTreeSet;
use std::sync::Arc;

use silverback_model::ObjectKey;
use silverback_resources::types::BackendTLSPolicy;
use silverback_status::ConditionKind::{Accepted, ResolvedRefs};
use silverback_status::{
    AncestorStatus, Condition, ConditionReason, ObjectStatus, ParentReference, PolicyStatus, Status,
};

use crate::claims::Claims;
use crate::inputs::View;
use crate::kinds::backend_tls_policy::{authorities, older, unsupported};
use crate::kinds::gateway_api::GROUP;

/// As many ancestors as the specification lets a policy have.
const MOST: usize = 16;

/// The status of a policy. `routes` gives the claims of routes that refer to a Service.
pub(crate) fn status(
    policy: &BackendTLSPolicy,
    routes: impl Fn(&ObjectKey) -> Vec<Arc<Claims>>,
    view: &View<'_>,
) -> Option<ObjectStatus> {
    let services = targets(policy);
    let mut gateways = BTreeSet::new();
    for claims in services.iter().flat_map(routes) {
        if let Some(routed) = &claims.routed {
            let accepting = routed.parents.iter().filter(|parent| routed.is_accepted_by(parent));
            gateways.extend(accepting.map(|parent| parent.gateway.clone()));
        }
    }
    if gateways.is_empty() {
        return None;
    }
    let conditions = conditions(policy, &services, view);
    let ancestors = gateways.into_iter().take(MOST).map(|gateway| AncestorStatus {
        ancestor_ref: ParentReference {
            group: Some(GROUP.to_owned()),
            kind: Some("Gateway".to_owned()),
            namespace: Some(gateway.namespace),
            name: gateway.name,
            ..ParentReference::default()
        },
        controller_name: view.settings.gateway_controller_name.clone(),
        conditions: conditions.clone(),
    });
    let status = Status::Policy(PolicyStatus { ancestors: ancestors.collect() });
    Some(ObjectStatus { observed_generation: policy.metadata.generation, status })
}

/// The Services that a policy is for: those of its own namespace.
pub(crate) fn targets(policy: &BackendTLSPolicy) -> Vec<ObjectKey> {
    let targets = policy.spec.target_refs.iter().filter(|target| target.kind == "Service" && target.group.is_empty());
    targets.map(|target| ObjectKey::new(policy.metadata.namespace.clone(), target.name.clone())).collect()
}

fn conditions(policy: &BackendTLSPolicy, services: &[ObjectKey], view: &View<'_>) -> Vec<Condition> {
    let mut bad = Vec::new();
    let mut good = 0;
    for authority in authorities(policy) {
        let trusted = authority.as_ref().ok().and_then(|(holder, key)| view.trusted(*holder, key));
        match (&authority, trusted.as_deref().map(|trusted| &trusted.id)) {
            (Ok(_), Some(Ok(_))) => good += 1,
            (Ok((holder, key)), Some(Err(problem))) => {
                let message = format!("{} {key}: {problem}", holder.kind());
                bad.push((ConditionReason::InvalidCaCertificateRef, message));
            }
            (Ok((holder, key)), None) => {
                bad.push((ConditionReason::InvalidCaCertificateRef, format!("{} {key}", holder.kind())));
            }
            (Err(kind), _) => {
                let message = format!("a {kind} holds no authorities; ConfigMaps and Secrets do");
                bad.push((ConditionReason::InvalidKind, message));
            }
        }
    }
    let refused = refusal(policy, services, view).or_else(|| {
        let none = good == 0 && !bad.is_empty();
        none.then(|| (ConditionReason::NoValidCaCertificate, "no authority it names is one".to_owned()))
    });
    let reason = bad.first().map(|(reason, _)| *reason);
    let messages: Vec<String> = bad.into_iter().map(|(_, message)| message).collect();
    let unresolved = reason.map(|reason| (reason, messages.join("; ")));
    vec![
        Condition::of(Accepted, ConditionReason::Accepted, refused),
        Condition::of(ResolvedRefs, ConditionReason::ResolvedRefs, unresolved),
    ]
}

fn refusal(policy: &BackendTLSPolicy, services: &[ObjectKey], view: &View<'_>) -> Option<(ConditionReason, String)> {
    for service in services {
        if let Some(older) = older(policy, &service.name, &view.tls_policies(service)) {
            let message = format!("BackendTLSPolicy {older} has the same target, Service {service}, and is older");
            return Some((ConditionReason::Conflicted, message));
        }
    }
    if let Some((field, problem)) = unsupported(policy) {
        return Some((ConditionReason::Invalid, format!("{field}: {problem}")));
    }
    for target in &policy.spec.target_refs {
        let key = ObjectKey::new(policy.metadata.namespace.clone(), target.name.clone());
        let missing = match (view.service(&key), target.section_name.as_deref().filter(|name| !name.is_empty())) {
            (None, _) => format!("Service {key} does not exist"),
            (Some(service), Some(port)) if service.spec.ports.iter().all(|it| it.name != port) => {
                format!("Service {key} has no port {port}")
            }
            _ => continue,
        };
        return Some((ConditionReason::TargetNotFound, missing));
    }
    None
}

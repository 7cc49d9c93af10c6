//! BackendTLSPolicy: which one counts for a port of a Service, what of it Kong cannot do, whom it trusts.

use std::sync::Arc;

use silverback_kong::limits;
use silverback_model::ObjectKey;
use silverback_resources::types::{BackendTLSPolicy, BackendTlsTarget};

use super::ca_certificate::Holder;

/// The option of a policy that says how long chains of certificates may be.
const DEPTH_OPTION: &str = "tls-verify-depth";

/// How long chains of certificates may be, where a policy says so; or its text, which is no such number.
pub(crate) fn depth(policy: &BackendTLSPolicy) -> Option<Result<i64, &str>> {
    let text = policy.spec.options.get(DEPTH_OPTION)?;
    let depth = text.parse().ok().filter(|depth| limits::VERIFY_DEPTH.contains(depth));
    Some(depth.ok_or(text.as_str()))
}

/// Whether a target is this Service: `section` is the name of a port, or none for all of them.
fn is_target(target: &BackendTlsTarget, service: &str, section: Option<&str>) -> bool {
    let given = target.section_name.as_deref().filter(|name| !name.is_empty());
    target.group.is_empty() && target.kind == "Service" && target.name == service && given == section
}

fn targets(policy: &BackendTLSPolicy, service: &str, section: Option<&str>) -> bool {
    policy.spec.target_refs.iter().any(|target| is_target(target, service, section))
}

fn oldest<'a>(
    policies: &'a [Arc<BackendTLSPolicy>],
    service: &str,
    section: Option<&str>,
) -> Option<&'a Arc<BackendTLSPolicy>> {
    let all = policies.iter().filter(|policy| targets(policy, service, section));
    all.min_by(|one, other| one.metadata.seniority().cmp(&other.metadata.seniority()))
}

/// The policy for a port of a Service: one for the port counts before one for all ports; of several the oldest counts.
pub(crate) fn effective<'a>(
    policies: &'a [Arc<BackendTLSPolicy>],
    service: &str,
    port: &str,
) -> Option<&'a Arc<BackendTLSPolicy>> {
    let own = (!port.is_empty()).then(|| oldest(policies, service, Some(port))).flatten();
    own.or_else(|| oldest(policies, service, None))
}

/// An older policy with the same target, which counts in place of this one. `policies` are all of the Service's.
pub(crate) fn older(policy: &BackendTLSPolicy, service: &str, policies: &[Arc<BackendTLSPolicy>]) -> Option<ObjectKey> {
    let own = policy.spec.target_refs.iter().filter(|target| target.name == service);
    let sections = own.map(|target| target.section_name.as_deref().filter(|name| !name.is_empty()));
    let mut first = sections.filter_map(|section| oldest(policies, service, section));
    first.find(|first| first.metadata.key() != policy.metadata.key()).map(|first| first.metadata.key())
}

/// The field of a policy that Kong cannot do, and why.
pub(crate) fn unsupported(policy: &BackendTLSPolicy) -> Option<(&'static str, &'static str)> {
    let validation = &policy.spec.validation;
    if validation.well_known.as_deref().is_some_and(|name| !name.is_empty()) {
        let problem = "which authorities the gateways' systems trust is not known; name them in caCertificateRefs";
        return Some(("spec.validation.wellKnownCACertificates", problem));
    }
    if !validation.subject_alt_names.is_empty() {
        return Some(("spec.validation.subjectAltNames", "Kong verifies no other name than the host's"));
    }
    if validation.ca_certificate_refs.is_empty() {
        return Some(("spec.validation", "it names no authority"));
    }
    if policy.spec.options.keys().any(|option| option != DEPTH_OPTION) {
        return Some(("spec.options", "no option but tls-verify-depth is known; leave others out"));
    }
    None
}

/// The authorities that a policy names; or the kind of one that cannot be.
pub(crate) fn authorities(
    policy: &BackendTLSPolicy,
) -> impl Iterator<Item = Result<(Holder, ObjectKey), String>> + use<'_> {
    let namespace = &policy.metadata.namespace;
    policy.spec.validation.ca_certificate_refs.iter().map(move |authority| {
        let key = ObjectKey::new(namespace.clone(), authority.name.clone());
        match (authority.group.as_deref().unwrap_or_default(), authority.kind.as_deref()) {
            ("" | "core", None | Some("ConfigMap")) => Ok((Holder::ConfigMap, key)),
            ("" | "core", Some("Secret")) => Ok((Holder::Secret, key)),
            (_, kind) => Err(kind.unwrap_or_default().to_owned()),
        }
    })
}

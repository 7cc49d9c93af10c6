//! TLS to a service's backends as a BackendTLSPolicy has it. Where it cannot be had, requests are answered with an
//! error: "Connections using an invalid CACertificateRef MUST fail, and the client MUST receive an HTTP 5xx error".

use silverback_resources::types::BackendTLSPolicy;

use crate::inputs::View;
use crate::kinds::backend_tls_policy::{authorities, depth, unsupported};
use crate::output::Reason;
use crate::plugins;
use crate::service::Plan;
use crate::source::Source;

/// Why backends of gRPC cannot be had under a policy.
pub(crate) const UNVERIFIED: &str = "Kong verifies certificates of backends only where it speaks HTTP or TLS to them";

/// Takes a policy into a plan. `protocol` is the service's without annotations.
pub(crate) fn secure(plan: &mut Plan, policy: &BackendTLSPolicy, protocol: Option<&str>, view: &View<'_>) {
    let reference = Source::of(policy).reference();
    let mut problems: Vec<(&str, String)> = Vec::new();
    match protocol {
        None | Some("http" | "https") => plan.service.protocol = Some("https".into()),
        Some("tcp" | "tls") => plan.service.protocol = Some("tls".into()),
        Some(other) => {
            plan.service.protocol = Some(other.to_owned());
            plan.service.tls_verify = None;
            plan.service.tls_verify_depth = None;
            problems.push(("spec.targetRefs", UNVERIFIED.to_owned()));
        }
    }
    if let Some((field, problem)) = unsupported(policy) {
        problems.push((field, problem.to_owned()));
    }
    if let Some(Err(text)) = depth(policy) {
        let text: String = text.chars().take(80).collect();
        let message = format!("{text:?} has no effect: an integer from 0 to 64 is expected");
        plan.notes.warn(&reference, "spec.options[tls-verify-depth]", Reason::InvalidValue, message);
    }
    for authority in authorities(policy) {
        let problem = match authority {
            Ok((holder, key)) => match view.trusted(holder, &key).map(|trusted| trusted.id.clone()) {
                Some(Ok(id)) => {
                    if !plan.service.ca_certificates.contains(&id) {
                        plan.service.ca_certificates.push(id);
                    }
                    continue;
                }
                Some(Err(problem)) => format!("{} {key}: {problem}", holder.kind()),
                None => format!("{} {key} is not known", holder.kind()),
            },
            Err(kind) => format!("a {kind} holds no authorities; ConfigMaps and Secrets do"),
        };
        problems.push(("spec.validation.caCertificateRefs", problem));
    }
    if problems.is_empty() {
        return;
    }
    for (field, problem) in problems {
        let message = format!("service {} answers 502: {problem}", plan.service.name);
        plan.notes.error(&reference, field, Reason::UnsupportedFeature, message);
    }
    plan.service.ca_certificates.clear();
    plan.service.plugins = vec![plugins::untrusted()];
}

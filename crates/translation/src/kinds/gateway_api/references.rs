//! What listeners and Gateways refer to for TLS: key pairs and authorities, of other namespaces where these grant it.

use silverback_model::ObjectKey;
use silverback_resources::types::{Gateway, ObjectRefTo};
use silverback_status::ConditionReason;

use crate::inputs::View;
use crate::kinds::ca_certificate::{Held, Holder};
use crate::secrets;
use crate::source::Source;

/// How messages about certificates for backends begin.
const SHOWN: &str = "no certificate is shown to backends";

/// Why a reference leads nowhere, whatever exists.
pub(super) enum BadReference {
    /// Objects of this kind hold nothing of the sort.
    Kind(String),
    /// The namespace grants it to nobody who asks from here.
    NotGranted(String),
}

/// The kind and key that a reference means, of those kinds that it may; the first stands where none is given.
pub(super) fn resolve(
    source: &Source<'_>,
    named: &ObjectRefTo,
    kinds: &[Holder],
    view: &View<'_>,
) -> Result<(Holder, ObjectKey), BadReference> {
    let kind = named.kind.as_deref().filter(|kind| !kind.is_empty());
    let core = matches!(named.group.as_deref().unwrap_or_default(), "" | "core");
    let found = kinds.iter().find(|known| core && kind.is_none_or(|kind| kind == known.kind()));
    let Some(holder) = found else { return Err(BadReference::Kind(kind.unwrap_or("object of that group").to_owned())) };
    let home = &source.meta.namespace;
    let namespace = named.namespace.as_ref().filter(|it| !it.is_empty()).unwrap_or(home);
    let key = ObjectKey::new(namespace.clone(), named.name.clone());
    if namespace != home && !view.granted(&source.reference(), ("", holder.kind()), &key) {
        return Err(BadReference::NotGranted(format!("no ReferenceGrant in {namespace:?} allows it")));
    }
    Ok((*holder, key))
}

/// The Secret of the certificate that a Gateway shows to backends, or why there is none. Whether it exists is not asked.
pub(crate) fn client_certificate(
    gateway: &Gateway,
    view: &View<'_>,
) -> Option<Result<ObjectKey, (ConditionReason, String)>> {
    let spec = &gateway.spec;
    let tls = spec.tls.as_ref().and_then(|tls| tls.backend.as_ref()).or(spec.backend_tls.as_ref())?;
    let named = tls.client_certificate_ref.as_ref()?;
    Some(match resolve(&Source::of(gateway), named, &[Holder::Secret], view) {
        Ok((_, key)) => Ok(key),
        Err(BadReference::Kind(kind)) => {
            let message = format!("{SHOWN}: only Secrets hold key pairs, and no {kind}");
            Err((ConditionReason::InvalidClientCertificateRef, message))
        }
        Err(BadReference::NotGranted(problem)) => {
            Err((ConditionReason::RefNotPermitted, format!("{SHOWN}: {problem}")))
        }
    })
}

/// Why no certificate is shown to backends though one is named.
pub(crate) fn no_client_certificate(gateway: &Gateway, view: &View<'_>) -> Option<(ConditionReason, String)> {
    let key = match client_certificate(gateway, view)? {
        Ok(key) => key,
        Err(refused) => return Some(refused),
    };
    let problem = match view.secret(&key).map(|secret| secrets::key_pair(&secret)) {
        Some(Ok(_)) => return None,
        Some(Err(problem)) => problem.to_string(),
        None => "it does not exist".to_owned(),
    };
    Some((ConditionReason::InvalidClientCertificateRef, format!("{SHOWN}: Secret {key}: {problem}")))
}

/// What is wrong with the authorities that clients' certificates are to be of, and whether none of them is one.
pub(crate) fn authorities(
    gateway: &Gateway,
    named: &[ObjectRefTo],
    view: &View<'_>,
) -> (Option<(ConditionReason, String)>, bool) {
    let source = Source::of(gateway);
    let problems: Vec<_> = named.iter().filter_map(|named| authority(&source, named, view)).collect();
    let none = problems.len() == named.len();
    let first = problems.first().map(|(reason, _)| *reason);
    let message = problems.into_iter().map(|(_, problem)| problem).collect::<Vec<_>>().join("; ");
    (first.map(|reason| (reason, format!("authorities of clients: {message}"))), none)
}

fn authority(source: &Source<'_>, named: &ObjectRefTo, view: &View<'_>) -> Option<(ConditionReason, String)> {
    let held = match resolve(source, named, &[Holder::ConfigMap, Holder::Secret], view) {
        Err(BadReference::Kind(kind)) => {
            let message = format!("a {kind} holds none; ConfigMaps and Secrets do");
            return Some((ConditionReason::InvalidCaCertificateKind, message));
        }
        Err(BadReference::NotGranted(problem)) => return Some((ConditionReason::RefNotPermitted, problem)),
        Ok((Holder::Secret, key)) => (view.secret(&key).map(|it| Held::Secret((*it).clone())), key),
        Ok((Holder::ConfigMap, key)) => (view.config_map(&key).map(|it| Held::ConfigMap((*it).clone())), key),
    };
    let (held, key) = held;
    let problem = match held.map(|held| held.problem(view.minute())) {
        None => format!("{key} does not exist"),
        Some(Some(problem)) => format!("{key}: {problem}"),
        Some(None) => return None,
    };
    Some((ConditionReason::InvalidCaCertificateRef, problem))
}

//! Gateway and ListenerSet: the certificates of their listeners, for the hosts they listen for.

use silverback_model::ObjectKey;
use silverback_resources::types::{Gateway, Listener, ListenerSet};
use silverback_status::ConditionReason;

use super::Scope;
use super::listening::{Listening, Owner, SetKey};
use super::references::{self, BadReference};
use crate::claims::{Claims, TlsClaim};
use crate::inputs::View;
use crate::kinds::ca_certificate::Holder;
use crate::output::Reason;
use crate::source::{Notes, Source};

/// The server name of listeners for every host.
const ANY: &str = "*";

/// What a Gateway asks for; `None` when it is not ours.
pub(crate) fn claims(object: &Gateway, view: &View<'_>) -> Option<Claims> {
    let key = object.metadata.key();
    let listening = view.listening(&key).filter(|it| it.ours)?;
    Some(certificates(&Scope { source: Source::of(object), view }, &listening, &Owner::Gateway(key)))
}

/// What a ListenerSet asks for; `None` when its Gateway is not ours.
pub(crate) fn set_claims(object: &ListenerSet, key: &SetKey, view: &View<'_>) -> Option<Claims> {
    let Owner::Gateway(gateway) = Owner::of(&object.spec.parent_ref, &object.metadata.namespace)? else { return None };
    let listening = view.listening(&gateway).filter(|it| it.ours)?;
    let owner = Owner::Set(key.clone());
    let source = key.source(&object.metadata);
    Some(certificates(&Scope { source, view }, &listening, &owner))
}

fn certificates(scope: &Scope<'_>, listening: &Listening, owner: &Owner) -> Claims {
    let mut claims = Claims::new(scope.source.maker(), &scope.source.meta.creation_timestamp);
    let reference = scope.source.reference();
    if let Some((_, problem)) = &listening.refused {
        claims.notes.error(&reference, "spec", Reason::UnsupportedFeature, problem.clone());
        return claims;
    }
    for entry in listening.of(owner) {
        let field = format!("spec.listeners[{}]", entry.at);
        if let Some((_, problem)) = &entry.unsupported {
            let message = format!("the listener is left out: {problem}");
            claims.notes.error(&reference, field, Reason::UnsupportedFeature, message);
        } else if entry.conflict.is_some() {
            let message = "the listener is left out: it cannot be told from another of the Gateway's by port, protocol \
                           and host";
            claims.notes.error(&reference, field, Reason::Conflict, message);
        } else {
            claims.tls.extend(scope.certificate(&entry.listener, &field, &mut claims.notes));
        }
    }
    claims
}

/// What a listener's certificate is, or why it has none; `Ok(None)`: it needs none.
pub(crate) fn certificate(
    source: &Source<'_>,
    listener: &Listener,
    view: &View<'_>,
) -> Result<Option<ObjectKey>, (ConditionReason, Reason, String)> {
    let Some(tls) = listener.tls.as_ref().filter(|_| matches!(&*listener.protocol, "HTTPS" | "TLS")) else {
        return Ok(None);
    };
    if tls.mode.as_deref() == Some("Passthrough") {
        return Ok(None);
    }
    let invalid = |problem: &str| {
        let reason = Reason::UnsupportedFeature;
        Err((ConditionReason::InvalidCertificateRef, reason, format!("the listener has no certificate: {problem}")))
    };
    let [certificate] = tls.certificate_refs.as_slice() else {
        return match tls.certificate_refs.len() {
            0 => invalid("none is named"),
            _ => invalid("Kong shows one for each server name, several are given"),
        };
    };
    match references::resolve(source, certificate, &[Holder::Secret], view) {
        Ok((_, secret)) => Ok(Some(secret)),
        Err(BadReference::Kind(_)) => invalid("only Secrets hold them"),
        Err(BadReference::NotGranted(problem)) => {
            let message = format!("the listener has no certificate: {problem}");
            Err((ConditionReason::RefNotPermitted, Reason::ReferenceNotGranted, message))
        }
    }
}

impl Scope<'_> {
    fn certificate(&self, listener: &Listener, field: &str, notes: &mut Notes) -> Option<TlsClaim> {
        let field = format!("{field}.tls.certificateRefs");
        match certificate(&self.source, listener, self.view) {
            Ok(secret) => {
                let host = listener.hostname.clone().filter(|host| !host.is_empty());
                let hosts = vec![host.unwrap_or_else(|| ANY.to_owned())];
                secret.map(|secret| TlsClaim { secret, hosts, field })
            }
            Err((_, reason, message)) => {
                notes.error(&self.source.reference(), field, reason, message);
                None
            }
        }
    }
}

//! Gateway: the certificates of its listeners, for the hosts they listen for.

use silverback_model::ObjectKey;
use silverback_resources::types::{Gateway, Listener};

use super::Scope;
use crate::claims::{Claims, TlsClaim};
use crate::inputs::View;
use crate::output::Reason;
use crate::source::{Notes, Source};

/// The server name of listeners for every host.
const ANY: &str = "*";

/// What a Gateway asks for; `None` when it is not ours.
pub(crate) fn claims(object: &Gateway, view: &View<'_>) -> Option<Claims> {
    let scope = Scope { source: Source::of(object), view };
    if !scope.is_ours(object) {
        return None;
    }
    let mut claims = Claims::new(scope.source.maker(), &object.metadata.creation_timestamp);
    let mut notes = Notes::default();
    for (at, listener) in object.spec.listeners.iter().enumerate() {
        claims.tls.extend(scope.certificate(at, listener, &mut notes));
    }
    claims.notes = notes;
    Some(claims)
}

impl Scope<'_> {
    fn certificate(&self, at: usize, listener: &Listener, notes: &mut Notes) -> Option<TlsClaim> {
        let tls = listener.tls.as_ref().filter(|_| matches!(&*listener.protocol, "HTTPS" | "TLS"))?;
        if tls.mode.as_deref() == Some("Passthrough") || tls.certificate_refs.is_empty() {
            return None;
        }
        let field = format!("spec.listeners[{at}].tls.certificateRefs");
        let reference = self.source.reference();
        let [certificate] = tls.certificate_refs.as_slice() else {
            let message = "the listener has no certificate: Kong shows one for each server name, several are given";
            notes.error(&reference, field, Reason::UnsupportedFeature, message);
            return None;
        };
        let group = certificate.group.as_deref().unwrap_or_default();
        if !matches!(group, "" | "core") || certificate.kind.as_deref().is_some_and(|kind| kind != "Secret") {
            let message = "the listener has no certificate: only Secrets hold them";
            notes.error(&reference, field, Reason::UnsupportedFeature, message);
            return None;
        }
        let home = &self.source.meta.namespace;
        let namespace = certificate.namespace.as_ref().filter(|it| !it.is_empty()).unwrap_or(home);
        let secret = ObjectKey::new(namespace.clone(), certificate.name.clone());
        if namespace != home && !self.view.granted(&reference, ("", "Secret"), &secret) {
            let message = format!("the listener has no certificate: no ReferenceGrant in {namespace:?} allows it");
            notes.error(&reference, field, Reason::ReferenceNotGranted, message);
            return None;
        }
        let host = listener.hostname.clone().filter(|host| !host.is_empty()).unwrap_or_else(|| ANY.to_owned());
        Some(TlsClaim { secret, hosts: vec![host], field })
    }
}

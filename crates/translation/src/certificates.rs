//! Certificates: key pairs of Secrets for the server names that objects claim them for, and for services that show one
//! to their servers.
//!
//! A server name belongs to the first who claims it. Equal key pairs are one certificate.

use std::collections::BTreeSet;

use silverback_kong::{Certificate, Collection, EntityKey, Sni, limits};
use silverback_model::{Digest, ObjectKey};
use silverback_resources::types::Secret;

use crate::claimant::ClaimantKey;
use crate::claims::Claims;
use crate::inputs::View;
use crate::output::Reason;
use crate::product::{Made, Product};
use crate::secrets::{self, KeyPair};
use crate::source::{Maker, Notes, Source};

/// A Secret that is used as a certificate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Used {
    /// Its key pair.
    pub pair: KeyPair,
    /// Names the key pair.
    pub digest: Digest,
    /// Creation time: the certificate has the id of its oldest Secret.
    pub created: String,
    /// The Secret.
    pub maker: Maker,
}

/// A Secret's key pair, if it has one.
pub(crate) fn used(secret: &Secret) -> Option<Used> {
    let pair = secrets::key_pair(secret).ok()?;
    let digest = Digest::of_parts([pair.cert.as_bytes(), pair.key.as_bytes()]);
    let created = secret.metadata.creation_timestamp.clone();
    Some(Used { pair, digest, created, maker: Source::of(secret).maker() })
}

/// Which Secret a server name belongs to: the senior claim's.
pub(crate) fn owner<'a>(
    host: &str,
    claims: impl IntoIterator<Item = (&'a ClaimantKey, &'a Claims)>,
) -> Option<ObjectKey> {
    let mut claims: Vec<_> = claims.into_iter().collect();
    claims.sort_by_key(|(claimant, claims)| (claimant.kind, claims.seniority()));
    let mut wanted = claims.into_iter().flat_map(|(_, claims)| &claims.tls);
    wanted.find(|tls| tls.hosts.iter().any(|claimed| claimed == host)).map(|tls| tls.secret.clone())
}

/// What is wrong with a Secret that objects claim as a certificate, said to them.
pub(crate) fn problems<'a>(
    secret: &ObjectKey,
    claims: impl IntoIterator<Item = &'a Claims>,
    view: &View<'_>,
) -> Option<Notes> {
    let (reason, problem) = match view.secret(secret).map(|secret| secrets::key_pair(&secret)) {
        Some(Ok(_)) => return None,
        Some(Err(problem)) => (Reason::InvalidSecret, problem.to_string()),
        None => (Reason::SecretNotFound, "it does not exist".to_owned()),
    };
    let mut notes = Notes::default();
    for claims in claims {
        for tls in claims.tls.iter().filter(|tls| tls.secret == *secret) {
            let message = format!("no certificate for {}: Secret {secret}: {problem}", tls.hosts.join(", "));
            notes.error(&claims.maker.object, tls.field.clone(), reason, message);
        }
    }
    Some(notes)
}

/// The id of the certificate that these Secrets are: that of the oldest.
pub(crate) fn id<'a>(secrets: impl IntoIterator<Item = &'a Used>) -> Option<String> {
    let oldest = secrets.into_iter().min_by_key(|used| (&used.created, &used.maker.uid, &used.maker.object))?;
    // Without an API server there may be no usable uid; the key pair names the certificate as well.
    let uid = &oldest.maker.uid;
    Some(if uuid::Uuid::parse_str(uid).is_ok() { uid.clone() } else { uuid_of(oldest.digest) })
}

fn uuid_of(digest: Digest) -> String {
    uuid::Builder::from_custom_bytes(digest.0.to_be_bytes()).into_uuid().to_string()
}

/// Whether Kong takes this as the server name of a certificate: a host name, with one * label at an end, or * alone.
fn is_server_name(name: &str) -> bool {
    name == "*" || limits::is_route_host(name)
}

/// The certificate of Secrets with equal key pairs, for all server names that are theirs.
pub(crate) fn certificate(secrets: &[&Used], hosts: BTreeSet<String>, claimants: BTreeSet<Maker>) -> Option<Product> {
    let id = id(secrets.iter().copied())?;
    let pair = &secrets.first()?.pair;
    let certificate = Certificate {
        id: id.clone(),
        cert: pair.cert.clone(),
        key: pair.key.clone(),
        snis: hosts.into_iter().filter(|name| is_server_name(name)).map(|name| Sni { name }).collect(),
        tags: Vec::new(),
    };
    let makers = secrets.iter().map(|used| used.maker.clone()).chain(claimants);
    let made = Made::new(EntityKey::new(Collection::Certificates, id), &certificate, makers);
    Some(Product { entities: vec![made], notes: Notes::default() })
}

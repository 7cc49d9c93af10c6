//! Certificate authorities: Secrets and ConfigMaps with the label `konghq.com/ca-cert`.

use silverback_kong::{CaCertificate, Collection, EntityKey};
use silverback_model::ObjectKey;
use silverback_resources::types::{ConfigMap, Meta, Secret};

use crate::output::Reason;
use crate::product::{Made, Product};
use crate::secrets::{self, SecretError};
use crate::source::{Maker, Notes, Source};

const LABEL: &str = "konghq.com/ca-cert";

/// Where an authority is written. Secrets come first where all else is equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Holder {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

/// An object that says it holds an authority.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Authority {
    /// The id it gives; empty: it gives none.
    pub id: String,
    /// The authority, or what is wrong with it.
    certificate: Result<String, SecretError>,
    created: String,
    tags: Vec<String>,
    maker: Maker,
    notes: Notes,
}

/// A labelled object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Held {
    /// In a Secret.
    Secret(Secret),
    /// In a ConfigMap.
    ConfigMap(ConfigMap),
}

impl From<Secret> for Held {
    fn from(secret: Secret) -> Self {
        Self::Secret(secret)
    }
}

impl From<ConfigMap> for Held {
    fn from(map: ConfigMap) -> Self {
        Self::ConfigMap(map)
    }
}

/// Whether an object is labelled as an authority.
pub(crate) fn is_labelled(meta: &Meta) -> bool {
    meta.label(LABEL) == Some("true")
}

impl Held {
    /// What it holds, judged at `minute` (minutes since 1970).
    pub(crate) fn authority(&self, minute: u64) -> Authority {
        match self {
            Self::Secret(secret) => read(Source::of(secret), |key| secrets::text(secret, key).ok(), minute),
            Self::ConfigMap(map) => read(Source::of(map), |key| map.data.get(key).cloned(), minute),
        }
    }
}

fn read(source: Source<'_>, value: impl Fn(&str) -> Option<String>, minute: u64) -> Authority {
    let mut notes = Notes::default();
    notes.bad_tags(&source);
    let pem = value("cert").or_else(|| value("ca.crt")).ok_or_else(|| SecretError::Missing("cert".into()));
    Authority {
        id: value("id").unwrap_or_default(),
        certificate: pem.and_then(|pem| secrets::authority(&pem, minute)),
        created: source.meta.creation_timestamp.clone(),
        tags: source.tags(),
        maker: source.maker(),
        notes,
    }
}

/// The authority of an id: of several usable ones the oldest.
pub(crate) fn product<'a>(
    id: &str,
    all: impl IntoIterator<Item = (&'a (Holder, ObjectKey), &'a Authority)>,
) -> Option<Product> {
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(key, authority)| (&authority.created, &key.1, key.0));
    let mut product = Product::default();
    for (_, authority) in all {
        let object = &authority.maker.object;
        match &authority.certificate {
            Err(problem) => {
                let message = format!("the authority is left out: {problem}");
                product.notes.error(object, "data", Reason::InvalidSecret, message);
            }
            Ok(_) if uuid::Uuid::parse_str(id).is_err() => unusable_id(id, object, &mut product.notes),
            Ok(certificate) => match product.entities.first() {
                None => {
                    product.notes.merge(authority.notes.clone());
                    product.entities.push(entity(id, certificate, authority));
                }
                Some(winner) => {
                    let winner = winner.makers.first().map(|maker| maker.object.to_string()).unwrap_or_default();
                    let message = format!("the authority is left out: {winner} has its id too and is older");
                    product.notes.error(object, "data.id", Reason::Conflict, message);
                }
            },
        }
    }
    Some(product)
}

fn unusable_id(id: &str, object: &silverback_model::ObjectRef, notes: &mut Notes) {
    let problem = if id.is_empty() { "the key \"id\" is missing" } else { "the value of \"id\" is no UUID" };
    notes.error(object, "data.id", Reason::InvalidSecret, format!("the authority is left out: {problem}"));
}

fn entity(id: &str, certificate: &str, authority: &Authority) -> Made {
    let entity = CaCertificate { id: id.to_owned(), cert: certificate.to_owned(), tags: authority.tags.clone() };
    Made::new(EntityKey::new(Collection::CaCertificates, id), &entity, [authority.maker.clone()])
}

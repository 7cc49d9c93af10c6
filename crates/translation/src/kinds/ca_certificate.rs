//! Certificate authorities: Secrets and ConfigMaps with the label `konghq.com/ca-cert`.

use silverback_kong::{CaCertificate, Collection, EntityKey};
use silverback_model::{Digest, ObjectKey};
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

impl Holder {
    /// The kind of object.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
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

impl Authority {
    /// Names the certificate, if it is one.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.certificate.as_ref().ok().map(|pem| Digest::of(pem.as_bytes()))
    }
}

/// What a policy trusts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trusted {
    /// The id that the gateways know it by, or what is wrong with it.
    pub id: Result<String, String>,
    /// Where no labelled object holds the same: the certificate with the object that holds it.
    pub own: Option<(Digest, Authority)>,
}

impl Trusted {
    /// An object that a policy names. `same`: ids of labelled objects with the same certificate.
    pub(crate) fn of(authority: Option<Authority>, same: impl IntoIterator<Item = String>) -> Self {
        let Some(authority) = authority else { return Self { id: Err("it does not exist".to_owned()), own: None } };
        let digest = match (&authority.certificate, authority.digest()) {
            (Ok(_), Some(digest)) => digest,
            (Err(problem), _) => return Self { id: Err(problem.to_string()), own: None },
            (Ok(_), None) => return Self { id: Err("it holds no certificate".to_owned()), own: None },
        };
        match same.into_iter().find(|id| uuid::Uuid::parse_str(id).is_ok()) {
            Some(id) => Self { id: Ok(id), own: None },
            None => Self { id: Ok(id_of(digest)), own: Some((digest, authority)) },
        }
    }
}

fn id_of(digest: Digest) -> String {
    uuid::Builder::from_custom_bytes(digest.0.to_be_bytes()).into_uuid().to_string()
}

/// The authority that policies name by these objects, which hold the same certificate.
pub(crate) fn named<'a>(digest: Digest, all: impl IntoIterator<Item = &'a Trusted>) -> Option<Product> {
    let mut all: Vec<&Authority> = all.into_iter().filter_map(|it| it.own.as_ref()).map(|(_, it)| it).collect();
    all.sort_by_key(|it| (&it.created, &it.maker.object));
    let first = all.first()?;
    let cert = first.certificate.clone().ok()?;
    let id = id_of(digest);
    let entity = CaCertificate { id: id.clone(), cert, tags: first.tags.clone() };
    let makers = all.iter().map(|it| it.maker.clone());
    let made = Made::new(EntityKey::new(Collection::CaCertificates, id), &entity, makers);
    Some(Product { entities: vec![made], notes: Notes::default() })
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

    /// Why it holds no authority, judged at `minute`.
    pub(crate) fn problem(&self, minute: u64) -> Option<SecretError> {
        self.authority(minute).certificate.err()
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

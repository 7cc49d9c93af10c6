//! Credentials: Secrets with the label `konghq.com/credential`, as parts of their consumer.

use std::fmt;

use silverback_kong::{Acl, BasicAuth, Consumer, HmacAuth, Jwt, KeyAuth, MtlsAuth, Oauth2};
use silverback_resources::types::Secret;

use crate::annotations::{go_bool, items};
use crate::credential_limits;
use crate::secrets::{self, SecretError};
use crate::settings::Settings;
use crate::source::Source;

/// The label that says which type a credential has.
const LABEL: &str = "konghq.com/credential";

/// What no two credentials may share: a field of a type, and its value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Unique {
    /// e.g. `API key`.
    pub what: &'static str,
    value: String,
}

/// Shows no value: it may be a secret.
impl fmt::Debug for Unique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unique").field("what", &self.what).finish_non_exhaustive()
    }
}

impl Unique {
    /// A value that no two may share.
    pub(crate) fn new(what: &'static str, value: &str) -> Self {
        Self { what, value: value.to_owned() }
    }
}

/// Why a Secret is no credential.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoCredential {
    /// It does not say which type it has.
    #[error("the label konghq.com/credential is missing")]
    NoLabel,
    /// A type that is not known.
    #[error("{0:?} is no type of credential")]
    UnknownType(String),
    /// A type that only Enterprise has.
    #[error("only Kong Enterprise knows {0} credentials")]
    Enterprise(&'static str),
    /// A value that is missing or unreadable.
    #[error(transparent)]
    Value(#[from] SecretError),
    /// A value that Kong refuses.
    #[error("the value of {0:?} is empty")]
    Empty(&'static str),
    /// Another value that Kong refuses.
    #[error("{0}")]
    Refused(&'static str),
    /// The consumer is in the group already.
    #[error("another credential puts the consumer into group {0:?} already")]
    Doubled(String),
}

/// Adds a credential to its consumer, with the tags of its Secret. Gives what must be unique about it.
pub(crate) fn add(
    secret: &Secret,
    consumer: &mut Consumer,
    settings: &Settings,
) -> Result<Option<Unique>, NoCredential> {
    let kind = secret.metadata.label(LABEL).ok_or(NoCredential::NoLabel)?;
    let fields = Fields { secret };
    let tags = Source::of(secret).tags();
    let unique = match kind {
        "key-auth" => {
            let key = fields.needed("key")?;
            let unique = Unique::new("API key", &key);
            let ttl = fields.optional("ttl").and_then(|ttl| ttl.trim().parse().ok());
            consumer.keyauth_credentials.push(KeyAuth { key, ttl, tags });
            Some(unique)
        }
        "basic-auth" => {
            let username = fields.needed("username")?;
            let unique = Unique::new("basic-auth username", &username);
            consumer.basicauth_credentials.push(BasicAuth {
                username,
                password: Some(fields.needed("password")?),
                tags,
            });
            Some(unique)
        }
        "hmac-auth" => {
            let username = fields.needed("username")?;
            let unique = Unique::new("hmac-auth username", &username);
            consumer.hmacauth_credentials.push(HmacAuth { username, secret: fields.optional("secret"), tags });
            Some(unique)
        }
        "jwt" => {
            let key = fields.needed("key")?;
            let unique = Unique::new("JWT key", &key);
            let jwt = Jwt {
                key,
                algorithm: Some(fields.optional("algorithm").unwrap_or_else(|| "HS256".to_owned())),
                rsa_public_key: fields.optional("rsa_public_key"),
                secret: fields.optional("secret"),
                tags,
            };
            refuse(credential_limits::jwt(&jwt))?;
            consumer.jwt_secrets.push(jwt);
            Some(unique)
        }
        "oauth2" => {
            let (name, client_id) = (fields.needed("name")?, fields.needed("client_id")?);
            let unique = Unique::new("OAuth2 client id", &client_id);
            let application = Oauth2 {
                name: Some(name),
                client_id: Some(client_id),
                client_secret: fields.optional("client_secret"),
                client_type: fields.optional("client_type"),
                hash_secret: fields.optional("hash_secret").map(|text| go_bool(&text).unwrap_or(false)),
                redirect_uris: items(&fields.optional("redirect_uris").unwrap_or_default(), ","),
                tags,
            };
            refuse(credential_limits::oauth2(&application))?;
            consumer.oauth2_credentials.push(application);
            Some(unique)
        }
        "acl" => {
            let group = fields.needed("group")?;
            if consumer.acls.iter().any(|known| known.group == group) {
                return Err(NoCredential::Doubled(group));
            }
            consumer.acls.push(Acl { group, tags });
            None
        }
        "mtls-auth" => {
            let subject_name = fields.needed("subject_name")?;
            if !settings.enterprise() {
                return Err(NoCredential::Enterprise("mtls-auth"));
            }
            let (id, ca_certificate) = (fields.optional("id"), fields.optional("ca_certificate"));
            consumer.mtls_auth_credentials.push(MtlsAuth { id, subject_name, ca_certificate, tags });
            None
        }
        other => return Err(NoCredential::UnknownType(other.to_owned())),
    };
    Ok(unique)
}

fn refuse(problem: Option<&'static str>) -> Result<(), NoCredential> {
    problem.map_or(Ok(()), |problem| Err(NoCredential::Refused(problem)))
}

struct Fields<'a> {
    secret: &'a Secret,
}

impl Fields<'_> {
    fn needed(&self, key: &'static str) -> Result<String, NoCredential> {
        let value = secrets::text(self.secret, key)?;
        if value.is_empty() { Err(NoCredential::Empty(key)) } else { Ok(value) }
    }

    fn optional(&self, key: &str) -> Option<String> {
        secrets::text(self.secret, key).ok().filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    fn secret(kind: &str, values: &[(&str, &str)]) -> Secret {
        let data: serde_json::Map<_, _> =
            values.iter().map(|(key, value)| (key.to_string(), STANDARD.encode(value).into())).collect();
        let object = json!({"metadata": {"name": "s", "labels": {LABEL: kind}}, "data": data});
        serde_json::from_value(object).unwrap()
    }

    fn added(kind: &str, values: &[(&str, &str)]) -> Result<Consumer, String> {
        let mut consumer = Consumer::default();
        let settings = Settings::default();
        add(&secret(kind, values), &mut consumer, &settings).map_err(|problem| problem.to_string()).map(|_| consumer)
    }

    #[test]
    fn values_that_make_no_sense_are_left_out() {
        let consumer = added("key-auth", &[("key", "k"), ("ttl", "1h")]).unwrap();
        assert_eq!(consumer.keyauth_credentials[0].ttl, None);
        let (acl, mut consumer) = (secret("acl", &[("group", "g")]), Consumer::default());
        let outcomes = [(); 2].map(|()| add(&acl, &mut consumer, &Settings::default()).is_ok());
        assert_eq!((outcomes, consumer.acls.len()), ([true, false], 1));
        let consumer = added("oauth2", &[("name", "n"), ("client_id", "c"), ("hash_secret", "maybe")]).unwrap();
        assert_eq!(consumer.oauth2_credentials[0].hash_secret, Some(false));
        assert_eq!(added("jwt", &[("key", "k")]).unwrap().jwt_secrets[0].algorithm.as_deref(), Some("HS256"));
    }

    #[test]
    fn what_lacks_its_name_is_no_credential() {
        assert_eq!(added("key-auth", &[]).unwrap_err(), r#"the key "key" is missing"#);
        assert_eq!(added("key-auth", &[("key", "")]).unwrap_err(), r#"the value of "key" is empty"#);
        assert_eq!(added("ldap", &[]).unwrap_err(), r#""ldap" is no type of credential"#);
        assert_eq!(
            added("mtls-auth", &[("subject_name", "s")]).unwrap_err(),
            "only Kong Enterprise knows mtls-auth credentials"
        );
    }

    #[test]
    fn what_is_unique_shows_no_value() {
        let mut consumer = Consumer::default();
        let unique = add(&secret("key-auth", &[("key", "hunter2")]), &mut consumer, &Settings::default()).unwrap();
        assert!(!format!("{unique:?} {consumer:?}").contains("hunter2"));
    }
}

//! Consumers: who calls, by which credentials, in which groups.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A consumer with its credentials. At least one of `username` and `custom_id` is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Consumer {
    /// See [`crate::ids`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Unique among consumers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Unique among consumers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_id: Option<String>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// API keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keyauth_credentials: Vec<KeyAuth>,
    /// Names and passwords.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub basicauth_credentials: Vec<BasicAuth>,
    /// Shared secrets of signatures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hmacauth_credentials: Vec<HmacAuth>,
    /// Keys of tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jwt_secrets: Vec<Jwt>,
    /// OAuth2 applications.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub oauth2_credentials: Vec<Oauth2>,
    /// Groups of access lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acls: Vec<Acl>,
    /// Client certificates (Enterprise).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mtls_auth_credentials: Vec<MtlsAuth>,
}

/// `Debug` without values: credentials are secrets.
macro_rules! secret {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
secret!(KeyAuth, BasicAuth, HmacAuth, Jwt, Oauth2);

/// An API key.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyAuth {
    /// Unique.
    pub key: String,
    /// Seconds it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<i64>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Name and password.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BasicAuth {
    /// Unique.
    pub username: String,
    /// In clear; Kong hashes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Shared secret of signatures.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HmacAuth {
    /// Unique.
    pub username: String,
    /// Kong makes one up where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Key of tokens.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Jwt {
    /// The claim that names it; unique.
    pub key: String,
    /// Of the signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// PEM, for asymmetric algorithms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rsa_public_key: Option<String>,
    /// For symmetric algorithms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// An OAuth2 application.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Oauth2 {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Kong makes one up where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// confidential or public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_type: Option<String>,
    /// Whether the secret is stored hashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_secret: Option<bool>,
    /// Where users may be sent back to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Group of access lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acl {
    /// Name of the group.
    pub group: String,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Client certificate (Enterprise).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MtlsAuth {
    /// Given by the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Subject of the certificate.
    pub subject_name: String,
    /// Id of the authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_certificate: Option<String>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// A group of consumers (Enterprise).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerGroup {
    /// See [`crate::ids`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Unique among groups.
    pub name: String,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// That a consumer is in a group (Enterprise).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerGroupConsumer {
    /// Username of the consumer.
    pub consumer: String,
    /// Name of the group.
    pub consumer_group: String,
}

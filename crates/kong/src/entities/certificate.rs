//! Certificates: what the gateway shows, and whom it trusts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A certificate with its key and the server names it is shown for.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Certificate {
    /// Referred to by services that show it to their servers.
    pub id: String,
    /// PEM.
    pub cert: String,
    /// PEM.
    pub key: String,
    /// Server names; unique among all certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snis: Vec<Sni>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Shows no key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("id", &self.id).field("snis", &self.snis).finish_non_exhaustive()
    }
}

/// A server name of a certificate, nested in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sni {
    /// The server name.
    pub name: String,
}

/// A trusted authority.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaCertificate {
    /// Referred to by services and plugins.
    pub id: String,
    /// PEM.
    pub cert: String,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

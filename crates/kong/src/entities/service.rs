//! Services: where requests go, and the routes that lead there.

use serde::{Deserialize, Serialize};

use super::{Plugin, Route};

/// A service with its routes and the plugins made for it alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// See [`crate::ids`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Unique among services.
    pub name: String,
    /// Kong's default: `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Name of the upstream.
    pub host: String,
    /// Kong's default: 80.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Prefix of the path sent; HTTP only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Kong's default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
    /// Milliseconds. Kong's default: 60000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<i64>,
    /// Milliseconds. Kong's default: 60000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_timeout: Option<i64>,
    /// Milliseconds. Kong's default: 60000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_timeout: Option<i64>,
    /// Whether the server's certificate is verified; TLS only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_verify: Option<bool>,
    /// Longest chain accepted; TLS only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_verify_depth: Option<i64>,
    /// Ids of the authorities trusted; TLS only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ca_certificates: Vec<String>,
    /// Id of the certificate shown to the server; TLS only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The routes that lead here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Plugins made for this service alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<Plugin>,
}

//! Routes: which requests reach a service. Fields for the traditional router, or expression and priority.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Plugin;

/// A route, nested in its service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// See [`crate::ids`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Unique among routes of all services.
    pub name: String,
    /// Kong's default: http and https.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
    /// Upper case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// One `*` at an end allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Prefixes, or regular expressions after a `~`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Values allowed per header; one value that starts with `~*` is a regular expression.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Vec<String>>,
    /// Server names of the TLS handshake.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snis: Vec<String>,
    /// Ports of streams.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<Destination>,
    /// For the expressions router, in place of the fields above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Order of expressions: the higher is tried first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u64>,
    /// Order of regular expressions. Kong's default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex_priority: Option<i64>,
    /// Kong's default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_path: Option<bool>,
    /// Kong's default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preserve_host: Option<bool>,
    /// Kong's default: v0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_handling: Option<String>,
    /// Status of a redirect to https. Kong's default: 426.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_redirect_status_code: Option<u16>,
    /// Kong's default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_buffering: Option<bool>,
    /// Kong's default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_buffering: Option<bool>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Plugins made for this route alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<Plugin>,
}

/// Where a stream arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Destination {
    /// Port of the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

//! Upstreams: the servers behind a service and how load is spread over them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An upstream with its targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Upstream {
    /// The host of the services that use it.
    pub name: String,
    /// Kong's default: round-robin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// 10 to 65536.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<i64>,
    /// What consistent hashing hashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_on: Option<String>,
    /// What it hashes where `hash_on` finds nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_fallback: Option<String>,
    /// Name of the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_on_header: Option<String>,
    /// Name of the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_fallback_header: Option<String>,
    /// Name of the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_on_cookie: Option<String>,
    /// Path of the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_on_cookie_path: Option<String>,
    /// Name of the query argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_on_query_arg: Option<String>,
    /// Name of the query argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_fallback_query_arg: Option<String>,
    /// Name of the capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_on_uri_capture: Option<String>,
    /// Name of the capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_fallback_uri_capture: Option<String>,
    /// Cookie of sticky sessions (Kong 3.11).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky_sessions_cookie: Option<String>,
    /// Path of that cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky_sessions_cookie_path: Option<String>,
    /// Host header sent to the targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_header: Option<String>,
    /// How targets are found healthy or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthchecks: Option<Box<Healthchecks>>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
}

/// One server.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    /// `ip:port`, `[ipv6]:port` or `name:port`.
    pub target: String,
    /// Share of the load, 0 to 65535. Kong's default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
}

/// How targets are found healthy or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Healthchecks {
    /// By asking them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveChecks>,
    /// By watching the traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passive: Option<PassiveChecks>,
    /// Percentage of weight that must be healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

/// Checks made by asking targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActiveChecks {
    /// http, https, tcp, grpc or grpcs.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Targets asked at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<i64>,
    /// Path asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_path: Option<String>,
    /// Server name of the handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_sni: Option<String>,
    /// Whether the certificate is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_verify_certificate: Option<bool>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Headers sent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Vec<String>>,
    /// What makes a target healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<ActiveHealthy>,
    /// What makes a target unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<ActiveUnhealthy>,
}

/// What makes a target healthy when asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActiveHealthy {
    /// Statuses that count as success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_statuses: Option<Vec<i64>>,
    /// Seconds between checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// Successes needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successes: Option<i64>,
}

/// What makes a target unhealthy when asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActiveUnhealthy {
    /// HTTP failures needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_failures: Option<i64>,
    /// Statuses that count as failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_statuses: Option<Vec<i64>>,
    /// Seconds between checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// TCP failures needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_failures: Option<i64>,
    /// Timeouts needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<i64>,
}

/// Checks made by watching the traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PassiveChecks {
    /// http, https, tcp, grpc or grpcs.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What makes a target healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<PassiveHealthy>,
    /// What makes a target unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<PassiveUnhealthy>,
}

/// What makes a target healthy in traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PassiveHealthy {
    /// Statuses that count as success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_statuses: Option<Vec<i64>>,
    /// Successes needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successes: Option<i64>,
}

/// What makes a target unhealthy in traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PassiveUnhealthy {
    /// HTTP failures needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_failures: Option<i64>,
    /// Statuses that count as failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_statuses: Option<Vec<i64>>,
    /// TCP failures needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_failures: Option<i64>,
    /// Timeouts needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<i64>,
}

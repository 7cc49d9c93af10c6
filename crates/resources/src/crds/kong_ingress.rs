//! KongIngress, deprecated in favour of KongUpstreamPolicy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value};

use super::definition::{Definition, rules};
use super::kind;
use super::structural::any_object;
use crate::registry::KindId;
use crate::types::Meta;

const RULES: &[(&str, &str)] = &[
    ("proxy is no longer supported: use annotations of the Service", "!has(self.proxy)"),
    ("route is no longer supported: use annotations of the Ingress", "!has(self.route)"),
];

/// How load is spread over the pods of a Service that names it in the annotation `konghq.com/override`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules(RULES)))]
pub struct KongIngress {
    /// Metadata.
    #[serde(default)]
    #[schemars(skip)]
    pub metadata: Meta,
    /// How load is spread.
    pub upstream: Option<Upstream>,
    /// No longer supported.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub proxy: Option<Value>,
    /// No longer supported.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub route: Option<Value>,
}

/// How load is spread, in Kong's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Upstream {
    /// Host header sent to the targets.
    pub host_header: Option<String>,
    /// How a target is chosen.
    #[schemars(extend("enum" = ["round-robin", "consistent-hashing", "least-connections", "latency"]))]
    pub algorithm: Option<String>,
    /// Slots of the ring that consistent hashing uses.
    #[schemars(range(min = 10))]
    pub slots: Option<i64>,
    /// How healthy and sick targets are told apart.
    pub healthchecks: Option<Healthchecks>,
    /// What is hashed.
    pub hash_on: Option<String>,
    /// What is hashed where `hash_on` finds nothing.
    pub hash_fallback: Option<String>,
    /// Name of the header that is hashed.
    pub hash_on_header: Option<String>,
    /// Name of the header that is hashed instead.
    pub hash_fallback_header: Option<String>,
    /// Name of the cookie that is hashed.
    pub hash_on_cookie: Option<String>,
    /// Path of that cookie.
    pub hash_on_cookie_path: Option<String>,
    /// Name of the query argument that is hashed.
    pub hash_on_query_arg: Option<String>,
    /// Name of the query argument that is hashed instead.
    pub hash_fallback_query_arg: Option<String>,
    /// Name of the capture that is hashed.
    pub hash_on_uri_capture: Option<String>,
    /// Name of the capture that is hashed instead.
    pub hash_fallback_uri_capture: Option<String>,
}

/// How healthy and sick targets are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Healthchecks {
    /// By asking the targets.
    pub active: Option<ActiveHealthcheck>,
    /// By watching the traffic.
    pub passive: Option<PassiveHealthcheck>,
    /// Percentage of the weight that must be healthy for the whole to be.
    pub threshold: Option<Number>,
}

/// Checks made by asking the targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct ActiveHealthcheck {
    /// How they are asked.
    #[serde(rename = "type")]
    pub check_type: Option<String>,
    /// How many are asked at once.
    #[schemars(range(min = 1))]
    pub concurrency: Option<i64>,
    /// What makes a target healthy again.
    pub healthy: Option<Healthy>,
    /// What makes a target sick.
    pub unhealthy: Option<Unhealthy>,
    /// Path that is asked for.
    #[schemars(extend("pattern" = "^/.*$"))]
    pub http_path: Option<String>,
    /// Server name of the handshake.
    pub https_sni: Option<String>,
    /// Whether the target's certificate is verified.
    pub https_verify_certificate: Option<bool>,
    /// Seconds until an answer is missing.
    #[schemars(range(min = 0))]
    pub timeout: Option<i64>,
    /// Headers that are sent.
    pub headers: Option<BTreeMap<String, Vec<String>>>,
}

/// Checks made by watching the traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct PassiveHealthcheck {
    /// What is watched.
    #[serde(rename = "type")]
    pub check_type: Option<String>,
    /// What makes a target healthy again.
    pub healthy: Option<Healthy>,
    /// What makes a target sick.
    pub unhealthy: Option<Unhealthy>,
}

/// What makes a target healthy again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Healthy {
    /// Status codes that speak for it.
    pub http_statuses: Option<Vec<i64>>,
    /// Seconds between questions.
    #[schemars(range(min = 0))]
    pub interval: Option<i64>,
    /// How many good answers it takes.
    #[schemars(range(min = 0))]
    pub successes: Option<i64>,
}

/// What makes a target sick.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Unhealthy {
    /// How many bad status codes it takes.
    #[schemars(range(min = 0))]
    pub http_failures: Option<i64>,
    /// Status codes that speak against it.
    pub http_statuses: Option<Vec<i64>>,
    /// Seconds between questions.
    #[schemars(range(min = 0))]
    pub interval: Option<i64>,
    /// How many failed connections it takes.
    #[schemars(range(min = 0))]
    pub tcp_failures: Option<i64>,
    /// How many missing answers it takes.
    #[schemars(range(min = 0))]
    pub timeouts: Option<i64>,
}

kind!(KongIngress, "v1");

pub(super) fn definition() -> Definition {
    Definition::of::<KongIngress>(KindId::KONG_INGRESS).short(&["ki"]).empty_status()
}

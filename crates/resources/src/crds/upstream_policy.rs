//! KongUpstreamPolicy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::definition::{Definition, rules};
use super::structural::http_statuses;
use super::{kind, status};
use crate::registry::KindId;
use crate::types::Meta;

const RULES: &[(&str, &str)] = &[
    (
        "hashOn takes one of input, cookie, header, uriCapture and queryArg",
        "!has(self.hashOn) || [has(self.hashOn.input), has(self.hashOn.cookie), has(self.hashOn.header), \
         has(self.hashOn.uriCapture), has(self.hashOn.queryArg)].filter(given, given).size() <= 1",
    ),
    (
        "hashOn.cookie and hashOn.cookiePath go together",
        "!has(self.hashOn) || has(self.hashOn.cookie) == has(self.hashOn.cookiePath)",
    ),
    (
        "hashOn needs the algorithm consistent-hashing or sticky-sessions",
        "!has(self.hashOn) || (has(self.algorithm) && self.algorithm in ['consistent-hashing', 'sticky-sessions'])",
    ),
    (
        "hashOnFallback takes one of input, header, uriCapture and queryArg",
        "!has(self.hashOnFallback) || [has(self.hashOnFallback.input), has(self.hashOnFallback.header), \
         has(self.hashOnFallback.uriCapture), has(self.hashOnFallback.queryArg)].filter(given, given).size() <= 1",
    ),
    (
        "hashOnFallback needs the algorithm consistent-hashing",
        "!has(self.hashOnFallback) || (has(self.algorithm) && self.algorithm == 'consistent-hashing')",
    ),
    (
        "hashOnFallback is of no use with hashOn.cookie, which is made where it is missing",
        "!has(self.hashOnFallback) || !has(self.hashOn) || !has(self.hashOn.cookie)",
    ),
    (
        "stickySessions needs the algorithm sticky-sessions",
        "!has(self.stickySessions) || (has(self.algorithm) && self.algorithm == 'sticky-sessions')",
    ),
    (
        "stickySessions needs hashOn.input none",
        "!has(self.stickySessions) || (has(self.hashOn) && has(self.hashOn.input) && self.hashOn.input == 'none')",
    ),
];

const PASSIVE_RULES: &[(&str, &str)] = &[
    ("passive checks have no interval", "!has(self.healthy) || !has(self.healthy.interval)"),
    ("passive checks have no interval", "!has(self.unhealthy) || !has(self.unhealthy.interval)"),
];

/// How load is spread over the pods of a Service, and how sick ones are found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct KongUpstreamPolicy {
    /// Metadata.
    #[serde(default)]
    #[schemars(skip)]
    pub metadata: Meta,
    /// The policy.
    pub spec: Option<KongUpstreamPolicySpec>,
}

/// The policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(RULES)))]
pub struct KongUpstreamPolicySpec {
    /// How a target is chosen.
    #[schemars(extend("enum" =
        ["round-robin", "consistent-hashing", "least-connections", "latency", "sticky-sessions"]))]
    pub algorithm: Option<String>,
    /// Slots of the ring that consistent hashing uses.
    #[schemars(range(min = 10, max = 65536))]
    pub slots: Option<i64>,
    /// What is hashed.
    pub hash_on: Option<HashOn>,
    /// What is hashed where `hashOn` finds nothing.
    pub hash_on_fallback: Option<HashOn>,
    /// How healthy and sick targets are told apart.
    pub healthchecks: Option<Healthchecks>,
    /// How clients stay with their target.
    pub sticky_sessions: Option<StickySessions>,
}

/// What is hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HashOn {
    /// A property of the request.
    #[schemars(extend("enum" = ["ip", "consumer", "path", "none"]))]
    pub input: Option<String>,
    /// Name of a header.
    pub header: Option<String>,
    /// Name of a cookie, made where it is missing.
    pub cookie: Option<String>,
    /// Path of that cookie.
    pub cookie_path: Option<String>,
    /// Name of a query argument.
    pub query_arg: Option<String>,
    /// Name of a capture of the route's path.
    pub uri_capture: Option<String>,
}

/// How clients stay with their target (Kong 3.11).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StickySessions {
    /// Name of the cookie that says which target it is.
    #[schemars(length(min = 1))]
    pub cookie: String,
    /// Path of that cookie.
    #[schemars(extend("default" = "/"))]
    pub cookie_path: Option<String>,
}

/// How healthy and sick targets are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Healthchecks {
    /// By asking the targets.
    pub active: Option<ActiveHealthcheck>,
    /// By watching the traffic.
    pub passive: Option<PassiveHealthcheck>,
    /// Percentage of the weight that must be healthy for the whole to be.
    pub threshold: Option<i64>,
}

/// Checks made by asking the targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveHealthcheck {
    /// How they are asked.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["http", "https", "tcp", "grpc", "grpcs"]))]
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
#[schemars(extend("x-kubernetes-validations" = rules(PASSIVE_RULES)))]
pub struct PassiveHealthcheck {
    /// What is watched.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["http", "https", "tcp", "grpc", "grpcs"]))]
    pub check_type: Option<String>,
    /// What makes a target healthy again.
    pub healthy: Option<Healthy>,
    /// What makes a target sick.
    pub unhealthy: Option<Unhealthy>,
}

/// What makes a target healthy again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Healthy {
    /// Status codes that speak for it.
    #[serde(default)]
    #[schemars(schema_with = "http_statuses")]
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
#[serde(rename_all = "camelCase")]
pub struct Unhealthy {
    /// How many bad status codes it takes.
    #[schemars(range(min = 0))]
    pub http_failures: Option<i64>,
    /// Status codes that speak against it.
    #[serde(default)]
    #[schemars(schema_with = "http_statuses")]
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

kind!(KongUpstreamPolicy, "v1beta1");

pub(super) fn definition() -> Definition {
    Definition::of::<KongUpstreamPolicy>(KindId::KONG_UPSTREAM_POLICY).short(&["kup"]).status(status::ancestors())
}

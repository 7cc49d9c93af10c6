//! Upstreams and their targets.

use serde_json::{Value, json};

use super::super::schema::check::{Check, Match};
use super::super::schema::custom::Custom;
use super::super::schema::rule::Rule;
use super::super::schema::{Field, Record, Schema};
use super::{custom, headers, id, millis, names, path, seconds, tags};

const HASH_INPUTS: [&str; 8] = ["none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture"];

pub(super) fn upstreams() -> Schema {
    let hash = || Field::string().default("none").one_of(HASH_INPUTS);
    let algorithms = ["consistent-hashing", "least-connections", "round-robin", "latency"];
    let mut record = Record::new([
        ("id", id()),
        ("created_at", seconds()),
        ("name", custom(Custom::UpstreamName).required().unique()),
        ("updated_at", seconds()),
        ("algorithm", Field::string().default("round-robin").one_of(algorithms)),
        ("hash_on", hash()),
        ("hash_fallback", hash()),
        ("hash_on_header", custom(Custom::HeaderName)),
        ("hash_fallback_header", custom(Custom::HeaderName)),
        ("hash_on_cookie", custom(Custom::CookieName)),
        ("hash_on_cookie_path", path().default("/")),
        ("hash_on_query_arg", Field::string()),
        ("hash_fallback_query_arg", Field::string()),
        ("hash_on_uri_capture", Field::string()),
        ("hash_fallback_uri_capture", Field::string()),
        ("slots", Field::integer().default(10000).between(10, 1 << 16)),
        ("healthchecks", Field::record(healthchecks())),
        ("tags", tags()),
        ("host_header", custom(Custom::HostWithOptionalPort)),
        ("client_certificate", Field::foreign("certificates")),
        ("use_srv_name", Field::boolean().default(false)),
    ])
    .shorthand("algorithm", Field::string(), from_algorithm)
    .shorthand("hash_on", Field::string(), from_hash_on);
    let rules: [(&str, &str, &str, Match); 11] = [
        ("hash_on", "header", "hash_on_header", Match::required()),
        ("hash_fallback", "header", "hash_fallback_header", Match::required()),
        ("hash_on", "cookie", "hash_on_cookie", Match::required()),
        ("hash_fallback", "cookie", "hash_on_cookie", Match::required()),
        ("hash_on", "none", "hash_fallback", Match::is(["none"])),
        ("hash_on", "cookie", "hash_fallback", Match::is(["none"])),
        ("hash_on", "consumer", "hash_fallback", Match::is(without("consumer"))),
        ("hash_on", "ip", "hash_fallback", Match::is(without("ip"))),
        ("hash_on", "path", "hash_fallback", Match::is(without("path"))),
        ("hash_on", "query_arg", "hash_on_query_arg", Match::required()),
        ("hash_fallback", "query_arg", "hash_fallback_query_arg", Match::required()),
    ];
    for (if_field, input, then_field, then_match) in rules {
        record = record.check(when(if_field, input, then_field, then_match));
    }
    let record = record
        .check(when("hash_on", "uri_capture", "hash_on_uri_capture", Match::required()))
        .check(when("hash_fallback", "uri_capture", "hash_fallback_uri_capture", Match::required()))
        .check(Check::Distinct(names(["hash_on_header", "hash_fallback_header"])))
        .check(Check::Distinct(names(["hash_on_query_arg", "hash_fallback_query_arg"])))
        .check(Check::Distinct(names(["hash_on_uri_capture", "hash_fallback_uri_capture"])));
    Schema::new("upstreams", record).endpoint_key("name")
}

/// Every input of the hash but this one, in Kong's order: `none` first.
fn without(input: &str) -> [&'static str; 7] {
    let order = match input {
        "consumer" => ["none", "ip", "header", "cookie", "path", "query_arg", "uri_capture"],
        "ip" => ["none", "consumer", "header", "cookie", "path", "query_arg", "uri_capture"],
        _ => ["none", "consumer", "header", "cookie", "query_arg", "ip", "uri_capture"],
    };
    debug_assert!(!order.contains(&input));
    order
}

fn when(if_field: &str, input: &str, then_field: &str, then_match: Match) -> Check {
    Check::when(if_field, Match::is([input]), then_field, then_match)
}

fn from_algorithm(algorithm: &Value) -> Vec<(&'static str, Value)> {
    let mut set = vec![("algorithm", algorithm.clone())];
    if matches!(algorithm.as_str(), Some("least-connections" | "latency")) {
        set.push(("hash_on", Value::Null));
    }
    set
}

fn from_hash_on(hash_on: &Value) -> Vec<(&'static str, Value)> {
    match hash_on.as_str() {
        None => vec![("hash_on", "none".into())],
        Some("none") => vec![("hash_on", "none".into()), ("algorithm", "round-robin".into())],
        Some(input) => vec![("hash_on", input.into()), ("algorithm", "consistent-hashing".into())],
    }
}

fn healthchecks() -> Record {
    let seconds = || Field::number().between(0, 65535);
    let count = || Field::integer().default(0).between(0, 255);
    let statuses = |default: Value| Field::array(Field::integer().between(100, 999)).default(default);
    let kind = || Field::string().default("http").one_of(["tcp", "http", "https", "grpc", "grpcs"]);
    let active_healthy = Record::new([
        ("interval", seconds().default(0)),
        ("http_statuses", statuses(json!([200, 302]))),
        ("successes", count()),
    ]);
    let active_unhealthy = Record::new([
        ("interval", seconds().default(0)),
        ("http_statuses", statuses(json!([429, 404, 500, 501, 502, 503, 504, 505]))),
        ("tcp_failures", count()),
        ("timeouts", count()),
        ("http_failures", count()),
    ]);
    let active = Record::new([
        ("type", kind()),
        ("timeout", seconds().default(1)),
        ("concurrency", Field::integer().default(10).between(1, 1 << 31)),
        ("http_path", path().default("/")),
        ("https_sni", custom(Custom::ServerName)),
        ("https_verify_certificate", Field::boolean().required().default(true)),
        ("headers", headers()),
        ("healthy", Field::record(active_healthy)),
        ("unhealthy", Field::record(active_unhealthy)),
    ]);
    let good: Vec<u16> = (200..=208).chain([226]).chain(300..=308).collect();
    let passive_healthy = Record::new([("http_statuses", statuses(json!(good))), ("successes", count())]);
    let passive_unhealthy = Record::new([
        ("http_statuses", statuses(json!([429, 500, 503]))),
        ("tcp_failures", count()),
        ("timeouts", count()),
        ("http_failures", count()),
    ]);
    let passive = Record::new([
        ("type", kind()),
        ("healthy", Field::record(passive_healthy)),
        ("unhealthy", Field::record(passive_unhealthy)),
    ]);
    Record::new([
        ("active", Field::record(active)),
        ("passive", Field::record(passive)),
        ("threshold", Field::number().default(0).between(0, 100)),
    ])
}

pub(super) fn targets() -> Schema {
    let record = Record::new([
        ("id", id()),
        ("created_at", millis()),
        ("updated_at", millis()),
        ("upstream", Field::foreign("upstreams").required()),
        ("target", Field::string().required().rule(Rule::Custom(Custom::Target))),
        ("weight", Field::integer().default(100).between(0, 65535)),
        ("tags", tags()),
    ]);
    Schema::new("targets", record).endpoint_key("target").cache_key(&["upstream", "target"])
}

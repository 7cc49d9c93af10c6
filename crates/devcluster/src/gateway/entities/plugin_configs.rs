//! The configs of the plugins that are met most. Others are taken as they come, unless their schemas are given as
//! documents.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::schema::check::{Check, Match};
use super::super::schema::custom::Custom;
use super::super::schema::rule::Rule;
use super::super::schema::{Effect, Field, Kind, Record, Shorthand};
use super::{PROTOCOLS, custom, names, path, pattern, port};

/// What is special about a plugin, when it is known here.
pub(super) fn known(name: &str) -> Option<Record> {
    Some(match name {
        "acl" => acl(),
        "basic-auth" => authentication([
            ("hide_credentials", flag(false)),
            ("realm", Field::string().required().default("service")),
        ]),
        "correlation-id" => correlation_id(),
        "cors" => cors(),
        "ip-restriction" => ip_restriction(),
        "jwt" => jwt(),
        "key-auth" => key_auth(),
        "prometheus" => prometheus(),
        "rate-limiting" => rate_limiting(),
        "redirect" => redirect(),
        "request-size-limiting" => request_size_limiting(),
        "request-termination" => request_termination(),
        "request-transformer" => request_transformer(),
        "response-transformer" => response_transformer(),
        _ => return None,
    })
}

/// Fields of plugins that must hold a URL, which no document tells.
const URLS: [(&str, &str); 6] = [
    ("acme", "api_uri"),
    ("aws-lambda", "proxy_url"),
    ("http-log", "http_endpoint"),
    ("opentelemetry", "logs_endpoint"),
    ("opentelemetry", "traces_endpoint"),
    ("zipkin", "http_endpoint"),
];

/// A plugin's record as a document has it, with the rules that documents do not tell.
pub(super) fn refined(name: &str, record: &Record) -> Record {
    let mut record = record.clone();
    if let Some(Kind::Record(config)) = record.fields.get_mut("config").map(|field| &mut field.kind) {
        let config = Arc::make_mut(config);
        for (_, url) in URLS.iter().filter(|(plugin, _)| *plugin == name) {
            if let Some(field) = config.fields.get_mut(*url) {
                *field = field.clone().rule(Rule::Custom(Custom::Url));
            }
        }
    }
    record
}

fn flag(default: bool) -> Field {
    Field::boolean().required().default(default)
}

fn strings() -> Field {
    Field::array(Field::string())
}

fn plugin<const N: usize>(config: [(&str, Field); N]) -> Record {
    Record::new([("config", Field::record(Record::new(config)))])
}

/// Plugins for routes of every protocol, streams too.
fn with_protocols(mut record: Record, default: &[&str]) -> Record {
    let protocols = Field::set(Field::string().one_of(PROTOCOLS)).required().default(default.to_vec());
    record.fields.insert("protocols".to_owned(), protocols);
    record
}

fn not_on_consumers(mut record: Record) -> Record {
    let consumer = Field { null_only: true, ..Field::foreign("consumers") };
    record.fields.insert("consumer".to_owned(), consumer);
    record
}

fn authentication<const N: usize>(config: [(&str, Field); N]) -> Record {
    let mut record = Record::new(config);
    record.fields.insert("anonymous".to_owned(), Field::string());
    not_on_consumers(Record::new([("config", Field::record(record))]))
}

fn acl() -> Record {
    let either = || names(["config.allow", "config.deny"]);
    not_on_consumers(plugin([
        ("allow", strings()),
        ("deny", strings()),
        ("hide_groups_header", flag(false)),
        ("always_use_authenticated_groups", flag(false)),
    ]))
    .check(Check::OnlyOneOf(either()))
    .check(Check::AtLeastOneOf(either()))
}

fn correlation_id() -> Record {
    plugin([
        ("header_name", Field::string().default("Kong-Request-ID")),
        ("generator", Field::string().required().default("uuid#counter").one_of(["uuid", "uuid#counter", "tracker"])),
        ("echo_downstream", flag(false)),
    ])
}

fn cors() -> Record {
    let methods = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    not_on_consumers(plugin([
        ("origins", strings()),
        ("headers", strings()),
        ("exposed_headers", strings()),
        ("methods", Field::array(Field::string().one_of(methods)).default(methods.to_vec())),
        ("max_age", Field::number()),
        ("credentials", flag(false)),
        ("private_network", flag(false)),
        ("preflight_continue", flag(false)),
    ]))
}

fn ip_restriction() -> Record {
    let ranges = || Field::array(custom(Custom::IpOrRange));
    let record =
        plugin([("allow", ranges()), ("deny", ranges()), ("status", Field::number()), ("message", Field::string())]);
    with_protocols(record, &["http", "https", "tcp", "tls", "grpc", "grpcs"])
        .check(Check::AtLeastOneOf(names(["config.allow", "config.deny"])))
}

fn jwt() -> Record {
    let set = || Field::set(Field::string());
    authentication([
        ("uri_param_names", set().default(vec!["jwt"])),
        ("cookie_names", set().default(json!([]))),
        ("key_claim_name", Field::string().default("iss")),
        ("secret_is_base64", flag(false)),
        ("claims_to_verify", Field::set(Field::string().one_of(["exp", "nbf"]))),
        ("run_on_preflight", flag(true)),
        ("maximum_expiration", Field::number().default(0).between(0, 31_536_000)),
        ("header_names", set().default(vec!["authorization"])),
        ("realm", Field::string()),
    ])
    .check(Check::when(
        "config.maximum_expiration",
        Match::rule(Rule::GreaterThan(0.0)),
        "config.claims_to_verify",
        Match::rule(Rule::Contains("exp".into())),
    ))
}

fn key_auth() -> Record {
    authentication([
        ("key_names", Field::array(custom(Custom::HeaderName)).required().default(vec!["apikey"])),
        ("hide_credentials", flag(false)),
        ("key_in_header", flag(true)),
        ("key_in_query", flag(true)),
        ("key_in_body", flag(false)),
        ("run_on_preflight", flag(true)),
        ("realm", Field::string()),
    ])
}

fn prometheus() -> Record {
    let flag = || Field::boolean().default(false);
    let record = plugin([
        ("per_consumer", flag()),
        ("status_code_metrics", flag()),
        ("ai_metrics", flag()),
        ("latency_metrics", flag()),
        ("bandwidth_metrics", flag()),
        ("upstream_health_metrics", flag()),
    ]);
    with_protocols(record, &super::HTTP_PROTOCOLS)
}

fn rate_limiting() -> Record {
    let limit = || Field::number().rule(Rule::GreaterThan(0.0));
    let inputs = ["consumer", "credential", "ip", "service", "header", "path"];
    let mut config = Record::new([
        ("second", limit()),
        ("minute", limit()),
        ("hour", limit()),
        ("day", limit()),
        ("month", limit()),
        ("year", limit()),
        ("limit_by", Field::string().default("consumer").one_of(inputs)),
        ("header_name", custom(Custom::HeaderName)),
        ("path", path()),
        ("policy", Field::string().default("local").rule(Rule::LenMin(0)).one_of(["local", "redis"])),
        ("fault_tolerant", flag(true)),
        ("redis", Field::record(redis())),
        ("hide_client_headers", flag(false)),
        ("error_code", limit().default(429)),
        ("error_message", Field::string().default("API rate limit exceeded")),
        ("sync_rate", Field::number().required().default(-1)),
    ]);
    config.shorthands = redis_shorthands();
    let when = |field: &str, value: &str, then: &str| {
        Check::when(field, Match::rule(Rule::Eq(value.into())), then, Match::required())
    };
    let limits = ["second", "minute", "hour", "day", "month", "year"].map(|unit| format!("config.{unit}"));
    Record::new([("config", Field::record(config))])
        .check(Check::AtLeastOneOf(limits.to_vec()))
        .check(when("config.policy", "redis", "config.redis.host"))
        .check(when("config.policy", "redis", "config.redis.port"))
        .check(when("config.policy", "redis", "config.redis.timeout"))
        .check(when("config.limit_by", "header", "config.header_name"))
        .check(when("config.limit_by", "path", "config.path"))
}

fn redis() -> Record {
    Record::new([
        ("host", custom(Custom::Host)),
        ("port", port().default(6379)),
        ("timeout", Field::integer().default(2000).between(0, 2_147_483_646)),
        ("username", Field::string().referenceable()),
        ("password", Field::string().referenceable().rule(Rule::LenMin(0))),
        ("database", Field::integer().default(0)),
        ("ssl", Field::boolean().default(false)),
        ("ssl_verify", Field::boolean().default(false)),
        ("server_name", custom(Custom::ServerName)),
    ])
}

/// Until version 3.7 these were fields of their own.
fn redis_shorthands() -> Vec<Shorthand> {
    let old = |field: &str, kind: Field| Shorthand {
        name: format!("redis_{field}"),
        field: kind,
        effect: Effect::Renamed(names(["redis", field])),
    };
    vec![
        old("host", Field::string()),
        old("port", Field::integer()),
        old("password", Field::string().rule(Rule::LenMin(0))),
        old("username", Field::string()),
        old("ssl", Field::boolean()),
        old("ssl_verify", Field::boolean()),
        old("server_name", Field::string()),
        old("timeout", Field::integer()),
        old("database", Field::integer()),
    ]
}

fn redirect() -> Record {
    plugin([
        ("status_code", Field::integer().required().default(301).between(100, 599)),
        ("location", custom(Custom::Url).required()),
        ("keep_incoming_path", Field::boolean().default(false)),
    ])
}

fn request_size_limiting() -> Record {
    plugin([
        ("allowed_payload_size", Field::integer().default(128)),
        ("size_unit", Field::string().required().default("megabytes").one_of(["megabytes", "kilobytes", "bytes"])),
        ("require_content_length", flag(false)),
    ])
}

fn request_termination() -> Record {
    let config = Record::new([
        ("status_code", Field::integer().required().default(503).between(100, 599)),
        ("message", Field::string()),
        ("content_type", Field::string()),
        ("body", Field::string()),
        ("echo", flag(false)),
        ("trigger", custom(Custom::HeaderName)),
    ]);
    Record::new([("config", Field::record(config).rule(Rule::Function(termination_is_sound)))])
}

fn termination_is_sound(config: &Value) -> Result<(), String> {
    let set = |field: &str| config[field].as_str().is_some_and(|text| !text.is_empty());
    let raw = set("body") || set("content_type");
    if set("message") && raw {
        return Err("message cannot be used with content_type or body".to_owned());
    }
    if set("content_type") && !set("body") {
        return Err("content_type requires a body".to_owned());
    }
    if config["echo"] == true && raw {
        return Err("echo cannot be used with content_type and body".to_owned());
    }
    Ok(())
}

/// A list of texts, empty by default; with `pairs` of the form `name:value`.
fn changes(pairs: bool) -> Field {
    let colon = pattern("^[^:]+:.*$").filter(|_| pairs).map(Rule::Match);
    let element = colon.into_iter().fold(Field::string(), Field::rule);
    Field::array(element).required().default(Value::Array(Vec::new()))
}

fn request_transformer() -> Record {
    let change = |pairs: bool| {
        Record::new([("body", changes(false)), ("headers", changes(pairs)), ("querystring", changes(false))])
    };
    let mut replace = change(true);
    replace.fields.insert("uri".to_owned(), Field::string());
    let method = pattern("^[A-Z]+$").map(Rule::Match).into_iter().fold(Field::string(), Field::rule);
    let record = plugin([
        ("http_method", method),
        ("remove", Field::record(change(false))),
        ("rename", Field::record(change(true))),
        ("replace", Field::record(replace)),
        ("add", Field::record(change(true))),
        ("append", Field::record(change(true))),
    ]);
    with_protocols(record, &super::HTTP_PROTOCOLS)
}

fn response_transformer() -> Record {
    let plain = |pairs: bool| Record::new([("json", changes(pairs)), ("headers", changes(pairs))]);
    let typed = || {
        let types = Field::array(Field::string().one_of(["boolean", "number", "string"]));
        Record::new([
            ("json", changes(true)),
            ("json_types", types.required().default(Value::Array(Vec::new()))),
            ("headers", changes(true)),
        ])
    };
    plugin([
        ("remove", Field::record(plain(false))),
        ("rename", Field::record(plain(true))),
        ("replace", Field::record(typed())),
        ("add", Field::record(typed())),
        ("append", Field::record(typed())),
    ])
}

//! Plugins and vaults: entities whose config depends on their name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::schema::rule::Rule;
use super::super::schema::{Field, Kind, Record, Schema, Variants};
use super::{HTTP_PROTOCOLS, PROTOCOLS, id, name, pattern, plugin_configs, seconds, tags};

/// The plugins of the open-source edition, with the priority `GET /` reports.
pub(crate) const NAMES: [(&str, i64); 45] = [
    ("redirect", 779),
    ("http-log", 12),
    ("correlation-id", 100_001),
    ("cors", 2000),
    ("oauth2", 1400),
    ("tcp-log", 7),
    ("udp-log", 8),
    ("file-log", 9),
    ("jwt", 1450),
    ("key-auth", 1250),
    ("hmac-auth", 1030),
    ("basic-auth", 1100),
    ("ip-restriction", 990),
    ("request-transformer", 801),
    ("response-transformer", 800),
    ("request-size-limiting", 951),
    ("rate-limiting", 910),
    ("response-ratelimiting", 900),
    ("syslog", 4),
    ("loggly", 6),
    ("datadog", 10),
    ("ldap-auth", 1200),
    ("statsd", 11),
    ("bot-detection", 2500),
    ("aws-lambda", 750),
    ("request-termination", 2),
    ("prometheus", 13),
    ("proxy-cache", 100),
    ("session", 1900),
    ("acme", 1705),
    ("grpc-gateway", 998),
    ("grpc-web", 3),
    ("pre-function", 1_000_000),
    ("post-function", -1000),
    ("azure-functions", 749),
    ("zipkin", 100_000),
    ("opentelemetry", 14),
    ("ai-proxy", 770),
    ("ai-prompt-decorator", 772),
    ("ai-prompt-template", 773),
    ("ai-prompt-guard", 771),
    ("ai-request-transformer", 777),
    ("ai-response-transformer", 768),
    ("standard-webhooks", 760),
    ("acl", 950),
];

/// The plugins that are `installed`; `documents` are schemas of those that are not known here.
pub(super) fn plugins<'a>(
    installed: impl Iterator<Item = &'a str>,
    documents: &BTreeMap<String, Arc<Record>>,
) -> Schema {
    let protocols = |protocols: &[&str]| {
        let options = protocols.iter().map(|protocol| (*protocol).into()).collect();
        Field::set(Field::string().rule(Rule::OneOf(options))).required().default(HTTP_PROTOCOLS.to_vec())
    };
    let record = Record::new([
        ("id", id()),
        ("name", Field::string().required()),
        ("instance_name", name()),
        ("created_at", seconds()),
        ("updated_at", seconds()),
        ("route", Field::foreign("routes")),
        ("service", Field::foreign("services")),
        ("consumer", Field::foreign("consumers")),
        ("config", Field::new(Kind::Any)),
        ("protocols", protocols(&PROTOCOLS)),
        ("enabled", Field::boolean().required().default(true)),
        ("tags", tags()),
    ]);
    let special = |name: &str| {
        let document = || documents.get(name).map(|record| plugin_configs::refined(name, record));
        // Of an unknown plugin, the protocols are the common ones and the config is taken as it comes.
        let unknown = || Record::new([("config", Field::new(Kind::Any))]);
        let mut special = plugin_configs::known(name).or_else(document).unwrap_or_else(unknown);
        special.fields.entry("protocols".to_owned()).or_insert_with(|| protocols(&HTTP_PROTOCOLS));
        Arc::new(record.specialised(&special))
    };
    let known = installed.map(|name| (name.to_owned(), special(name))).collect();
    let unknown = "plugin '%s' not enabled; add it to the 'plugins' configuration property";
    let mut schema = Schema::new("plugins", record)
        .endpoint_key("instance_name")
        .cache_key(&["name", "route", "service", "consumer"]);
    schema.variants = Some(Variants { key: "name", known, unknown });
    schema
}

pub(super) fn vaults() -> Schema {
    let matching = |field: Field, regex: &str| match pattern(regex) {
        Some(regex) => field.rule(Rule::Match(regex)),
        None => field,
    };
    let prefix = Field::string().required().unique().rule(Rule::NotOneOf(vec!["env".into()]));
    // Lua reads the first hyphen group as "as few as possible of".
    let prefix = matching(prefix, "^[a-z][a-z0-9\\-]*?[a-z0-9]+$");
    let record = Record::new([
        ("id", id()),
        ("prefix", prefix),
        ("name", Field::string().required()),
        ("description", Field::string()),
        ("config", Field::new(Kind::Any)),
        ("created_at", seconds()),
        ("updated_at", seconds()),
        ("tags", tags()),
    ]);
    let env = Record::new([("prefix", matching(Field::string(), "^[A-Za-z_\\-][A-Za-z0-9_\\-]*$"))]);
    let env = record.specialised(&Record::new([("config", Field::record(env))]));
    let known = BTreeMap::from([("env".to_owned(), Arc::new(env))]);
    let mut schema = Schema::new("vaults", record).endpoint_key("prefix").cache_key(&["prefix"]);
    schema.variants = Some(Variants { key: "name", known, unknown: "vault '%s' is not installed" });
    schema
}

//! Services, and the filter chains that hang on them.

use serde_json::Value;

use super::super::schema::check::{Check, Match};
use super::super::schema::custom::Custom;
use super::super::schema::{Field, Record, Schema};
use super::{PROTOCOLS, custom, id, name, names, path, port, seconds, tags, uuids};

pub(super) fn services() -> Schema {
    let timeout = || Field::integer().default(60000).between(1, 2_147_483_646);
    let record = Record::new([
        ("id", id()),
        ("created_at", seconds()),
        ("updated_at", seconds()),
        ("name", name()),
        ("retries", Field::integer().default(5).between(0, 32767)),
        ("protocol", Field::string().required().default("http").one_of(PROTOCOLS)),
        ("host", custom(Custom::Host).required()),
        ("port", port().required().default(80)),
        ("path", path()),
        ("connect_timeout", timeout()),
        ("write_timeout", timeout()),
        ("read_timeout", timeout()),
        ("tags", tags()),
        ("client_certificate", Field::foreign("certificates")),
        ("tls_verify", Field::boolean()),
        ("tls_verify_depth", Field::integer().between(0, 64)),
        ("ca_certificates", uuids()),
        ("enabled", Field::boolean().required().default(true)),
    ])
    .shorthand("url", Field::string(), from_url)
    .check(null_when(Match::is(["tcp", "tls", "udp", "grpc", "grpcs"]), "path"))
    .check(null_when(Match::is_not(["https", "tls"]), "client_certificate"))
    .check(null_when(Match::is_not(["https", "tls"]), "tls_verify"))
    .check(null_when(Match::is_not(["https", "tls"]), "tls_verify_depth"))
    .check(null_when(Match::is_not(["https", "tls"]), "ca_certificates"));
    Schema::new("services", record).endpoint_key("name")
}

fn null_when(protocol: Match, field: &str) -> Check {
    Check::when("protocol", protocol, field, Match::null())
}

/// The parts of `scheme://user@host:port/path`; what is no URL at all is taken for a path.
fn from_url(url: &Value) -> Vec<(&'static str, Value)> {
    let text = url.as_str().unwrap_or_default();
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) if !scheme.is_empty() && scheme.chars().all(is_scheme) => (Some(scheme), rest),
        _ => (None, text),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            (Some(authority), path)
        }
        None => (None, rest),
    };
    let host_port = authority.map(|authority| authority.rsplit_once('@').map_or(authority, |(_, host)| host));
    let (host, port) = match host_port.and_then(|text| text.rsplit_once(':')) {
        Some((host, port)) if !host.contains(']') || host.ends_with(']') => (Some(host), port.parse::<u64>().ok()),
        _ => (host_port, None),
    };
    let by_port = match port {
        Some(443) => "https",
        _ => "http",
    };
    let protocol = scheme.unwrap_or(by_port);
    let default_port = if protocol == "https" { 443 } else { 80 };
    let or_null = |part: Option<&str>| part.filter(|part| !part.is_empty()).map_or(Value::Null, Value::from);
    vec![
        ("protocol", protocol.into()),
        ("host", or_null(host.map(|host| host.trim_start_matches('[').trim_end_matches(']')))),
        ("port", port.unwrap_or(default_port).into()),
        ("path", or_null(Some(path))),
    ]
}

pub(super) fn filter_chains() -> Schema {
    let filter = Record::new([
        ("name", Field::string().required()),
        ("enabled", Field::boolean().required().default(true)),
        ("config", Field::new(super::super::schema::Kind::Any)),
    ]);
    let record = Record::new([
        ("id", id()),
        ("name", name()),
        ("enabled", Field::boolean().required().default(true)),
        ("route", Field::foreign("routes").unique()),
        ("service", Field::foreign("services").unique()),
        ("filters", Field::array(Field::record(filter)).required()),
        ("created_at", seconds()),
        ("updated_at", seconds()),
        ("tags", tags()),
    ])
    .check(Check::MutuallyExclusive(names(["service", "route"])))
    .check(Check::AtLeastOneOf(names(["service", "route"])));
    Schema::new("filter_chains", record)
        .endpoint_key("name")
        .cache_key(&["route", "service"])
        .admin_names("filter-chains", "filter-chains")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_urls_apart() {
        let parts = |url: &str| {
            let fields: serde_json::Map<String, Value> =
                from_url(&url.into()).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Value::Object(fields)
        };
        assert_eq!(
            parts("http://127.0.0.1:19090"),
            json!({"protocol": "http", "host": "127.0.0.1", "port": 19090, "path": null})
        );
        assert_eq!(
            parts("https://a.b/c/d?x=1"),
            json!({"protocol": "https", "host": "a.b", "port": 443, "path": "/c/d"})
        );
        assert_eq!(parts("tcp://u:p@h:9"), json!({"protocol": "tcp", "host": "h", "port": 9, "path": null}));
        assert_eq!(parts("not a url"), json!({"protocol": "http", "host": null, "port": 80, "path": "not a url"}));
        assert_eq!(parts("x://"), json!({"protocol": "x", "host": null, "port": 80, "path": null}));
    }
}

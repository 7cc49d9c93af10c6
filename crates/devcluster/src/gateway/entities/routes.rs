//! Routes, in the fields flavours and with expressions.

use std::collections::BTreeMap;
use std::sync::Arc;

use atc_router::ast::Type;
use regex::Regex;
use serde_json::{Map, Value};

use super::super::schema::check::{Branch, Check, Match, Test, is_nonempty};
use super::super::schema::custom::Custom;
use super::super::schema::rule::Rule;
use super::super::schema::{Field, Kind, Record, Schema, Variants};
use super::super::settings::RouterFlavor;
use super::{PROTOCOLS, custom, headers, id, name, names, pattern, patterns, port, seconds, tags};

pub(super) fn routes(flavor: RouterFlavor) -> Schema {
    let sni = if flavor == RouterFlavor::Traditional { Custom::ServerName } else { Custom::WildcardHost };
    let mut record = Record::new([
        ("id", id()),
        ("created_at", seconds()),
        ("updated_at", seconds()),
        ("name", name()),
        ("protocols", protocols()),
        ("https_redirect_status_code", redirect_status()),
        ("strip_path", Field::boolean().required().default(true)),
        ("preserve_host", Field::boolean().required().default(false)),
        ("request_buffering", Field::boolean().required().default(true)),
        ("response_buffering", Field::boolean().required().default(true)),
        ("tags", tags()),
        ("service", Field::foreign("services")),
        ("snis", Field::set(custom(sni))),
        ("sources", peers()),
        ("destinations", peers()),
        ("methods", methods()),
        ("hosts", hosts()),
        ("paths", paths()),
        ("headers", route_headers()),
        ("regex_priority", Field::integer().default(0)),
        ("path_handling", Field::string().default("v0").one_of(["v0", "v1"])),
    ])
    .check(snis_need_tls());
    match flavor {
        RouterFlavor::Traditional => {}
        RouterFlavor::TraditionalCompatible => record = record.check(Check::Custom(&["protocols", "paths"], compiles)),
        RouterFlavor::Expressions => {
            record.fields.insert("expression".to_owned(), Field::string());
            let priority = Field::integer().between(0, (1 << 46) - 1).required().default(0);
            record.fields.insert("priority".to_owned(), priority);
            record = record.check(Check::Custom(&EXPRESSION_FIELDS, is_sound));
        }
    }
    let variants = variants(&record, flavor == RouterFlavor::Expressions);
    let mut schema = Schema::new("routes", record).endpoint_key("name");
    schema.variants = Some(variants);
    schema
}

fn snis_need_tls() -> Check {
    let plain =
        Field::string().rule(Rule::NotOneOf(["grpcs", "https", "tls", "tls_passthrough"].map(Value::from).to_vec()));
    let error = "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'";
    Check::conditional(
        Test::new("protocols", Match::elements(plain.required())),
        Test::new("snis", Match::rule(Rule::LenEq(0))),
        Some(error.to_owned()),
    )
}

fn protocols() -> Field {
    let sets = vec![vec!["http", "https"], vec!["tcp", "tls", "udp"], vec!["tls_passthrough"], vec!["grpc", "grpcs"]];
    Field::set(Field::string().one_of(PROTOCOLS))
        .required()
        .default(vec!["http", "https"])
        .rule(Rule::LenMin(1))
        .rule(Rule::ExclusiveSets(sets))
}

fn redirect_status() -> Field {
    let options = [426, 301, 302, 307, 308].map(Value::from).to_vec();
    Field::integer().required().default(426).rule(Rule::OneOf(options))
}

/// Addresses and ports of clients or of ourselves, for streams.
fn peers() -> Field {
    let peer = Record::new([("ip", custom(Custom::IpOrRange)), ("port", port())])
        .check(Check::AtLeastOneOf(names(["ip", "port"])));
    Field::set(Field::record(peer))
}

fn methods() -> Field {
    Field::set(pattern("^[A-Z]+$").map_or(Field::string(), |upper| Field::string().rule(Rule::Match(upper))))
}

fn hosts() -> Field {
    let at_ends: Vec<Regex> = [r"^\*\.", r"\.\*$", r"^[^*]*$"].into_iter().filter_map(pattern).collect();
    let misplaced = "invalid wildcard: must be placed at leftmost or rightmost label".to_owned();
    let host = custom(Custom::RouteHost)
        .rule(Rule::MatchAll(patterns([(r"^[^*]*\*?[^*]*$", "invalid wildcard: must have at most one wildcard")])))
        .rule(Rule::MatchAny(at_ends, misplaced));
    Field::array(host)
}

fn paths() -> Field {
    let starts: Vec<Regex> = ["^/", "^~/"].into_iter().filter_map(pattern).collect();
    let error = "should start with: / (fixed path) or ~/ (regex path)".to_owned();
    let path = custom(Custom::RoutePath)
        .rule(Rule::MatchNone(patterns([("//", "must not have empty segments")])))
        .rule(Rule::MatchAny(starts, error));
    Field::array(path)
}

fn route_headers() -> Field {
    let mut headers = headers();
    let host = "cannot contain 'host' header, which must be specified in the 'hosts' attribute";
    if let Kind::Map(keys, _) = &mut headers.kind {
        **keys = keys.clone().rule(Rule::MatchNone(patterns([("(?i)^host$", host)])));
    }
    headers
}

fn only<const N: usize>(protocols: [&str; N]) -> Match {
    Match::elements(Field::string().one_of(protocols).required())
}

/// What routes of each group of protocols may and must have.
fn variants(base: &Record, with_expressions: bool) -> Variants {
    let contains = |protocol: &str| Match::rule(Rule::Contains(protocol.into()));
    let branch = |when: Match, fields: &[&str], error: &str| {
        let mut one_of: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        if with_expressions {
            one_of.push("expression".to_owned());
        }
        Branch { when: Test::new("protocols", when), one_of, error: error.to_owned() }
    };
    let either = |protocol: &str, when: Match, fields: &[&str]| {
        branch(when, fields, &format!("must set one of %s when 'protocols' is '{protocol}'"))
    };

    let not_http = "when 'protocols' is 'http' or 'https'";
    let mut http = Record::default();
    let not_grpc = "when 'protocols' is 'grpc' or 'grpcs'";
    let mut grpc = Record::new([
        ("strip_path", no(Field::boolean().required().default(false), "strip_path", not_grpc)),
        ("methods", forbidden(methods(), "methods", not_grpc)),
    ]);
    if !with_expressions {
        for field in ["sources", "destinations"] {
            http.fields.insert(field.to_owned(), forbidden(peers(), field, not_http));
            grpc.fields.insert(field.to_owned(), forbidden(peers(), field, not_grpc));
        }
    }
    let http = http.check(Check::OneOfWhen(vec![
        either("https", contains("https"), &["methods", "hosts", "headers", "paths", "snis"]),
        either("http", contains("http"), &["methods", "hosts", "headers", "paths"]),
    ]));
    let grpc = grpc.check(Check::OneOfWhen(vec![
        either("grpcs", contains("grpcs"), &["hosts", "headers", "paths", "snis"]),
        either("grpc", contains("grpc"), &["hosts", "headers", "paths"]),
    ]));
    let not_stream = "when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'";
    let stream = Record::new([
        ("methods", forbidden(methods(), "methods", not_stream)),
        ("hosts", forbidden(hosts(), "hosts", not_stream)),
        ("paths", forbidden(paths(), "paths", not_stream)),
        ("headers", forbidden(route_headers(), "headers", not_stream)),
    ])
    .check(Check::OneOfWhen(vec![branch(
        only(["tcp", "tls", "udp"]),
        &["sources", "destinations", "snis"],
        "must set one of %s when 'protocols' is 'tcp', 'tls' or 'udp'",
    )]))
    .check(Check::OneOfWhen(vec![branch(
        only(["tls_passthrough"]),
        &["snis"],
        "must set snis when 'protocols' is 'tls_passthrough'",
    )]));

    let groups: [(&[&str], Record); 3] =
        [(&["http", "https"], http), (&["grpc", "grpcs"], grpc), (&["tcp", "tls", "udp", "tls_passthrough"], stream)];
    let mut known = BTreeMap::new();
    for (protocols, record) in groups {
        let record = Arc::new(base.specialised(&record));
        for protocol in protocols {
            known.insert((*protocol).to_owned(), Arc::clone(&record));
        }
    }
    Variants { key: "protocols", known, unknown: "unknown type: %s" }
}

fn forbidden(field: Field, name: &str, when: &str) -> Field {
    field.null_only(&format!("cannot set '{name}' {when}"))
}

/// A flag that must not be set.
fn no(field: Field, name: &str, when: &str) -> Field {
    let field = field.rule(Rule::Ne(true.into()));
    Field { error: Some(format!("cannot set '{name}' {when}")), ..field }
}

const FAILED: &str = "Router Expression failed validation: ";

/// Patterns must be such as the router's own library understands: no look-around, no back references.
fn compiles(route: &Map<String, Value>) -> Result<(), String> {
    let paths = route.get("paths").and_then(Value::as_array).into_iter().flatten();
    for pattern in paths.filter_map(Value::as_str).filter_map(|path| path.strip_prefix('~')) {
        Regex::new(pattern).map_err(|error| format!("{FAILED}{error}"))?;
    }
    Ok(())
}

const EXPRESSION_FIELDS: [&str; 11] = [
    "protocols",
    "snis",
    "sources",
    "destinations",
    "methods",
    "hosts",
    "paths",
    "headers",
    "expression",
    "regex_priority",
    "priority",
];

fn is_sound(route: &Map<String, Value>) -> Result<(), String> {
    let fail = |reason: &str| Err(format!("{FAILED}{reason}"));
    const OTHERS: [&str; 7] = ["snis", "sources", "destinations", "methods", "hosts", "paths", "headers"];
    const NAMED: &str = "'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or 'destinations'";
    let others = OTHERS.iter().any(|field| is_nonempty(route.get(*field)));
    let is_set = |field: &str| route.get(field).and_then(Value::as_f64).is_some_and(|number| number != 0.0);
    match route.get("expression").and_then(Value::as_str) {
        Some(_) if others => fail(&format!("cannot set 'expression' with {NAMED} simultaneously")),
        Some(_) if is_set("regex_priority") => fail("cannot set 'regex_priority' with 'expression' simultaneously"),
        Some(expression) => expression_error(expression, route).map_or(Ok(()), |error| fail(&error)),
        None if others && is_set("priority") => fail(&format!("cannot set 'priority' with {NAMED} simultaneously")),
        None => compiles(route),
    }
}

/// What the router says of an expression.
fn expression_error(expression: &str, route: &Map<String, Value>) -> Option<String> {
    let first = route.get("protocols").and_then(|protocols| protocols.get(0)).and_then(Value::as_str);
    let is_http = first.is_some_and(|protocol| super::HTTP_PROTOCOLS.contains(&protocol));
    let schema = expression_schema(is_http);
    // A router checks types as well as syntax when it is given a matcher.
    let mut router = atc_router::router::Router::new(&schema);
    router.add_matcher(0, uuid::Uuid::nil(), expression).err()
}

fn expression_schema(is_http: bool) -> atc_router::schema::Schema {
    let mut fields = vec![
        ("net.protocol", Type::String),
        ("tls.sni", Type::String),
        ("net.src.port", Type::Int),
        ("net.dst.port", Type::Int),
        ("net.src.ip", Type::IpAddr),
        ("net.dst.ip", Type::IpAddr),
    ];
    if is_http {
        fields.extend([
            ("http.method", Type::String),
            ("http.host", Type::String),
            ("http.path", Type::String),
            ("http.path.segments.*", Type::String),
            ("http.headers.*", Type::String),
            ("http.queries.*", Type::String),
            ("http.path.segments.len", Type::Int),
        ]);
    }
    let mut schema = atc_router::schema::Schema::default();
    for (field, kind) in fields {
        schema.add_field(field, kind);
    }
    schema
}

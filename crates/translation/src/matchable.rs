//! Whether a route's expression, and the regular expressions in its fields, are such that the router of a gateway can
//! compile them: it refuses the whole configuration over one that it cannot.

use std::sync::LazyLock;

use atc_router::ast::Type;
use atc_router::router::Router;
use atc_router::schema::Schema;
use silverback_kong::{Route, expression as e};

/// What is wrong with a route, in the router's words.
pub(crate) fn problem(route: &Route) -> Option<String> {
    if let Some(expression) = &route.expression {
        let http = !route
            .protocols
            .iter()
            .any(|protocol| matches!(protocol.as_str(), "tcp" | "tls" | "udp" | "tls_passthrough"));
        // The router tells of each wrong one by itself, and copies the whole expression for it.
        if let Some(problem) = e::regexes(expression).iter().find_map(|text| suspicious(text)) {
            return Some(problem);
        }
        let mut router = Router::new(if http { &HTTP } else { &STREAM });
        // With a matcher the router checks types and regular expressions as well as syntax.
        return router.add_matcher(0, uuid::Uuid::nil(), expression).err();
    }
    let paths = route.paths.iter().filter_map(|path| path.strip_prefix('~'));
    let headers = route.headers.values().flatten().filter_map(|value| value.strip_prefix("~*"));
    paths.chain(headers).find_map(suspicious)
}

/// What is wrong with a regular expression, if anything can be.
fn suspicious(text: &str) -> Option<String> {
    let may_be_wrong = !is_plain(text.strip_prefix('^').unwrap_or(text));
    may_be_wrong.then(|| regex_problem(text)).flatten()
}

/// What is wrong with a regular expression, in one line.
pub(crate) fn regex_problem(text: &str) -> Option<String> {
    let error = regex::Regex::new(text).err()?.to_string();
    // The other lines show the place.
    let problem = error.lines().last().unwrap_or_default();
    Some(problem.trim_start_matches("error: ").to_owned())
}

/// Most regular expressions only anchor a path: nothing in them can be wrong, and compiling costs.
fn is_plain(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let escaped_dot = b == b'\\' && bytes.next() == Some(b'.');
        if !(escaped_dot || b.is_ascii_alphanumeric() || b"/-_.$%~".contains(&b)) {
            return false;
        }
    }
    true
}

/// The fields of streams.
static STREAM: LazyLock<Schema> = LazyLock::new(|| schema([]));

/// The fields of requests.
static HTTP: LazyLock<Schema> = LazyLock::new(|| {
    schema([
        ("http.method", Type::String),
        ("http.host", Type::String),
        ("http.path", Type::String),
        ("http.path.segments.*", Type::String),
        ("http.path.segments.len", Type::Int),
        ("http.headers.*", Type::String),
        ("http.queries.*", Type::String),
    ])
});

fn schema<const N: usize>(more: [(&str, Type); N]) -> Schema {
    let mut schema = Schema::default();
    let common = [
        ("net.protocol", Type::String),
        ("net.src.ip", Type::IpAddr),
        ("net.src.port", Type::Int),
        ("net.dst.ip", Type::IpAddr),
        ("net.dst.port", Type::Int),
        ("tls.sni", Type::String),
    ];
    for (field, kind) in common.into_iter().chain(more) {
        schema.add_field(field, kind);
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On the stack of a thread that tests and services have.
    #[test]
    fn a_route_may_have_as_many_hosts_as_an_object_holds() {
        let hosts = || (0..30_000).map(|n| format!("a{n}.example"));
        let route = Route { expression: e::any(hosts().map(|host| e::host(&host))), ..Route::default() };
        assert_eq!(problem(&route), None);
        let wrong = hosts().map(|path| e::text("http.path", "~", &format!("^/{path}(")));
        let route = Route { expression: e::any(wrong), ..Route::default() };
        assert_eq!(problem(&route).as_deref(), Some("unclosed group"));
    }

    #[test]
    fn what_the_router_cannot_compile_is_named() {
        let path = |path: &str| Route { paths: vec![path.into()], ..Route::default() };
        assert_eq!(problem(&path("~/a(b|c)$")), None);
        assert!(problem(&path("~/a(")).is_some());
        assert_eq!(problem(&path("/a(")), None, "a plain path is no regular expression");
        let expression = |text: &str| Route { expression: Some(text.into()), ..Route::default() };
        assert_eq!(problem(&expression(r#"http.path ~ "^/a""#)), None);
        assert!(problem(&expression(r#"http.path ~ "^/a(""#)).is_some());
        assert!(problem(&expression(r#"http.nonsense == "a""#)).is_some());
        let stream = Route { protocols: vec!["tcp".into()], ..expression("net.dst.port == 80") };
        assert_eq!(problem(&stream), None);
    }
}

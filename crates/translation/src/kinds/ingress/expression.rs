//! Routes of Ingresses for the expressions router: the expression, and a priority that orders routes as the
//! traditional router would.

use silverback_kong::expression as e;

use super::{Path, PathKind};
use crate::annotations::route::Matching;

/// Matches every path.
pub(super) fn any_path() -> String {
    e::text("http.path", "^=", "/")
}

/// The expression and priority of a route.
pub(super) fn of(host: &str, paths: &[Path], matching: &Matching) -> (String, u64) {
    let own = (!host.is_empty()).then(|| host.to_owned());
    let hosts = e::any(own.into_iter().chain(matching.hosts.good.iter().cloned()).map(|host| host_term(&host)));
    let prefix = matching.expressions_prefix();
    let path = e::any(paths.iter().map(|path| path_term(path, prefix)));
    let headers = headers(matching);
    let methods = e::any(matching.methods.good.iter().map(|method| e::text("http.method", "==", method)));
    let snis = matching.snis.iter().flat_map(|snis| &snis.good);
    let snis = e::any(snis.map(|sni| e::text("tls.sni", "==", sni)));
    let terms = [hosts, path, headers, methods, snis];
    let expression = e::all(terms.into_iter().flatten()).unwrap_or_else(any_path);
    (expression, priority(host, paths, matching))
}

/// Only a leading `*.` is a wildcard here.
fn host_term(host: &str) -> String {
    match host.strip_prefix('*') {
        Some(end) => e::text("http.host", "=^", end),
        None => e::text("http.host", "==", host),
    }
}

fn path_term(path: &Path, regex_prefix: &str) -> String {
    let core = path.core();
    match path.kind {
        PathKind::Exact => e::text("http.path", "==", &format!("/{core}")),
        PathKind::Prefix if core.is_empty() => any_path(),
        PathKind::Prefix => {
            let (itself, below) =
                (e::text("http.path", "==", &format!("/{core}")), e::text("http.path", "^=", &format!("/{core}/")));
            format!("({itself}) || ({below})")
        }
        PathKind::ImplementationSpecific => match core.strip_prefix(regex_prefix) {
            Some("") => e::text("http.path", "~", "^/"),
            Some(regex) => e::text("http.path", "~", &e::anchored(regex)),
            None => e::text("http.path", "^=", core),
        },
    }
}

/// Hosts have a field of their own; as a header they would never be seen.
fn headers(matching: &Matching) -> Option<String> {
    let named = matching.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host"));
    e::all(named.filter_map(|(name, values)| {
        let field = e::header_field(name);
        e::any(values.iter().map(|value| match value.strip_prefix("~*") {
            Some(regex) => e::text(&field, "~", regex),
            None => e::text(&field, "==", value),
        }))
    }))
}

/// From the highest bit: 3 (over Gateway API routes), number of kinds of criteria (3 bits), number of headers (8),
/// no wildcard among the hosts (1), 15 unused, a path that is more than a prefix (1), longest path (16).
fn priority(host: &str, paths: &[Path], matching: &Matching) -> u64 {
    let own = (!host.is_empty()).then_some(host);
    let hosts: Vec<&str> = own.into_iter().chain(matching.hosts.good.iter().map(String::as_str)).collect();
    let any_hosts = own.is_some() || matching.hosts.given > 0;
    let snis = matching.snis.as_ref().map_or(0, |snis| snis.given);
    let criteria = [!paths.is_empty(), any_hosts, !matching.headers.is_empty(), matching.methods.given > 0, snis > 0];
    let criteria = criteria.into_iter().filter(|there| *there).count() as u64;
    let headers = matching.headers.len().min(255) as u64;
    let plain = u64::from(!hosts.is_empty() && hosts.iter().all(|host| !host.starts_with('*')));
    let prefix = matching.expressions_prefix();
    let special = u64::from(paths.iter().any(|path| match path.kind {
        PathKind::Exact | PathKind::Prefix => true,
        PathKind::ImplementationSpecific => path.text.starts_with(prefix),
    }));
    let longest = paths.iter().map(|path| length(path, prefix)).max().unwrap_or(0).min(65535) as u64;
    3 << 44 | criteria << 41 | headers << 33 | plain << 32 | special << 16 | longest
}

fn length(path: &Path, regex_prefix: &str) -> usize {
    let core = path.core();
    match path.kind {
        PathKind::Exact => 1 + core.len(),
        PathKind::Prefix if core.is_empty() => 1,
        PathKind::Prefix => 2 + core.len(),
        PathKind::ImplementationSpecific => core.strip_prefix(regex_prefix).unwrap_or(core).len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_kong::expression::all;

    fn path(kind: PathKind, text: &str) -> Path {
        Path::new(kind, text)
    }

    #[test]
    fn a_known_priority_comes_out() {
        let paths = [path(PathKind::Exact, "/")];
        let (expression, priority) = of("example.com", &paths, &Matching::default());
        assert_eq!(priority, 57178899677185);
        assert_eq!(expression, r#"(http.host == "example.com") && (http.path == "/")"#);
    }

    #[test]
    fn alternatives_stay_together() {
        let paths = [path(PathKind::Prefix, "/a"), path(PathKind::ImplementationSpecific, "/~/b\\d")];
        let (expression, _) = of("", &paths, &Matching::default());
        assert_eq!(expression, r#"((http.path == "/a") || (http.path ^= "/a/")) || (http.path ~ "^/b\\d")"#);
        assert_eq!(all([]), None);
    }

    #[test]
    fn longer_paths_and_more_criteria_rank_higher() {
        let rank = |host: &str, text: &str| of(host, &[path(PathKind::Prefix, text)], &Matching::default()).1;
        assert!(rank("a.io", "/ab") > rank("a.io", "/a"));
        assert!(rank("a.io", "/a") > rank("*.io", "/a"));
        assert!(rank("*.io", "/a") > rank("", "/abc"));
        let long = path(PathKind::ImplementationSpecific, &format!("/{}", "a".repeat(70_000)));
        assert!(of("", &[long], &Matching::default()).1 < rank("", "/"), "a long path must not spill over");
    }
}

//! Which match takes a request, by the statements of the Gateway API alone.

use std::cmp::Reverse;

use super::kong::{Request, regex, rule};
use super::scene::{Header, Kind, Match, Path, REPLACEMENT, Route, Rule, Scene};

/// The match that a request belongs to, and the path that its backend sees.
#[derive(Clone, Copy)]
pub struct Winner<'s> {
    pub route: &'s Route,
    pub rule: &'s Rule,
    pub rule_at: usize,
    pub at: usize,
}

/// Who takes a request.
pub fn winner<'s>(scene: &'s Scene, request: &Request) -> Option<Winner<'s>> {
    let attached = scene.routes.iter().filter(|it| it.listener.is_none_or(|listener| listener == request.scheme));
    let candidates =
        attached.filter_map(|route| Some((route, host(route, &request.host)?))).flat_map(|(route, host)| {
            let rules = route.rules.iter().enumerate();
            rules.flat_map(move |(rule_at, rule)| {
                let matches = rule.matches.iter().enumerate().filter(|(_, it)| takes(it, request));
                matches.map(move |(at, it)| {
                    let place = (rule_at, at);
                    (host, order(scene.kind, it), seniority(route), place, Winner { route, rule, rule_at, at })
                })
            })
        });
    let mut candidates: Vec<_> = candidates.collect();
    candidates.sort_by_key(|(host, order, seniority, place, _)| (Reverse((*host, *order)), *seniority, *place));
    candidates.first().map(|(.., winner)| *winner)
}

impl Winner<'_> {
    /// The service of its rule.
    pub fn service(&self) -> String {
        rule(self.route.namespace, &self.route.name, self.rule_at)
    }

    /// The path that the backend is asked for.
    pub fn path(&self, request: &Request) -> String {
        match self.rule.matches[self.at].path {
            Path::Prefix(prefix) if self.rule.rewrites() => {
                let below = &request.path[prefix.trim_end_matches('/').len()..];
                format!("{REPLACEMENT}{}", below.trim_end_matches('/'))
            }
            _ => request.path.clone(),
        }
    }

    /// Where it is written.
    pub fn field(&self) -> String {
        format!("spec.rules[{}].matches[{}]", self.rule_at, self.at)
    }
}

/// "precedence must be given to rules from the HTTPRoute with the largest number of: Characters in a matching
/// non-wildcard hostname. Characters in a matching hostname."
fn host(route: &Route, asked: &str) -> Option<(usize, usize)> {
    if route.hosts.is_empty() {
        return Some((0, 0));
    }
    let matching = route.hosts.iter().filter_map(|host| match host.strip_prefix('*') {
        // "interpreted as a suffix match"
        Some(suffix) => asked.ends_with(suffix).then_some((0, host.len())),
        None => (*host == asked).then_some((host.len(), host.len())),
    });
    matching.max()
}

/// What is compared before age, the greater first. Of HTTPRoutes: ""Exact" path match. "Prefix" path match with largest
/// number of characters. Method match. Largest number of header matches." Of GRPCRoutes: "the largest number of:
/// Characters in a matching service. Characters in a matching method. Header matches." Regular expressions are
/// "implementation-specific": here before prefixes.
fn order(kind: Kind, it: &Match) -> [usize; 5] {
    let headers = it.headers.len();
    let length = |text: Option<&str>| text.map_or(0, str::len);
    match it.path {
        Path::Call(service, method) => [0, length(service), length(method), 0, headers],
        Path::Any if kind == Kind::Grpc => [0, 0, 0, 0, headers],
        path => {
            let (class, length) = match path {
                Path::Exact(path) => (2, path.len()),
                Path::Regex(path) => (1, path.len()),
                Path::Prefix(path) => (0, path.len()),
                // "If no matches are specified, the default is a prefix path match on "/""
                Path::Any | Path::Call(..) => (0, 1),
            };
            [class, length, usize::from(it.method.is_some()), headers, 0]
        }
    }
}

/// "The oldest Route based on creation timestamp. The Route appearing first in alphabetical order by
/// "{namespace}/{name}"." Then "the FIRST matching rule (in list order)".
fn seniority(route: &Route) -> (u8, &str, &str) {
    (route.created, route.namespace, &route.name)
}

fn takes(it: &Match, request: &Request) -> bool {
    let path = match it.path {
        Path::Any => true,
        Path::Exact(path) => request.path == path,
        Path::Prefix(path) => below(path, &request.path),
        Path::Regex(path) => regex(path).is_match(&request.path),
        Path::Call(service, method) => {
            let mut asked = request.path[1..].splitn(2, '/');
            let (asked_service, asked_method) = (asked.next(), asked.next());
            service.is_none_or(|it| asked_service == Some(it)) && method.is_none_or(|it| asked_method == Some(it))
        }
    };
    path && it.method.is_none_or(|method| request.method == method) && it.headers.iter().all(|it| has(request, it))
}

/// "Matches based on a URL path prefix split by `/`."
fn below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn has(request: &Request, header: &Header) -> bool {
    let values = request.headers.iter().filter(|(name, _)| header.name.eq_ignore_ascii_case(name));
    let matches = |value: &str| match header.regex {
        true => regex(header.value).is_match(value),
        false => value == header.value,
    };
    values.into_iter().any(|(_, value)| matches(value))
}

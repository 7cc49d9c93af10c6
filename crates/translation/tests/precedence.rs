//! Which HTTPRoute wins where several match: the order of the specification, against what the gateways' routers do.

use std::cmp::Reverse;

use proptest::prelude::*;
use serde_json::{Value, json};
use silverback_kong::Collection;
use silverback_translation::{RouterFlavor, Settings, Translator, upsert};

/// What a random rule matches by. All paths are prefixes or the whole of `/x/x/x…`, so that many match one request.
#[derive(Clone, Debug)]
struct Match {
    host: usize,
    exact: bool,
    length: usize,
    method: bool,
    headers: usize,
    queries: usize,
    created: usize,
}

/// Each covers those before it.
const HOSTS: [&str; 4] = ["a.b.shop.test", "*.b.shop.test", "*.shop.test", ""];

impl Match {
    fn any() -> impl Strategy<Value = Self> {
        let numbers = (0..HOSTS.len(), any::<bool>(), 0..4usize, any::<bool>(), 0..3usize, 0..3usize, 0..3usize);
        numbers.prop_map(|(host, exact, length, method, headers, queries, created)| Self {
            host,
            exact,
            length,
            method,
            headers,
            queries,
            created,
        })
    }

    fn path(&self) -> String {
        if self.length == 0 { "/".to_owned() } else { "/x".repeat(self.length) }
    }

    fn route(&self, name: usize) -> Value {
        let named =
            |count: usize| (0..count).map(|n| json!({"name": format!("n{n}"), "value": "v"})).collect::<Vec<_>>();
        let mut matched =
            json!({"path": {"type": if self.exact { "Exact" } else { "PathPrefix" }, "value": self.path()}});
        if self.method {
            matched["method"] = "GET".into();
        }
        matched["headers"] = json!(named(self.headers));
        matched["queryParams"] = json!(named(self.queries));
        let created = format!("2026-01-0{}T00:00:00Z", self.created + 1);
        let metadata = json!({"name": format!("r{name:02}"), "namespace": "n", "creationTimestamp": created});
        let hostnames: Vec<&str> = [HOSTS[self.host]].into_iter().filter(|host| !host.is_empty()).collect();
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata,
            "spec": {"parentRefs": [{"name": "g"}], "hostnames": hostnames, "rules": [{"matches": [matched]}]},
        })
    }

    /// "Precedence MUST be given to the match having: Exact path match; Prefix path match with largest number of
    /// characters; Method match; Largest number of header matches; Largest number of query param matches. … the oldest
    /// Route …; the Route appearing first in alphabetical order", under the most specific host: "Exact matches MUST be
    /// processed before wildcard matches, and wildcard matches MUST be processed before fallback".
    fn order(&self, name: usize) -> impl Ord + use<> {
        let specific = (Reverse(self.exact), Reverse(self.path().len()), Reverse(self.method));
        (self.host, specific, Reverse((self.headers, self.queries)), self.created, name)
    }
}

fn translated(routes: &[Value], flavour: RouterFlavor) -> Translator {
    let settings = Settings { router_flavor: flavour, accept_unattached: true, ..Settings::default() };
    let mut translator = Translator::new(settings);
    translator.apply(routes.iter().map(upsert).collect());
    translator
}

/// All routes of Kong, by the name of their HTTPRoute.
fn kong_routes(translator: &Translator) -> Vec<(String, Value)> {
    let services = translator.entities().into_iter().filter(|(key, _)| key.collection == Collection::Services);
    let routes = services.flat_map(|(_, entity)| entity.rendered.value()["routes"].as_array().unwrap().clone());
    routes.map(|route| (route["name"].as_str().unwrap().split('.').nth(2).unwrap().to_owned(), route)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn priorities_of_expressions_are_the_order_of_the_specification(matches in proptest::collection::vec(Match::any(), 1..30)) {
        let routes: Vec<Value> = matches.iter().enumerate().map(|(name, it)| it.route(name)).collect();
        let mut by_priority = kong_routes(&translated(&routes, RouterFlavor::Expressions));
        by_priority.sort_by_key(|(_, route)| Reverse(route["priority"].as_u64().unwrap()));
        let got: Vec<String> = by_priority.into_iter().map(|(name, _)| name).collect();
        let mut wanted: Vec<usize> = (0..matches.len()).collect();
        wanted.sort_by_key(|at| matches[*at].order(*at));
        let wanted: Vec<String> = wanted.into_iter().map(|at| format!("r{at:02}")).collect();
        prop_assert_eq!(got, wanted);
    }
}

/// "a class too large for its bits": it is told, and nobody's priority wraps around.
#[test]
fn routes_that_only_age_tells_apart_may_be_too_many() {
    let one = Match { host: 0, exact: true, length: 1, method: false, headers: 0, queries: 0, created: 0 };
    let routes: Vec<Value> = (0..4_100).map(|name| one.route(name)).collect();
    let translator = translated(&routes, RouterFlavor::Expressions);
    let priorities: Vec<u64> =
        kong_routes(&translator).into_iter().map(|(_, route)| route["priority"].as_u64().unwrap()).collect();
    let (lowest, highest) = (priorities.iter().min().unwrap(), priorities.iter().max().unwrap());
    assert_eq!(highest - lowest, 0xfff, "all stay within their class");
    let crowded: Vec<_> = translator.diagnostics().flat_map(|(_, all)| all).collect();
    assert_eq!(crowded.len(), 4, "the first 4096 have places of their own");
    assert!(crowded.iter().all(|it| it.message.contains("may be tried too late")), "{crowded:?}");
}

/// In the traditional flavour Kong puts routes in order itself: by the number of things they match by, plain hosts
/// before wildcards, regular expressions before prefixes, then by length. Where the specification's order is not
/// Kong's own, it is made: an exact path comes before the same path as a prefix.
#[test]
fn an_exact_path_comes_before_the_same_path_as_a_prefix() {
    let rule = |kind: &str, path: &str| json!({"matches": [{"path": {"type": kind, "value": path}}]});
    let mut route =
        Match { host: 0, exact: false, length: 1, method: false, headers: 0, queries: 0, created: 0 }.route(0);
    route["spec"]["rules"] = json!([rule("PathPrefix", "/x/"), rule("Exact", "/x"), rule("Exact", "/y")]);
    let rules = route["spec"]["rules"].as_array_mut().unwrap();
    for (at, rule) in rules.iter_mut().enumerate() {
        rule["backendRefs"] = json!([{"kind": "Service", "name": format!("s{at}"), "port": 80}]);
    }
    let routes = kong_routes(&translated(&[route], RouterFlavor::Traditional));
    let regex_priority = |name: &str| {
        let found = routes.iter().find(|(_, route)| route["name"] == name).unwrap();
        found.1["regex_priority"].as_i64().unwrap_or_default()
    };
    assert_eq!(["0.0", "1.0", "2.0"].map(|at| regex_priority(&format!("httproute.n.r00.{at}"))), [0, 1, 0]);
}

/// Kong's traditional router, as `get_priority` and `split_routes_and_services_by_path` of `kong/router/transform.lua`
/// have it: what matches a request, the first one first; what Kong puts in no order comes out together.
mod kong {
    use regex::Regex;
    use serde_json::Value;

    /// What a request is asked by.
    #[derive(Clone, Debug)]
    pub struct Request {
        pub path: String,
        pub method: &'static str,
        pub headers: usize,
    }

    fn list<'a>(route: &'a Value, field: &str) -> Vec<&'a str> {
        route[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// How a route matches a path: whether as a regular expression, and the length of a plain one.
    fn path(route: &Value, asked: &str) -> Vec<(bool, usize)> {
        let matching = list(route, "paths").into_iter().filter_map(|path| match path.strip_prefix('~') {
            Some(pattern) => Regex::new(&format!("^(?:{pattern})")).unwrap().is_match(asked).then_some((true, 0)),
            None => asked.starts_with(path).then_some((false, path.len())),
        });
        matching.collect()
    }

    fn priority(route: &Value, (regex, length): (bool, usize)) -> impl Ord + use<> {
        let headers = route["headers"].as_object().map_or(0, serde_json::Map::len);
        let lists = ["hosts", "methods", "paths"].into_iter().filter(|field| !list(route, field).is_empty()).count();
        let plain_hosts = list(route, "hosts").iter().all(|host| !host.contains('*'));
        let among_regex = if regex { route["regex_priority"].as_i64().unwrap_or_default() } else { 0 };
        (lists + usize::from(headers > 0), plain_hosts, headers, regex, among_regex, length)
    }

    /// The names of the routes that are tried first.
    pub fn first<'a>(routes: &'a [Value], request: &Request) -> Vec<&'a str> {
        let takes = |route: &Value| {
            let methods = list(route, "methods");
            let headers = route["headers"].as_object().map_or(0, serde_json::Map::len);
            (methods.is_empty() || methods.contains(&request.method)) && headers <= request.headers
        };
        let matching = routes.iter().filter(|route| takes(route)).flat_map(|route| {
            let paths = path(route, &request.path);
            paths.into_iter().map(move |path| (priority(route, path), route["name"].as_str().unwrap()))
        });
        let matching: Vec<_> = matching.collect();
        let highest = matching.iter().map(|(priority, _)| priority).max();
        matching.iter().filter(|(priority, _)| Some(priority) == highest).map(|(_, name)| *name).collect()
    }
}

/// A rule by its place, with a backend of its own; a prefix may be rewritten.
fn rule(at: usize, it: &Match, rewritten: bool) -> Value {
    let mut rule = it.route(0)["spec"]["rules"][0].clone();
    rule["matches"][0].as_object_mut().unwrap().remove("queryParams");
    rule["backendRefs"] = json!([{"kind": "Service", "name": format!("s{at}"), "port": 80}]);
    if rewritten && !it.exact {
        let path = json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"});
        rule["filters"] = json!([{"type": "URLRewrite", "urlRewrite": {"path": path}}]);
    }
    rule
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Within an HTTPRoute requests go where the specification says, or it is said that they do not.
    #[test]
    fn the_traditional_router_keeps_the_order_or_it_is_told(
        rules in proptest::collection::vec((Match::any(), any::<bool>()), 1..8),
    ) {
        let mut route = rules[0].0.route(0);
        route["spec"]["hostnames"] = json!(["a.test"]);
        route["spec"]["rules"] = rules.iter().enumerate().map(|(at, (it, rewritten))| rule(at, it, *rewritten)).collect();
        let translator = translated(&[route], RouterFlavor::Traditional);
        let kong: Vec<Value> = kong_routes(&translator).into_iter().map(|(_, route)| route).collect();
        let told: Vec<String> = translator.diagnostics().flat_map(|(_, all)| all).map(|it| it.field).collect();
        let asked = ["/", "/x", "/x/y", "/x/x", "/x/x/x", "/x/x/x/y"].into_iter().flat_map(|path| {
            ["GET", "POST"].into_iter().flat_map(move |method| {
                (0..3).map(move |headers| kong::Request { path: path.to_owned(), method, headers })
            })
        });
        for request in asked {
            let matches = |it: &Match| {
                let below = it.length == 0 || request.path == it.path() || request.path.starts_with(&format!("{}/", it.path()));
                let path = if it.exact { request.path == it.path() } else { below };
                path && (!it.method || request.method == "GET") && it.headers <= request.headers
            };
            let mut matching: Vec<usize> = (0..rules.len()).filter(|at| matches(&rules[*at].0)).collect();
            matching.sort_by_key(|at| {
                let it = &rules[*at].0;
                (Reverse(it.exact), Reverse(it.path().len()), Reverse(it.method), Reverse(it.headers), *at)
            });
            let first = kong::first(&kong, &request);
            prop_assert_eq!(first.is_empty(), matching.is_empty(), "{:?}", request);
            let Some(wanted) = matching.first() else { continue };
            let kept = first.contains(&format!("httproute.n.r00.{wanted}.0").as_str());
            let said = told.contains(&format!("spec.rules[{wanted}].matches[0]"));
            prop_assert!(kept || said, "{:?}: rule {} is wanted, {:?} is first of {:#?}", request, wanted, first, kong);
        }
    }
}

/// Paths alone are always in order, so nothing is said of them.
#[test]
fn paths_alone_are_kept_in_order() {
    let it = |exact: bool, length: usize| Match {
        host: 0,
        exact,
        length,
        method: false,
        headers: 0,
        queries: 0,
        created: 0,
    };
    let rules =
        [(it(false, 0), true), (it(false, 1), false), (it(false, 2), true), (it(true, 2), false), (it(true, 3), false)];
    let mut route = rules[0].0.route(0);
    route["spec"]["rules"] = rules.iter().enumerate().map(|(at, (it, rewritten))| rule(at, it, *rewritten)).collect();
    let translator = translated(&[route], RouterFlavor::Traditional);
    let kong: Vec<Value> = kong_routes(&translator).into_iter().map(|(_, route)| route).collect();
    let first = |path: &str| {
        let request = kong::Request { path: path.to_owned(), method: "GET", headers: 0 };
        kong::first(&kong, &request).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for (path, rule) in [("/a", 0), ("/x", 1), ("/x/y", 1), ("/x/x", 3), ("/x/x/y", 2), ("/x/x/x", 4)] {
        assert_eq!(first(path), [format!("httproute.n.r00.{rule}.0")], "{path}");
    }
    let said: Vec<_> =
        translator.diagnostics().flat_map(|(_, all)| all).filter(|it| it.field.contains("matches")).collect();
    assert_eq!(said, []);
}

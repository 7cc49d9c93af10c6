//! Priorities of expressions: all matches of many HTTPRoutes in the order of the specification, query parameters among what
//! they match by.

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

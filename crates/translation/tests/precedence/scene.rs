//! Random routes of the Gateway API that contend for the same requests: few hosts, paths, methods and headers, which nest.
//! What becomes of them is not known here.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::gateway_scene::class;
use crate::world::PAIRS;

/// Which kind of route a scene has: a listener takes one kind for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Http,
    Grpc,
}

/// What a match says of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Nothing.
    Any,
    Exact(&'static str),
    Prefix(&'static str),
    Regex(&'static str),
    /// The service and the method of gRPC, by what is given of them.
    Call(Option<&'static str>, Option<&'static str>),
}

/// A header with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: &'static str,
    pub value: &'static str,
    pub regex: bool,
}

#[derive(Clone, Debug)]
pub struct Match {
    pub path: Path,
    pub method: Option<&'static str>,
    pub headers: Vec<Header>,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub matches: Vec<Match>,
    /// Whether prefixes are replaced, where all its matches have one.
    pub rewrites: bool,
}

#[derive(Clone, Debug)]
pub struct Route {
    pub namespace: &'static str,
    pub name: String,
    /// The day it was created.
    pub created: u8,
    /// None: every host.
    pub hosts: Vec<&'static str>,
    /// The listener it asks for; none: both.
    pub listener: Option<&'static str>,
    pub rules: Vec<Rule>,
}

/// Routes at a Gateway with a listener for `http` and one for `https`.
#[derive(Clone)]
pub struct Scene {
    pub kind: Kind,
    pub routes: Vec<Route>,
}

/// What takes the place of a prefix.
pub const REPLACEMENT: &str = "/new";

/// The hosts of routes, each within those after it but for the second.
const HOSTS: [&str; 4] = ["a.b.test", "c.b.test", "*.b.test", "*.test"];
const PREFIXES: [&str; 4] = ["/", "/x", "/x/x", "/x/x/y"];
const REGEXES: [&str; 3] = ["/x/[a-z]+", "/x/x", "/[a-z]/x$"];
const CALLS: [Path; 7] = [
    Path::Any,
    Path::Call(Some("a.B"), None),
    Path::Call(Some("a.B.C"), None),
    Path::Call(None, Some("Get")),
    Path::Call(None, Some("GetAll")),
    Path::Call(Some("a.B"), Some("Get")),
    Path::Call(Some("a.B"), Some("GetAll")),
];

impl Path {
    fn any(kind: Kind, regexes: bool) -> BoxedStrategy<Self> {
        if kind == Kind::Grpc {
            return select(&CALLS[..]).boxed();
        }
        let plain = prop_oneof![
            1 => Just(Self::Any),
            5 => select(&PREFIXES[..]).prop_map(Self::Prefix),
            4 => select(&PREFIXES[..]).prop_map(Self::Exact),
        ];
        if regexes { prop_oneof![plain, select(&REGEXES[..]).prop_map(Self::Regex)].boxed() } else { plain.boxed() }
    }
}

impl Header {
    fn any(regexes: bool) -> impl Strategy<Value = Vec<Self>> {
        let exact = |name, value| Self { name, value, regex: false };
        let mut first = vec![exact("n0", "v"), exact("N0", "v"), exact("n0", "w")];
        if regexes {
            first.push(Self { name: "n0", value: "[vw]", regex: true });
        }
        let both = (select(first), any::<bool>(), any::<bool>());
        both.prop_map(move |(first, has_first, has_second)| {
            let given = [has_first.then_some(first), has_second.then(|| exact("n1", "v"))];
            given.into_iter().flatten().collect()
        })
    }
}

impl Match {
    fn any(kind: Kind, regexes: bool) -> impl Strategy<Value = Self> {
        let methods = if kind == Kind::Http { &[None, None, Some("GET"), Some("POST")][..] } else { &[None][..] };
        let parts = (Path::any(kind, regexes), select(methods), Header::any(regexes));
        parts.prop_map(|(path, method, headers)| Self { path, method, headers })
    }

    fn manifest(&self) -> Value {
        let typed = |kind: &str, value: &str| json!({"type": kind, "value": value});
        let mut given = json!({});
        match self.path {
            Path::Any => {}
            Path::Exact(path) => given["path"] = typed("Exact", path),
            Path::Prefix(path) => given["path"] = typed("PathPrefix", path),
            Path::Regex(path) => given["path"] = typed("RegularExpression", path),
            Path::Call(service, method) => given["method"] = json!({"service": service, "method": method}),
        }
        if let Some(method) = self.method {
            given["method"] = method.into();
        }
        let headers = self.headers.iter().map(|it| {
            let kind = if it.regex { "RegularExpression" } else { "Exact" };
            json!({"type": kind, "name": it.name, "value": it.value})
        });
        given["headers"] = headers.collect();
        given
    }

    pub fn has_regex(&self) -> bool {
        matches!(self.path, Path::Regex(_)) || self.headers.iter().any(|it| it.regex)
    }
}

impl Rule {
    fn any(kind: Kind, regexes: bool) -> impl Strategy<Value = Self> {
        let rewrites = prop::bool::weighted(if kind == Kind::Http { 0.3 } else { 0.0 });
        (vec(Match::any(kind, regexes), 1..=2), rewrites).prop_map(|(matches, rewrites)| Self { matches, rewrites })
    }

    pub fn rewrites(&self) -> bool {
        self.rewrites && self.matches.iter().all(|it| matches!(it.path, Path::Prefix(_)))
    }

    fn manifest(&self, backend: &str) -> Value {
        let matches: Vec<_> = self.matches.iter().map(Match::manifest).collect();
        let path = json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": REPLACEMENT});
        let rewrite = json!({"type": "URLRewrite", "urlRewrite": {"path": path}});
        let filters = if self.rewrites() { json!([rewrite]) } else { json!([]) };
        let backends = json!([{"kind": "Service", "name": backend, "port": 80}]);
        json!({"matches": matches, "filters": filters, "backendRefs": backends})
    }
}

impl Route {
    fn any(kind: Kind, regexes: bool) -> impl Strategy<Value = Self> {
        let hosts = prop_oneof![
            2 => subsequence(&HOSTS[..], 0..=1),
            1 => subsequence(&HOSTS[..], 2),
        ];
        let listeners = select(&[None, None, None, Some("http"), Some("https")][..]);
        let rules = vec(Rule::any(kind, regexes), 1..=3);
        let parts = (select(&["m", "n"][..]), select(&["a", "b"][..]), 1..=2u8, hosts, listeners, rules);
        parts.prop_map(|(namespace, name, created, hosts, listener, rules)| Self {
            namespace,
            name: name.to_owned(),
            created,
            hosts,
            listener,
            rules,
        })
    }

    fn manifest(&self, kind: Kind) -> Value {
        let kind = if kind == Kind::Http { "HTTPRoute" } else { "GRPCRoute" };
        let created = format!("2026-01-{:02}T00:00:00Z", self.created);
        let metadata = json!({"name": self.name, "namespace": self.namespace, "creationTimestamp": created});
        let mut parent = json!({"name": "g", "namespace": "n"});
        if let Some(listener) = self.listener {
            parent["sectionName"] = listener.into();
        }
        let rules: Vec<_> = self.rules.iter().enumerate().map(|(at, it)| it.manifest(&format!("s{at}"))).collect();
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata,
            "spec": {"parentRefs": [parent], "hostnames": self.hosts, "rules": rules}})
    }
}

impl Scene {
    /// Up to so many routes.
    pub fn any(kind: Kind, routes: usize) -> impl Strategy<Value = Self> {
        let routes = prop::bool::weighted(0.2).prop_flat_map(move |regexes| vec(Route::any(kind, regexes), 1..=routes));
        routes.prop_map(move |mut routes| {
            // Names are told apart behind what decides their order.
            for (at, route) in routes.iter_mut().enumerate() {
                route.name = format!("{}{at}", route.name);
            }
            Self { kind, routes }
        })
    }

    /// The objects of the scene.
    pub fn manifests(&self) -> Vec<Value> {
        let mut gateway = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"name": "g", "namespace": "n"}});
        let all = json!({"namespaces": {"from": "All"}});
        gateway["spec"] = json!({"gatewayClassName": "kong", "listeners": [
            {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": all},
            {"name": "https", "port": 443, "protocol": "HTTPS", "allowedRoutes": all,
                "tls": {"certificateRefs": [{"name": "pair"}]}},
        ]});
        let (certificate, key) = &PAIRS[0];
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pair", "namespace": "n"},
            "data": {"tls.crt": certificate, "tls.key": key}});
        let routes = self.routes.iter().map(|it| it.manifest(self.kind));
        [class(), gateway, secret].into_iter().chain(routes).collect()
    }

    pub fn has_regex(&self) -> bool {
        self.routes.iter().flat_map(|it| &it.rules).flat_map(|it| &it.matches).any(Match::has_regex)
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.path, self.method.unwrap_or("*"))?;
        self.headers.iter().try_for_each(|it| write!(f, " {}{}{}", it.name, if it.regex { "~" } else { "=" }, it.value))
    }
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for route in &self.routes {
            let Route { namespace, name, created, hosts, listener, rules } = route;
            let listener = listener.unwrap_or("both");
            writeln!(
                f,
                "\n{namespace}/{name}: # of day {created}, {:?}\n  hosts: {hosts:?}\n  listener: {listener}",
                self.kind
            )?;
            for (at, rule) in rules.iter().enumerate() {
                writeln!(f, "  rule {at}:{}", if rule.rewrites() { " # rewritten" } else { "" })?;
                rule.matches.iter().try_for_each(|it| writeln!(f, "  - {it}"))?;
            }
        }
        Ok(())
    }
}

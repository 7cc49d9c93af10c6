//! The rule against brute force: where requests go by the specification, and where both of Kong's routers send them.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use proptest::prelude::*;
use regex::Regex;
use silverback_kong::{Route, Service};
use silverback_model::ObjectKey;
use silverback_resources::types::Meta;

use super::super::paths::Path;
use super::rule::MOST;
use super::*;
use crate::claimant::ClaimantKind;
use crate::claims::{RouteClaim, ServiceClaim};
use crate::rank::{Seniority, priority};
use crate::source::Source;

/// Each covers those before it, up to the last but one.
const HOSTS: [&str; 5] = ["a.x.t", "*.x.t", "*.t", "", "b.t"];

#[derive(Clone, Debug)]
struct Match {
    hosts: Vec<usize>,
    path: Path,
    captured: bool,
    method: Option<&'static str>,
    headers: BTreeMap<&'static str, &'static str>,
    created: usize,
}

fn path() -> impl Strategy<Value = Path> {
    let text = || proptest::sample::select(vec!["/", "/x", "/x/y", "/x/y/z", "/q"]).prop_map(str::to_owned);
    let regex = proptest::sample::select(vec!["/x/[a-z]", "/x/y", "/(q|x)$"]).prop_map(str::to_owned);
    prop_oneof![
        1 => Just(Path::Any),
        3 => text().prop_map(Path::Exact),
        6 => text().prop_map(Path::Prefix),
        1 => regex.prop_map(Path::Regex),
    ]
}

fn matches() -> impl Strategy<Value = Match> {
    let hosts = prop_oneof![
        4 => proptest::sample::subsequence((0..HOSTS.len()).filter(|at| *at != 3).collect::<Vec<_>>(), 1..3),
        1 => Just(vec![3]),
    ];
    let headers = proptest::collection::btree_map(
        proptest::sample::select(vec!["h", "i"]),
        proptest::sample::select(vec!["1", "2", "~*[12]"]),
        0..3,
    );
    let method = proptest::option::weighted(0.3, proptest::sample::select(vec!["GET", "POST"]));
    (hosts, path(), any::<bool>(), method, headers, 0..3usize).prop_map(
        |(hosts, path, captured, method, headers, created)| Match {
            hosts,
            captured: captured && path.is_prefix(),
            path,
            method,
            headers,
            created,
        },
    )
}

impl Match {
    fn claims(&self, at: usize) -> Claims {
        let paths = if self.captured { self.path.traditional_captured() } else { self.path.traditional() };
        let mut route = Route {
            name: format!("r{at}"),
            hosts: self.hosts.iter().map(|at| HOSTS[*at].to_owned()).filter(|host| !host.is_empty()).collect(),
            paths,
            methods: self.method.iter().map(|it| (*it).to_owned()).collect(),
            protocols: vec!["http".into()],
            ..Route::default()
        };
        route.headers = self.headers.iter().map(|(name, it)| ((*name).to_owned(), vec![(*it).to_owned()])).collect();
        let key = ObjectKey::new("n", format!("r{at:02}"));
        let created = self.created.to_string();
        let seniority = Seniority { created: created.clone(), object: key.clone(), place: (at, 0, 0) };
        let kind = [matches!(self.path, Path::Regex(_)), matches!(self.path, Path::Exact(_))];
        let kind = u64::from(kind[0]) | u64::from(kind[1]) << 1;
        let length = self.path.text().len().saturating_sub(1) as u64;
        let class =
            kind << 25 | length << 15 | (self.method.iter().count() as u64) << 14 | (self.headers.len() as u64) << 10;
        let stake = Stake {
            path: self.path.clone(),
            captured: self.captured,
            regex: self.captured,
            class,
            most: 0x3ff,
            seniority,
        };
        let claim = RouteClaim { route, plugins: [].into(), rank: None, stakes: [stake].into(), rules: Vec::new() };
        let meta = Meta { namespace: key.namespace, name: key.name, ..Meta::default() };
        let source = Source { group: "", version: "v1", kind: "HTTPRoute", meta: &meta };
        let mut claims = Claims::new(source.maker(), &created);
        claims.services.push(Arc::new(ServiceClaim {
            service: Service::default(),
            backends: Vec::new(),
            parent_tags: [].into(),
            routes: vec![claim],
            refused: false,
            affinity: None,
            shown: Default::default(),
            answers_without_backend: false,
        }));
        claims
    }

    /// The greatest comes first; `None`: it does not match.
    fn order(&self, request: &Request, at: usize) -> Option<impl Ord + use<>> {
        let host = self.hosts.iter().map(|at| HOSTS[*at]).filter(|host| host_matches(host, request.host));
        let host = host.map(|host| (!host.is_empty() && !host.starts_with('*'), host.len())).max()?;
        let text = self.path.text().trim_end_matches('/');
        let below = || request.path == text || request.path.starts_with(&format!("{text}/"));
        let path = match &self.path {
            Path::Exact(text) => request.path == text,
            Path::Any | Path::Prefix(_) => below(),
            Path::Regex(regex) => is_match(regex, request.path),
        };
        let headers = self.headers.iter().all(|(name, wanted)| header_matches(wanted, request.headers, name));
        if !path || !headers || self.method.is_some_and(|it| it != request.method) {
            return None;
        }
        let (exact, regex) = (matches!(self.path, Path::Exact(_)), matches!(self.path, Path::Regex(_)));
        let length = self.path.text().len().saturating_sub(1);
        let age = std::cmp::Reverse((self.created, at));
        Some((host, exact, regex, length, self.method.is_some(), self.headers.len(), age))
    }
}

fn host_matches(host: &str, asked: &str) -> bool {
    host.is_empty() || host == asked || host.strip_prefix('*').is_some_and(|end| asked.ends_with(end))
}

fn is_match(regex: &str, path: &str) -> bool {
    thread_local! {
        static READ: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    READ.with_borrow_mut(|read| {
        let regex = read.entry(regex.to_owned()).or_insert_with(|| Regex::new(&format!("^{regex}")).unwrap());
        regex.is_match(path)
    })
}

fn header_matches(wanted: &str, given: [(&str, &str); 2], name: &str) -> bool {
    let value = given.iter().find(|(it, _)| *it == name).map_or("", |(_, value)| *value);
    if wanted.starts_with("~*") { !value.is_empty() } else { value == wanted }
}

#[derive(Clone, Copy, Debug)]
struct Request {
    host: &'static str,
    path: &'static str,
    method: &'static str,
    headers: [(&'static str, &'static str); 2],
}

fn requests() -> impl Iterator<Item = Request> {
    let mut all = Vec::new();
    for host in ["a.x.t", "c.x.t", "a.c.x.t", "c.t", "b.t", "else"] {
        for path in ["/", "/x", "/x/", "/x/y", "/x/y/z", "/x/y/z/w", "/x/q", "/q", "/q/x", "/r"] {
            for method in ["GET", "POST", "PUT"] {
                for h in ["", "1", "2"] {
                    all.extend(["", "1", "2"].map(|i| Request { host, path, method, headers: [("h", h), ("i", i)] }));
                }
            }
        }
    }
    all.into_iter()
}

/// What both routers compare, of a route with a path that matches; `lua` tells which.
fn tried(route: &Route, path: Option<&str>, lua: bool) -> impl Ord + use<> {
    let kinds = [!route.hosts.is_empty(), !route.headers.is_empty(), path.is_some(), !route.methods.is_empty()];
    let count = kinds.iter().filter(|it| **it).count();
    let plain = !route.hosts.is_empty() && route.hosts.iter().all(|host| !host.contains('*'));
    let regex = path.is_some_and(|path| path.starts_with('~'));
    let among = if regex { route.regex_priority.unwrap_or_default() } else { 0 };
    let length = if regex { 0 } else { path.map_or(0, str::len) };
    let headers = route.headers.len();
    if lua {
        (count, kinds.to_vec(), plain, usize::from(regex), headers, among, length)
    } else {
        (count, Vec::new(), plain, headers, usize::from(regex), among, length)
    }
}

fn matching<'r>(route: &'r Route, request: &Request) -> Vec<Option<&'r str>> {
    let hosts = route.hosts.is_empty() || route.hosts.iter().any(|host| host_matches(host, request.host));
    let methods = route.methods.is_empty() || route.methods.iter().any(|it| it == request.method);
    let headers = route.headers.iter().all(|(name, it)| header_matches(&it[0], request.headers, name));
    if !hosts || !methods || !headers {
        return Vec::new();
    }
    if route.paths.is_empty() {
        return vec![None];
    }
    let paths = route.paths.iter().filter(|path| match path.strip_prefix('~') {
        Some(regex) => is_match(regex, request.path),
        None => request.path.starts_with(&**path),
    });
    paths.map(|path| Some(&**path)).collect()
}

/// All routes after the rule, with the place of their match.
fn settled(all: &[Match]) -> (Vec<(usize, Route)>, Vec<usize>) {
    let mut claims: Vec<Claims> = all.iter().enumerate().map(|(at, it)| it.claims(at)).collect();
    let claimants: Vec<_> = claims
        .iter()
        .map(|claims| {
            let key = ClaimantKey { kind: ClaimantKind::HttpRoute, key: claims.maker.object.key.clone() };
            (key, Arc::new(contenders(claims)))
        })
        .collect();
    for host in HOSTS {
        let around = HOSTS.iter().filter(|it| host_matches(it, host));
        let at = |it: &&str| At { host: (**it).to_owned(), all: false, claimants: claimants.clone() };
        let mut hosts: Vec<_> = around.map(at).collect();
        hosts.sort_by_key(|it| std::cmp::Reverse((it.host == host, it.host.len())));
        mark(&mut hosts);
        for (key, need) in needs(&hosts) {
            let at = claimants.iter().position(|(it, _)| *it == key).unwrap();
            fulfil(&mut claims[at], &need, |_| None);
        }
    }
    let late = claims.iter().enumerate().filter(|(_, claims)| !claims.notes.0.is_empty()).map(|(at, _)| at).collect();
    let mut routes: Vec<(usize, RouteClaim)> = Vec::new();
    for (at, claims) in claims.iter().enumerate() {
        routes.extend(claims.services[0].routes.iter().map(|claim| (at, claim.clone())));
    }
    let mut ranks: Vec<_> = routes.iter().filter_map(|(_, claim)| claim.rank.clone()).collect();
    ranks.sort_by(|one, other| {
        (&one.host, one.class, &one.seniority).cmp(&(&other.host, other.class, &other.seniority))
    });
    ranks.dedup();
    let with_priority = routes.into_iter().map(|(at, mut claim)| {
        if let Some(rank) = &claim.rank {
            let of_class = ranks.iter().filter(|it| it.host == rank.host && it.class == rank.class);
            let before = of_class.filter(|it| it.seniority < rank.seniority).count();
            claim.route.regex_priority = i64::try_from(priority(rank, before)).ok();
        }
        (at, claim.route)
    });
    (with_priority.collect(), late)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn both_routers_go_by_the_specification(all in proptest::collection::vec(matches(), 1..7)) {
        let (routes, late) = settled(&all);
        prop_assert_eq!(late, Vec::<usize>::new());
        for request in requests() {
            let wanted = all.iter().enumerate().filter_map(|(at, it)| Some((it.order(&request, at)?, at))).max();
            let wanted = wanted.map(|(_, at)| at);
            for lua in [false, true] {
                let found = routes.iter().flat_map(|(at, route)| {
                    matching(route, &request).into_iter().map(move |path| (tried(route, path, lua), *at))
                });
                let found: Vec<_> = found.collect();
                let highest = found.iter().map(|(tried, _)| tried).max();
                let mut first: Vec<usize> =
                    found.iter().filter(|(tried, _)| Some(tried) == highest).map(|(_, at)| *at).collect();
                first.dedup();
                let wanted: Vec<usize> = wanted.into_iter().collect();
                prop_assert_eq!(&first, &wanted, "{:?}, lua: {}, routes: {:#?}", request, lua, routes);
            }
        }
    }
}

#[test]
fn no_more_routes_than_the_bound_are_made_and_it_is_told() {
    let of = |path: &str, value: Option<usize>| Match {
        hosts: vec![0],
        path: Path::Prefix(path.to_owned()),
        captured: false,
        method: None,
        headers: value.map(|value| ("h", &*value.to_string().leak())).into_iter().collect(),
        created: 0,
    };
    let made = |others: usize| {
        let all: Vec<_> = [of("/x/y", None)].into_iter().chain((0..others).map(|n| of("/x", Some(n)))).collect();
        let (routes, late) = settled(&all);
        (routes.iter().filter(|(at, _)| *at == 0).count() - 1, late)
    };
    assert_eq!(made(MOST), (MOST, vec![]));
    assert_eq!(made(MOST + 1), (MOST, vec![0]));
}

/// Any two of them take requests in common, and Kong orders them by `regex_priority` alone.
#[test]
fn matches_by_as_much_need_one_route_each() {
    let of = |n: usize| Match {
        hosts: vec![0],
        path: Path::Prefix("/x".to_owned()),
        captured: false,
        method: None,
        headers: BTreeMap::from([(&*format!("h{n}").leak(), "1")]),
        created: 0,
    };
    let (routes, late) = settled(&(0..40).map(of).collect::<Vec<_>>());
    assert_eq!((routes.len(), late), (79, vec![]), "the last needs none");
}

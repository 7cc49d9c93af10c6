//! The `traditional` router of Kong: routes in categories, by the kinds of things that they match by. A request is looked up
//! in the categories one after the other, first among routes that share one of its values and then among all.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::precedence::kong::{Answer, Captured, Request, Route, captured, is_within, regex};

const HOST: u8 = 0x40;
const HEADER: u8 = 0x20;
const PATH: u8 = 0x10;
const METHOD: u8 = 0x08;

/// A route for one of its paths.
#[derive(Clone, Copy)]
struct Part<'r> {
    route: &'r Route,
    path: Option<&'r str>,
}

/// What was seen of a request before routes are looked at.
#[derive(Default)]
struct Hits<'r> {
    category: u8,
    header: Option<String>,
    /// The first wildcard that the host is within, unless some route has the very host.
    wildcard: Option<&'r str>,
    path: Option<&'r str>,
}

/// Routes in the order they are tried in.
pub struct Router<'r> {
    parts: Vec<Part<'r>>,
    /// Names of headers, in the order of the routes.
    headers: Vec<String>,
    /// Kinds of things, with the places of their routes.
    categories: Vec<(u8, Vec<usize>)>,
    shortcuts: bool,
}

impl<'r> Part<'r> {
    fn is_regex(&self) -> bool {
        self.path.is_some_and(|path| path.starts_with('~'))
    }

    /// The path, without what makes it a regular expression.
    fn value(&self) -> Option<&'r str> {
        self.path.map(|path| path.strip_prefix('~').unwrap_or(path))
    }

    fn category(&self) -> u8 {
        let Route { hosts, headers, methods, .. } = self.route;
        let kinds = [(HOST, hosts.is_empty()), (HEADER, headers.is_empty()), (METHOD, methods.is_empty())];
        let kinds = kinds.into_iter().chain([(PATH, self.path.is_none())]);
        kinds.filter(|(_, none)| !none).fold(0, |category, (kind, _)| category | kind)
    }

    /// The greater comes first.
    fn rank(&self) -> impl Ord + use<> {
        let regex_priority = if self.is_regex() { self.route.regex_priority } else { 0 };
        let length = self.path.filter(|_| !self.is_regex()).map_or(0, str::len);
        (self.route.is_plain(), self.is_regex(), self.route.headers.len(), regex_priority, length)
    }

    fn takes(&self, request: &Request) -> Option<Captured> {
        let captured = self.path.map_or(Some(None), |path| captured(path, request))?;
        self.route.takes(request).then_some(captured)
    }
}

impl<'r> Router<'r> {
    /// `reversed`: routes and headers that are in no order come in the other one. `shortcuts`: whether what shares a value
    /// with a request is tried before the rest of its category, as Kong does.
    pub fn new(routes: &'r [Route], reversed: bool, shortcuts: bool) -> Self {
        let parts = routes.iter().flat_map(|route| {
            let paths = route.paths.iter().map(|path| Some(path.as_str()));
            paths.chain(route.paths.is_empty().then_some(None)).map(move |path| Part { route, path })
        });
        let mut parts: Vec<_> = parts.collect();
        if reversed {
            parts.reverse();
        }
        parts.sort_by_key(|part| Reverse(part.rank()));
        let mut headers = Vec::new();
        let mut categories: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for (at, part) in parts.iter().enumerate() {
            categories.entry(part.category()).or_default().push(at);
            let mut names: Vec<_> = part.route.headers.keys().map(|name| name.to_lowercase()).collect();
            if reversed {
                names.reverse();
            }
            names.retain(|name| !headers.contains(name));
            headers.extend(names);
        }
        let mut categories: Vec<_> = categories.into_iter().collect();
        categories.sort_by_key(|(category, _)| Reverse((category.count_ones(), *category)));
        Self { parts, headers, categories, shortcuts }
    }

    pub fn answer(&self, request: &Request) -> Option<Answer> {
        let hits = self.hits(request);
        // Categories above cannot match, unless there is none of what was seen: then all are gone through.
        let from = self.categories.iter().position(|(category, _)| *category == hits.category).unwrap_or(0);
        self.categories[from..].iter().filter(|_| hits.category != 0).find_map(|(category, all)| {
            let near = self.shortcuts.then(|| self.near(*category, all, &hits, request)).flatten();
            let mut tried = near.into_iter().flatten().chain(all.iter().copied());
            tried.find_map(|at| {
                let part = self.parts[at];
                Some(part.route.answer(request, part.takes(request)?))
            })
        })
    }

    fn hits(&self, request: &Request) -> Hits<'r> {
        let mut hits = Hits {
            header: self.headers.iter().find(|name| request.header(name).is_some()).cloned(),
            ..Hits::default()
        };
        let hosts = || self.parts.iter().flat_map(|part| &part.route.hosts).map(String::as_str);
        let has_host = hosts().any(|host| host == request.host);
        if !has_host {
            hits.wildcard = hosts().find(|host| host.contains('*') && is_within(&request.host, host));
        }
        let paths = || self.parts.iter().filter_map(|part| part.path);
        let regexes = || paths().filter_map(|path| path.strip_prefix('~'));
        let plain = || paths().filter(|path| !path.starts_with('~') && request.path.starts_with(path));
        // Of plain paths the very one is the longest.
        hits.path =
            regexes().find(|it| regex(it).is_match(&request.path)).or_else(|| plain().max_by_key(|path| path.len()));
        let has_method = self.parts.iter().any(|part| part.route.methods.iter().any(|it| it == request.method));
        let kinds = [
            (HEADER, hits.header.is_some()),
            (HOST, has_host || hits.wildcard.is_some()),
            (PATH, hits.path.is_some()),
            (METHOD, has_method),
        ];
        hits.category = kinds.into_iter().filter(|(_, hit)| *hit).fold(0, |category, (kind, _)| category | kind);
        hits
    }

    /// Routes of a category that share a value with the request, and so are tried before the others: those that share a
    /// header, else those that share what the fewest have.
    fn near(&self, category: u8, all: &[usize], hits: &Hits<'_>, request: &Request) -> Option<Vec<usize>> {
        let sharing = |kind: u8, shares: &dyn Fn(&Part<'_>) -> bool| {
            let sharing = || all.iter().copied().filter(|at| shares(&self.parts[*at])).collect::<Vec<_>>();
            (category & kind != 0).then(sharing).filter(|sharing| !sharing.is_empty())
        };
        let host = hits.wildcard.unwrap_or(&request.host);
        let has_header = |part: &Part<'_>| {
            let has = |header: &String| part.route.headers.keys().any(|name| name.eq_ignore_ascii_case(header));
            hits.header.as_ref().is_some_and(has)
        };
        if let Some(sharing) = sharing(HEADER, &has_header) {
            return Some(sharing);
        }
        let by_value = [
            sharing(HOST, &|part| part.route.hosts.iter().any(|it| it == host)),
            sharing(PATH, &|part| hits.path.is_some() && part.value() == hits.path),
            sharing(METHOD, &|part| part.route.methods.iter().any(|it| it == request.method)),
        ];
        // The first of equally many.
        by_value.into_iter().flatten().min_by_key(Vec::len)
    }
}

//! Kong's routers, as far as they decide which of several routes takes a request.

mod lua;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use atc_router::ast::Type;
use atc_router::context::Context;
use atc_router::router::Router;
use atc_router::schema::Schema;

use super::kong::{Answer, Request, Route, captured};

/// A router that has read its routes.
pub trait Routes {
    /// Everything that may become of a request: more than one answer where Kong puts routes in no order.
    fn answers(&self, request: &Request) -> BTreeSet<Answer>;
}

/// `traditional`, as `kong/router/traditional.lua` has it.
pub struct Traditional<'r>([lua::Router<'r>; 2]);

/// `traditional_compatible`, as `get_priority` and `split_routes_and_services_by_path` of `kong/router/transform.lua` have
/// it.
pub struct Compatible<'r>(Vec<(u64, &'r Route, Option<&'r str>)>);

/// `expressions`: the real router, one for each route, so that it is seen which of them take a request.
pub struct Expressions<'r>(Vec<(&'r Route, Router<'static>)>);

impl<'r> Traditional<'r> {
    /// `shortcuts`: as in [`lua::Router::new`].
    pub fn new(routes: &'r [Route], shortcuts: bool) -> Self {
        // What is in no order is tried in one and in the other.
        Self([false, true].map(|reversed| lua::Router::new(routes, reversed, shortcuts)))
    }
}

impl Routes for Traditional<'_> {
    fn answers(&self, request: &Request) -> BTreeSet<Answer> {
        self.0.iter().filter_map(|router| router.answer(request)).collect()
    }
}

impl<'r> Compatible<'r> {
    pub fn new(routes: &'r [Route]) -> Self {
        // Kong splits paths by length, and regular expressions from the rest: one by one comes to the same.
        let parts = routes.iter().flat_map(|route| {
            let paths = route.paths.iter().map(|path| Some(path.as_str()));
            paths.chain(route.paths.is_empty().then_some(None)).map(move |path| (priority(route, path), route, path))
        });
        let mut parts: Vec<_> = parts.collect();
        parts.sort_by_key(|(priority, ..)| std::cmp::Reverse(*priority));
        Self(parts)
    }
}

/// From the highest bit: how many kinds of things a route matches by (3 bits), whether all its hosts are plain, number of
/// headers (8), whether the path is a regular expression, `regex_priority` (32), length of a plain path (19).
fn priority(route: &Route, path: Option<&str>) -> u64 {
    let things = [route.hosts.is_empty(), route.methods.is_empty(), route.headers.is_empty(), path.is_none()];
    let weight = things.into_iter().filter(|none| !none).count() as u64;
    let headers = route.headers.len().min(255) as u64;
    let of_path = match path {
        Some(path) if path.starts_with('~') => 1 << 51 | (route.regex_priority as u64) << 19,
        Some(path) => path.len() as u64 & 0x7_ffff,
        None => 0,
    };
    weight << 61 | u64::from(route.is_plain()) << 60 | headers << 52 | of_path
}

impl Routes for Compatible<'_> {
    fn answers(&self, request: &Request) -> BTreeSet<Answer> {
        let mut first = None;
        let mut answers = BTreeSet::new();
        for (priority, route, path) in &self.0 {
            if first.is_some_and(|first| first != *priority) {
                break;
            }
            if let Some(captured) = path.map_or(Some(None), |path| captured(path, request))
                && route.takes(request)
            {
                first = Some(*priority);
                answers.insert(route.answer(request, captured));
            }
        }
        answers
    }
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema::default();
    for field in ["net.protocol", "tls.sni", "http.method", "http.host", "http.path", "http.headers.*"] {
        schema.add_field(field, Type::String);
    }
    schema
});

impl<'r> Expressions<'r> {
    pub fn new(routes: &'r [Route]) -> Self {
        let routers = routes.iter().map(|route| {
            let mut router = Router::new(&SCHEMA);
            let expression = route.expression.as_deref().unwrap();
            router.add_matcher(0, uuid::Uuid::nil(), &format!("({expression}){}", protocols(route))).unwrap();
            (route, router)
        });
        let mut routers: Vec<_> = routers.collect();
        routers.sort_by_key(|(route, _)| std::cmp::Reverse(route.priority));
        Self(routers)
    }
}

/// What Kong adds: a route for `https` alone takes others too, to answer with 426.
fn protocols(route: &Route) -> String {
    let plain = |protocol: &String| match protocol.as_str() {
        "grpc" => "http".to_owned(),
        "grpcs" => "https".to_owned(),
        _ => protocol.clone(),
    };
    if route.protocols == ["https"] || route.protocols.is_empty() {
        return String::new();
    }
    let terms: Vec<_> = route.protocols.iter().map(|it| format!("net.protocol == \"{}\"", plain(it))).collect();
    format!(" && ({})", terms.join(" || "))
}

impl Routes for Expressions<'_> {
    fn answers(&self, request: &Request) -> BTreeSet<Answer> {
        let mut context = Context::new(&SCHEMA);
        let fields = [("net.protocol", request.scheme), ("http.method", request.method), ("http.host", &request.host)];
        fields.into_iter().for_each(|(field, value)| context.add_value(field, value.to_owned().into()));
        context.add_value("http.path", request.path.clone().into());
        for (name, value) in &request.headers {
            context.add_value(&format!("http.headers.{}", name.replace('-', "_")), (*value).to_owned().into());
        }
        let mut first = None;
        let mut answers = BTreeSet::new();
        for (route, router) in &self.0 {
            if first.is_some_and(|first| first != route.priority) {
                break;
            }
            context.result = None;
            if router.execute(&mut context) {
                first = Some(route.priority);
                let captured = context.result.as_ref().and_then(|it| it.captures.get("1").cloned());
                answers.insert(route.answer(request, captured));
            }
        }
        answers
    }
}

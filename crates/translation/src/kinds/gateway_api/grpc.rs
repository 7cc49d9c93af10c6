//! GRPCRoute: a service for each rule, a route for each match.

use std::sync::Arc;

use silverback_kong::ids::IdKind;
use silverback_kong::{Route, Service, expression as e, names};
use silverback_resources::types::{GRPCRoute, GrpcMatch, GrpcMethod, GrpcRule, ValueMatch};

use super::affinity::affinity;
use super::attachment::Attachment;
use super::filters::{self, Filtered, Place};
use super::paths::{Path, quoted};
use super::precedence::Stake;
use super::readable::{self, is_regex};
use super::redirect::Front;
use super::{Invalid, Scope, distinct, unsupported};
use crate::annotations::route::{self as annotations, Matching};
use crate::claims::{Affinity, Claims, RouteClaim, ServiceClaim};
use crate::inputs::View;
use crate::rank::{Rank, Seniority};
use crate::routed::{Findings, Speech};
use crate::source::{Notes, Source};

const KIND: &str = "grpcroute";

/// What a GRPCRoute asks for; `None` when no parent is ours.
pub(crate) fn claims(object: &GRPCRoute, view: &View<'_>) -> Option<Claims> {
    let scope = Scope { source: Source::of(object), view };
    let spec = &object.spec;
    let attachment = scope.attach(&spec.parent_refs, spec.use_default_gateways.as_deref(), &spec.hostnames)?;
    let mut claims = Claims::new(scope.source.maker(), &object.metadata.creation_timestamp);
    let mut findings = Findings::default();
    let matching = Matching::of(&scope.source, &mut findings.notes);
    if view.settings.expressions() {
        matching.note_unused(&scope.source, &mut findings.notes);
    }
    let tags = scope.tags(object.spec.rules.iter().map(|rule| rule.name.as_ref()));
    let mut translation = Translation { scope, attachment, matching, tags, findings };
    for (at, rule) in object.spec.rules.iter().enumerate() {
        match translation.check(at, rule) {
            Ok(serving) => {
                let services = translation.services(at, rule, &serving);
                if translation.attachment.counts {
                    claims.services.extend(services.into_iter().map(Arc::new));
                }
            }
            Err(invalid) => translation.scope.refuse(at, invalid, &mut translation.findings),
        }
    }
    let Translation { scope, attachment, findings, .. } = translation;
    Some(scope.finish(claims, attachment.parents, object.spec.rules.len(), findings))
}

struct Translation<'a> {
    scope: Scope<'a>,
    attachment: Attachment,
    matching: Matching,
    /// All routes have the names of all rules.
    tags: Vec<String>,
    findings: Findings,
}

/// What a rule comes to beside its matches.
struct Serving {
    filtered: Filtered,
    affinity: Option<Affinity>,
}

impl Translation<'_> {
    /// Checks a rule against what Kong can do.
    fn check(&mut self, at: usize, rule: &GrpcRule) -> Result<Serving, Invalid> {
        for (match_at, given) in rule.matches.iter().enumerate() {
            readable(match_at, given, self.scope.view.settings.expressions())?;
        }
        let common = rule.backend_refs.first().map(|it| it.filters.as_slice()).unwrap_or_default();
        if let Some(other) = rule.backend_refs.iter().position(|it| it.filters != common) {
            let problem =
                "Kong changes calls before it chooses a backend: all backends of a rule need the same filters";
            return Err(unsupported(format!("backendRefs[{other}].filters"), problem));
        }
        let filters: Vec<_> = rule.filters.iter().chain(common).cloned().collect();
        let known = ["RequestHeaderModifier", "ResponseHeaderModifier", "ExtensionRef"];
        if let Some((at, other)) = filters.iter().enumerate().find(|(_, it)| !known.contains(&it.kind.as_str())) {
            let problem = format!("Kong has nothing for the filter {} of gRPC calls", other.kind);
            return Err(unsupported(format!("filters[{at}].type"), problem));
        }
        let settings = &self.scope.view.settings;
        let place = Place { path: &Path::Any, front: &Front::default(), settings };
        let mut filtered = filters::plugins(&filters, &place)?;
        for plugin in &mut filtered.plugins {
            plugin.tags.clone_from(&self.tags);
        }
        let meta = self.scope.source.meta;
        let owner = format!("{}.{}", meta.namespace, meta.name);
        let affinity = rule.session_persistence.as_ref().map(|it| affinity(it, &owner, at, settings)).transpose()?;
        self.scope.filter_references(at, &filtered, &mut self.findings);
        Ok(Serving { filtered, affinity })
    }

    fn services(&mut self, at: usize, rule: &GrpcRule, serving: &Serving) -> Vec<ServiceClaim> {
        let field = format!("spec.rules[{at}]");
        let backends = self.scope.backends(&rule.backend_refs, &field, Speech::Grpc, &mut self.findings);
        let meta = self.scope.source.meta;
        let claim = |name: String, routes: Vec<RouteClaim>| ServiceClaim {
            service: Service {
                host: name.clone(),
                name,
                port: Some(80),
                protocol: Some(self.protocol().into()),
                ..Service::default()
            },
            backends: backends.clone(),
            parent_tags: self.tags.clone().into(),
            routes,
            refused: false,
            affinity: serving.affinity.clone(),
            shown: self.attachment.shown(),
            answers_without_backend: !rule.backend_refs.is_empty(),
        };
        if !self.scope.view.settings.expressions() {
            let name = names::rule(KIND, &meta.namespace, &meta.name, at);
            let hosts = self.hosts();
            let routes = self.matches(rule).enumerate();
            let routes = routes.map(|(n, it)| self.traditional_route(at, n, it, &hosts, &serving.filtered));
            let (routes, notes): (Vec<_>, Vec<_>) = routes.unzip();
            let claim = claim(name, routes);
            notes.into_iter().for_each(|notes| self.findings.notes.merge(notes));
            return vec![claim];
        }
        let mut hosts = self.attachment.hostnames.clone();
        if hosts.is_empty() {
            hosts.push(String::new());
        }
        let mut all = Vec::new();
        let mut said = Vec::new();
        for (host_at, host) in hosts.iter().enumerate() {
            let name = format!("{KIND}.{}.{}.{}.{at}", meta.namespace, meta.name, names::host_part(host));
            let routes = self.matches(rule).enumerate();
            let routes = routes.map(|(n, it)| self.expression_route((at, n, host_at), it, host, &serving.filtered));
            let (routes, notes): (Vec<_>, Vec<_>) = routes.unzip();
            said.extend(notes);
            all.push(claim(name, routes));
        }
        said.into_iter().for_each(|notes| self.findings.notes.merge(notes));
        all
    }

    fn matches<'r>(&self, rule: &'r GrpcRule) -> impl Iterator<Item = Option<&'r GrpcMatch>> + use<'r> {
        let none = rule.matches.is_empty().then_some(None);
        none.into_iter().chain(rule.matches.iter().map(Some))
    }

    /// In clear only where a listener is.
    fn protocol(&self) -> &'static str {
        if self.attachment.of(&["HTTP"]).next().is_some() { "grpc" } else { "grpcs" }
    }

    /// The route's hosts, or else those of its listeners.
    fn hosts(&self) -> Vec<String> {
        if !self.attachment.hostnames.is_empty() {
            return self.attachment.hostnames.clone();
        }
        let own = self.attachment.listeners.iter().filter_map(|it| it.listener().hostname.clone());
        own.filter(|host| !host.is_empty()).collect()
    }

    fn bare_route(&self, name: String) -> Route {
        Route { id: self.scope.id(IdKind::Route, &name), name, tags: self.tags.clone(), ..Route::default() }
    }

    /// A route with the plugins of its rule.
    fn claim(&self, mut route: Route, rule: usize, filtered: &Filtered, rank: Option<Rank>) -> RouteClaim {
        route.plugins.clone_from(&filtered.plugins);
        let named: Vec<_> = filtered.named.iter().map(|(_, named)| named.clone()).collect();
        RouteClaim { route, plugins: self.scope.plugins(&named), rank, stakes: [].into(), rules: vec![rule] }
    }

    fn traditional_route(
        &self,
        rule_at: usize,
        at: usize,
        given: Option<&GrpcMatch>,
        hosts: &[String],
        filtered: &Filtered,
    ) -> (RouteClaim, Notes) {
        let meta = self.scope.source.meta;
        let name = format!("{KIND}.{}.{}.{rule_at}.{at}", meta.namespace, meta.name);
        let mut route = self.bare_route(name);
        route.hosts = hosts.to_vec();
        route.protocols = vec!["grpc".into(), "grpcs".into()];
        match given {
            Some(given) => {
                route.paths = given.method.iter().map(traditional_path).collect();
                let headers = distinct(&given.headers);
                route.headers = headers.map(|it| (it.name.clone(), vec![header_value(it)])).collect();
            }
            None if route.hosts.is_empty() => route.paths = vec!["/".into()],
            None => {}
        }
        if route.hosts.is_empty() && route.paths.is_empty() && route.headers.is_empty() {
            route.paths = vec!["/".into()];
        }
        let mut notes = Notes::default();
        annotations::apply_traditional(&self.scope.source, self.matching.clone(), &mut route, &mut notes);
        let mut claim = self.claim(route, rule_at, filtered, None);
        claim.stakes = [self.stake(rule_at, at, given)].into();
        (claim, notes)
    }

    fn stake(&self, rule_at: usize, at: usize, given: Option<&GrpcMatch>) -> Stake {
        let meta = self.scope.source.meta;
        let (created, object) = (meta.creation_timestamp.clone(), meta.key());
        let seniority = Seniority { created, object, place: (rule_at, at, 0) };
        let path = given.and_then(|it| it.method.as_ref()).map_or(Path::Any, reach);
        Stake { path, captured: false, regex: true, class: traditional_class(given), most: 0xff, seniority }
    }

    fn expression_route(
        &self,
        place: (usize, usize, usize),
        given: Option<&GrpcMatch>,
        host: &str,
        filtered: &Filtered,
    ) -> (RouteClaim, Notes) {
        let meta = self.scope.source.meta;
        let (rule_at, at, _) = place;
        let name = format!("{KIND}.{}.{}.{}.{rule_at}.{at}", meta.namespace, meta.name, names::host_part(host));
        let mut route = self.bare_route(name);
        route.preserve_host = Some(true);
        route.protocols = self.attachment.protocols(&[("HTTP", "grpc"), ("HTTPS", "grpcs")]);
        let path = given.and_then(|it| it.method.as_ref()).map(expression_path);
        let headers = given.into_iter().flat_map(|it| distinct(&it.headers)).map(|header| {
            let operator = if is_regex(header.kind.as_deref()) { "~" } else { "==" };
            e::text(&e::header_field(&header.name), operator, &header.value)
        });
        let host_term = (!host.is_empty()).then(|| e::host(host));
        let any = || e::any(["http", "https"].map(|protocol| e::text("net.protocol", "==", protocol)));
        let snis = self.matching.snis.iter().flat_map(|snis| &snis.good);
        let snis = e::any(snis.map(|sni| e::text("tls.sni", "==", sni)));
        route.expression = e::all(path.into_iter().chain(e::all(headers)).chain(host_term).chain(snis)).or_else(any);
        let mut notes = Notes::default();
        annotations::apply_expressions(&self.scope.source, &mut route, &mut notes);
        let seniority = Seniority { created: meta.creation_timestamp.clone(), object: meta.key(), place };
        let rank = Rank { host: String::new(), class: class(given, host), most: 0xff, seniority };
        (self.claim(route, rule_at, filtered, Some(rank)), notes)
    }
}

/// Checks whether Kong can read a match.
fn readable(at: usize, given: &GrpcMatch, expressions: bool) -> Result<(), Invalid> {
    let field = format!("matches[{at}]");
    readable::headers(&field, &given.headers, expressions)?;
    match given.method.as_ref() {
        Some(method) if is_regex(method.kind.as_deref()) => {
            readable::regex(format!("{field}.method"), traditional_path(method).trim_start_matches('~'))
        }
        _ => Ok(()),
    }
}

fn header_value(header: &ValueMatch) -> String {
    if is_regex(header.kind.as_deref()) { format!("~*{}", header.value) } else { header.value.clone() }
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// Kong anchors regular expressions at the start only: a method that is given exactly must end there.
fn traditional_path(method: &GrpcMethod) -> String {
    let (service, name) = (given(method.service.as_ref()), given(method.method.as_ref()));
    if is_regex(method.kind.as_deref()) {
        return format!("~/{}/{}", service.unwrap_or(".+"), name.unwrap_or(".+"));
    }
    let service = service.map_or_else(|| ".+".to_owned(), quoted);
    match name {
        Some(name) => format!("~/{service}/{}$", quoted(name)),
        None => format!("~/{service}/"),
    }
}

/// What a traditional route matches by its path.
fn reach(method: &GrpcMethod) -> Path {
    match (given(method.service.as_ref()), given(method.method.as_ref())) {
        (Some(service), Some(name)) if !is_regex(method.kind.as_deref()) => Path::Exact(format!("/{service}/{name}")),
        (Some(service), None) if !is_regex(method.kind.as_deref()) => Path::Prefix(format!("/{service}")),
        _ => Path::Regex(traditional_path(method).trim_start_matches('~').to_owned()),
    }
}

fn expression_path(method: &GrpcMethod) -> String {
    let (service, name) = (given(method.service.as_ref()), given(method.method.as_ref()));
    if is_regex(method.kind.as_deref()) {
        let pattern = format!("^/{}/{}", service.unwrap_or(".+"), name.unwrap_or(".+"));
        return e::text("http.path", "~", &pattern);
    }
    match (service, name) {
        (Some(service), Some(name)) => e::text("http.path", "==", &format!("/{service}/{name}")),
        (Some(service), None) => e::text("http.path", "^=", &format!("/{service}/")),
        (None, Some(name)) => e::text("http.path", "=^", &format!("/{name}")),
        (None, None) => e::text("http.path", "^=", "/"),
    }
}

/// Lengths of service and method, and number of headers.
fn lengths(matched: Option<&GrpcMatch>) -> [usize; 3] {
    let length = |text: Option<&String>| given(text).map_or(0, str::len);
    let method = matched.and_then(|it| it.method.as_ref());
    let (service, name) = (method.and_then(|it| it.service.as_ref()), method.and_then(|it| it.method.as_ref()));
    [length(service), length(name), matched.map_or(0, |it| it.headers.len())]
}

/// From the highest bit: 1 (under HTTPRoutes), an exact host, the host's length (8 bits), lengths of service and method
/// (11 each), number of headers (5). The last 8 are left for the rank.
fn class(matched: Option<&GrpcMatch>, host: &str) -> u64 {
    let exact_host = u64::from(!host.is_empty() && !host.starts_with('*'));
    let [service, method, headers] = lengths(matched);
    1 << 44
        | exact_host << 43
        | (host.len().min(0xff) as u64) << 35
        | (service.min(0x7ff) as u64) << 24
        | (method.min(0x7ff) as u64) << 13
        | (headers.min(0x1f) as u64) << 8
}

/// The same under hosts, in fewer bits: lengths of service (8) and method (7), number of headers (4).
fn traditional_class(matched: Option<&GrpcMatch>) -> u64 {
    let [service, method, headers] = lengths(matched);
    (service.min(0xff) as u64) << 19 | (method.min(0x7f) as u64) << 12 | (headers.min(0xf) as u64) << 8
}

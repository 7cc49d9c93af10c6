//! HTTPRoute: rules with equal backends share a service; in the traditional flavour matches that differ in their path
//! alone share a route, with expressions each match has its own per host.

use std::collections::BTreeMap;
use std::sync::Arc;

use silverback_kong::ids::IdKind;
use silverback_kong::names::{self, CombinedBackend};
use silverback_kong::{Route, Service, expression as e};
use silverback_resources::types::{HTTPRoute, HttpFilter, HttpMatch, HttpRule, ValueMatch};

use super::attachment::Attachment;
use super::filters::{self, Filtered};
use super::paths::Path;
use super::{Scope, backends_key};
use crate::annotations::route::{self as annotations, Matching};
use crate::claims::{Claims, RouteClaim, ServiceClaim};
use crate::inputs::View;
use crate::output::Reason;
use crate::rank::{Rank, Seniority};
use crate::source::{Notes, Source};

const KIND: &str = "httproute";
/// A whole minute is Kong's default, and stays unset.
const DEFAULT_TIMEOUT: i64 = 60_000;
const PROTOCOLS: [(&str, &str); 2] = [("HTTP", "http"), ("HTTPS", "https")];

/// What an HTTPRoute asks for; `None` when no listener of ours takes it.
pub(crate) fn claims(object: &HTTPRoute, view: &View<'_>) -> Option<Claims> {
    let scope = Scope { source: Source::of(object), view };
    let attachment = scope.attach(&object.spec.parent_refs, &object.spec.hostnames, &["HTTP", "HTTPS"])?;
    let mut claims = Claims::new(scope.source.maker(), &object.metadata.creation_timestamp);
    if !view.settings.expressions()
        && let Some((at, _)) = object.spec.rules.iter().enumerate().find(|(_, rule)| matches_queries(rule))
    {
        let message = "the route is left out: query parameters can only be matched with --router-flavor expressions";
        let field = format!("spec.rules[{at}].matches");
        claims.notes.error(&scope.source.reference(), field, Reason::UnsupportedFeature, message);
        return Some(claims);
    }
    let mut notes = Notes::default();
    let matching = Matching::of(&scope.source, &mut notes);
    let protocols = attachment.protocols(&PROTOCOLS);
    let mut translation = Translation { scope, attachment, matching, protocols, notes };
    let groups = translation.groups(&object.spec.rules);
    let services = groups.into_iter().map(|group| Arc::new(translation.service(&group)));
    claims.services = services.collect();
    claims.notes = translation.notes;
    Some(claims)
}

fn matches_queries(rule: &HttpRule) -> bool {
    rule.matches.iter().any(|it| !it.query_params.is_empty())
}

struct Translation<'a> {
    scope: Scope<'a>,
    attachment: Attachment,
    matching: Matching,
    protocols: Vec<String>,
    notes: Notes,
}

/// Rules that lead to the same backends, by their place among the rules.
struct Group<'r> {
    name: String,
    rules: Vec<(usize, &'r HttpRule)>,
}

/// A match of a rule, with all that decides what route it becomes.
struct Matched<'r> {
    rule_at: usize,
    at: usize,
    rule: &'r HttpRule,
    given: Option<&'r HttpMatch>,
    path: Path,
}

impl<'r> Matched<'r> {
    fn all(rule_at: usize, rule: &'r HttpRule) -> Vec<Self> {
        if rule.matches.is_empty() {
            return vec![Self { rule_at, at: 0, rule, given: None, path: Path::Any }];
        }
        let each = rule.matches.iter().enumerate();
        each.map(|(at, it)| Self { rule_at, at, rule, given: Some(it), path: Path::of(it.path.as_ref()) }).collect()
    }

    /// The headers by name as first written; names do not tell upper from lower case.
    fn headers(&self) -> BTreeMap<String, &'r ValueMatch> {
        let mut headers = BTreeMap::new();
        for header in self.given.into_iter().flat_map(|it| &it.headers) {
            // Of several of one name the first counts.
            headers.entry(header.name.to_ascii_lowercase()).or_insert(header);
        }
        headers
    }

    /// Equal for matches that can share a traditional route.
    fn key(&self, alone: bool) -> impl Ord + use<> {
        let headers: Vec<_> =
            self.headers().into_iter().map(|(name, it)| (name, it.kind.clone(), it.value.clone())).collect();
        let method = self.given.and_then(|it| it.method.clone());
        // What matches nothing in particular, or depends on its path, stays by itself.
        let own = (self.given.is_none() || alone).then_some((self.rule_at, self.at));
        (format!("{:?}", self.rule.filters), method, headers, own)
    }
}

impl Translation<'_> {
    fn groups<'r>(&self, rules: &'r [HttpRule]) -> Vec<Group<'r>> {
        let mut groups: BTreeMap<Vec<String>, Vec<(usize, &HttpRule)>> = BTreeMap::new();
        for (at, rule) in rules.iter().enumerate() {
            // A shared service has the name of its backends: what the name does not tell makes no other service.
            let key = if self.scope.view.settings.feature_gates.combined_services {
                vec![self.service_name(&[(at, rule)])]
            } else {
                backends_key(&rule.backend_refs)
            };
            groups.entry(key).or_default().push((at, rule));
        }
        let named = groups.into_values().map(|rules| Group { name: self.service_name(&rules), rules });
        named.collect()
    }

    fn service_name(&self, rules: &[(usize, &HttpRule)]) -> String {
        let meta = self.scope.source.meta;
        let first = rules.first();
        if self.scope.view.settings.feature_gates.combined_services {
            let refs = first.map(|(_, rule)| rule.backend_refs.as_slice()).unwrap_or_default();
            let backends: Vec<CombinedBackend<'_>> = refs
                .iter()
                .map(|target| CombinedBackend {
                    namespace: target.namespace.as_deref().unwrap_or(&meta.namespace),
                    name: &target.name,
                    port: target.port,
                    weight: target.weight,
                })
                .collect();
            return names::combined_service(KIND, &meta.namespace, &backends);
        }
        names::rule(KIND, &meta.namespace, &meta.name, first.map_or(0, |(at, _)| *at))
    }

    fn service(&mut self, group: &Group<'_>) -> ServiceClaim {
        let first = group.rules.first();
        let (at, refs) = first.map_or((0, &[][..]), |(at, rule)| (*at, &rule.backend_refs[..]));
        let backends = self.scope.backends(refs, &format!("spec.rules[{at}]"), &mut self.notes);
        let name = group.name.clone();
        let mut service =
            Service { host: name.clone(), name, port: Some(80), protocol: Some("http".into()), ..Service::default() };
        for (at, rule) in &group.rules {
            self.timeout(*at, rule, &mut service);
            self.unsupported(*at, rule);
        }
        let mut claim = ServiceClaim {
            service,
            backends,
            parent_tags: self.scope.tags([]).into(),
            routes: Vec::new(),
            refused: false,
            answers_without_backend: !refs.is_empty(),
        };
        let routes = if self.scope.view.settings.expressions() {
            self.expression_routes(group)
        } else {
            self.traditional_routes(group)
        };
        match routes {
            Ok(routes) => claim.routes = routes,
            Err((rule, filter, problem)) => {
                let message = format!("service {} is left out: {problem}", claim.name());
                let field = format!("spec.rules[{rule}].filters[{filter}]");
                self.notes.error(&self.scope.source.reference(), field, Reason::UnsupportedFeature, message);
                claim.refused = true;
            }
        }
        claim
    }

    /// The last rule that says how long a backend may take has its way for all that share the service.
    fn timeout(&mut self, at: usize, rule: &HttpRule, service: &mut Service) {
        let Some(text) = rule.timeouts.as_ref().and_then(|timeouts| timeouts.backend_request.as_ref()) else { return };
        match milliseconds(text) {
            Some(DEFAULT_TIMEOUT) => {}
            Some(milliseconds) => {
                let fields = [&mut service.connect_timeout, &mut service.read_timeout, &mut service.write_timeout];
                fields.into_iter().for_each(|field| *field = Some(milliseconds));
            }
            None => {
                let field = format!("spec.rules[{at}].timeouts.backendRequest");
                let message = format!("{text:?} has no effect: a duration such as 10s or 1m30s is expected");
                self.notes.warn(&self.scope.source.reference(), field, Reason::InvalidValue, message);
            }
        }
    }

    fn unsupported(&mut self, at: usize, rule: &HttpRule) {
        let request = rule.timeouts.as_ref().is_some_and(|timeouts| timeouts.request.is_some());
        let given = [
            (request, "timeouts.request", "Kong has no limit for a whole request"),
            (rule.retry.is_some(), "retry", "set konghq.com/retries at the Service"),
            (rule.session_persistence.is_some(), "sessionPersistence", "use a KongUpstreamPolicy"),
        ];
        for (_, field, way_out) in given.into_iter().filter(|(given, _, _)| *given) {
            let message = format!("it has no effect: {way_out}");
            let field = format!("spec.rules[{at}].{field}");
            self.notes.warn(&self.scope.source.reference(), field, Reason::UnsupportedFeature, message);
        }
    }

    fn route_name(&self, matched: &Matched<'_>, host: Option<&str>) -> String {
        let meta = self.scope.source.meta;
        let host = host.map(|host| format!(".{}", names::host_part(host))).unwrap_or_default();
        format!("{KIND}.{}.{}{host}.{}.{}", meta.namespace, meta.name, matched.rule_at, matched.at)
    }

    fn bare_route(&self, name: String, rules: &[&HttpRule]) -> Route {
        Route {
            id: self.scope.id(IdKind::Route, &name),
            name,
            strip_path: Some(false),
            preserve_host: Some(true),
            protocols: self.protocols.clone(),
            tags: self.scope.tags(rules.iter().map(|rule| rule.name.as_ref())),
            ..Route::default()
        }
    }

    fn filtered(&self, matched: &Matched<'_>, tags: &[String]) -> Result<Filtered, (usize, usize, String)> {
        let filters: &[HttpFilter] = &matched.rule.filters;
        let filtered = filters::plugins(filters, &matched.path, tags, self.scope.view.settings);
        filtered.map_err(|(at, problem)| (matched.rule_at, at, problem))
    }

    fn claim(&self, mut route: Route, filtered: Filtered, rank: Option<Rank>) -> RouteClaim {
        route.plugins = filtered.plugins;
        RouteClaim { route, plugins: self.scope.plugins(&filtered.named), rank }
    }

    fn traditional_routes(&mut self, group: &Group<'_>) -> Result<Vec<RouteClaim>, (usize, usize, String)> {
        let mut routes = BTreeMap::new();
        let mut order = Vec::new();
        for (rule_at, rule) in &group.rules {
            let alone = filters::depend_on_path(&rule.filters);
            for matched in Matched::all(*rule_at, rule) {
                let key = matched.key(alone);
                let shared: &mut Vec<Matched<'_>> = routes.entry(key).or_default();
                if shared.is_empty() {
                    order.push((matched.rule_at, matched.at));
                }
                shared.push(matched);
            }
        }
        let mut shared: Vec<Vec<Matched<'_>>> = routes.into_values().collect();
        shared.sort_by_key(|matched| matched.first().map(|it| (it.rule_at, it.at)));
        shared.iter().map(|matched| self.traditional_route(matched)).collect()
    }

    fn traditional_route(&mut self, shared: &[Matched<'_>]) -> Result<RouteClaim, (usize, usize, String)> {
        let Some(first) = shared.first() else { return Err((0, 0, "there is no match".to_owned())) };
        let mut rules: Vec<&HttpRule> = Vec::new();
        for matched in shared {
            if !rules.iter().any(|known| std::ptr::eq(*known, matched.rule)) {
                rules.push(matched.rule);
            }
        }
        let mut route = self.bare_route(self.route_name(first, None), &rules);
        route.hosts = self.attachment.hostnames.clone();
        let captured = filters::rewrites_prefix(&first.rule.filters);
        for matched in shared {
            let paths = if captured { matched.path.traditional_captured() } else { matched.path.traditional() };
            route.paths.extend(paths);
        }
        route.methods = first.given.and_then(|it| it.method.clone()).into_iter().collect();
        for header in first.headers().into_values() {
            let value = match header.kind.as_deref() {
                Some("RegularExpression") => format!("~*{}", header.value),
                _ => header.value.clone(),
            };
            route.headers.insert(header.name.clone(), vec![value]);
        }
        if first.given.is_none() {
            route.strip_path = None;
        }
        let filtered = self.filtered(first, &route.tags.clone())?;
        let mut notes = Notes::default();
        annotations::apply_traditional(&self.scope.source, self.matching.clone(), &mut route, &mut notes);
        self.notes.merge(notes);
        // Kong takes no route that matches nothing in particular.
        let lists = [&route.hosts, &route.paths, &route.methods, &route.snis];
        if lists.iter().all(|list| list.is_empty()) && route.headers.is_empty() {
            route.paths = vec!["/".into()];
            route.strip_path = route.strip_path.or(Some(false));
        }
        Ok(self.claim(route, filtered, None))
    }

    fn expression_routes(&mut self, group: &Group<'_>) -> Result<Vec<RouteClaim>, (usize, usize, String)> {
        let mut hosts: Vec<String> = self.attachment.hostnames.clone();
        if hosts.is_empty() {
            hosts.push(String::new());
        }
        let mut routes = Vec::new();
        for (rule_at, rule) in &group.rules {
            for matched in Matched::all(*rule_at, rule) {
                for (host_at, host) in hosts.iter().enumerate() {
                    routes.push(self.expression_route(&matched, host_at, host)?);
                }
            }
        }
        Ok(routes)
    }

    fn expression_route(
        &mut self,
        matched: &Matched<'_>,
        host_at: usize,
        host: &str,
    ) -> Result<RouteClaim, (usize, usize, String)> {
        let mut route = self.bare_route(self.route_name(matched, Some(host)), &[matched.rule]);
        let snis = self.matching.snis.iter().flat_map(|snis| &snis.good);
        let snis = e::any(snis.map(|sni| e::text("tls.sni", "==", sni)));
        route.expression = Some(expression(matched, host, snis));
        let filtered = self.filtered(matched, &route.tags.clone())?;
        let mut notes = Notes::default();
        annotations::apply_expressions(&self.scope.source, &mut route, &mut notes);
        self.notes.merge(notes);
        let meta = self.scope.source.meta;
        let seniority = Seniority {
            created: meta.creation_timestamp.clone(),
            object: meta.key(),
            place: (matched.rule_at, matched.at, host_at),
        };
        let rank = Rank { class: class(matched, host), most: 0xfff, seniority };
        Ok(self.claim(route, filtered, Some(rank)))
    }
}

/// A Gateway API duration: up to four numbers with h, m, s or ms.
fn milliseconds(text: &str) -> Option<i64> {
    let mut total = 0i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "h" => 3_600_000.0,
            "m" => 60_000.0,
            "s" => 1_000.0,
            "ms" => 1.0,
            _ => return None,
        };
        total = total.checked_add((number * unit) as i64)?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(total)
}

fn value_term(field: &str, given: &ValueMatch) -> String {
    let regex = given.kind.as_deref() == Some("RegularExpression");
    e::text(field, if regex { "~" } else { "==" }, &given.value)
}

fn expression(matched: &Matched<'_>, host: &str, snis: Option<String>) -> String {
    let captured = filters::rewrites_prefix(&matched.rule.filters);
    let path = if captured { matched.path.expression_captured() } else { matched.path.expression() };
    let mut headers: Vec<&ValueMatch> = matched.headers().into_values().collect();
    headers.sort_by_key(|header| &header.name);
    let headers = e::all(headers.into_iter().map(|header| value_term(&e::header_field(&header.name), header)));
    let mut queries: BTreeMap<&str, &ValueMatch> = BTreeMap::new();
    for query in matched.given.into_iter().flat_map(|it| &it.query_params) {
        queries.entry(&query.name).or_insert(query);
    }
    let queries = e::all(queries.into_iter().map(|(name, query)| value_term(&format!("http.queries.{name}"), query)));
    let method = matched.given.and_then(|it| it.method.as_ref()).map(|method| e::text("http.method", "==", method));
    let terms = e::all([path, headers, queries, method].into_iter().flatten());
    let host = (!host.is_empty()).then(|| e::host(host));
    let any = || e::any(["http", "https"].map(|protocol| e::text("net.protocol", "==", protocol)));
    e::all(host.into_iter().chain(snis).chain(terms)).or_else(any).unwrap_or_default()
}

/// From the highest bit: 2 (under Ingresses, over gRPC), an exact host, the host's length (8 bits), an exact path, a
/// regular expression, the path's length (10), a method, number of headers (5), number of query parameters (5). The last
/// 12 are left for the rank.
fn class(matched: &Matched<'_>, host: &str) -> u64 {
    let exact_host = u64::from(!host.is_empty() && !host.starts_with('*'));
    let host_length = host.len().min(0xff) as u64;
    let (exact, regex) =
        (u64::from(matches!(matched.path, Path::Exact(_))), u64::from(matches!(matched.path, Path::Regex(_))));
    let length = matched.path.text().len().saturating_sub(1).min(0x3ff) as u64;
    let given = matched.given;
    let method = u64::from(given.is_some_and(|it| it.method.is_some()));
    let headers = given.map_or(0, |it| it.headers.len()).min(0x1f) as u64;
    let queries = given.map_or(0, |it| it.query_params.len()).min(0x1f) as u64;
    2 << 44
        | exact_host << 43
        | host_length << 35
        | exact << 34
        | regex << 33
        | length << 23
        | method << 22
        | headers << 17
        | queries << 12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        assert_eq!(milliseconds("1h0m2s3ms"), Some(3_602_003));
        assert_eq!(milliseconds("1m30s"), Some(90_000));
        for wrong in ["", "10", "s", "1d", "ms5"] {
            assert_eq!(milliseconds(wrong), None, "{wrong}");
        }
    }
}

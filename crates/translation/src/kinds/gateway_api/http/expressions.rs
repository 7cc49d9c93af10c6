//! HTTPRoutes with expressions: each match has a route of its own for each host, with a priority that keeps the order
//! of the specification.

use std::collections::BTreeMap;

use silverback_kong::expression as e;
use silverback_resources::types::ValueMatch;

use super::super::paths::Path;
use super::rule::Matched;
use super::{Group, Translation};
use crate::annotations::route as annotations;
use crate::claims::RouteClaim;
use crate::rank::{Rank, Seniority};
use crate::source::Notes;

impl Translation<'_> {
    pub(super) fn expression_routes(&mut self, group: &Group<'_, '_>) -> Vec<RouteClaim> {
        let mut hosts: Vec<String> = self.attachment.hostnames.clone();
        if hosts.is_empty() {
            hosts.push(String::new());
        }
        let mut routes = Vec::new();
        for matched in group.rules.iter().flat_map(|rule| &rule.matches) {
            for (host_at, host) in hosts.iter().enumerate() {
                routes.push(self.expression_route(matched, host_at, host));
            }
        }
        routes
    }

    fn expression_route(&mut self, matched: &Matched<'_>, host_at: usize, host: &str) -> RouteClaim {
        let mut route = self.bare_route(self.route_name(matched, Some(host)), &[matched.rule]);
        let snis = self.matching.snis.iter().flat_map(|snis| &snis.good);
        let snis = e::any(snis.map(|sni| e::text("tls.sni", "==", sni)));
        route.expression = Some(expression(matched, host, snis));
        let meta = self.scope.source.meta;
        let seniority = Seniority {
            created: meta.creation_timestamp.clone(),
            object: meta.key(),
            place: (matched.rule_at, matched.at, host_at),
        };
        let rank = Rank { host: String::new(), class: class(matched, host), most: 0xfff, seniority };
        let mut claim = self.claim(route, matched, Some(rank));
        let mut notes = Notes::default();
        annotations::apply_expressions(&self.scope.source, &mut claim.route, &mut notes);
        self.findings.notes.merge(notes);
        claim
    }
}

fn value_term(field: &str, given: &ValueMatch) -> String {
    let regex = given.kind.as_deref() == Some("RegularExpression");
    e::text(field, if regex { "~" } else { "==" }, &given.value)
}

fn expression(matched: &Matched<'_>, host: &str, snis: Option<String>) -> String {
    let path = if matched.captured { matched.path.expression_captured() } else { matched.path.expression() };
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

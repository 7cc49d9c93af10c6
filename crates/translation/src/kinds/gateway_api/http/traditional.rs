//! HTTPRoutes in the traditional flavour: matches that differ in their path alone share a route.

use std::collections::BTreeMap;

use super::super::filters;
use super::super::paths::Path;
use super::super::precedence::Stake;
use super::rule::{Matched, Rule};
use super::{Group, Translation};
use crate::annotations::route as annotations;
use crate::claims::RouteClaim;
use crate::rank::Seniority;
use crate::source::Notes;
use silverback_resources::types::HttpRule;

impl Matched<'_> {
    /// Equal for matches that can share a route.
    fn key(&self, rule: &Rule<'_>) -> impl Ord + use<> {
        let headers: Vec<_> =
            self.headers().into_iter().map(|(name, it)| (name, it.kind.clone(), it.value.clone())).collect();
        let method = self.given.and_then(|it| it.method.clone());
        // What matches nothing in particular, or depends on its path, stays by itself.
        let alone = self.path == Path::Any || filters::depend_on_path(&rule.filters);
        (format!("{:?}", rule.filters), method, headers, alone.then_some((self.rule_at, self.at)))
    }

    /// What comes first by the specification, from the highest bit: an exact path or else a regular expression (2 bits),
    /// the path's length (10), a method, number of headers (4). The last 10 are left for the rank.
    fn class(&self) -> u64 {
        let kind = match self.path {
            Path::Exact(_) => 2,
            Path::Regex(_) => 1,
            Path::Any | Path::Prefix(_) => 0,
        };
        let length = self.path.text().len().saturating_sub(1).min(0x3ff) as u64;
        let method = u64::from(self.given.is_some_and(|it| it.method.is_some()));
        let headers = self.headers().len().min(0xf) as u64;
        kind << 25 | length << 15 | method << 14 | headers << 10
    }
}

impl Translation<'_> {
    fn stake(&self, matched: &Matched<'_>, captured: bool) -> Stake {
        let meta = self.scope.source.meta;
        let seniority = Seniority {
            created: meta.creation_timestamp.clone(),
            object: meta.key(),
            place: (matched.rule_at, matched.at, 0),
        };
        let (path, class) = (matched.path.clone(), matched.class());
        Stake { path, captured, regex: captured, class, most: 0x3ff, seniority }
    }

    pub(super) fn traditional_routes(&mut self, group: &Group<'_, '_>) -> Vec<RouteClaim> {
        let mut routes = BTreeMap::new();
        for rule in &group.rules {
            for matched in &rule.matches {
                let shared: &mut Vec<&Matched<'_>> = routes.entry(matched.key(rule)).or_default();
                shared.push(matched);
            }
        }
        let mut shared: Vec<Vec<&Matched<'_>>> = routes.into_values().collect();
        shared.sort_by_key(|matched| matched.first().map(|it| (it.rule_at, it.at)));
        shared.iter().filter_map(|matched| self.traditional_route(matched)).collect()
    }

    fn traditional_route(&mut self, shared: &[&Matched<'_>]) -> Option<RouteClaim> {
        let first = shared.first()?;
        let mut rules: Vec<&HttpRule> = Vec::new();
        for matched in shared {
            if !rules.iter().any(|known| std::ptr::eq(*known, matched.rule)) {
                rules.push(matched.rule);
            }
        }
        let mut route = self.bare_route(self.route_name(first, None), &rules);
        route.hosts = self.attachment.hostnames.clone();
        for matched in shared {
            let paths = if first.captured { matched.path.traditional_captured() } else { matched.path.traditional() };
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
        let mut claim = self.claim(route, first, None);
        claim.stakes = shared.iter().map(|matched| self.stake(matched, first.captured)).collect();
        claim.rules = shared.iter().map(|matched| matched.rule_at).collect();
        let mut notes = Notes::default();
        annotations::apply_traditional(&self.scope.source, self.matching.clone(), &mut claim.route, &mut notes);
        self.findings.notes.merge(notes);
        // Kong takes no route that matches nothing in particular.
        let route = &mut claim.route;
        let lists = [&route.hosts, &route.paths, &route.methods, &route.snis];
        if lists.iter().all(|list| list.is_empty()) && route.headers.is_empty() {
            route.paths = vec!["/".into()];
            route.strip_path = route.strip_path.or(Some(false));
        }
        Some(claim)
    }
}

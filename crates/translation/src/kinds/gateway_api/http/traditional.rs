//! HTTPRoutes in the traditional flavour: matches that differ in their path alone share a route.

use std::collections::BTreeMap;

use super::super::filters;
use super::order::{self, Order};
use super::rule::{Matched, Rule};
use super::{Group, Translation};
use crate::annotations::route as annotations;
use crate::claims::RouteClaim;
use crate::output::Reason;
use crate::source::Notes;
use silverback_resources::types::HttpRule;

impl Matched<'_> {
    /// Equal for matches that can share a route.
    fn key(&self, rule: &Rule<'_>, order: &Order) -> impl Ord + use<> {
        let headers: Vec<_> =
            self.headers().into_iter().map(|(name, it)| (name, it.kind.clone(), it.value.clone())).collect();
        let method = self.given.and_then(|it| it.method.clone());
        // What matches nothing in particular, or depends on its path, stays by itself, and so does what has a place.
        let alone = self.given.is_none() || filters::depend_on_path(&rule.filters) || order.is_overshadowed(self);
        (format!("{:?}", rule.filters), method, headers, alone.then_some((self.rule_at, self.at)))
    }
}

impl Translation<'_> {
    /// Notes where paths have their place, and tells of matches that Kong tries too late.
    pub(super) fn put_in_order(&mut self, rules: &[Rule<'_>]) {
        let matches: Vec<&Matched<'_>> = rules.iter().flat_map(|rule| &rule.matches).collect();
        self.order = Order::of(matches.iter().copied());
        let place = |it: &Matched<'_>| format!("spec.rules[{}].matches[{}]", it.rule_at, it.at);
        for (late, early) in order::tried_too_late(&matches) {
            let message = format!(
                "requests that {} matches too go there first: Kong tries what matches by more things before longer paths; \
                 use --router-flavor expressions",
                place(early)
            );
            let object = self.scope.source.reference();
            self.findings.notes.warn(&object, place(late), Reason::UnsupportedFeature, message);
        }
    }

    pub(super) fn traditional_routes(&mut self, group: &Group<'_, '_>) -> Vec<RouteClaim> {
        let mut routes = BTreeMap::new();
        for rule in &group.rules {
            for matched in &rule.matches {
                let shared: &mut Vec<&Matched<'_>> = routes.entry(matched.key(rule, &self.order)).or_default();
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
            // What is captured is of no account where nothing is rewritten.
            let captured = first.captured || self.order.is_overshadowed(matched);
            let paths = if captured { matched.path.traditional_captured() } else { matched.path.traditional() };
            route.paths.extend(paths);
        }
        // Kong's default is 0; an annotation may say otherwise still.
        route.regex_priority = shared.iter().filter_map(|matched| self.order.regex_priority(matched)).max();
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

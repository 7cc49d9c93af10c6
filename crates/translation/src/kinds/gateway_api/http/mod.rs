//! HTTPRoute: rules that go to equal backends in the same way share a service.

mod expressions;
mod rule;
mod traditional;

use std::collections::BTreeMap;
use std::sync::Arc;

use silverback_kong::ids::IdKind;
use silverback_kong::names::{self, CombinedBackend};
use silverback_kong::{Route, Service};
use silverback_resources::types::{BackendTarget, HTTPRoute, HttpRule};

use super::attachment::Attachment;
use super::redirect::Front;
use super::{Scope, backends_key};
use crate::annotations::route::Matching;
use crate::claims::{Claims, RouteClaim, ServiceClaim};
use crate::inputs::View;
use crate::rank::Rank;
use crate::routed::{Findings, Speech};
use crate::source::Source;
use rule::{Matched, Rule, Serving};

const KIND: &str = "httproute";
const PROTOCOLS: [(&str, &str); 2] = [("HTTP", "http"), ("HTTPS", "https")];

/// What an HTTPRoute asks for; `None` when no parent is ours.
pub(crate) fn claims(object: &HTTPRoute, view: &View<'_>) -> Option<Claims> {
    let scope = Scope { source: Source::of(object), view };
    let spec = &object.spec;
    let attachment = scope.attach(&spec.parent_refs, spec.use_default_gateways.as_deref(), &spec.hostnames)?;
    let mut claims = Claims::new(scope.source.maker(), &object.metadata.creation_timestamp);
    let mut findings = Findings::default();
    let matching = Matching::of(&scope.source, &mut findings.notes);
    if view.settings.expressions() {
        matching.note_unused(&scope.source, &mut findings.notes);
    }
    let protocols = attachment.protocols(&PROTOCOLS);
    let mut translation = Translation { scope, attachment, matching, protocols, findings };
    let rules = translation.rules(&object.spec.rules);
    let groups = translation.groups(&rules);
    let services: Vec<_> = groups.into_iter().map(|group| Arc::new(translation.service(&group))).collect();
    if translation.attachment.counts {
        claims.services = services;
    }
    let Translation { scope, attachment, findings, .. } = translation;
    Some(scope.finish(claims, attachment.parents, object.spec.rules.len(), findings))
}

struct Translation<'a> {
    scope: Scope<'a>,
    attachment: Attachment,
    matching: Matching,
    protocols: Vec<String>,
    findings: Findings,
}

/// Rules that lead to the same backends.
struct Group<'g, 'r> {
    name: String,
    rules: Vec<&'g Rule<'r>>,
}

impl Translation<'_> {
    /// The rules that Kong can serve.
    fn rules<'r>(&mut self, given: &'r [HttpRule]) -> Vec<Rule<'r>> {
        let meta = self.scope.source.meta;
        let owner = format!("{}.{}", meta.namespace, meta.name);
        let fronts = self.attachment.listeners.iter().filter_map(|it| {
            let (_, scheme) = PROTOCOLS.iter().find(|(protocol, _)| *protocol == it.listener().protocol)?;
            Some(((*scheme).to_owned(), it.listener().port))
        });
        let front = Front(fronts.collect::<std::collections::BTreeSet<_>>().into_iter().collect());
        let mut rules = Vec::new();
        for (at, it) in given.iter().enumerate() {
            match rule::check(at, it, &owner, &front, &self.scope.view.settings) {
                Ok(rule) => {
                    if let Some(matched) = rule.matches.first() {
                        self.scope.filter_references(at, &matched.filtered, &mut self.findings);
                    }
                    rules.push(rule);
                }
                Err(invalid) => self.scope.refuse(at, invalid, &mut self.findings),
            }
        }
        rules
    }

    fn groups<'g, 'r>(&self, rules: &'g [Rule<'r>]) -> Vec<Group<'g, 'r>> {
        let combined = self.scope.view.settings.feature_gates.combined_services;
        let mut groups: BTreeMap<Vec<String>, Vec<&Rule<'r>>> = BTreeMap::new();
        for rule in rules {
            // A shared service has the name of its backends: what the name does not tell makes no other service.
            let mut key = if combined { vec![self.service_name(rule)] } else { backends_key(&rule.given.backend_refs) };
            key.push(format!("{:?}", rule.serving));
            groups.entry(key).or_default().push(rule);
        }
        let named = groups.into_values().filter_map(|rules| {
            let name = self.service_name(rules.first()?);
            Some(Group { name, rules })
        });
        named.collect()
    }

    /// Services that routes share are named after their backends, as long as there is nothing else to them.
    fn service_name(&self, rule: &Rule<'_>) -> String {
        let meta = self.scope.source.meta;
        if !self.scope.view.settings.feature_gates.combined_services || rule.serving != Serving::default() {
            return names::rule(KIND, &meta.namespace, &meta.name, rule.at);
        }
        let named = |target: &'_ BackendTarget| -> (String, String) {
            (target.namespace.clone().unwrap_or_else(|| meta.namespace.clone()), target.name.clone())
        };
        let targets: Vec<(String, String)> = rule.given.backend_refs.iter().map(named).collect();
        let backends: Vec<CombinedBackend<'_>> = rule
            .given
            .backend_refs
            .iter()
            .zip(&targets)
            .map(|(target, (namespace, name))| CombinedBackend {
                namespace,
                name,
                port: target.port,
                weight: target.weight,
            })
            .collect();
        names::combined_service(KIND, &meta.namespace, &backends)
    }

    fn service(&mut self, group: &Group<'_, '_>) -> ServiceClaim {
        let first = group.rules.first();
        let (at, refs) = first.map_or((0, &[][..]), |rule| (rule.at, &rule.given.backend_refs[..]));
        let backends = self.scope.backends(refs, &format!("spec.rules[{at}]"), Speech::Http, &mut self.findings);
        let name = group.name.clone();
        let serving = first.map(|rule| rule.serving.clone()).unwrap_or_default();
        let service = Service {
            host: name.clone(),
            name,
            port: Some(80),
            protocol: Some("http".into()),
            retries: serving.retries,
            connect_timeout: serving.timeout,
            read_timeout: serving.timeout,
            write_timeout: serving.timeout,
            ..Service::default()
        };
        let routes = if self.scope.view.settings.expressions() {
            self.expression_routes(group)
        } else {
            self.traditional_routes(group)
        };
        ServiceClaim {
            service,
            backends,
            parent_tags: self.scope.tags([]).into(),
            routes,
            refused: false,
            affinity: serving.affinity,
            shown: self.attachment.shown(),
            answers_without_backend: !refs.is_empty(),
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

    /// A route with the plugins of its match.
    fn claim(&self, mut route: Route, matched: &Matched<'_>, rank: Option<Rank>) -> RouteClaim {
        route.plugins = matched.filtered.plugins.clone();
        for plugin in &mut route.plugins {
            plugin.tags.clone_from(&route.tags);
        }
        let named: Vec<_> = matched.filtered.named.iter().map(|(_, named)| named.clone()).collect();
        RouteClaim { route, plugins: self.scope.plugins(&named), rank, stakes: [].into(), rules: vec![matched.rule_at] }
    }
}

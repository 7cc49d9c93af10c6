//! TCPRoute, UDPRoute and TLSRoute: a service and a route for each rule, matched by port or by server name.

use std::sync::Arc;

use silverback_kong::ids::IdKind;
use silverback_kong::{Destination, Route, Service, expression as e, names};
use silverback_resources::types::{L4Rule, TCPRoute, TLSRoute, UDPRoute};

use super::attachment::{Attached, Attachment};
use super::{Scope, unsupported};
use crate::annotations::route as annotations;
use crate::claims::{Claims, RouteClaim, ServiceClaim};
use crate::inputs::View;
use crate::routed::{Findings, Speech};
use crate::source::{Notes, Source};

/// All expressions of streams have the same: they exclude each other by port and server name.
const PRIORITY: u64 = 1;

/// What a TCPRoute asks for; `None` when no parent is ours.
pub(crate) fn tcp_claims(object: &TCPRoute, view: &View<'_>) -> Option<Claims> {
    let scope = Scope { source: Source::of(object), view };
    let spec = &object.spec;
    let attachment = scope.attach(&spec.parent_refs, spec.use_default_gateways.as_deref(), &[])?;
    let matching = vec![Matching { protocol: "tcp", ports: attachment.ports("TCP"), snis: Vec::new() }];
    Some(claims(&scope, attachment, ("tcproute", "tcp"), &object.spec.rules, &matching))
}

/// What a UDPRoute asks for; `None` when no parent is ours.
pub(crate) fn udp_claims(object: &UDPRoute, view: &View<'_>) -> Option<Claims> {
    let scope = Scope { source: Source::of(object), view };
    let spec = &object.spec;
    let attachment = scope.attach(&spec.parent_refs, spec.use_default_gateways.as_deref(), &[])?;
    let matching = vec![Matching { protocol: "udp", ports: attachment.ports("UDP"), snis: Vec::new() }];
    Some(claims(&scope, attachment, ("udproute", "udp"), &object.spec.rules, &matching))
}

/// What a TLSRoute asks for; `None` when no parent is ours. Where some of its listeners end TLS and others let it
/// through, it has routes for both.
pub(crate) fn tls_claims(object: &TLSRoute, view: &View<'_>) -> Option<Claims> {
    let scope = Scope { source: Source::of(object), view };
    let spec = &object.spec;
    let attachment = scope.attach(&spec.parent_refs, spec.use_default_gateways.as_deref(), &spec.hostnames)?;
    let through = |it: &&Attached| it.entry().passes_through();
    let modes = [("tls", false), ("tls_passthrough", true)].into_iter().filter_map(|(protocol, passes)| {
        let listeners = attachment.listeners.iter().filter(|it| through(it) == passes);
        let unasked = attachment.listeners.is_empty() && !passes && attachment.counts;
        if listeners.clone().next().is_none() && !unasked {
            return None;
        }
        let snis = if unasked {
            attachment.hostnames.clone()
        } else {
            Attachment::narrowed(&object.spec.hostnames, listeners)
        };
        Some(Matching { protocol, ports: Vec::new(), snis })
    });
    let matching: Vec<Matching> = modes.collect();
    Some(claims(&scope, attachment, ("tlsroute", "tcp"), &object.spec.rules, &matching))
}

/// What tells a route's streams from others.
struct Matching {
    protocol: &'static str,
    ports: Vec<u16>,
    snis: Vec<String>,
}

impl Matching {
    fn apply(&self, route: &mut Route, expressions: bool) {
        route.protocols = vec![self.protocol.into()];
        if expressions {
            let ports = e::any(self.ports.iter().map(|port| e::number("net.dst.port", u64::from(*port))));
            let snis = e::any(self.snis.iter().map(|sni| sni_term(sni)));
            route.expression = e::all(snis.into_iter().chain(ports));
            route.priority = route.expression.is_some().then_some(PRIORITY);
        } else {
            route.destinations = self.ports.iter().map(|port| Destination { port: Some(*port) }).collect();
            route.snis.clone_from(&self.snis);
        }
    }

    fn is_empty(&self) -> bool {
        self.ports.is_empty() && self.snis.is_empty()
    }
}

/// A server name, where a leading `*` stands for any beginning.
fn sni_term(sni: &str) -> String {
    match sni.strip_prefix('*') {
        Some(end) => e::text("tls.sni", "=^", end),
        None => e::text("tls.sni", "==", sni),
    }
}

fn claims(
    scope: &Scope<'_>,
    attachment: Attachment,
    (kind, protocol): (&str, &str),
    rules: &[L4Rule],
    matching: &[Matching],
) -> Claims {
    let meta = scope.source.meta;
    let mut claims = Claims::new(scope.source.maker(), &meta.creation_timestamp);
    let mut findings = Findings::default();
    let expressions = scope.view.settings.expressions();
    for (at, rule) in rules.iter().enumerate().filter(|_| attachment.counts) {
        if matching.iter().all(Matching::is_empty) {
            let problem = "nothing tells its streams from others: it needs a listener's port, or hostnames";
            scope.refuse(at, unsupported("", problem), &mut findings);
            continue;
        }
        if rule.backend_refs.is_empty() && kind != "tlsroute" {
            scope.refuse(at, unsupported("backendRefs", "it names no backend"), &mut findings);
            continue;
        }
        let backends = scope.backends(&rule.backend_refs, &format!("spec.rules[{at}]"), Speech::Stream, &mut findings);
        let name = names::rule(kind, &meta.namespace, &meta.name, at);
        let routes = matching.iter().filter(|matching| !matching.is_empty()).enumerate().map(|(mode, matching)| {
            let route_name = format!("{name}.{mode}");
            let mut route = Route {
                id: scope.id(IdKind::Route, &route_name),
                name: route_name,
                tags: scope.tags([rule.name.as_ref()]),
                ..Route::default()
            };
            matching.apply(&mut route, expressions);
            let mut notes = Notes::default();
            annotations::apply_streams(&scope.source, expressions, &mut route, &mut notes);
            (RouteClaim { route, plugins: scope.plugins(&[]), rank: None, stakes: [].into(), rules: vec![at] }, notes)
        });
        let (routes, notes): (Vec<_>, Vec<_>) = routes.unzip();
        notes.into_iter().for_each(|notes| findings.notes.merge(notes));
        claims.services.push(Arc::new(ServiceClaim {
            service: Service {
                host: name.clone(),
                name,
                port: Some(80),
                protocol: Some(protocol.into()),
                ..Service::default()
            },
            backends,
            parent_tags: scope.tags([rule.name.as_ref()]).into(),
            routes,
            refused: false,
            affinity: None,
            shown: attachment.shown(),
            answers_without_backend: false,
        }));
    }
    scope.finish(claims, attachment.parents, rules.len(), findings)
}

//! TCPRoute, UDPRoute and TLSRoute: a service and a route for each rule, matched by port or by server name.

use std::sync::Arc;

use silverback_kong::ids::IdKind;
use silverback_kong::{Destination, Route, Service, expression as e, names};
use silverback_resources::types::{L4Rule, TCPRoute, TLSRoute, UDPRoute};

use super::Scope;
use crate::annotations::route as annotations;
use crate::claims::{Claims, RouteClaim, ServiceClaim};
use crate::inputs::View;
use crate::output::Reason;
use crate::source::{Notes, Source};

/// All expressions of streams have the same: they exclude each other by port and server name.
const PRIORITY: u64 = 1;

/// What a TCPRoute asks for; `None` when no listener of ours takes it.
pub(crate) fn tcp_claims(object: &TCPRoute, view: &View<'_>) -> Option<Claims> {
    let scope = Scope { source: Source::of(object), view };
    let attachment = scope.attach(&object.spec.parent_refs, &[], &["TCP"])?;
    let matching = Matching { protocol: "tcp", ports: attachment.ports("TCP"), snis: Vec::new() };
    Some(claims(scope, "tcproute", "tcp", &object.spec.rules, &matching))
}

/// What a UDPRoute asks for; `None` when no listener of ours takes it.
pub(crate) fn udp_claims(object: &UDPRoute, view: &View<'_>) -> Option<Claims> {
    let scope = Scope { source: Source::of(object), view };
    let attachment = scope.attach(&object.spec.parent_refs, &[], &["UDP"])?;
    let matching = Matching { protocol: "udp", ports: attachment.ports("UDP"), snis: Vec::new() };
    Some(claims(scope, "udproute", "udp", &object.spec.rules, &matching))
}

/// What a TLSRoute asks for; `None` when no listener of ours takes it.
pub(crate) fn tls_claims(object: &TLSRoute, view: &View<'_>) -> Option<Claims> {
    let scope = Scope { source: Source::of(object), view };
    let attachment = scope.attach(&object.spec.parent_refs, &object.spec.hostnames, &["TLS"])?;
    if attachment.hostnames.is_empty() {
        let mut claims = Claims::new(scope.source.maker(), &object.metadata.creation_timestamp);
        let message = "the route is left out: it needs hostnames, nothing else tells its streams from others";
        claims.notes.error(&scope.source.reference(), "spec.hostnames", Reason::InvalidValue, message);
        return Some(claims);
    }
    let through = attachment.of(&["TLS"]).any(super::attachment::Attached::passes_through);
    let protocol = if through { "tls_passthrough" } else { "tls" };
    let matching = Matching { protocol, ports: Vec::new(), snis: attachment.hostnames };
    Some(claims(scope, "tlsroute", "tcp", &object.spec.rules, &matching))
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
            let snis = e::any(self.snis.iter().map(|sni| e::text("tls.sni", "==", sni)));
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

fn claims(scope: Scope<'_>, kind: &str, protocol: &str, rules: &[L4Rule], matching: &Matching) -> Claims {
    let meta = scope.source.meta;
    let mut claims = Claims::new(scope.source.maker(), &meta.creation_timestamp);
    let expressions = scope.view.settings.expressions();
    if matching.is_empty() {
        let message = "the route is left out: no listener says on which port its streams arrive";
        claims.notes.error(&scope.source.reference(), "spec.parentRefs", Reason::ReferenceNotFound, message);
        return claims;
    }
    for (at, rule) in rules.iter().enumerate() {
        if rule.backend_refs.is_empty() && kind != "tlsroute" {
            let message = "the rule is left out: it names no backend";
            let field = format!("spec.rules[{at}].backendRefs");
            claims.notes.error(&scope.source.reference(), field, Reason::UnsupportedBackend, message);
            continue;
        }
        let mut notes = Notes::default();
        let backends = scope.backends(&rule.backend_refs, &format!("spec.rules[{at}]"), &mut notes);
        let name = names::rule(kind, &meta.namespace, &meta.name, at);
        let route_name = format!("{name}.0");
        let mut route = Route {
            id: scope.id(IdKind::Route, &route_name),
            name: route_name,
            tags: scope.tags([rule.name.as_ref()]),
            ..Route::default()
        };
        matching.apply(&mut route, expressions);
        annotations::apply_streams(&scope.source, expressions, &mut route, &mut notes);
        claims.notes.merge(notes);
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
            routes: vec![RouteClaim { route, plugins: scope.plugins(&[]), rank: None }],
            refused: false,
            answers_without_backend: false,
        }));
    }
    claims
}

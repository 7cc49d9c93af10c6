//! TCPIngress and UDPIngress: each rule becomes a route by port, and by server name where one is given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use silverback_kong::ids::IdKind;
use silverback_kong::{Destination, Route, Service, expression as e, names};
use silverback_model::ObjectKey;
use silverback_resources::crds::{L4Backend, TCPIngress, UDPIngress};

use crate::annotations::route as annotations;
use crate::annotations::{PLUGINS, list};
use crate::claims::{Backend, BackendPort, BackendRef, Claims, PluginRef, RouteClaim, ServiceClaim, TlsClaim};
use crate::inputs::View;
use crate::source::{Notes, Source};

/// All expressions of streams have the same: they exclude each other by port and server name.
const PRIORITY: u64 = 1;

/// What a TCPIngress asks for; `None` when it is not ours.
pub(crate) fn tcp_claims(object: &TCPIngress, view: &View<'_>) -> Option<Claims> {
    let mut translation = Translation::new(Source::of(object), &["tcp", "tls"], view)?;
    let spec = object.spec.as_ref()?;
    for (at, rule) in spec.rules.iter().enumerate() {
        translation.rule(at, rule.port, rule.host.as_deref(), &rule.backend);
    }
    let mut claims = translation.claims();
    claims.tls = spec
        .tls
        .iter()
        .enumerate()
        .filter_map(|(at, tls)| {
            let secret = tls.secret_name.as_ref().filter(|name| !name.is_empty() && !tls.hosts.is_empty())?;
            let secret = ObjectKey::new(object.metadata.namespace.clone(), secret.clone());
            Some(TlsClaim { secret, hosts: tls.hosts.clone(), field: format!("spec.tls[{at}]") })
        })
        .collect();
    Some(claims)
}

/// What a UDPIngress asks for; `None` when it is not ours.
pub(crate) fn udp_claims(object: &UDPIngress, view: &View<'_>) -> Option<Claims> {
    let mut translation = Translation::new(Source::of(object), &["udp"], view)?;
    for (at, rule) in object.spec.as_ref()?.rules.iter().enumerate() {
        translation.rule(at, rule.port, None, &rule.backend);
    }
    Some(translation.claims())
}

struct Translation<'a> {
    source: Source<'a>,
    protocols: &'static [&'static str],
    view: &'a View<'a>,
    tags: Arc<[String]>,
    plugins: Arc<[PluginRef]>,
    services: BTreeMap<String, ServiceClaim>,
    notes: Notes,
}

impl<'a> Translation<'a> {
    fn new(source: Source<'a>, protocols: &'static [&'static str], view: &'a View<'a>) -> Option<Self> {
        if !view.class().owns(source.meta, &view.settings.ingress_class) {
            return None;
        }
        Some(Self {
            protocols,
            view,
            tags: source.tags().into(),
            plugins: list(source.meta, PLUGINS).iter().map(|text| PluginRef::parse(text)).collect(),
            services: BTreeMap::new(),
            notes: Notes::default(),
            source,
        })
    }

    /// Names of UDP have an end of their own, so that they do not clash with those of TCP.
    fn name(&self, name: String) -> String {
        if self.protocols == ["udp"] { format!("{name}.udp") } else { name }
    }

    fn rule(&mut self, at: usize, port: i32, host: Option<&str>, backend: &L4Backend) {
        let meta = self.source.meta;
        let (Ok(port), Ok(service_port)) = (u16::try_from(port), u16::try_from(backend.service_port)) else {
            let message = "the rule is left out: ports are numbers from 1 to 65535";
            let reason = crate::output::Reason::InvalidValue;
            return self.notes.error(&self.source.reference(), format!("spec.rules[{at}]"), reason, message);
        };
        let host = host.filter(|host| !host.is_empty());
        let name = self.name(format!("{}.{}.{at}", meta.namespace, meta.name));
        let mut route = Route {
            id: self.id(IdKind::Route, &name),
            name,
            protocols: self.protocols.iter().map(|&protocol| protocol.to_owned()).collect(),
            ..Route::default()
        };
        if self.view.settings.expressions() {
            let sni = host.map(|host| e::text("tls.sni", "==", host));
            route.expression = e::all(sni.into_iter().chain([e::number("net.dst.port", u64::from(port))]));
            route.priority = Some(PRIORITY);
        } else {
            route.destinations = vec![Destination { port: Some(port) }];
            route.snis.extend(host.map(str::to_owned));
        }
        let mut notes = Notes::default();
        annotations::apply_streams(&self.source, self.view.settings.expressions(), &mut route, &mut notes);
        self.notes.merge(notes);
        let claim =
            RouteClaim { route, plugins: self.plugins.clone(), rank: None, stakes: [].into(), rules: Vec::new() };
        self.service(at, &backend.service_name, service_port).routes.push(claim);
    }

    fn service(&mut self, at: usize, service: &str, port: u16) -> &mut ServiceClaim {
        let namespace = &self.source.meta.namespace;
        let number = port.to_string();
        let name = self.name(names::service(namespace, service, &number));
        let to = BackendRef::Service(ObjectKey::new(namespace.clone(), service.to_owned()), BackendPort::Number(port));
        let claim = || ServiceClaim {
            service: Service {
                name: name.clone(),
                host: names::upstream(namespace, service, &number),
                port: Some(port),
                protocol: Some(if self.protocols == ["udp"] { "udp" } else { "tcp" }.to_owned()),
                ..Service::default()
            },
            backends: vec![Backend { to, weight: None, field: format!("spec.rules[{at}].backend") }],
            parent_tags: self.tags.clone(),
            routes: Vec::new(),
            refused: false,
            affinity: None,
            shown: BTreeSet::new(),
            answers_without_backend: false,
        };
        self.services.entry(name.clone()).or_insert_with(claim)
    }

    fn id(&self, kind: IdKind, name: &str) -> Option<String> {
        self.view.settings.id(kind, name)
    }

    fn claims(self) -> Claims {
        let mut claims = Claims::new(self.source.maker(), &self.source.meta.creation_timestamp);
        claims.services = self.services.into_values().map(Arc::new).collect();
        claims.notes = self.notes;
        claims
    }
}

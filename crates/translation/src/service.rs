//! A Kong service: what all claims of its name come to, with the Services behind it.
//!
//! The plan is everything but the routes and the endpoints: it stays equal when only those change, so that a new route
//! touches no upstream and an endpoint no service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use silverback_kong::ids::{self, IdKind};
use silverback_kong::{Collection, EntityKey, Upstream, limits, tags};
use silverback_model::{ObjectKey, ObjectRef};

use crate::annotations::service as annotations;
use crate::annotations::{PLUGINS, list};
use crate::backends::{self, NoPort, Port, find_port};
use crate::claims::{Backend, BackendPort, BackendRef, PluginRef, ServiceClaim};
use crate::face::Face;
use crate::inputs::View;
use crate::kinds::upstream_policy;
use crate::matchable;
use crate::output::Reason;
use crate::plugins::{self, Closed};
use crate::product::{Made, Product};
use crate::rank::Priorities;
use crate::secrets;
use crate::settings::Settings;
use crate::source::{Maker, Notes, Source, annotation_field};
use crate::tls;

/// Group of routes for which KongIngresses never counted.
const GATEWAY_API: &str = ".gateway.networking.k8s.io";

/// A Kong service and its upstream, without routes and targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// The service. Its client certificate is missing still: see [`Plan::client_certificate`].
    pub service: silverback_kong::Service,
    /// The upstream. It has the tags of the service.
    pub upstream: Upstream,
    /// Where requests go: only what exists.
    pub backends: Vec<PlannedBackend>,
    /// Plugins that the Services name, with the namespace they are looked for in.
    pub plugins: Vec<(ObjectRef, PluginRef)>,
    /// The Secret of the certificate shown to the servers.
    pub client_certificate: Option<ObjectKey>,
    /// Why there is no service; the upstream may still be there.
    pub dropped: Option<Dropped>,
    /// The Services and what else it was made from.
    pub makers: Vec<Maker>,
    /// What is wrong.
    pub notes: Notes,
}

/// Why a planned service is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// A claim says so: not even an upstream is left.
    Refused,
    /// Its Services contradict each other: the upstream is left, bare.
    Contradiction,
}

/// A port of a Service that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedBackend {
    /// The Service.
    pub service: ObjectKey,
    /// The port.
    pub port: Port,
    /// Share of the load.
    pub weight: Option<i32>,
}

/// A claim and the object that makes it.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    /// Whose claim.
    pub maker: Maker,
    /// The claim.
    pub claim: Arc<ServiceClaim>,
}

/// Plans a service from its claims, the senior first. There is at least one.
pub(crate) fn plan(claims: &[Claimed], view: &View<'_>) -> Option<Plan> {
    let first = claims.first()?;
    let mut plan = Plan { service: first.claim.service.clone(), ..Plan::default() };
    plan.upstream.name = plan.service.host.clone();
    let settings = &view.settings;
    let fill = settings.feature_gates.fill_ids;
    plan.service.id = fill.then(|| ids::id(IdKind::Service, &settings.workspace, &plan.service.name));
    if claims.iter().any(|claimed| claimed.claim.refused) {
        plan.dropped = Some(Dropped::Refused);
        return Some(plan);
    }
    if let Some(refused) = limits::unusable(&plan.service) {
        plan.dropped = Some(Dropped::Refused);
        for claimed in claims {
            let message = format!("a service is left out: {refused}");
            plan.notes.error(&claimed.maker.object, "spec", Reason::InvalidValue, message);
        }
        return Some(plan);
    }
    let faces = plan.resolve(&first.claim.backends, claims, view);
    if let Some(affinity) = &first.claim.affinity {
        plan.upstream.algorithm = Some("sticky-sessions".into());
        plan.upstream.sticky_sessions_cookie = Some(affinity.cookie.clone());
        plan.upstream.sticky_sessions_cookie_path = Some(affinity.path.clone());
    }
    plan.tag(&faces, &first.claim.parent_tags);
    if faces.is_empty() && first.claim.answers_without_backend {
        plan.service.plugins.push(plugins::no_backend());
    }
    if let Some(contradiction) = contradiction(&faces) {
        plan.dropped = Some(Dropped::Contradiction);
        plan.upstream = Upstream { name: plan.upstream.name, ..Upstream::default() };
        plan.backends.clear();
        for face in &faces {
            let message = format!("service {} is left out: {contradiction}", plan.service.name);
            plan.notes.error(&face.source().reference(), "metadata.annotations", Reason::Conflict, message);
        }
        return Some(plan);
    }
    let protocol = plan.service.protocol.clone();
    for face in &faces {
        plan.annotate(&face.source(), view);
        if let Some(policy) = face.policy() {
            tls::secure(&mut plan, policy, protocol.as_deref(), view);
        }
    }
    plan.show_certificate_of_gateways(claims, view);
    let by_override = !first.maker.object.kind.ends_with(GATEWAY_API);
    plan.balance(&faces, by_override, view);
    plan.limit(&faces, settings);
    Some(plan)
}

/// What Services behind one Kong service disagree on: they must have the same annotations of Kong's.
fn contradiction(faces: &[Face]) -> Option<String> {
    let mut faces = faces.iter().map(Face::source);
    let first = faces.next()?;
    let wanted: Vec<_> = annotations::kong_annotations(&first).collect();
    let other = faces.find(|other| annotations::kong_annotations(other).ne(wanted.iter().copied()))?;
    Some(format!(
        "Services {} and {} share it and have different konghq.com annotations",
        first.meta.key(),
        other.meta.key()
    ))
}

impl Plan {
    /// Looks up the backends. Gives their faces in the order of their names, each once; what is wrong is said of every
    /// claim.
    fn resolve(&mut self, backends: &[Backend], claims: &[Claimed], view: &View<'_>) -> Vec<Face> {
        let mut faces: Vec<Face> = Vec::new();
        for (at, backend) in backends.iter().enumerate() {
            let (face, service, port) = match look_up(&backend.to, view) {
                Ok(found) => found,
                Err(message) => {
                    self.blame(claims, at, Reason::ServiceNotFound, &message);
                    continue;
                }
            };
            let api = claims.first().is_some_and(|claimed| claimed.maker.object.kind.ends_with(GATEWAY_API));
            let http = api && self.service.protocol.as_deref() == Some("http");
            match port {
                Ok(port) if http && backends::is_h2c(&port) => {
                    self.blame(claims, at, Reason::UnsupportedBackend, backends::NO_H2C);
                    continue;
                }
                Ok(port) => {
                    self.service.port = Some(port.number);
                    if http && backends::is_wss(&port) {
                        self.service.protocol = Some("https".into());
                    }
                    self.backends.push(PlannedBackend { service, port, weight: backend.weight });
                }
                Err(problem) => self.blame(claims, at, Reason::PortNotFound, &problem.to_string()),
            }
            if !faces.iter().any(|known| known.source().reference() == face.source().reference()) {
                faces.push(face);
            }
        }
        faces.sort_by_key(|face| face.source().meta.key());
        self.makers = faces.iter().flat_map(Face::makers).collect();
        faces
    }

    fn blame(&mut self, claims: &[Claimed], backend: usize, reason: Reason, message: &str) {
        for claimed in claims {
            let field = claimed.claim.backends.get(backend).map(|backend| backend.field.clone()).unwrap_or_default();
            self.notes.error(&claimed.maker.object, field, reason, message);
        }
    }

    /// One Service: its tags. Several: those of the object that names them. None: placeholders.
    fn tag(&mut self, faces: &[Face], parent: &[String]) {
        let tags = match faces {
            [] => tags::origin(tags::UNKNOWN),
            [face] => face.source().tags(),
            _ => parent.to_vec(),
        };
        self.service.tags = tags;
    }

    fn annotate(&mut self, source: &Source<'_>, view: &View<'_>) {
        annotations::apply(source, &mut self.service, &mut self.notes);
        self.notes.bad_tags(source);
        let named = list(source.meta, PLUGINS);
        self.plugins.extend(named.iter().map(|text| (source.reference(), PluginRef::parse(text))));
        self.client_certificate(source, view);
        self.authorities(source, view);
    }

    /// How load is spread: what the first KongIngress says, then each policy, field by field.
    fn balance(&mut self, faces: &[Face], by_override: bool, view: &View<'_>) {
        let named = |face: &Face, annotation: &str| {
            let source = face.source();
            let name = source.meta.annotation(annotation).filter(|name| !name.is_empty())?;
            Some((source.reference(), ObjectKey::new(source.meta.namespace.clone(), name)))
        };
        let overriding = faces.iter().find_map(|face| named(face, annotations::OVERRIDE));
        if let Some((object, key)) = overriding.filter(|_| by_override) {
            match view.kong_ingress(&key) {
                Some(given) => {
                    self.makers.push(Source::of(&*given).maker());
                    if let Some(upstream) = &given.upstream {
                        upstream_policy::apply_kong_ingress(upstream, &mut self.upstream);
                    }
                }
                None => self.missing(&object, annotations::OVERRIDE, &format!("KongIngress {key}")),
            }
        }
        for face in faces {
            let source = face.source();
            if let Some(header) = source.meta.annotation(annotations::HOST_HEADER).filter(|header| !header.is_empty()) {
                self.upstream.host_header = Some(header.to_owned());
            }
            let Some((object, key)) = named(face, annotations::UPSTREAM_POLICY) else { continue };
            let Some(policy) = view.upstream_policy(&key) else {
                self.missing(&object, annotations::UPSTREAM_POLICY, &format!("KongUpstreamPolicy {key}"));
                continue;
            };
            self.makers.push(Source::of(&*policy).maker());
            let spec = policy.spec.clone().unwrap_or_default();
            if let Err(problem) = upstream_policy::apply(&spec, &mut self.upstream, view.settings.kong_version) {
                let reference = Source::of(&*policy).reference();
                self.notes.error(&reference, "spec.stickySessions", Reason::UnsupportedFeature, problem);
            }
        }
    }

    fn missing(&mut self, object: &ObjectRef, annotation: &str, what: &str) {
        let message = format!("load is spread as if it were not named: {what} does not exist");
        self.notes.error(object, annotation_field(annotation), Reason::ReferenceNotFound, message);
    }

    /// A certificate can be shown only where TLS is spoken.
    fn client_certificate(&mut self, source: &Source<'_>, view: &View<'_>) {
        let Some(name) = source.meta.annotation(annotations::CLIENT_CERT).filter(|name| !name.is_empty()) else {
            return;
        };
        let field = annotation_field(annotations::CLIENT_CERT);
        let protocol = self.service.protocol.as_deref().unwrap_or("http");
        if matches!(protocol, "http" | "grpc" | "tcp" | "tls_passthrough" | "udp" | "ws") {
            let message =
                format!("the client certificate is not used: protocol {protocol} has no TLS; set konghq.com/protocol");
            self.notes.error(&source.reference(), field, Reason::InvalidValue, message);
            return;
        }
        let key = ObjectKey::new(source.meta.namespace.clone(), name);
        match view.secret(&key).map(|secret| secrets::key_pair(&secret)) {
            Some(Ok(_)) => self.client_certificate = Some(key),
            Some(Err(problem)) => {
                let message = format!("the client certificate is not used: Secret {key}: {problem}");
                self.notes.error(&source.reference(), field, Reason::InvalidSecret, message);
            }
            None => {
                let message = format!("the client certificate is not used: Secret {key} does not exist");
                self.notes.error(&source.reference(), field, Reason::SecretNotFound, message);
            }
        }
    }

    /// "Details for the Gateway as a TLS client … does not imply behavior about … which backend should get a TLS
    /// connection": where TLS is spoken, what the Gateway shows is shown, unless the Service names a certificate itself.
    fn show_certificate_of_gateways(&mut self, claims: &[Claimed], view: &View<'_>) {
        let speaks_tls = matches!(self.service.protocol.as_deref(), Some("https" | "tls" | "grpcs" | "wss"));
        if self.client_certificate.is_some() || !speaks_tls {
            return;
        }
        let shown: BTreeSet<_> = claims.iter().flat_map(|claimed| &claimed.claim.shown).collect();
        if shown.len() > 1 {
            for claimed in claims {
                let message = format!(
                    "service {} shows its backends no certificate: it belongs to Gateways that show different ones",
                    self.service.name
                );
                self.notes.error(&claimed.maker.object, "spec.parentRefs", Reason::Conflict, message);
            }
            return;
        }
        // What is wrong with it is said in the Gateway's status.
        let secret = shown.into_iter().flatten().next();
        let is_pair = |key: &&ObjectKey| view.secret(key).is_some_and(|secret| secrets::key_pair(&secret).is_ok());
        self.client_certificate = secret.filter(is_pair).cloned();
    }

    /// Authorities by the `id` their Secrets and ConfigMaps hold.
    fn authorities(&mut self, source: &Source<'_>, view: &View<'_>) {
        let namespace = &source.meta.namespace;
        let mut ids = Vec::new();
        for (annotation, kind) in [(annotations::CA_SECRETS, "Secret"), (annotations::CA_CONFIG_MAPS, "ConfigMap")] {
            for name in list(source.meta, annotation) {
                let key = ObjectKey::new(namespace.clone(), name);
                let id = if kind == "Secret" {
                    view.secret(&key).map(|secret| secrets::text(&secret, "id").map_err(|problem| problem.to_string()))
                } else {
                    let missing = || "the key \"id\" is missing".to_owned();
                    view.config_map(&key).map(|map| map.data.get("id").cloned().ok_or_else(missing))
                };
                let (reason, problem) = match id {
                    Some(Ok(id)) => {
                        ids.push(id);
                        continue;
                    }
                    Some(Err(problem)) => (Reason::InvalidSecret, problem),
                    None => (Reason::SecretNotFound, "it does not exist".to_owned()),
                };
                let message = format!("an authority is not trusted: {kind} {key}: {problem}");
                self.notes.error(&source.reference(), annotation_field(annotation), reason, message);
            }
        }
        if ids.is_empty() {
            return;
        }
        if self.service.tls_verify != Some(true) {
            let message = "authorities are not used: they need konghq.com/tls-verify: \"true\"";
            let field = annotation_field(annotations::CA_SECRETS);
            self.notes.error(&source.reference(), field, Reason::InvalidValue, message);
        } else if self
            .service
            .protocol
            .as_deref()
            .is_none_or(|protocol| matches!(protocol, "http" | "grpc" | "tcp" | "udp" | "ws"))
        {
            let message = "authorities are not used: the protocol has no TLS; set konghq.com/protocol";
            let field = annotation_field(annotations::CA_SECRETS);
            self.notes.error(&source.reference(), field, Reason::InvalidValue, message);
        } else {
            ids.retain(|id| !self.service.ca_certificates.contains(id));
            self.service.ca_certificates.extend(ids);
        }
    }

    /// Takes out what Kong would refuse. It can only come from the annotations of the Services.
    fn limit(&mut self, faces: &[Face], settings: &Settings) {
        let mut refused = limits::service(&mut self.service, settings.enterprise());
        refused.extend(limits::upstream(&mut self.upstream));
        if self.client_certificate.is_some()
            && !matches!(self.service.protocol.as_deref(), Some("https" | "tls" | "wss"))
        {
            self.client_certificate = None;
            let note = limits::Refused {
                field: "client_certificate",
                value: self.service.protocol.clone().unwrap_or_default(),
                wants: "protocol https or tls",
            };
            refused.push(note);
        }
        for face in faces {
            let object = face.source().reference();
            for refused in &refused {
                self.notes.warn(&object, "metadata.annotations", Reason::InvalidValue, refused.to_string());
            }
        }
        unset_defaults(&mut self.service);
    }
}

/// The face of a backend, the Service behind it, and its port if it is there.
fn look_up(to: &BackendRef, view: &View<'_>) -> Result<(Face, ObjectKey, Result<Port, NoPort>), String> {
    let missing = |key: &ObjectKey| format!("Service {key} does not exist: requests for it are answered with an error");
    match to {
        BackendRef::Service(key, port) => {
            let service = view.service(key).ok_or_else(|| missing(key))?;
            let port = find_port(&service, port);
            Ok((Face::service(service, port.as_ref().ok(), &view.tls_policies(key)), key.clone(), port))
        }
        BackendRef::Facade(key) => {
            let facade = view.facade(key).ok_or_else(|| format!("there is no KongServiceFacade {key} of our class"))?;
            let behind = &facade.spec.backend_ref;
            let service_key = ObjectKey::new(key.namespace.clone(), behind.name.clone());
            let service = view.service(&service_key).ok_or_else(|| missing(&service_key))?;
            let port = BackendPort::Number(u16::try_from(behind.port).unwrap_or_default());
            let port = find_port(&service, &port);
            Ok((Face::facade(&facade, service), service_key, port))
        }
    }
}

/// Kong fills these in itself: leaving them out keeps the config small.
fn unset_defaults(service: &mut silverback_kong::Service) {
    service.retries.take_if(|retries| *retries == 5);
    for timeout in [&mut service.connect_timeout, &mut service.read_timeout, &mut service.write_timeout] {
        timeout.take_if(|timeout| *timeout == 60_000);
    }
}

/// The service of a plan with the routes of its claims.
pub(crate) fn product(
    plan: &Plan,
    claims: &[Claimed],
    client_certificate: Option<String>,
    closed: &Closed,
    ranks: &Priorities,
    settings: &Settings,
) -> Option<Product> {
    if plan.dropped.is_some() {
        return None;
    }
    let mut service = plan.service.clone();
    service.client_certificate = client_certificate;
    if closed.service {
        service.plugins = vec![plugins::closed()];
    }
    let mut notes = Notes::default();
    let mut routes = BTreeMap::new();
    for claimed in claims {
        let object = &claimed.maker.object;
        for claim in &claimed.claim.routes {
            let mut route = claim.route.clone();
            if route.tags.is_empty() {
                route.tags = claimed.claim.parent_tags.to_vec();
            }
            if let Some(priority) = ranks.of.get(&route.name) {
                match route.expression {
                    Some(_) => route.priority = Some(*priority),
                    None => route.regex_priority = i64::try_from(*priority).ok(),
                }
            }
            notes.merge(crowded(object, &route.name, ranks));
            if closed.routes.contains(&route.name) {
                // In the place of all others: what redirects or answers by itself would do so first.
                route.plugins = vec![plugins::closed()];
            }
            for name in plugins::once(&mut route.plugins) {
                let message = format!("a second plugin {name} of route {} is left out: Kong runs one", route.name);
                notes.warn(object, "spec", Reason::Conflict, message);
            }
            let judged = limits::route(&mut route, settings.enterprise());
            for refused in judged.iter().flatten() {
                notes.warn(object, source_of(refused.field), Reason::InvalidValue, refused.to_string());
            }
            let refused = judged.err().or_else(|| route.plugins.iter().find_map(limits::made_plugin));
            let problem = refused.map(|refused| (source_of(refused.field), refused.to_string()));
            if let Some((field, problem)) = problem.or_else(|| Some(("spec", matchable::problem(&route)?))) {
                let message = format!("route {} is left out: {problem}", route.name);
                notes.error(object, field, Reason::InvalidValue, message);
                continue;
            }
            if let Some(known) = routes.insert(route.name.clone(), route) {
                let message = format!("route {} is there already: the names of the objects are ambiguous", known.name);
                notes.error(object, "metadata.name", Reason::Conflict, message);
                routes.insert(known.name.clone(), known);
            }
        }
    }
    service.routes = routes.into_values().collect();
    let makers = plan.makers.iter().chain(claims.iter().map(|claimed| &claimed.maker)).cloned();
    let key = EntityKey::new(Collection::Services, &*service.name);
    Some(Product { entities: vec![Made::new(key, &service, makers)], notes })
}

/// Where the value of a route's field is from.
fn source_of(field: &str) -> &'static str {
    match field {
        "name" => "metadata.name",
        "hosts" | "paths" | "status_code" => "spec",
        _ => "metadata.annotations",
    }
}

/// Too many routes that only their age tells apart.
fn crowded(object: &ObjectRef, route: &str, ranks: &Priorities) -> Notes {
    let mut notes = Notes::default();
    if ranks.crowded.contains(route) {
        let message = format!(
            "route {route} may be tried too late: too many routes of its kind have hosts, paths and numbers of headers \
             alike for Kong to keep their order by age; make some of them more specific"
        );
        notes.warn(object, "spec", Reason::Conflict, message);
    }
    notes
}

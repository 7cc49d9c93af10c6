//! Ingress: rules become routes, one per (Service, host, port), with all paths of that triple.
//!
//! A pure function of the Ingress, the facts of our class and the settings. Services are not looked at here.

mod expression;
mod paths;
mod rewrite;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use silverback_kong::ids::{self, IdKind};
use silverback_kong::{Route, Service, names};
use silverback_model::ObjectKey;
use silverback_resources::types::{Ingress, IngressBackend, IngressServiceBackend, IngressTls, TypedRef};

use crate::annotations::route::{self as annotations, Matching};
use crate::annotations::{PLUGINS, list};
use crate::claims::{Backend, BackendPort, BackendRef, Claims, PluginRef, RouteClaim, ServiceClaim, TlsClaim};
use crate::inputs::View;
use crate::output::Reason;
use crate::source::{Notes, Source};

pub(crate) use paths::{Path, PathKind};

const FACADE_GROUP: &str = "incubator.ingress-controller.konghq.com";
const FACADE_KIND: &str = "KongServiceFacade";

/// What an Ingress asks for; `None` when it is not ours.
pub(crate) fn claims(ingress: &Ingress, view: &View<'_>) -> Option<Claims> {
    let class = view.class();
    let class_name = ingress.spec.ingress_class_name.as_deref();
    if !class.owns_ingress(&ingress.metadata, class_name, &view.settings.ingress_class) {
        return None;
    }
    let source = Source::of(ingress);
    let mut claims = Claims::new(source.maker(), &ingress.metadata.creation_timestamp);
    let mut notes = Notes::default();
    let mut translation = Translation {
        ingress,
        view,
        legacy_regexes: class.legacy_regex_detection,
        matching: Matching::of(&source, &mut notes),
        source,
        tags: source.tags().into(),
        plugins: list(&ingress.metadata, PLUGINS).iter().map(|text| PluginRef::parse(text)).collect(),
        notes,
    };
    let groups = translation.groups();
    claims.services = translation.services(groups).into_values().map(Arc::new).collect();
    claims.default_backend = translation.default_backend().map(Arc::new);
    claims.tls = ingress.spec.tls.iter().enumerate().filter_map(|(at, tls)| translation.tls(at, tls)).collect();
    claims.notes = translation.notes;
    Some(claims)
}

struct Translation<'a> {
    ingress: &'a Ingress,
    view: &'a View<'a>,
    legacy_regexes: bool,
    source: Source<'a>,
    matching: Matching,
    tags: Arc<[String]>,
    plugins: Arc<[PluginRef]>,
    notes: Notes,
}

/// The paths that become one route.
struct Group {
    backend: Backend,
    host: String,
    paths: Vec<Path>,
}

impl Translation<'_> {
    /// Paths by route name: the same name is the same (Service, host, port).
    fn groups(&mut self) -> BTreeMap<String, Group> {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for (rule_at, rule) in self.ingress.spec.rules.iter().enumerate() {
            for (path_at, path) in rule.http.iter().flat_map(|http| &http.paths).enumerate() {
                let field = format!("spec.rules[{rule_at}].http.paths[{path_at}]");
                let Some(kind) = PathKind::of(path.path_type.as_deref()) else {
                    let message = "the path is left out: its pathType is none of Exact, Prefix, ImplementationSpecific";
                    self.notes.error(
                        &self.source.reference(),
                        format!("{field}.pathType"),
                        Reason::InvalidValue,
                        message,
                    );
                    continue;
                };
                let Some(backend) = self.backend(&path.backend, format!("{field}.backend")) else {
                    continue;
                };
                let name = self.route_name(&backend.to, &rule.host);
                let group =
                    groups.entry(name).or_insert_with(|| Group { backend, host: rule.host.clone(), paths: Vec::new() });
                group.paths.push(Path::new(kind, &path.path));
            }
        }
        groups
    }

    fn services(&mut self, groups: BTreeMap<String, Group>) -> BTreeMap<String, ServiceClaim> {
        let mut services: BTreeMap<String, ServiceClaim> = BTreeMap::new();
        for (name, group) in groups {
            let route = if self.view.settings.expressions() {
                self.expression_route(name, &group)
            } else {
                self.traditional_route(name, &group)
            };
            let mut service = self.service(group.backend);
            service.service.path = Some("/".into());
            let service = services.entry(service.service.name.clone()).or_insert(service);
            self.add(route, service);
        }
        services
    }

    fn default_backend(&mut self) -> Option<ServiceClaim> {
        let backend = self.ingress.spec.default_backend.as_ref()?;
        let backend = self.backend(backend, "spec.defaultBackend".into())?;
        let meta = &self.ingress.metadata;
        let mut route = self.bare_route(names::default_backend_route(&meta.namespace, &meta.name));
        if self.view.settings.expressions() {
            route.expression = Some(expression::any_path());
            route.priority = Some(0);
            annotations::apply_expressions(&self.source, &mut route, &mut self.notes);
        } else {
            route.paths = vec!["/".into()];
            self.apply_traditional(&mut route);
        }
        let mut service = self.service(backend);
        self.add(route, &mut service);
        Some(service)
    }

    /// Puts a route into its service, with the plugin for its rewrite. A rewrite that cannot be had leaves the whole
    /// service out: sending requests on with the wrong path would be worse.
    fn add(&mut self, route: Route, service: &mut ServiceClaim) {
        let mut claim =
            RouteClaim { route, plugins: self.plugins.clone(), rank: None, stakes: [].into(), rules: Vec::new() };
        if let Some(target) = self.source.meta.annotation(annotations::REWRITE) {
            match rewrite::plugin(target, self.view.settings.feature_gates.rewrite_uris) {
                Ok(plugin) => claim.nest(plugin),
                Err(problem) => {
                    let message = format!("service {} is left out: {problem}", service.name());
                    let field = crate::source::annotation_field(annotations::REWRITE);
                    self.notes.error(&self.source.reference(), field, Reason::UnsupportedFeature, message);
                    service.refused = true;
                }
            }
        }
        service.routes.push(claim);
    }

    fn backend(&mut self, backend: &IngressBackend, field: String) -> Option<Backend> {
        let to = match (&backend.service, &backend.resource) {
            (_, Some(resource)) => self.resource(resource, &field)?,
            (Some(IngressServiceBackend { name, port }), None) => {
                let port = match (port.name.as_str(), port.number) {
                    ("", 0) => BackendPort::Implicit,
                    ("", number) => BackendPort::Number(number),
                    (name, _) => BackendPort::Name(name.to_owned()),
                };
                BackendRef::Service(ObjectKey::new(self.ingress.metadata.namespace.clone(), name.clone()), port)
            }
            (None, None) => {
                let message = "the backend is left out: it names neither a Service nor a resource";
                self.notes.error(&self.source.reference(), field, Reason::UnsupportedBackend, message);
                return None;
            }
        };
        Some(Backend { to, weight: None, field })
    }

    fn resource(&mut self, resource: &TypedRef, field: &str) -> Option<BackendRef> {
        let key = ObjectKey::new(self.ingress.metadata.namespace.clone(), resource.name.clone());
        let facade = resource.api_group.as_deref() == Some(FACADE_GROUP) && resource.kind == FACADE_KIND;
        let (reason, message) = if !facade {
            let message = format!("the backend is left out: {} is no kind that takes requests", resource.kind);
            (Reason::UnsupportedBackend, message)
        } else if !self.view.settings.feature_gates.kong_service_facade {
            let message = "the backend is left out: the feature gate KongServiceFacade is off".to_owned();
            (Reason::UnsupportedFeature, message)
        } else if self.view.facade(&key).is_none() {
            (
                Reason::ReferenceNotFound,
                format!("the backend is left out: there is no KongServiceFacade {key} of our class"),
            )
        } else {
            return Some(BackendRef::Facade(key));
        };
        self.notes.error(&self.source.reference(), format!("{field}.resource"), reason, message);
        None
    }

    fn route_name(&self, to: &BackendRef, host: &str) -> String {
        let meta = &self.ingress.metadata;
        match to {
            BackendRef::Service(service, port) => {
                names::ingress_route(&meta.namespace, &meta.name, &service.name, host, &port.to_string())
            }
            BackendRef::Facade(facade) => names::ingress_facade_route(&meta.namespace, &meta.name, &facade.name, host),
        }
    }

    fn service(&self, backend: Backend) -> ServiceClaim {
        let (name, host) = match &backend.to {
            BackendRef::Service(key, port) => {
                let port = port.to_string();
                (names::service(&key.namespace, &key.name, &port), names::upstream(&key.namespace, &key.name, &port))
            }
            BackendRef::Facade(key) => {
                let name = names::facade(&key.namespace, &key.name);
                (name.clone(), name)
            }
        };
        let service = Service { name, host, port: Some(80), protocol: Some("http".into()), ..Service::default() };
        ServiceClaim {
            service,
            backends: vec![backend],
            parent_tags: self.tags.clone(),
            routes: Vec::new(),
            refused: false,
            affinity: None,
            shown: BTreeSet::new(),
            answers_without_backend: false,
        }
    }

    /// A route with what all routes of Ingresses have. Fields that have Kong's own default stay unset.
    fn bare_route(&self, name: String) -> Route {
        let gates = &self.view.settings.feature_gates;
        Route {
            id: gates.fill_ids.then(|| ids::id(IdKind::Route, &self.view.settings.workspace, &name)),
            name,
            strip_path: Some(false),
            preserve_host: Some(true),
            ..Route::default()
        }
    }

    fn traditional_route(&mut self, name: String, group: &Group) -> Route {
        let mut route = self.bare_route(name);
        route.hosts.extend((!group.host.is_empty()).then(|| group.host.clone()));
        let legacy = self.legacy_regexes;
        route.paths =
            group.paths.iter().flat_map(|path| path.traditional(self.matching.traditional_prefix(), legacy)).collect();
        self.apply_traditional(&mut route);
        route
    }

    fn apply_traditional(&mut self, route: &mut Route) {
        // One object, many routes: what is wrong with its annotations is said once.
        let mut notes = Notes::default();
        annotations::apply_traditional(&self.source, self.matching.clone(), route, &mut notes);
        self.notes.merge(notes);
    }

    fn expression_route(&mut self, name: String, group: &Group) -> Route {
        let mut route = self.bare_route(name);
        let (expression, priority) = expression::of(&group.host, &group.paths, &self.matching);
        route.expression = Some(expression);
        route.priority = Some(priority);
        let mut notes = Notes::default();
        self.matching.note_host_header(&self.source, &mut notes);
        annotations::apply_expressions(&self.source, &mut route, &mut notes);
        self.notes.merge(notes);
        route
    }

    fn tls(&self, at: usize, tls: &IngressTls) -> Option<TlsClaim> {
        let usable = !tls.hosts.is_empty() && !tls.secret_name.is_empty();
        usable.then(|| TlsClaim {
            secret: ObjectKey::new(self.ingress.metadata.namespace.clone(), tls.secret_name.clone()),
            hosts: tls.hosts.clone(),
            field: format!("spec.tls[{at}]"),
        })
    }
}

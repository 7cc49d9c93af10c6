//! Which plugin runs where: references from objects to plugins, and the entities that bind a plugin to services,
//! routes, consumers and groups.
//!
//! A plugin of a namespace is looked for before one of the cluster. Where a plugin that may keep people out cannot be
//! had, what names it is closed.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, json};
use silverback_incremental::{Derived, Index};
use silverback_kong::ids::{self, IdKind, Relations};
use silverback_kong::{Collection, EntityKey, Plugin, names};
use silverback_model::{ObjectKey, ObjectRef};

use crate::annotations::PLUGINS;
use crate::claims::PluginRef;
use crate::inputs::View;
use crate::kinds::plugin::Spec;
use crate::output::Reason;
use crate::product::{Made, Product};
use crate::service::{Claimed, Plan};
use crate::settings::{MissingPlugins, Settings};
use crate::source::{Maker, Notes, annotation_field};

const GROUP: &str = "configuration.konghq.com";

/// Which plugin object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PluginKey {
    /// A KongPlugin.
    Namespaced(ObjectKey),
    /// A KongClusterPlugin as it is named from a namespace: consumers of one namespace concern no routes of another.
    /// Everywhere: an empty namespace.
    Cluster(ObjectKey, String),
}

impl PluginKey {
    /// A KongClusterPlugin as it is named from a namespace.
    pub(crate) fn cluster(name: &str, from: &str) -> Self {
        Self::Cluster(ObjectKey::new("", name), from.to_owned())
    }
}

/// All plugin objects, and who is bound to them.
#[derive(Clone, Copy)]
pub(crate) struct Plugins {
    /// KongPlugins.
    pub namespaced: Derived<ObjectKey, Spec>,
    /// KongClusterPlugins.
    pub cluster: Derived<ObjectKey, Spec>,
}

/// Why a plugin that is named cannot run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    reason: Reason,
    message: String,
    /// Requests may pass without it.
    dispensable: bool,
}

impl Plugins {
    /// A plugin object.
    pub(crate) fn spec(&self, key: &PluginKey, view: &View<'_>) -> Option<Arc<Spec>> {
        match key {
            PluginKey::Namespaced(key) => view.ctx.get(&self.namespaced, key),
            PluginKey::Cluster(key, _) => view.ctx.get(&self.cluster, key),
        }
    }

    /// Finds the plugin that an object names.
    pub(crate) fn find(&self, from: &ObjectRef, to: &PluginRef, view: &View<'_>) -> Result<PluginKey, Unusable> {
        let missing = |message: String| Unusable { reason: Reason::PluginNotFound, message, dispensable: false };
        let namespace = to.namespace.as_ref().unwrap_or(&from.key.namespace);
        let key = ObjectKey::new(namespace.clone(), to.name.clone());
        if to.namespace.is_some() && !view.granted(from, (GROUP, "KongPlugin"), &key) {
            let message = format!("no ReferenceGrant in namespace {namespace:?} lets it name KongPlugin {key}");
            return Err(Unusable { reason: Reason::ReferenceNotGranted, message, dispensable: false });
        }
        let candidates = [PluginKey::Namespaced(key.clone()), PluginKey::cluster(&to.name, namespace)];
        let own_namespace_only = if to.namespace.is_some() { 1 } else { 2 };
        for candidate in candidates.into_iter().take(own_namespace_only) {
            if let Some(spec) = self.spec(&candidate, view) {
                return match spec.plugin {
                    Some(_) => Ok(candidate),
                    None => Err(Unusable {
                        reason: Reason::InvalidPlugin,
                        message: format!("plugin {:?} cannot be used: see its own diagnostics", to.name),
                        dispensable: spec.is_dispensable(),
                    }),
                };
            }
        }
        Err(missing(format!("there is neither a KongPlugin {key} nor a KongClusterPlugin {:?}", to.name)))
    }

    /// Finds all plugins that an object names. Gives whether what names them must be closed.
    pub(crate) fn find_all(
        &self,
        from: &ObjectRef,
        to: &[PluginRef],
        view: &View<'_>,
        notes: &mut Notes,
    ) -> (BTreeSet<PluginKey>, bool) {
        let (mut found, mut closed) = (BTreeSet::new(), false);
        for to in to {
            match self.find(from, to, view) {
                Ok(key) => {
                    found.insert(key);
                }
                Err(unusable) => {
                    closed |= !unusable.dispensable && view.settings.missing_plugins == MissingPlugins::FailClosed;
                    notes.error(from, annotation_field(PLUGINS), unusable.reason, unusable.message);
                }
            }
        }
        (found, closed)
    }
}

/// Answers every request: stands where a plugin is missing that may be there to keep people out.
pub(crate) fn closed() -> Plugin {
    let message = "A plugin of this route is missing: see the diagnostics of the objects it is made from";
    let config = Map::from_iter([("status_code".to_owned(), json!(500)), ("message".to_owned(), json!(message))]);
    Plugin { name: "request-termination".into(), config, ..Plugin::default() }
}

/// Answers every request of a service whose backends do not exist.
pub(crate) fn no_backend() -> Plugin {
    let message = "no existing backendRef provided";
    let config = Map::from_iter([("status_code".to_owned(), json!(500)), ("message".to_owned(), json!(message))]);
    Plugin { name: "request-termination".into(), config, ..Plugin::default() }
}

/// Takes out plugins of a type that is there already: a place has one of each. Gives their types.
pub(crate) fn once(plugins: &mut Vec<Plugin>) -> Vec<String> {
    let mut known = BTreeSet::new();
    let (kept, doubled) = std::mem::take(plugins).into_iter().partition(|plugin| known.insert(plugin.name.clone()));
    *plugins = kept;
    doubled.into_iter().map(|plugin: Plugin| plugin.name).collect()
}

/// Answers every request of a service whose backends cannot be trusted.
pub(crate) fn untrusted() -> Plugin {
    let message = "The backends cannot be verified: see the status of their BackendTLSPolicy";
    let config = Map::from_iter([("status_code".to_owned(), json!(502)), ("message".to_owned(), json!(message))]);
    Plugin { name: "request-termination".into(), config, ..Plugin::default() }
}

/// Who a plugin is bound to beside services and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audience {
    /// Consumers by the name they go by; where there are any, groups do not count.
    pub consumers: Vec<(String, Maker)>,
    /// Consumer groups by name.
    pub groups: Vec<(String, Maker)>,
}

/// Somebody who names plugins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Audient {
    /// The name that plugins refer to it by.
    pub name: String,
    /// The object.
    pub maker: Maker,
    /// The plugins it names: those that exist.
    pub plugins: BTreeSet<PluginKey>,
}

/// Who is bound to plugins.
#[derive(Clone, Copy)]
pub(crate) struct Audiences {
    /// Consumers.
    pub consumers: Derived<ObjectKey, Audient>,
    /// Consumers by the plugins they name.
    pub consumers_by_plugin: Index<PluginKey, ObjectKey>,
    /// Groups.
    pub groups: Derived<ObjectKey, Audient>,
    /// Groups by the plugins they name.
    pub groups_by_plugin: Index<PluginKey, ObjectKey>,
}

impl Audiences {
    /// Who is bound to a plugin.
    pub(crate) fn of(&self, plugin: &PluginKey, view: &View<'_>) -> Audience {
        let read = |all: &Derived<ObjectKey, Audient>, index: &Index<PluginKey, ObjectKey>| {
            let keys = view.ctx.members(index, plugin);
            let found = keys.iter().filter_map(|key| view.ctx.get(all, key));
            found.map(|audient| (audient.name.clone(), audient.maker.clone())).collect()
        };
        Audience {
            consumers: read(&self.consumers, &self.consumers_by_plugin),
            groups: read(&self.groups, &self.groups_by_plugin),
        }
    }
}

/// The entities of a plugin at one place (a service or a route): one, or one for each of its audience.
pub(crate) fn bind_at(
    key: &PluginKey,
    spec: &Spec,
    place: Relations<'_>,
    audience: &Audience,
    maker: Option<&Maker>,
    settings: &Settings,
) -> Vec<Made> {
    let with = |relations: Relations<'_>, who: Option<&Maker>| {
        bind(key, spec, relations, [maker, who].into_iter().flatten(), settings)
    };
    if !audience.consumers.is_empty() {
        let each = audience.consumers.iter();
        return each.filter_map(|(name, who)| with(Relations { consumer: Some(name), ..place }, Some(who))).collect();
    }
    if !audience.groups.is_empty() {
        let each = audience.groups.iter();
        return each
            .filter_map(|(name, who)| with(Relations { consumer_group: Some(name), ..place }, Some(who)))
            .collect();
    }
    with(place, None).into_iter().collect()
}

/// The entity of a plugin that is bound so.
pub(crate) fn bind<'a>(
    key: &PluginKey,
    spec: &'a Spec,
    to: Relations<'_>,
    makers: impl IntoIterator<Item = &'a Maker>,
    settings: &Settings,
) -> Option<Made> {
    let mut plugin = spec.plugin.clone()?;
    let named = |name: Option<&str>| name.map(str::to_owned);
    plugin.service = named(to.service);
    plugin.route = named(to.route);
    plugin.consumer = named(to.consumer);
    plugin.consumer_group = named(to.consumer_group);
    plugin.instance_name = plugin.instance_name.map(|name| names::plugin_instance(&name, to));
    let id_key = ids::plugin_key(&plugin.name, to);
    plugin.id = settings.feature_gates.fill_ids.then(|| ids::id(IdKind::Plugin, &settings.workspace, &id_key));
    let (PluginKey::Namespaced(object) | PluginKey::Cluster(object, _)) = key;
    let entity = EntityKey::new(Collection::Plugins, format!("{id_key}@{object}"));
    Some(Made::new(entity, &plugin, spec.makers.iter().chain(makers).cloned()))
}

/// What is closed, because a plugin cannot be had that may be there to keep people out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closed {
    /// The whole service.
    pub service: bool,
    /// Routes by name.
    pub routes: BTreeSet<String>,
}

/// The plugins of a service and its routes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bindings {
    /// Entities.
    pub product: Arc<Product>,
    /// What is closed.
    pub closed: Closed,
    /// The plugins that are bound.
    pub plugins: BTreeSet<PluginKey>,
}

/// Binds the plugins that the Services and routes of a plan name; `None` when they name none.
pub(crate) fn bindings(
    plan: &Plan,
    claims: &[Claimed],
    plugins: &Plugins,
    audiences: &Audiences,
    view: &View<'_>,
) -> Option<Bindings> {
    let named = !plan.plugins.is_empty()
        || claims.iter().flat_map(|claimed| &claimed.claim.routes).any(|route| !route.plugins.is_empty());
    if !named || plan.dropped.is_some() {
        return None;
    }
    let mut bindings = Bindings::default();
    let service = plan.service.name.as_str();
    for (object, reference) in &plan.plugins {
        let notes = &mut Arc::make_mut(&mut bindings.product).notes;
        let (found, closed) = plugins.find_all(object, std::slice::from_ref(reference), view, notes);
        bindings.closed.service |= closed;
        let place = Relations { service: Some(service), ..Relations::default() };
        let maker = plan.makers.iter().find(|maker| maker.object == *object);
        bindings.place(&found, place, maker, plugins, audiences, view);
    }
    for claimed in claims {
        for route in claimed.claim.routes.iter().filter(|route| !route.plugins.is_empty()) {
            let mut notes = Notes::default();
            let (found, closed) = plugins.find_all(&claimed.maker.object, &route.plugins, view, &mut notes);
            Arc::make_mut(&mut bindings.product).notes.merge(notes);
            let name = &route.route.name;
            if closed {
                bindings.closed.routes.insert(name.clone());
            }
            let place = Relations { route: Some(name), ..Relations::default() };
            bindings.place(&found, place, Some(&claimed.maker), plugins, audiences, view);
        }
    }
    Some(bindings)
}

impl Bindings {
    fn place(
        &mut self,
        found: &BTreeSet<PluginKey>,
        place: Relations<'_>,
        maker: Option<&Maker>,
        plugins: &Plugins,
        audiences: &Audiences,
        view: &View<'_>,
    ) {
        for key in found {
            let Some(spec) = plugins.spec(key, view) else { continue };
            for made in bind_at(key, &spec, place, &audiences.of(key, view), maker, &view.settings) {
                // Several Services behind one service may name the same plugin.
                let entities = &mut Arc::make_mut(&mut self.product).entities;
                if !entities.iter().any(|known| known.key == made.key) {
                    entities.push(made);
                }
            }
            self.plugins.insert(key.clone());
        }
    }
}

/// A plugin that runs everywhere. Of several of one type the oldest counts; the Kong Ingress Controller lets none.
pub(crate) fn global(candidates: &[(ObjectKey, Arc<Spec>)], settings: &Settings) -> Option<Product> {
    let mut product = Product::default();
    let usable: Vec<_> = candidates.iter().filter(|(_, spec)| spec.plugin.is_some()).collect();
    let (oldest, spec) = usable.iter().min_by_key(|(key, spec)| (&spec.created, key))?;
    let none = usable.len() > 1 && settings.missing_plugins == MissingPlugins::Kic;
    for (key, rival) in &usable {
        if (none || key != oldest)
            && let Some(maker) = rival.makers.first()
        {
            let message =
                format!("it does not run everywhere: KongClusterPlugin {oldest} is a global {} plugin too", spec.name);
            product.notes.error(&maker.object, "metadata.labels[global]", Reason::Conflict, message);
        }
    }
    if !none {
        let key = PluginKey::cluster(&oldest.name, "");
        product.entities.extend(bind(&key, spec, Relations::default(), [], settings));
    }
    Some(product)
}

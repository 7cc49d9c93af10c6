//! KongCustomEntity: an entity of a type that has no kind of its own, by itself or for a plugin.
//!
//! An entity of a type that belongs to a service is made once for each service that its plugin is bound to.

use serde_json::{Map, Value, json};
use silverback_kong::ids::{self, IdKind};
use silverback_kong::{Collection, EntityKey, plugin_facts};
use silverback_model::ObjectKey;
use silverback_resources::crds::{KongCustomEntity, ParentRef};

use crate::inputs::View;
use crate::output::Reason;
use crate::plugins::{PluginKey, Plugins};
use crate::product::{Made, Product};
use crate::source::Source;

/// Types that are made from other objects.
const MANAGED: [&str; 12] = [
    "services",
    "routes",
    "upstreams",
    "targets",
    "consumers",
    "consumer_groups",
    "plugins",
    "certificates",
    "ca_certificates",
    "snis",
    "vaults",
    "licenses",
];

/// Types whose schema has a reference to a service.
const OF_SERVICES: [&str; 3] =
    ["degraphql_routes", "graphql_ratelimiting_advanced_cost_decoration", "graphql_ratelimiting_cost_decorations"];

/// The entities of an object; `None` when it is not ours. `services` tells the services that a plugin is bound to,
/// itself or through a route.
pub(crate) fn product(
    object: &KongCustomEntity,
    plugins: &Plugins,
    services: impl Fn(&PluginKey) -> Vec<String>,
    view: &View<'_>,
) -> Option<Product> {
    let (spec, settings, source) = (&object.spec, &view.settings, Source::of(object));
    if spec.controller_name != settings.ingress_class || !settings.feature_gates.kong_custom_entity {
        return None;
    }
    let mut product = Product::default();
    let reference = source.reference();
    if MANAGED.contains(&spec.entity_type.as_str()) || !is_type(&spec.entity_type) {
        let message = format!("the entity is left out: {:?} are made from other objects", spec.entity_type);
        product.notes.error(&reference, "spec.type", Reason::InvalidValue, message);
        return Some(product);
    }
    if !settings.enterprise() && plugin_facts::is_enterprise_entity(&spec.entity_type) {
        let message = format!("the entity is left out: only Kong Enterprise has {}", spec.entity_type);
        product.notes.error(&reference, "spec.type", Reason::UnsupportedFeature, message);
        return Some(product);
    }
    if spec.entity_type == "keys" && !key_ids_agree(&spec.fields) {
        let message = "the entity is left out: the kid in its jwk must be the kid of the key";
        product.notes.error(&reference, "spec.fields.jwk", Reason::InvalidValue, message);
        return Some(product);
    }
    let Value::Object(fields) = &spec.fields else {
        let message = "the entity is left out: its fields are no object";
        product.notes.error(&reference, "spec.fields", Reason::InvalidValue, message);
        return Some(product);
    };
    let mut makers = vec![source.maker()];
    let mut bound = Vec::new();
    if let Some(parent) = &spec.parent_ref {
        let Some(plugin) = parent_plugin(parent, &object.metadata.namespace) else {
            let message = "the entity is left out: its parent is neither a KongPlugin nor a KongClusterPlugin";
            product.notes.error(&reference, "spec.parentRef", Reason::InvalidValue, message);
            return Some(product);
        };
        let Some(found) = plugins.spec(&plugin, view) else {
            let message = format!("the entity is left out: its plugin {:?} does not exist", parent.name);
            product.notes.error(&reference, "spec.parentRef", Reason::PluginNotFound, message);
            return Some(product);
        };
        makers.extend(found.makers.iter().cloned());
        if OF_SERVICES.contains(&spec.entity_type.as_str()) && !fields.contains_key("service") {
            bound = services(&plugin);
        }
    }
    let made = |name: String, fields: &Map<String, Value>| {
        let key = EntityKey::new(Collection::Custom(spec.entity_type.as_str().into()), name);
        Made::new(key, fields, makers.iter().cloned())
    };
    let name = object.metadata.key().to_string();
    if bound.is_empty() {
        product.entities.push(made(name.clone(), fields));
    }
    for service in &bound {
        let mut fields = fields.clone();
        let reference = if settings.feature_gates.fill_ids {
            json!({"id": ids::id(IdKind::Service, &settings.workspace, service)})
        } else {
            json!(service)
        };
        fields.insert("service".to_owned(), reference);
        product.entities.push(made(format!("{name}@{service}"), &fields));
    }
    Some(product)
}

/// Whether this can be the name of a list in the declarative format.
fn is_type(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('_') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Kong takes a key only if its JWK names it as well.
fn key_ids_agree(fields: &Value) -> bool {
    let Some(jwk) = fields.get("jwk").and_then(Value::as_str) else { return true };
    let jwk: Value = serde_json::from_str(jwk).unwrap_or_default();
    jwk.get("kid") == fields.get("kid")
}

fn parent_plugin(parent: &ParentRef, namespace: &str) -> Option<PluginKey> {
    if parent.group.as_deref().is_some_and(|group| group != "configuration.konghq.com") {
        return None;
    }
    match parent.kind.as_deref() {
        // A plugin of another namespace cannot be named: whoever owns it has not agreed.
        Some("KongPlugin") if parent.namespace.as_deref().is_none_or(|named| named == namespace) => {
            Some(PluginKey::Namespaced(ObjectKey::new(namespace, parent.name.clone())))
        }
        Some("KongClusterPlugin") => Some(PluginKey::cluster(&parent.name, namespace)),
        _ => None,
    }
}

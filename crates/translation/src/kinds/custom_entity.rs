//! KongCustomEntity: an entity of a type that has no kind of its own, by itself or for a plugin.
//!
//! An entity of a type that belongs to a service is made once for each service that its plugin is bound to.

use serde_json::{Map, Value, json};
use silverback_kong::ids::{self, IdKind};
use silverback_kong::{Collection, EntityKey, plugin_facts};
use silverback_model::ObjectKey;
use silverback_resources::crds::{KongCustomEntity, KongCustomEntitySpec, ParentRef};

use crate::inputs::View;
use crate::output::Reason;
use crate::plugins::{PluginKey, Plugins};
use crate::product::{Made, Product};
use crate::settings::Settings;
use crate::source::{Maker, Source};

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
    let mut makers = vec![source.maker()];
    let mut bound = Vec::new();
    let usable = fields(spec, settings).and_then(|fields| {
        if let Some(parent) = &spec.parent_ref {
            let (plugin, of_plugin) = parent_plugin(parent, &object.metadata.namespace, plugins, view)?;
            makers.extend(of_plugin);
            if OF_SERVICES.contains(&spec.entity_type.as_str()) && !fields.contains_key("service") {
                bound = services(&plugin);
            }
        }
        Ok(fields)
    });
    let fields = match usable {
        Ok(fields) => fields,
        Err((field, reason, problem)) => {
            let message = format!("the entity is left out: {problem}");
            product.notes.error(&source.reference(), field, reason, message);
            return Some(product);
        }
    };
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
        fields.insert("service".to_owned(), service_reference(service, settings));
        product.entities.push(made(format!("{name}@{service}"), &fields));
    }
    Some(product)
}

/// Why an object makes no entity: the field, the reason, and what is wrong.
type Problem = (&'static str, Reason, String);

/// The fields of the entity, where it is one that may be made by hand.
fn fields<'a>(spec: &'a KongCustomEntitySpec, settings: &Settings) -> Result<&'a Map<String, Value>, Problem> {
    if MANAGED.contains(&spec.entity_type.as_str()) || !is_type(&spec.entity_type) {
        let problem = format!("{:?} are made from other objects", spec.entity_type);
        return Err(("spec.type", Reason::InvalidValue, problem));
    }
    if !settings.enterprise() && plugin_facts::is_enterprise_entity(&spec.entity_type) {
        let problem = format!("only Kong Enterprise has {}", spec.entity_type);
        return Err(("spec.type", Reason::UnsupportedFeature, problem));
    }
    if spec.entity_type == "keys" && !key_ids_agree(&spec.fields) {
        let problem = "the kid in its jwk must be the kid of the key".to_owned();
        return Err(("spec.fields.jwk", Reason::InvalidValue, problem));
    }
    let none = || ("spec.fields", Reason::InvalidValue, "its fields are no object".to_owned());
    spec.fields.as_object().ok_or_else(none)
}

fn service_reference(service: &str, settings: &Settings) -> Value {
    if settings.feature_gates.fill_ids {
        json!({"id": ids::id(IdKind::Service, &settings.workspace, service)})
    } else {
        json!(service)
    }
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

/// The plugin that an entity belongs to, and what that was made from.
fn parent_plugin(
    parent: &ParentRef,
    namespace: &str,
    plugins: &Plugins,
    view: &View<'_>,
) -> Result<(PluginKey, Vec<Maker>), Problem> {
    let ours = parent.group.as_deref().is_none_or(|group| group == "configuration.konghq.com");
    let key = match parent.kind.as_deref().filter(|_| ours) {
        // A plugin of another namespace cannot be named: whoever owns it has not agreed.
        Some("KongPlugin") if parent.namespace.as_deref().is_none_or(|named| named == namespace) => {
            PluginKey::Namespaced(ObjectKey::new(namespace, parent.name.clone()))
        }
        Some("KongClusterPlugin") => PluginKey::cluster(&parent.name, namespace),
        _ => {
            let problem = "its parent is neither a KongPlugin nor a KongClusterPlugin".to_owned();
            return Err(("spec.parentRef", Reason::InvalidValue, problem));
        }
    };
    match plugins.spec(&key, view) {
        Some(found) => Ok((key, found.makers.clone())),
        None => {
            let problem = format!("its plugin {:?} does not exist", parent.name);
            Err(("spec.parentRef", Reason::PluginNotFound, problem))
        }
    }
}

//! Entities that stand by themselves: vaults, licences, and those without a kind of their own.

use std::sync::Arc;

use silverback_incremental::{Derived, Graph, Index};
use silverback_model::ObjectKey;
use silverback_resources::crds::{KongCustomEntity, KongLicense, KongVault};

use super::Scope;
use crate::kinds::{custom_entity, license, vault};
use crate::plugins::{PluginKey, Plugins};
use crate::product::Product;

/// The collections of such entities.
#[derive(Clone, Copy)]
pub(crate) struct Others {
    /// Vaults by prefix.
    pub vaults: Derived<String, Product>,
    /// The licence; there is one key.
    pub licenses: Derived<(), Product>,
    /// Custom entities by object.
    pub custom_entities: Derived<ObjectKey, Product>,
}

/// Adds them all.
pub(super) fn add(
    graph: &mut Graph,
    scope: &Scope,
    specs: Plugins,
    services_by_plugin: Index<PluginKey, String>,
) -> Others {
    Others {
        vaults: vaults(graph, scope),
        licenses: licenses(graph, scope),
        custom_entities: custom_entities(graph, scope, specs, services_by_plugin),
    }
}

fn vaults(graph: &mut Graph, scope: &Scope) -> Derived<String, Product> {
    let at = scope.clone();
    let prefixes = graph
        .derive("vault prefixes", &scope.inputs.vaults, move |ctx, _, object| vault::prefix(object, &at.view(ctx)));
    let by_prefix = graph.index("vaults by prefix", &prefixes, |_, prefix: &String| vec![prefix.clone()]);
    let at = scope.clone();
    graph.group("kong vaults", &by_prefix, move |ctx, _, keys| {
        let found = keys.iter().filter_map(|key| Some((key.clone(), ctx.get(&at.inputs.vaults, key)?)));
        let all: Vec<(ObjectKey, Arc<KongVault>)> = found.collect();
        vault::product(&all, &at.view(ctx))
    })
}

fn licenses(graph: &mut Graph, scope: &Scope) -> Derived<(), Product> {
    let settings = scope.settings.clone();
    let enabled = graph.index("enabled licenses", &scope.inputs.licenses, move |_, license: &KongLicense| {
        if settings.now().enterprise() && license.enabled { vec![()] } else { Vec::new() }
    });
    let licenses = scope.inputs.licenses;
    graph.group("kong licenses", &enabled, move |ctx, (), keys| {
        let found = keys.iter().filter_map(|key| Some((key.clone(), ctx.get(&licenses, key)?)));
        license::product(&found.collect::<Vec<_>>())
    })
}

fn custom_entities(
    graph: &mut Graph,
    scope: &Scope,
    specs: Plugins,
    services_by_plugin: Index<PluginKey, String>,
) -> Derived<ObjectKey, Product> {
    let at = scope.clone();
    graph.derive("kong custom entities", &scope.inputs.custom_entities, move |ctx, _, object: &KongCustomEntity| {
        let services = |plugin: &PluginKey| ctx.members(&services_by_plugin, plugin).iter().cloned().collect();
        custom_entity::product(object, &specs, services, &at.view(ctx))
    })
}

//! Plugins: what each object says, and which run everywhere.

use std::sync::Arc;

use silverback_incremental::{Derived, Graph};
use silverback_model::ObjectKey;
use silverback_resources::crds::KongClusterPlugin;

use super::Scope;
use crate::kinds::plugin::{self, Spec};
use crate::plugins::{self, Plugins};
use crate::product::Product;

/// Adds the specs of all plugin objects.
pub(super) fn specs(graph: &mut Graph, scope: &Scope) -> Plugins {
    let at = scope.clone();
    let namespaced = graph
        .derive("plugin specs", &scope.inputs.plugins, move |ctx, _, object| Some(plugin::spec(object, &at.view(ctx))));
    let at = scope.clone();
    let cluster = graph.derive("cluster plugin specs", &scope.inputs.cluster_plugins, move |ctx, _, object| {
        Some(plugin::spec(object, &at.view(ctx)))
    });
    Plugins { namespaced, cluster }
}

/// Adds the plugins that run everywhere, by type.
pub(super) fn globals(graph: &mut Graph, scope: &Scope, specs: &Plugins) -> Derived<String, Product> {
    let at = scope.clone();
    let types = graph.derive(
        "global plugin types",
        &scope.inputs.cluster_plugins,
        move |ctx, _, object: &KongClusterPlugin| {
            let meta = &object.metadata;
            let global = meta.label("global") == Some("true");
            (global && at.view(ctx).class().owns(meta, &at.settings.now().ingress_class)).then(|| object.plugin.clone())
        },
    );
    let by_type = graph.index("global plugins by type", &types, |_, name: &String| vec![name.clone()]);
    let (settings, cluster) = (scope.settings.clone(), specs.cluster);
    graph.group("global plugins", &by_type, move |ctx, _, keys| {
        let found = keys.iter().filter_map(|key| Some((key.clone(), ctx.get(&cluster, key)?)));
        let candidates: Vec<(ObjectKey, Arc<Spec>)> = found.collect();
        plugins::global(&candidates, &settings.now())
    })
}

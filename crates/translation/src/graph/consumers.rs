//! Consumers and groups: who may be, whom plugins can be bound to, and what comes out.

use std::sync::Arc;

use silverback_incremental::{Ctx, Derived, Graph, Index};
use silverback_kong::ids::Relations;
use silverback_model::ObjectKey;

use super::Scope;
use crate::credentials::Unique;
use crate::kinds::consumer::{self, Candidate};
use crate::kinds::consumer_group::{self, Group};
use crate::output::Reason;
use crate::plugins::{self, Audiences, Audient, PluginKey, Plugins};
use crate::product::Product;
use crate::source::Notes;

/// Consumers and groups of ours, whether they may be or not.
#[derive(Clone, Copy)]
pub(super) struct Candidates {
    consumers: Derived<ObjectKey, Candidate>,
    /// What keeps a consumer out; nothing noted: it may be.
    verdicts: Derived<ObjectKey, Notes>,
    groups: Derived<ObjectKey, Group>,
}

/// Adds the consumers and groups that plugins can be bound to.
pub(super) fn audiences(graph: &mut Graph, scope: &Scope, specs: Plugins) -> (Candidates, Audiences) {
    let at = scope.clone();
    let groups = graph.derive("groups", &scope.inputs.consumer_groups, move |ctx, _, object| {
        consumer_group::group(object, &specs, &at.view(ctx))
    });
    let groups_by_name = graph.index("groups by name", &groups, |_, group: &Group| vec![group.group.name.clone()]);
    let at = scope.clone();
    let accepted_groups = graph.derive("accepted groups", &groups, move |ctx, key, group: &Group| {
        let first = senior(ctx, &groups, &groups_by_name, group).is_none_or(|senior| senior == *key);
        let audient =
            Audient { name: group.group.name.clone(), maker: group.maker.clone(), plugins: group.plugins.clone() };
        (at.settings.now().enterprise() && first).then_some(audient)
    });
    let groups_by_plugin =
        graph.index("groups by plugin", &accepted_groups, |_, it: &Audient| it.plugins.iter().cloned().collect());

    let at = scope.clone();
    let consumers = graph.derive("candidates", &scope.inputs.consumers, move |ctx, _, object| {
        // Where no gateway knows groups, theirs is the diagnostic, not the consumers'.
        let enterprise = at.settings.now().enterprise();
        let exists = |key: &ObjectKey| {
            if enterprise { ctx.get(&accepted_groups, key).is_some() } else { ctx.get(&groups, key).is_some() }
        };
        consumer::candidate(object, &specs, exists, &at.view(ctx))
    });
    let by_unique = graph.index("candidates by what is unique", &consumers, |_, candidate: &Candidate| {
        candidate.identities().into_iter().chain(candidate.unique.keys().cloned()).collect()
    });
    let verdicts = graph.derive("verdicts on consumers", &consumers, move |ctx, key, candidate: &Candidate| {
        let others = |unique: &Unique| {
            let keys = ctx.members(&by_unique, unique);
            keys.iter().filter_map(|key| Some((key.clone(), ctx.get(&consumers, key)?))).collect()
        };
        Some(consumer::conflicts(candidate, key, others))
    });
    let accepted = graph.derive("accepted consumers", &consumers, move |ctx, key, candidate: &Candidate| {
        let name = candidate.name()?.to_owned();
        let fine = ctx.get(&verdicts, key).is_some_and(|verdict| verdict.0.is_empty());
        fine.then(|| Audient { name, maker: candidate.maker.clone(), plugins: candidate.plugins.clone() })
    });
    let consumers_by_plugin =
        graph.index("consumers by plugin", &accepted, |_, it: &Audient| it.plugins.iter().cloned().collect());

    let audiences = Audiences { consumers: accepted, consumers_by_plugin, groups: accepted_groups, groups_by_plugin };
    (Candidates { consumers, verdicts, groups }, audiences)
}

/// The group that a name belongs to: the oldest.
fn senior(
    ctx: &Ctx<'_>,
    groups: &Derived<ObjectKey, Group>,
    by_name: &Index<String, ObjectKey>,
    group: &Group,
) -> Option<ObjectKey> {
    let keys = ctx.members(by_name, &group.group.name);
    let all = keys.iter().filter_map(|key| Some((ctx.get(groups, key)?.created.clone(), key.clone())));
    all.min().map(|(_, key)| key)
}

/// Adds the consumers and groups as entities, with the plugins that are bound to them alone.
pub(super) fn products(
    graph: &mut Graph,
    scope: &Scope,
    specs: Plugins,
    candidates: Candidates,
    audiences: Audiences,
    by_plugin: Index<PluginKey, String>,
) -> (Derived<ObjectKey, Product>, Derived<ObjectKey, Product>) {
    // Whether a plugin is bound to any service or route: bound ones are bound there for their consumers, too.
    let bound = graph.group("bound plugins", &by_plugin, |_, _, _| Some(()));

    let at = scope.clone();
    let consumers = graph.derive("kong consumers", &candidates.consumers, move |ctx, key, candidate: &Candidate| {
        let mut product = Product { entities: Vec::new(), notes: candidate.notes.clone() };
        let verdict: Option<Arc<Notes>> = ctx.get(&candidates.verdicts, key);
        let kept_out = verdict.map(|verdict| (*verdict).clone()).unwrap_or_default();
        if !kept_out.0.is_empty() {
            product.notes.merge(kept_out);
            return Some(product);
        }
        product.entities = candidate.entities(&at.settings.now());
        let place = Relations { consumer: candidate.name(), ..Relations::default() };
        for plugin in candidate.plugins.iter().filter(|_| place.consumer.is_some()) {
            if ctx.get(&bound, plugin).is_none()
                && let Some(spec) = specs.spec(plugin, &at.view(ctx))
            {
                product.entities.extend(plugins::bind(plugin, &spec, place, [&candidate.maker], &at.settings.now()));
            }
        }
        Some(product)
    });

    let at = scope.clone();
    let groups = graph.derive("kong consumer groups", &candidates.groups, move |ctx, key, group: &Group| {
        let mut product = Product { entities: Vec::new(), notes: group.notes.clone() };
        if ctx.get(&audiences.groups, key).is_none() {
            if at.settings.now().enterprise() {
                let message = "the group is left out: an older KongConsumerGroup of another namespace has its name";
                product.notes.error(&group.maker.object, "metadata.name", Reason::Conflict, message);
            }
            return Some(product);
        }
        product.entities.push(group.entity());
        let place = Relations { consumer_group: Some(&group.group.name), ..Relations::default() };
        for plugin in &group.plugins {
            if ctx.get(&bound, plugin).is_none()
                && ctx.members(&audiences.consumers_by_plugin, plugin).is_empty()
                && let Some(spec) = specs.spec(plugin, &at.view(ctx))
            {
                product.entities.extend(plugins::bind(plugin, &spec, place, [&group.maker], &at.settings.now()));
            }
        }
        Some(product)
    });
    (consumers, groups)
}

//! An upstream: the plan's, with targets from the endpoints of the Services behind it.
//!
//! The only rule that looks at endpoints.

use std::sync::Arc;

use silverback_incremental::{Index, Members};
use silverback_kong::{Collection, EntityKey, limits};
use silverback_model::ObjectKey;
use silverback_resources::types::EndpointSlice;

use crate::backends::{self, Endpoint};
use crate::inputs::View;
use crate::product::{Made, Product};
use crate::service::{Dropped, Plan, PlannedBackend};
use crate::source::Notes;

/// The upstream of the plans that share a host. All mean the same one: the first that stands makes it.
pub(crate) fn product(plans: &[Arc<Plan>], slices: &Index<ObjectKey, ObjectKey>, view: &View<'_>) -> Option<Product> {
    let stands = |plan: &&Arc<Plan>| plan.dropped.is_none();
    let bare = |plan: &&Arc<Plan>| plan.dropped == Some(Dropped::Contradiction);
    let plan = plans.iter().find(stands).or_else(|| plans.iter().find(bare))?;
    let mut upstream = plan.upstream.clone();
    if plan.dropped.is_none() {
        upstream.tags.clone_from(&plan.service.tags);
    }
    let endpoints = plan.backends.iter().map(|backend| (backend.weight, endpoints(backend, slices, view)));
    upstream.targets = backends::weigh(endpoints);
    upstream.targets.retain(|target| limits::is_host(&target.target));
    limits::upstream(&mut upstream);
    let key = EntityKey::new(Collection::Upstreams, &*upstream.name);
    let made = Made::new(key, &upstream, plan.makers.iter().cloned());
    Some(Product { entities: vec![made], notes: Notes::default() })
}

fn endpoints(backend: &PlannedBackend, slices: &Index<ObjectKey, ObjectKey>, view: &View<'_>) -> Vec<Endpoint> {
    let Some(service) = view.service(&backend.service) else { return Vec::new() };
    if backends::bypasses_endpoints(&service, view.class().service_upstream) {
        return vec![backends::service_endpoint(&service, &backend.port, &view.settings)];
    }
    let names: Arc<Members<ObjectKey>> = view.ctx.members(slices, &backend.service);
    let slices: Vec<Arc<EndpointSlice>> =
        names.iter().filter_map(|name| view.ctx.get(&view.inputs.slices, name)).collect();
    backends::endpoints(&service, &backend.port, slices.iter().map(|slice| &**slice), view.settings.drain_support)
}

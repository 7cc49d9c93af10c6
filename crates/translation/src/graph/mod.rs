//! The graph of collections: which rule reads what.
//!
//! ```text
//! gateways ─ listening   (classes, listener sets, namespaces)
//! claimants ─ drafts ─ contests ─ order of matches   (HTTPRoutes and GRPCRoutes, listening)
//! claimants ─ claims ┬─ by service ─ plans ┬─ bindings ─ services  (claims, plans, certificates, closed bindings)
//!                    │                     └─ by host ─ upstreams  (plans, endpoints)
//!                    ├─ by server name ─ owners ─ certificates     (Secrets, plans)
//!                    └─ by listener, by backend ─ statuses         (listening, Services, Secrets)
//! plugins ─ specs ─┬─ global plugins
//!                  └─ bindings       (plans, claims, consumers, groups)
//! consumers ─ candidates ─ accepted ─ consumer products  (Secrets, groups, specs, bindings)
//! ```
//!
//! The order here is the order of work in a batch. An endpoint touches upstreams only; a route touches its service and,
//! where its plan stays the same, nothing else.

mod authorities;
mod certificates;
mod claims;
mod consumers;
mod others;
mod plugins;
mod precedence;
mod ranks;
mod statuses;

use std::collections::BTreeMap;
use std::sync::Arc;

use silverback_incremental::{Ctx, Derived, Graph, Index, Members};
use silverback_model::{Digest, ObjectKey};
use silverback_resources::types::Gateway;

use crate::claimant::{ClaimantKey, ClaimantKind};
use crate::claims::Claims;
use crate::inputs::{Inputs, Known, View};
use crate::kinds::gateway_api;
use crate::kinds::plugin::Spec;
use crate::plugins::Bindings;
use crate::product::Product;
use crate::service::{self, Claimed, Plan};
use crate::settings::InForce;
use crate::source::Notes;
use crate::upstream;

/// The collections whose values are looked at from outside.
#[derive(Clone, Copy)]
pub(crate) struct Outputs {
    /// What objects claim.
    pub claims: Derived<ClaimantKey, Claims>,
    /// What services come to, by name.
    pub plans: Derived<String, Plan>,
    /// What is wrong with Secrets that are claimed as certificates.
    pub tls_problems: Derived<ObjectKey, Notes>,
    /// Certificates by key pair.
    pub certificates: Derived<Digest, Product>,
    /// Services by name.
    pub services: Derived<String, Product>,
    /// Upstreams by name.
    pub upstreams: Derived<String, Product>,
    /// Plugins of namespaces.
    pub plugins: Derived<ObjectKey, Spec>,
    /// Plugins of the cluster.
    pub cluster_plugins: Derived<ObjectKey, Spec>,
    /// Plugins bound to services and routes, by service.
    pub bindings: Derived<String, Bindings>,
    /// Plugins that run everywhere, by type.
    pub global_plugins: Derived<String, Product>,
    /// Consumers and the plugins bound to them alone.
    pub consumers: Derived<ObjectKey, Product>,
    /// Groups and the plugins bound to them alone.
    pub consumer_groups: Derived<ObjectKey, Product>,
    /// Authorities.
    pub authorities: authorities::Authorities,
    /// What stands by itself.
    pub others: others::Others,
    /// Statuses of the Gateway API's objects.
    pub statuses: statuses::Statuses,
}

/// What all rules need.
#[derive(Clone)]
struct Scope {
    inputs: Inputs,
    settings: InForce,
    known: Option<Known>,
}

impl Scope {
    fn view<'a>(&'a self, ctx: &'a Ctx<'a>) -> View<'a> {
        View { ctx, inputs: &self.inputs, settings: self.settings.now(), known: self.known, lost: BTreeMap::new() }
    }
}

/// Adds all collections to an empty graph.
pub(crate) fn build(graph: &mut Graph, settings: InForce) -> (Inputs, Outputs) {
    let inputs = Inputs::new(graph);
    let mut scope = Scope { inputs, settings, known: None };
    let at = scope.clone();
    let listening = graph.derive("listening", &inputs.gateways, move |ctx, _, gateway: &Gateway| {
        gateway_api::listening(gateway, &at.view(ctx))
    });
    let authorities = authorities::add(graph, &scope);
    scope.known = Some(Known { listening, trusted: authorities.trusted });

    let claims = claims::add(graph, &scope);
    let services = ServiceClaims::new(graph, claims);

    let at = scope.clone();
    let plans = graph.group("plans", &services.by_name, move |ctx, name, claimants| {
        service::plan(&services.of(ctx, name, claimants), &at.view(ctx))
    });

    let certificates = certificates::add(graph, &scope, claims, plans);
    let specs = plugins::specs(graph, &scope);
    let global_plugins = plugins::globals(graph, &scope, &specs);
    let (candidates, audiences) = consumers::audiences(graph, &scope, specs);

    let at = scope.clone();
    let bindings = graph.derive("bindings", &plans, move |ctx, name, plan: &Plan| {
        let claimants = ctx.members(&services.by_name, name);
        crate::plugins::bindings(plan, &services.of(ctx, name, &claimants), &specs, &audiences, &at.view(ctx))
    });
    let by_plugin =
        graph.index("services by plugin", &bindings, |_, it: &Bindings| it.plugins.iter().cloned().collect());
    let (consumers, consumer_groups) = consumers::products(graph, &scope, specs, candidates, audiences, by_plugin);
    let others = others::add(graph, &scope, specs, by_plugin);

    let statuses = statuses::add(graph, &scope, claims, certificates.ids);

    let closed = graph.derive("closed", &bindings, |_, _, bindings: &Bindings| Some(bindings.closed.clone()));
    let ranks = ranks::add(graph, claims, services);
    let at = scope.clone();
    let products = graph.derive("kong services", &plans, move |ctx, name, plan: &Plan| {
        let claimants = ctx.members(&services.by_name, name);
        let certificate = plan.client_certificate.as_ref().and_then(|secret| certificates.ids.of(ctx, secret));
        let closed = ctx.get(&closed, name).unwrap_or_default();
        let ranks = ctx.get(&ranks, name).unwrap_or_default();
        service::product(plan, &services.of(ctx, name, &claimants), certificate, &closed, &ranks, &at.settings.now())
    });

    let plans_by_host = graph.index("plans by host", &plans, |_, plan: &Plan| vec![plan.upstream.name.clone()]);
    let at = scope;
    let upstreams = graph.group("upstreams", &plans_by_host, move |ctx, _, names| {
        let plans: Vec<Arc<Plan>> = names.iter().filter_map(|name| ctx.get(&plans, name)).collect();
        upstream::product(&plans, &inputs.slices_by_service, &at.view(ctx))
    });

    let outputs = Outputs {
        claims,
        plans,
        tls_problems: certificates.problems,
        certificates: certificates.products,
        services: products,
        upstreams,
        plugins: specs.namespaced,
        cluster_plugins: specs.cluster,
        bindings,
        global_plugins,
        consumers,
        consumer_groups,
        authorities,
        others,
        statuses,
    };
    (inputs, outputs)
}

/// Claims to services, by the name of the service.
#[derive(Clone, Copy)]
struct ServiceClaims {
    claims: Derived<ClaimantKey, Claims>,
    by_name: Index<String, ClaimantKey>,
    /// Whose default backend counts; there is one key, and it is there only if somebody has one.
    default_backend: Derived<(), ClaimantKey>,
}

impl ServiceClaims {
    fn new(graph: &mut Graph, claims: Derived<ClaimantKey, Claims>) -> Self {
        let by_name = graph.index("claims by service", &claims, |_, claims: &Claims| {
            claims.services.iter().chain(&claims.default_backend).map(|claim| claim.name().to_owned()).collect()
        });
        let with_default = graph.index("claims with default backend", &claims, |_, claims: &Claims| {
            claims.default_backend.iter().map(|_| ()).collect()
        });
        let default_backend = graph.group("default backend", &with_default, move |ctx, (), claimants| {
            let claimed = claimants.iter().filter_map(|key| Some((ctx.get(&claims, key)?, key)));
            let oldest = claimed.min_by(|(a, _), (b, _)| a.seniority().cmp(&b.seniority()));
            oldest.map(|(_, key)| key.clone())
        });
        Self { claims, by_name, default_backend }
    }

    /// The claims to a service, the senior first.
    fn of(&self, ctx: &Ctx<'_>, name: &str, claimants: &Members<ClaimantKey>) -> Vec<Claimed> {
        let found = claimants.iter().filter_map(|key| Some((key, ctx.get(&self.claims, key)?)));
        let mut found: Vec<(&ClaimantKey, Arc<Claims>)> = found.collect();
        // HTTPRoutes that share a service come by name: none of them is more its owner than another.
        let created = |key: &ClaimantKey, claims: &Claims| match key.kind {
            ClaimantKind::HttpRoute => String::new(),
            _ => claims.created.clone(),
        };
        found.sort_by_key(|(key, claims)| (key.kind, created(key, claims), key.key.clone()));
        let mut claimed = Vec::new();
        for (_, claims) in &found {
            let claim = claims.services.iter().filter(|claim| claim.name() == name);
            claimed.extend(claim.map(|claim| Claimed { maker: claims.maker.clone(), claim: claim.clone() }));
        }
        // Default backends come last: a service that rules lead to as well is as the rules have it.
        for (key, claims) in &found {
            if let Some(claim) = claims.default_backend.as_ref().filter(|claim| claim.name() == name)
                && ctx.get(&self.default_backend, &()).as_deref() == Some(key)
            {
                claimed.push(Claimed { maker: claims.maker.clone(), claim: claim.clone() });
            }
        }
        claimed
    }
}

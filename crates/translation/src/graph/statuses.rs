//! Statuses of the Gateway API's objects. Routes are counted by listener, so that a route that stays where it is
//! touches no Gateway.

use silverback_incremental::{Derived, Graph, Index};
use silverback_model::ObjectKey;
use silverback_resources::types::{BackendTLSPolicy, Gateway, GatewayClass};
use silverback_status::ObjectStatus;

use super::Scope;
use super::certificates::CertificateIds;
use crate::claimant::ClaimantKey;
use crate::claims::Claims;
use crate::inputs::View;
use crate::kinds::gateway_api::{ListenerKey, Owner, SetKey};
use crate::routed::Reference;
use crate::status::gateways::Around;
use crate::status::{bundle, classes, gateways, policies, routes};

/// The collections of statuses.
#[derive(Clone, Copy)]
pub(crate) struct Statuses {
    /// Of routes.
    pub routes: Derived<ClaimantKey, ObjectStatus>,
    /// Of Gateways.
    pub gateways: Derived<ObjectKey, ObjectStatus>,
    /// Of ListenerSets.
    pub listener_sets: Derived<SetKey, ObjectStatus>,
    /// Of GatewayClasses.
    pub classes: Derived<ObjectKey, ObjectStatus>,
    /// Of BackendTLSPolicies.
    pub policies: Derived<ObjectKey, ObjectStatus>,
}

/// Where statuses of listeners find what other objects decide.
#[derive(Clone, Copy)]
struct Counts {
    attached: Index<ListenerKey, ClaimantKey>,
    certificates: CertificateIds,
}

impl Counts {
    fn with<T>(self, view: &View<'_>, make: impl FnOnce(&Around<'_>) -> T) -> T {
        let attached =
            |owner: &Owner, name: &str| view.ctx.members(&self.attached, &(owner.clone(), name.to_owned())).len();
        let certificate = |secret: &ObjectKey| self.certificates.of(view.ctx, secret);
        make(&Around { view, attached: &attached, certificate: &certificate })
    }
}

/// "The number of Routes with the Accepted condition set to True that have been attached to this Listener."
fn attached_to(claims: &Claims) -> Vec<ListenerKey> {
    let Some(routed) = &claims.routed else { return Vec::new() };
    let accepting = routed.parents.iter().filter(|parent| routed.is_accepted_by(parent));
    accepting.flat_map(|parent| parent.places.iter().map(|place| place.listener.clone())).collect()
}

/// The Services that a route refers to.
fn backends_of(claims: &Claims) -> Vec<ObjectKey> {
    let references = claims.routed.iter().flat_map(|routed| &routed.references);
    let services = references.filter_map(|reference| match reference {
        Reference::Service { key, .. } => Some(key.clone()),
        _ => None,
    });
    services.collect()
}

/// Adds them.
pub(super) fn add(
    graph: &mut Graph,
    scope: &Scope,
    claims: Derived<ClaimantKey, Claims>,
    certificates: CertificateIds,
) -> Statuses {
    let inputs = scope.inputs;
    let at = scope.clone();
    // What is no route has no part in this.
    let routed =
        graph.index("routes", &claims, |key, claims: &Claims| claims.routed.iter().map(|_| key.clone()).collect());
    let routes = graph.group("route statuses", &routed, move |ctx, key: &ClaimantKey, _| {
        routes::status(&*ctx.get(&claims, key)?, &at.view(ctx))
    });
    let attached = graph.index("routes by listener", &claims, |_, claims: &Claims| attached_to(claims));
    let around = Counts { attached, certificates };
    let at = scope.clone();
    let gateways = graph.derive("gateway statuses", &inputs.gateways, move |ctx, _, object: &Gateway| {
        around.with(&at.view(ctx), |around| gateways::gateway(object, around))
    });
    let at = scope.clone();
    let listener_sets = graph.derive("listener set statuses", &inputs.listener_sets, move |ctx, key, object| {
        around.with(&at.view(ctx), |around| gateways::listener_set(object, key, around))
    });
    let settings = scope.settings.clone();
    let defined = graph.index("gateway api as a whole", &inputs.definitions, |_, _| vec![()]);
    let bundles = graph.group("bundles", &defined, move |ctx, (), names| {
        let definitions: Vec<_> = names.iter().filter_map(|name| ctx.get(&inputs.definitions, name)).collect();
        Some(bundle::bundles(definitions.iter().map(|it| &**it)))
    });
    let classes =
        graph.derive("gateway class statuses", &inputs.gateway_classes, move |ctx, _, class: &GatewayClass| {
            classes::status(class, ctx.get(&bundles, &()).as_deref(), &settings.now())
        });
    let by_backend = graph.index("routes by backend", &claims, |_, claims: &Claims| backends_of(claims));
    let at = scope.clone();
    let policies = graph.derive("policy statuses", &inputs.tls_policies, move |ctx, _, policy: &BackendTLSPolicy| {
        policies::status(
            policy,
            |service| {
                let routes = ctx.members(&by_backend, service);
                routes.iter().filter_map(|route| ctx.get(&claims, route)).collect()
            },
            &at.view(ctx),
        )
    });
    Statuses { routes, gateways, listener_sets, classes, policies }
}

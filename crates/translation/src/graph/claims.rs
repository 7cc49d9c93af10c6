//! What objects claim. Routes of HTTP and of gRPC are translated as if they were alone at first; who stands in another's
//! way is asked only at listeners that have routes of gRPC, and only who lost is translated again. What keeps their matches
//! in order is added at last.

use std::collections::BTreeMap;
use std::sync::Arc;

use silverback_incremental::{Ctx, Derived, Graph, Index};
use silverback_kong::ids::IdKind;

use super::Scope;
use super::precedence::Needs;
use crate::claimant::{Claimant, ClaimantKey, ClaimantKind};
use crate::claims::Claims;
use crate::inputs::View;
use crate::kinds::gateway_api::{self, ListenerKey, Lost, Stand};

/// What HTTPRoutes and GRPCRoutes claim, and where they are not let in.
#[derive(Clone, Copy)]
struct Contested {
    drafts: Derived<ClaimantKey, Claims>,
    contests: Derived<ListenerKey, Lost>,
    lost: Index<ClaimantKey, ListenerKey>,
}

impl Contested {
    fn add(graph: &mut Graph, scope: &Scope) -> Self {
        // Other claimants have no part in this.
        let contested = graph.index("contested", &scope.inputs.claimants, |key: &ClaimantKey, _| {
            if key.kind.is_contested() { vec![key.clone()] } else { Vec::new() }
        });
        let at = scope.clone();
        let drafts = graph.group("drafts", &contested, move |ctx, key: &ClaimantKey, _| {
            ctx.get(&at.inputs.claimants, key)?.claims(&at.view(ctx))
        });
        let stands = graph.derive("stands", &drafts, |_, _, claims: &Claims| Stand::of(claims));
        let of_kind = |kind| {
            move |key: &ClaimantKey, stand: &Stand| -> Vec<ListenerKey> {
                if key.kind == kind { stand.places.keys().cloned().collect() } else { Vec::new() }
            }
        };
        let http = graph.index("stands of HTTP", &stands, of_kind(ClaimantKind::HttpRoute));
        let grpc = graph.index("stands of gRPC", &stands, of_kind(ClaimantKind::GrpcRoute));
        let contests = graph.group("contests", &grpc, move |ctx, listener: &ListenerKey, grpc| {
            let http = ctx.members(&http, listener);
            let standing = grpc.iter().chain(http.iter()).filter_map(|key| Some((key, ctx.get(&stands, key)?)));
            let standing: Vec<_> = standing.collect();
            let places = standing.iter().filter_map(|(key, stand)| {
                Some((*key, stand.created.as_str(), stand.places.get(listener)?.as_slice()))
            });
            Some(gateway_api::lost(places)).filter(|lost| !lost.is_empty())
        });
        let lost = graph.index("lost places", &contests, |_, lost: &Lost| lost.keys().cloned().collect());
        Self { drafts, contests, lost }
    }

    /// The listeners that do not let a route in, with the route that they took instead.
    fn lost(&self, ctx: &Ctx<'_>, route: &ClaimantKey) -> BTreeMap<ListenerKey, ClaimantKey> {
        let listeners = ctx.members(&self.lost, route);
        let winners = listeners
            .iter()
            .filter_map(|listener| Some((listener.clone(), ctx.get(&self.contests, listener)?.get(route)?.clone())));
        winners.collect()
    }
}

/// Adds what objects claim.
pub(super) fn add(graph: &mut Graph, scope: &Scope) -> Derived<ClaimantKey, Claims> {
    let contested = Contested::add(graph, scope);
    let at = scope.clone();
    let settled = move |ctx: &Ctx<'_>, key: &ClaimantKey| {
        let lost = contested.lost(ctx, key);
        if lost.is_empty() {
            return ctx.get(&contested.drafts, key);
        }
        ctx.get(&at.inputs.claimants, key)?.claims(&View { lost, ..at.view(ctx) }).map(Arc::new)
    };
    let needs = Needs::add(graph, scope, &contested.drafts, settled.clone());
    let at = scope.clone();
    graph.derive("claims", &scope.inputs.claimants, move |ctx, key: &ClaimantKey, claimant: &Claimant| {
        if !key.kind.is_contested() {
            return claimant.claims(&at.view(ctx));
        }
        let mut claims = Arc::unwrap_or_clone(settled(ctx, key)?);
        for need in needs.of(ctx, key) {
            gateway_api::fulfil(&mut claims, &need, |name| at.settings.now().id(IdKind::Route, name));
        }
        Some(claims)
    })
}

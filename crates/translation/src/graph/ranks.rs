//! Priorities of routes that are equal but for their last bits: each class is put in order once, and each service reads
//! only what concerns its own routes.

use std::sync::Arc;

use silverback_incremental::{Derived, Graph};

use super::ServiceClaims;
use crate::claimant::ClaimantKey;
use crate::claims::{Claims, RouteClaim, ServiceClaim};
use crate::rank::{self, Priorities, Rank, Seniority};

/// Host and priority without its last bits.
type Class = (String, u64);

fn class(rank: &Rank) -> Class {
    (rank.host.clone(), rank.class)
}

fn ranked(claims: &Claims) -> impl Iterator<Item = (&RouteClaim, &Rank)> {
    let routes = claims.services.iter().flat_map(|service| &service.routes);
    routes.filter_map(|route| Some((route, route.rank.as_ref()?)))
}

/// Adds the priorities of ranked routes, by service and then by route.
pub(super) fn add(
    graph: &mut Graph,
    claims: Derived<ClaimantKey, Claims>,
    services: ServiceClaims,
) -> Derived<String, Priorities> {
    let by_class = graph.index("claims by class of priority", &claims, |_, claims: &Claims| {
        let mut classes: Vec<Class> = ranked(claims).map(|(_, rank)| class(rank)).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    });
    let orders = graph.group("order within classes", &by_class, move |ctx, (host, class): &Class, claimants| {
        let members: Vec<Arc<Claims>> = claimants.iter().filter_map(|key| ctx.get(&claims, key)).collect();
        let all = members.iter().flat_map(|claims| ranked(claims));
        let all = all.filter(|(_, rank)| rank.class == *class && rank.host == *host);
        let mut seniorities: Vec<Seniority> = all.map(|(_, rank)| rank.seniority.clone()).collect();
        seniorities.sort_unstable();
        // A match may have several routes.
        seniorities.dedup();
        Some(seniorities)
    });
    let by_service = graph.index("claims of ranked services", &claims, |_, claims: &Claims| {
        let ranked = |service: &&Arc<ServiceClaim>| service.routes.iter().any(|route| route.rank.is_some());
        claims.services.iter().filter(ranked).map(|service| service.name().to_owned()).collect()
    });
    graph.group("priorities", &by_service, move |ctx, name: &String, claimants| {
        let mut priorities = Priorities::default();
        for claimed in services.of(ctx, name, claimants) {
            for route in &claimed.claim.routes {
                let Some(rank) = &route.rank else { continue };
                let order = ctx.get(&orders, &class(rank)).unwrap_or_default();
                let before = order.binary_search(&rank.seniority).unwrap_or_else(|place| place);
                let name = route.route.name.clone();
                if before as u64 > rank.most {
                    priorities.crowded.insert(name.clone());
                }
                priorities.of.insert(name, rank::priority(rank, before));
            }
        }
        Some(priorities)
    })
}

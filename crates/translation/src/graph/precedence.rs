//! The order of matches in the traditional flavour: those at one host are looked at together, with those of hosts that
//! cover it. Most hosts need nothing, so that nobody's claims become other.

use std::sync::Arc;

use silverback_incremental::{Ctx, Derived, Graph, Index, Members};

use super::Scope;
use crate::claimant::{ClaimantKey, ClaimantKind};
use crate::claims::Claims;
use crate::kinds::gateway_api::{self, At, Contender, Need, covering};

/// Routes of one kind at a host; an empty one is every host.
type Place = (ClaimantKind, String);

/// What matches need, by claimant and host.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    by_place: Derived<Place, Vec<(ClaimantKey, Need)>>,
    places: Index<ClaimantKey, Place>,
}

impl Needs {
    /// `settled`: what a claimant claims before this.
    pub(super) fn add(
        graph: &mut Graph,
        scope: &Scope,
        drafts: &Derived<ClaimantKey, Claims>,
        settled: impl Fn(&Ctx<'_>, &ClaimantKey) -> Option<Arc<Claims>> + Send + Sync + 'static,
    ) -> Self {
        let settings = scope.settings.clone();
        let contenders = graph.derive("contenders", drafts, move |ctx, key, _: &Claims| {
            if settings.now().expressions() {
                return None;
            }
            Some(gateway_api::contenders(&*settled(ctx, key)?)).filter(|all| !all.is_empty())
        });
        let placed = |is_meant: fn(&Contender) -> bool| {
            move |key: &ClaimantKey, all: &Vec<Contender>| -> Vec<Place> {
                let hosts = all.iter().filter(|it| is_meant(it)).flat_map(Contender::hosts);
                let mut hosts: Vec<&str> = hosts.collect();
                hosts.sort_unstable();
                hosts.dedup();
                hosts.into_iter().map(|host| (key.kind, host.to_owned())).collect()
            }
        };
        let all = graph.index("contenders by host", &contenders, placed(|_| true));
        let armed = graph.index("armed contenders by host", &contenders, placed(Contender::is_armed));
        let by_place = graph.group("order of matches", &all, move |ctx, (kind, host): &Place, own| {
            let of = |claimants: &Members<ClaimantKey>| {
                claimants.iter().filter_map(|key| Some((key.clone(), ctx.get(&contenders, key)?))).collect()
            };
            let at = |host: String, index: &Index<Place, ClaimantKey>| {
                let (place, all) = ((*kind, host.clone()), false);
                At { host, all, claimants: of(&ctx.members(index, &place)) }
            };
            let mut hosts = vec![At { host: host.clone(), all: false, claimants: of(own) }];
            hosts.extend(covering(host).map(|wide| at(wide, &armed)));
            gateway_api::mark(&mut hosts);
            for wide in hosts.iter_mut().skip(1).filter(|it| it.all) {
                wide.claimants = at(wide.host.clone(), &all).claimants;
            }
            Some(gateway_api::needs(&hosts)).filter(|needs| !needs.is_empty())
        });
        let places = graph.index("places of matches", &by_place, |_, needs: &Vec<(ClaimantKey, Need)>| {
            let mut claimants: Vec<ClaimantKey> = needs.iter().map(|(key, _)| key.clone()).collect();
            claimants.dedup();
            claimants
        });
        Self { by_place, places }
    }

    /// What the matches of a claimant need.
    pub(super) fn of(&self, ctx: &Ctx<'_>, claimant: &ClaimantKey) -> Vec<Need> {
        let places = ctx.members(&self.places, claimant);
        let needs: Vec<Arc<_>> = places.iter().filter_map(|place| ctx.get(&self.by_place, place)).collect();
        let own = needs.iter().flat_map(|needs| &**needs).filter(|(key, _)| key == claimant);
        own.map(|(_, need)| need.clone()).collect()
    }
}

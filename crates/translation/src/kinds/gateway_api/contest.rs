//! HTTPRoutes and GRPCRoutes that share a listener. "If a Route (A) of type HTTPRoute or GRPCRoute is attached to a
//! Listener and that listener already has another Route (B) of the other type attached and the intersection of the
//! hostnames of A and B is non-empty, then the implementation MUST accept exactly one of these two routes": the oldest,
//! else the first by namespace and name. What else the routes match by is not asked, and not known here.

use std::collections::{BTreeMap, HashMap};

use super::hosts::domains;
use super::listening::ListenerKey;
use crate::claimant::{ClaimantKey, ClaimantKind};
use crate::claims::Claims;

/// A route that is not accepted at a listener, and the one of the other kind that is.
pub(crate) type Lost = BTreeMap<ClaimantKey, ClaimantKey>;

/// Where a route would be accepted if no other were there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    /// Creation time of the route.
    pub created: String,
    /// Its hosts at each listener; none: every host.
    pub places: BTreeMap<ListenerKey, Vec<String>>,
}

impl Stand {
    /// Where a route stands that claims this.
    pub(crate) fn of(claims: &Claims) -> Option<Self> {
        let routed = claims.routed.as_ref()?;
        let accepting = routed.parents.iter().filter(|parent| routed.is_accepted_by(parent));
        let places = accepting.flat_map(|parent| &parent.places);
        let places: BTreeMap<_, _> = places.map(|place| (place.listener.clone(), place.hosts.clone())).collect();
        (!places.is_empty()).then(|| Self { created: claims.created.clone(), places })
    }
}

/// Who loses at a listener, of those who stand there with these creation times and hosts.
pub(crate) fn lost<'a>(standing: impl IntoIterator<Item = (&'a ClaimantKey, &'a str, &'a [String])>) -> Lost {
    let mut standing: Vec<_> = standing.into_iter().collect();
    standing.sort_unstable_by_key(|(route, created, _)| (*created, &route.key, route.kind));
    let mut taken: HashMap<ClaimantKind, Taken<'a>> = HashMap::new();
    let mut lost = Lost::new();
    for (route, _, hosts) in standing {
        let hosts = if hosts.is_empty() { &[const { String::new() }][..] } else { hosts };
        let mut others = taken.iter().filter(|(kind, _)| **kind != route.kind);
        match others.find_map(|(_, taken)| hosts.iter().find_map(|host| taken.meets(host))) {
            Some(winner) => drop(lost.insert(route.clone(), winner.clone())),
            None => {
                let taken = taken.entry(route.kind).or_default();
                hosts.iter().for_each(|host| taken.add(host, route));
            }
        }
    }
    lost
}

/// The hosts of routes of one kind that are accepted, with the first route that has each.
#[derive(Default)]
struct Taken<'a> {
    /// By the host as written; every host is an empty one.
    hosts: HashMap<String, &'a ClaimantKey>,
    /// By each domain that something is below of.
    below: HashMap<String, &'a ClaimantKey>,
}

impl<'a> Taken<'a> {
    fn add(&mut self, host: &str, route: &'a ClaimantKey) {
        self.hosts.entry(host.to_owned()).or_insert(route);
        // A wildcard is not below its own domain, but of those around it.
        let around = domains(host).skip(usize::from(host.starts_with('*')));
        for domain in around.chain([""]) {
            self.below.entry(domain.to_owned()).or_insert(route);
        }
    }

    /// A route that has something in common with a host.
    fn meets(&self, host: &str) -> Option<&'a ClaimantKey> {
        let covering = domains(host).map(|domain| format!("*.{domain}")).chain([String::new(), host.to_owned()]);
        let covered = host.strip_prefix("*.").or(host.is_empty().then_some(""));
        let found = covering.filter_map(|wide| self.hosts.get(&wide)).next();
        found.or_else(|| self.below.get(covered?)).copied()
    }
}

#[cfg(test)]
mod tests {
    use silverback_model::ObjectKey;

    use super::super::hosts::narrower;
    use super::*;

    const HOSTS: [&str; 8] = ["", "*.c", "*.b.c", "b.c", "a.b.c", "x.a.b.c", "*.a.b.c", "a.d"];

    fn route(kind: ClaimantKind, name: &str) -> ClaimantKey {
        ClaimantKey { kind, key: ObjectKey::new("n", name) }
    }

    #[test]
    fn hosts_meet_as_the_specification_says() {
        let key = route(ClaimantKind::HttpRoute, "r");
        for (one, other) in HOSTS.iter().flat_map(|one| HOSTS.iter().map(move |other| (*one, *other))) {
            let mut taken = Taken::default();
            taken.add(one, &key);
            let wanted = one.is_empty() || other.is_empty() || narrower(one, other).is_some();
            assert_eq!(taken.meets(other).is_some(), wanted, "{one:?} {other:?}");
        }
    }

    /// What lost is in nobody's way.
    #[test]
    fn the_oldest_wins_and_then_the_first_by_name() {
        use ClaimantKind::{GrpcRoute, HttpRoute};
        let hosts = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let routes = [
            (route(HttpRoute, "old"), "1", hosts(&["a.test"])),
            (route(GrpcRoute, "between"), "2", hosts(&["a.test", "b.test"])),
            (route(HttpRoute, "young"), "3", hosts(&["b.test"])),
            (route(HttpRoute, "a"), "4", hosts(&["c.test"])),
            (route(GrpcRoute, "b"), "4", hosts(&["*.test"])),
            (route(HttpRoute, "b"), "4", hosts(&["c.test"])),
            (route(GrpcRoute, "far"), "5", hosts(&["far.away"])),
        ];
        let found = lost(routes.iter().rev().map(|(key, created, hosts)| (key, *created, &hosts[..])));
        let wanted = [(1, 0), (4, 0)].map(|(loser, winner): (usize, usize)| (routes[loser].0.clone(), winner));
        let losers: Vec<_> = found.keys().cloned().collect();
        assert_eq!(losers, wanted.iter().map(|(loser, _)| loser.clone()).rev().collect::<Vec<_>>());
        assert_eq!(found[&routes[1].0], routes[0].0);
    }
}

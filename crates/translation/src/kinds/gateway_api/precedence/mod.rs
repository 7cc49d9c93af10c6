//! The order of matches in the traditional flavour, across objects and hosts: what comes first by the specification is
//! tried first by Kong, or it is said where not. Knows matches and routes, and no object but by name.

mod contender;
mod routes;
mod rule;
#[cfg(test)]
mod tests;
mod tried;

use std::sync::Arc;

use crate::claimant::ClaimantKey;
use crate::claims::Claims;
use crate::output::Reason;
use rule::{Extra, Verdict};

pub(crate) use contender::{Contender, Stake};

/// Rule, match and 0.
type Place = (usize, usize, usize);

/// What a match needs at a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    host: String,
    place: Place,
    extras: Vec<Extra>,
    /// A match that takes requests of both all the same.
    late_for: Option<(ClaimantKey, Place)>,
}

/// Matches that may stand in each other's way, of claimants, at one host.
pub(crate) type Contenders = Vec<(ClaimantKey, Arc<Vec<Contender>>)>;

/// The matches of all routes that are claimed.
pub(crate) fn contenders(claims: &Claims) -> Vec<Contender> {
    let routes = claims.services.iter().flat_map(|service| &service.routes);
    routes.flat_map(|claim| Contender::of(&claim.route, &claim.stakes)).collect()
}

/// Whether matches that are not armed matter to a host that they cover. If not, Kong tries all its own before them, and
/// what comes of them and of others, too: that matches by no more things than the others do, which its own are made to
/// come before. `around` are the armed ones of hosts that cover it.
pub(crate) fn unarmed_matter(host: &str, own: &Contenders, around: &[(String, Contenders)]) -> bool {
    let at = |host: &str, all: &Contenders, is_so: fn(&Contender) -> bool| {
        all.iter().flat_map(|(_, contenders)| &**contenders).any(|it| it.is_at(host) && is_so(it))
    };
    at(host, own, |it| !it.is_safe())
        || around.iter().any(|(host, all)| at(host, all, |it| it.is_armed() && it.is_loose()))
}

/// What the matches of the first host need. `hosts` are those that a request for it may be meant for, the most specific
/// first, with those that have them; `armed`: with those that are armed alone.
pub(crate) fn needs(hosts: &[(String, Contenders)], armed: bool) -> Vec<(ClaimantKey, Need)> {
    let Some((host, _)) = hosts.first() else { return Vec::new() };
    let mut all: Vec<(usize, &Contender)> = Vec::new();
    let mut owners: Vec<&ClaimantKey> = Vec::new();
    for (at, (host, claimants)) in hosts.iter().enumerate() {
        for (owner, contenders) in claimants {
            let here = contenders.iter().filter(|it| it.is_at(host) && (at == 0 || !armed || it.is_armed()));
            all.extend(here.map(|it| (at, it)));
            owners.resize(all.len(), owner);
        }
    }
    let place = |at: usize| (owners[at].clone(), all[at].1.stake.seniority.place);
    let verdicts = rule::verdicts(host, &all).into_iter();
    let needs = verdicts.map(|(at, Verdict { extras, late_for })| {
        let (owner, own_place) = place(at);
        (owner, Need { host: host.clone(), place: own_place, extras, late_for: late_for.map(place) })
    });
    needs.collect()
}

/// Adds what a match needs to the claims it is of, `id` making ids of names.
pub(crate) fn fulfil(claims: &mut Claims, need: &Need, id: impl Fn(&str) -> Option<String>) {
    for service in &mut claims.services {
        let mut further = Vec::new();
        for claim in &service.routes {
            let stakes = claim.stakes.iter().filter(|stake| stake.seniority.place == need.place);
            for (stake, extra) in stakes.flat_map(|stake| need.extras.iter().map(move |extra| (stake, extra))) {
                further.push(routes::further(claim, stake, &need.host, extra, &id));
            }
        }
        if !further.is_empty() {
            Arc::make_mut(service).routes.append(&mut further);
        }
    }
    let Some((other, (rule, at, _))) = &need.late_for else { return };
    let field = |rule: usize, at: usize| format!("spec.rules[{rule}].matches[{at}]");
    let message = format!(
        "requests that {} of {} {} matches too may go there first: Kong tries what matches by more things before longer \
         paths, and this would take too many routes to put right; use --router-flavor expressions",
        field(*rule, *at),
        other.kind.of_route().unwrap_or_default(),
        other.key,
    );
    let object = claims.maker.object.clone();
    claims.notes.warn(&object, field(need.place.0, need.place.1), Reason::UnsupportedFeature, message);
}

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

/// Who has matches at a host.
pub(crate) struct At {
    /// The host; an empty one is every host.
    pub host: String,
    /// Whether those matter that are not armed.
    pub all: bool,
    /// The claimants, with their matches at any host.
    pub claimants: Vec<(ClaimantKey, Arc<Vec<Contender>>)>,
}

impl At {
    fn contenders(&self) -> impl Iterator<Item = (&ClaimantKey, &Contender)> {
        let all = self.claimants.iter().flat_map(|(key, contenders)| contenders.iter().map(move |it| (key, it)));
        all.filter(|(_, it)| it.is_at(&self.host) && (self.all || it.is_armed()))
    }
}

/// The matches of all routes that are claimed.
pub(crate) fn contenders(claims: &Claims) -> Vec<Contender> {
    let routes = claims.services.iter().flat_map(|service| &service.routes);
    routes.flat_map(|claim| Contender::of(&claim.route, &claim.stakes)).collect()
}

/// Marks the hosts whose matches matter though they are not armed. `hosts` are those that a request for the first may be
/// meant for, the most specific first; of the others the armed ones are known.
///
/// Kong tries what is safe before all of other hosts that are not armed, and before what these have in common with armed
/// ones, as long as that matches by no more kinds of things than the armed one alone.
pub(crate) fn mark(hosts: &mut [At]) {
    let Some((own, wider)) = hosts.split_first_mut() else { return };
    own.all = true;
    let armed = || wider.iter().flat_map(|at| at.contenders().map(|(_, it)| it));
    let everywhere = !own.contenders().all(|(_, it)| it.is_safe()) || armed().any(|it| !it.has_path());
    let wildcards = armed().any(|it| !it.has_host());
    wider.iter_mut().for_each(|at| at.all = everywhere || wildcards && !at.host.is_empty());
}

/// What the matches of the first host need.
pub(crate) fn needs(hosts: &[At]) -> Vec<(ClaimantKey, Need)> {
    let Some(own) = hosts.first() else { return Vec::new() };
    let host = &own.host;
    let all = hosts.iter().enumerate().flat_map(|(at, it)| it.contenders().map(move |(key, it)| (key, (at, it))));
    let (owners, all): (Vec<&ClaimantKey>, Vec<(usize, &Contender)>) = all.unzip();
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

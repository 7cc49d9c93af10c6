//! The further routes of a match: like the route that was made of it, with a host, a path and limits of their own.

use silverback_kong::Route;
use silverback_model::Digest;

use super::contender::Stake;
use super::rule::{ABOVE_ANNOTATIONS, Extra};
use crate::claims::RouteClaim;
use crate::rank::Rank;

/// Digits of a name's end that tell one further route from another.
const DIGITS: usize = 8;

/// A further route of a match at a host, `id` making ids of names.
pub(super) fn further(
    claim: &RouteClaim,
    stake: &Stake,
    host: &str,
    extra: &Extra,
    id: impl Fn(&str) -> Option<String>,
) -> RouteClaim {
    let mut claim = RouteClaim { stakes: [].into(), ..claim.clone() };
    let route = &mut claim.route;
    let suffix = suffix(stake, host, extra);
    route.name = format!("{}.{suffix}", route.name);
    route.id = id(&route.name);
    if !route.hosts.is_empty() {
        route.hosts = vec![host.to_owned()];
    }
    route.paths = match extra.path == stake.path && stake.captured {
        true => extra.path.traditional_captured(),
        false => extra.path.traditional_regexes(),
    };
    // The Lua router looks for the first route of all whose path matches, and then begins with those of the same text. So
    // texts are told apart by something that matches nothing.
    route.paths.iter_mut().for_each(|path| path.push_str(&format!("(?:|{suffix})")));
    limit(route, extra);
    let (host, class) = (host.to_owned(), class(stake, host));
    claim.rank = Some(Rank { host, class, most: stake.most, seniority: stake.seniority.clone() });
    claim
}

fn limit(route: &mut Route, extra: &Extra) {
    route.methods = extra.limits.methods.iter().cloned().collect();
    route.snis = extra.limits.snis.iter().cloned().collect();
    for (name, values) in &extra.limits.headers {
        if !route.headers.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            route.headers.insert(name.clone(), values.clone());
        }
    }
}

/// From the highest bit: 1 (over what annotations say), labels of a wildcard (4 bits), then as the match has it.
fn class(stake: &Stake, host: &str) -> u64 {
    let labels = if host.starts_with('*') { host.matches('.').count().min(0xf) as u64 } else { 0 };
    ABOVE_ANNOTATIONS | (labels * Stake::HOST) | stake.class
}

fn suffix(stake: &Stake, host: &str, extra: &Extra) -> String {
    let text = format!("{:?} {host} {extra:?}", stake.seniority.place);
    let mut digits = Digest::of(text.as_bytes()).to_string();
    digits.truncate(DIGITS);
    digits
}

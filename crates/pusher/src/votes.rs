//! What the gateways' reports say of an offer: votes, and which kinds of gateways there are. Pure.

use std::collections::BTreeMap;

use silverback_gateway::{ConfigHash, Facts, GatewayReport, PushResult, Rejection, State};
use silverback_isolation::{GatewayKind, Named, Refusal, Vote};

/// What a gateway says of a configuration that it is, or was, given.
pub(crate) fn vote(report: &GatewayReport, hash: ConfigHash, flatten: bool) -> Vote {
    if report.hash_observed == Some(hash) {
        return Vote::Took;
    }
    if let Some(push) = report.last_push.as_ref().filter(|push| push.hash == hash && push.flatten == flatten) {
        match (&push.result, report.state) {
            (PushResult::Refused(rejection), _) => return Vote::Refused(refusal(rejection)),
            // Too large for it.
            (PushResult::Failed(_), State::Refused) => return Vote::Out,
            _ => (),
        }
    }
    if answers(report) { Vote::Silent } else { Vote::Out }
}

/// Whether a gateway can be given configurations right now, as far as is known.
pub(crate) fn answers(report: &GatewayReport) -> bool {
    let lost = matches!(report.state, State::Starting | State::Blocked | State::Failing);
    !lost && report.consecutive_failures == 0
}

/// Whether the last push to a gateway was refused for its content.
pub(crate) fn refuses(report: &GatewayReport) -> bool {
    report.last_push.as_ref().is_some_and(|push| matches!(push.result, PushResult::Refused(_)))
}

/// The kinds of those gateways that are as `which` says, each once, with an example's url.
pub(crate) fn kinds<'a>(
    reports: impl IntoIterator<Item = &'a GatewayReport>,
    which: impl Fn(&GatewayReport) -> bool,
) -> BTreeMap<GatewayKind, String> {
    let found = reports.into_iter().filter(|report| which(report));
    found.filter_map(|report| Some((kind(report.facts.as_ref()?), report.url.clone()))).collect()
}

fn kind(facts: &Facts) -> GatewayKind {
    GatewayKind {
        version: facts.version.clone(),
        edition: facts.edition.clone(),
        router_flavor: facts.router_flavor.clone(),
        body_limit: facts.body_limit,
        plugins: facts.plugins.clone(),
    }
}

fn refusal(rejection: &Rejection) -> Refusal {
    let named = rejection.entities.iter().map(|entity| {
        let words: Vec<String> = entity.errors.iter().map(ToString::to_string).collect();
        Named {
            kind: entity.kind.clone(),
            id: entity.id.clone(),
            name: entity.name.clone(),
            tags: entity.tags.clone(),
            fields: entity.fields.clone(),
            words: words.join("; "),
        }
    });
    let faults = rejection.fields.iter().map(|field| (field.path.clone(), field.message.clone()));
    Refusal { words: rejection.to_string(), named: named.collect(), faults: faults.collect() }
}

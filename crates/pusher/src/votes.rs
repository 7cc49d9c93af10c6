//! What the gateways' reports say of an offer: votes, and which kinds of gateways there are. Pure.

use std::collections::BTreeSet;

use silverback_gateway::{ConfigHash, Facts, GatewayReport, PushResult, Rejection, State};
use silverback_isolation::{GatewayKind, Named, Refusal, Vote};
use silverback_model::Digest;

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

/// Which kinds of gateways there are. Told anew only when something about them is other.
#[derive(Default)]
pub(crate) struct Kinds {
    seen: Vec<(bool, Option<Facts>)>,
    known: Vec<GatewayKind>,
    answering: BTreeSet<Digest>,
}

impl Kinds {
    /// Looks at all gateways; gives whether anything is other.
    pub(crate) fn update<'a>(&mut self, reports: impl Iterator<Item = &'a GatewayReport> + Clone) -> bool {
        let now = || reports.clone().map(|report| (answers(report), &report.facts));
        if now().eq(self.seen.iter().map(|(answers, facts)| (*answers, facts))) {
            return false;
        }
        self.seen = now().map(|(answers, facts)| (answers, facts.clone())).collect();
        let of = |facts: &Option<Facts>| facts.as_ref().map(kind);
        let known: BTreeSet<GatewayKind> = self.seen.iter().filter_map(|(_, facts)| of(facts)).collect();
        self.known = known.into_iter().collect();
        let answering = self.seen.iter().filter(|(answers, _)| *answers).filter_map(|(_, facts)| of(facts));
        self.answering = answering.map(|kind| kind.digest()).collect();
        true
    }

    /// All kinds, each once, in order.
    pub(crate) fn known(&self) -> &[GatewayKind] {
        &self.known
    }

    /// Digests of the kinds of which a gateway answers.
    pub(crate) fn answering(&self) -> &BTreeSet<Digest> {
        &self.answering
    }
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

//! What the gateways' reports say of an offer: votes, and which kinds of gateways there are. Pure.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use silverback_gateway::{ConfigHash, Facts, GatewayReport, PushResult, Rejection, Routing, State};
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

/// Whether every gateway that answers has said what it is, and there is one that has.
pub(crate) fn all_said<'a>(reports: impl Iterator<Item = &'a GatewayReport> + Clone) -> bool {
    let said = |report: &GatewayReport| report.facts.is_some();
    reports.clone().any(said) && reports.clone().all(|report| said(report) || report.consecutive_failures > 0)
}

/// The router flavour to translate for. Where gateways differ, those that have nothing go first, since the others go on
/// serving what they have; then the majority. Where neither tells, it stays as it was.
pub(crate) fn router_flavor<'a>(reports: impl Iterator<Item = &'a GatewayReport> + Clone, before: &str) -> String {
    let routing = |report: &GatewayReport| report.facts.as_ref().and_then(|facts| facts.routing());
    let empty = |report: &GatewayReport| report.hash_observed == Some(ConfigHash::EMPTY) && !refuses(report);
    for only_empty in [true, false] {
        let eligible = reports.clone().filter(|it| it.consecutive_failures == 0 && (empty(it) || !only_empty));
        let count = |wanted| eligible.clone().filter(|report| routing(report) == Some(wanted)).count();
        match count(Routing::Fields).cmp(&count(Routing::Expressions)) {
            Ordering::Greater => return "traditional".to_owned(),
            Ordering::Less => return "expressions".to_owned(),
            Ordering::Equal => (),
        }
    }
    before.to_owned()
}

/// Which kinds of gateways there are. Told anew only when something about them is other.
#[derive(Default)]
pub(crate) struct Kinds {
    seen: Vec<(bool, Option<Arc<Facts>>)>,
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
        let of = |facts: &Option<Arc<Facts>>| facts.as_deref().map(kind);
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
        schemas: facts.schemas.iter().filter_map(|(name, digest)| Some((name.clone(), (*digest)?))).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn report(flavor: &str, empty: bool) -> GatewayReport {
        let facts = Facts { router_flavor: flavor.to_owned(), ..Facts::default() };
        let hash = if empty { ConfigHash::EMPTY } else { ConfigHash::of(b"held") };
        GatewayReport { hash_observed: Some(hash), facts: Some(Arc::new(facts)), ..GatewayReport::default() }
    }

    fn old(empty: bool) -> GatewayReport {
        report("traditional_compatible", empty)
    }

    fn new(empty: bool) -> GatewayReport {
        report("expressions", empty)
    }

    #[test]
    fn gateways_of_one_flavour_decide_it() {
        assert_eq!(router_flavor([old(true), old(false)].iter(), "expressions"), "traditional");
        assert_eq!(router_flavor([new(false)].iter(), ""), "expressions");
        assert_eq!(router_flavor([].iter(), "expressions"), "expressions", "nobody answers: it stays");
    }

    /// Each new gateway gets its configuration at once: a rollout waits for it before it takes an old one away.
    #[test]
    fn a_rollout_to_another_flavour_goes_through() {
        let mut all = vec![old(false), old(false), old(false)];
        let mut flavor = "traditional".to_owned();
        let mut next = |all: &[GatewayReport], expected: &str| {
            flavor = router_flavor(all.iter(), &flavor);
            assert_eq!(flavor, expected, "{all:?}");
        };
        for old_ones in (0..3).rev() {
            all.push(new(true));
            next(&all, "expressions");
            *all.last_mut().unwrap() = new(false);
            next(&all, if old_ones == 2 { "traditional" } else { "expressions" });
            all.remove(0);
            next(&all, if old_ones == 2 { "traditional" } else { "expressions" });
        }
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn who_fails_or_refuses_does_not_go_first() {
        let mut odd = new(true);
        odd.consecutive_failures = 3;
        assert_eq!(router_flavor([old(false), odd.clone()].iter(), ""), "traditional");
        odd.consecutive_failures = 0;
        assert_eq!(router_flavor([old(false), old(false), odd.clone()].iter(), ""), "expressions");
        odd.last_push = Some(silverback_gateway::LastPush {
            started: std::time::SystemTime::UNIX_EPOCH,
            took: std::time::Duration::ZERO,
            hash: ConfigHash::EMPTY,
            flatten: true,
            bytes: 0,
            generation: silverback_model::Generation(1),
            result: PushResult::Refused(Arc::default()),
        });
        assert_eq!(router_flavor([old(false), old(false), odd].iter(), ""), "traditional");
    }

    #[test]
    fn nothing_is_told_before_all_that_answer_have_said_it() {
        let silent = GatewayReport::default();
        let failing = GatewayReport { consecutive_failures: 1, ..GatewayReport::default() };
        assert!(!all_said([].iter()) && !all_said([failing.clone()].iter()));
        assert!(!all_said([old(true), silent].iter()));
        assert!(all_said([old(true), failing].iter()));
    }
}

//! What each gateway shall have: the configuration that is wanted, without what gateways refuse. One task owns this.
//!
//! The rules are in [`silverback_isolation`]; here they are fed with what translators and gateways say.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use silverback_gateway::{ConfigBody, ConfigHash};
use silverback_isolation::{Config, Feedback, GatewayKind, Search, Verdict, Vote, judge};
use silverback_kong::document;
use silverback_model::{Commit, Epoch, Traces};
use tokio::sync::watch;

use crate::fleet::Reports;
use crate::follow::Desired;
use crate::isolation_metrics::IsolationMetrics;
use crate::isolation_service::Shown;
use crate::progress::Offers;
use crate::votes::{self, Kinds};

/// How long a gateway that does not answer is waited for before what the others refuse is left out.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// Offers that are remembered, so that a gateway that takes one late is understood.
const REMEMBERED: usize = 4;

/// What to bring to the gateways.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) commit: Commit,
    pub(crate) body: ConfigBody,
    pub(crate) flatten: bool,
    /// For gateways without any configuration alone.
    pub(crate) only_empty: bool,
    /// How old its oldest change was when it came here.
    pub(crate) age: Duration,
    /// The changes that it brings, beyond those of the plan before.
    pub(crate) traces: Traces,
}

/// A configuration that gateways took.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) commit: Commit,
    pub(crate) config: Arc<Config>,
    pub(crate) at: Timestamp,
}

/// Where the planner learns and tells.
pub(crate) struct Ends {
    pub(crate) desired: watch::Receiver<Option<Arc<Desired>>>,
    pub(crate) reports: watch::Receiver<Reports>,
    /// This replica's leadership; none also where there is no election.
    pub(crate) epoch: watch::Receiver<Option<Epoch>>,
    /// What the one that leads found, or an earlier run; none before it could be read.
    pub(crate) found: watch::Receiver<Option<Feedback>>,
    /// What gateways took in an earlier run.
    pub(crate) recalled: watch::Receiver<Option<Arc<Accepted>>>,
    pub(crate) plans: watch::Sender<Option<Arc<Plan>>>,
    pub(crate) accepted: watch::Sender<Option<Arc<Accepted>>>,
    pub(crate) feedback: watch::Sender<Feedback>,
    pub(crate) shown: watch::Sender<Shown>,
    pub(crate) offers: watch::Sender<Offers>,
}

/// Decides what the gateways shall have.
pub(crate) struct Planner {
    ends: Ends,
    elects: bool,
    patience: Duration,
    search: Search,
    metrics: IsolationMetrics,
    wanted: VecDeque<Arc<Desired>>,
    /// The changes that were not offered yet.
    traces: Traces,
    body: Option<ConfigBody>,
    /// What was offered, the last one at the end.
    offered: VecDeque<Offered>,
    /// What the gateways said of the last offer.
    heard: Option<Verdict>,
    first_refusal: Option<Instant>,
    kinds: Kinds,
    /// What gateways are, and the flavour to translate for, as told last, by this replica or the one that led before.
    gateways: Vec<GatewayKind>,
    router_flavor: String,
    /// What was found before this replica led was taken over.
    adopted: bool,
}

struct Offered {
    hash: ConfigHash,
    flatten: bool,
    config: Arc<Config>,
    commit: Commit,
    taken: bool,
}

impl Planner {
    /// `elects`: there is an election, so that others may find things as well. `patience`: [`PATIENCE`], but for tests.
    pub(crate) fn new(ends: Ends, elects: bool, patience: Duration, metrics: IsolationMetrics) -> Self {
        Self {
            ends,
            elects,
            patience,
            search: Search::new(Vec::new()),
            metrics,
            wanted: VecDeque::new(),
            traces: Traces::default(),
            body: None,
            offered: VecDeque::new(),
            heard: None,
            first_refusal: None,
            kinds: Kinds::default(),
            gateways: Vec::new(),
            router_flavor: String::new(),
            adopted: false,
        }
    }

    /// Plans until nobody wants anything any more.
    pub(crate) async fn run(mut self) {
        loop {
            self.hear();
            self.show();
            let wait = self.first_refusal.map_or(Duration::from_secs(3_600), |first| {
                self.patience.saturating_sub(first.elapsed()) + Duration::from_millis(1)
            });
            let wait = if self.heard.is_some() { Duration::from_secs(3_600) } else { wait };
            tokio::select! {
                changed = self.ends.desired.changed() => match changed {
                    Ok(()) => self.want(),
                    Err(_) => return,
                },
                changed = self.ends.reports.changed() => if changed.is_err() { return },
                Ok(()) = self.ends.found.changed() => self.adopt(),
                Ok(()) = self.ends.recalled.changed() => self.recall(),
                Ok(()) = self.ends.epoch.changed() => {
                    self.stand_by();
                    self.offer();
                }
                () = tokio::time::sleep(wait) => (),
            }
        }
    }

    fn leads(&self) -> bool {
        !self.elects || self.ends.epoch.borrow().is_some()
    }

    fn want(&mut self) {
        let Some(desired) = self.ends.desired.borrow_and_update().clone() else { return };
        remember(&mut self.wanted, desired.clone());
        self.traces.merge(&desired.traces);
        let refusing = self.ends.reports.borrow().values().any(votes::refuses);
        self.search.fail_open(desired.commit.fail_open);
        self.search.want(desired.config.clone(), refusing && self.heard.is_none());
        self.stand_by();
        self.adopt();
        self.offer();
    }

    /// Who does not lead holds nothing back: when it leads, or fills a gateway, that is with the latest.
    fn stand_by(&mut self) {
        if !self.leads() {
            self.search.stand_by();
        }
    }

    /// What another replica found counts as long as it is the one that leads; what an earlier run found, once.
    fn adopt(&mut self) {
        let Some(found) = self.ends.found.borrow_and_update().clone() else { return };
        if self.gateways.is_empty() || !self.leads() {
            (self.gateways, self.router_flavor) = (found.gateways, found.router_flavor);
        }
        if self.wanted.is_empty() {
            return;
        }
        let first = !std::mem::replace(&mut self.adopted, true);
        if first || !self.leads() {
            self.search.adopt(found.quarantine);
            self.offer();
        }
    }

    /// What gateways took before counts until more is known, and fills those that have nothing.
    fn recall(&mut self) {
        let Some(recalled) = self.ends.recalled.borrow_and_update().clone() else { return };
        self.search.recall(recalled.config.clone());
        self.offer();
        if self.wanted.is_empty() {
            let body = body(&recalled.config, None);
            tracing::info!(
                generation = %recalled.commit.generation, accepted = %recalled.at, bytes = body.len(),
                "gateways without a configuration get the last good one"
            );
            let commit = recalled.commit.clone();
            self.ends.plans.send_replace(Some(Arc::new(Plan {
                commit,
                body,
                flatten: true,
                only_empty: true,
                age: Duration::ZERO,
                traces: Traces::default(),
            })));
        }
    }

    /// Brings the search's offer to the gateways, if it is another one.
    fn offer(&mut self) {
        let offer = self.search.offer();
        let same = |last: &Offered| Arc::ptr_eq(&last.config, &offer.config) && last.flatten == offer.flatten;
        if self.wanted.is_empty() || self.offered.back().is_some_and(same) {
            return;
        }
        let body = body(&offer.config, self.body.as_ref());
        let made_of = self.wanted.iter().rev().find(|desired| Arc::ptr_eq(&desired.config, offer.wanted()));
        let Some(desired) = made_of.or(self.wanted.back()) else { return };
        let (commit, age) = (desired.commit.clone(), desired.age);
        let (hash, flatten, config) = (body.hash(), offer.flatten, offer.config.clone());
        self.body = Some(body.clone());
        remember(&mut self.offered, Offered { hash, flatten, config, commit: commit.clone(), taken: false });
        (self.heard, self.first_refusal) = (None, None);
        let traces = std::mem::take(&mut self.traces);
        self.ends.plans.send_replace(Some(Arc::new(Plan { commit, body, flatten, only_empty: false, age, traces })));
    }

    /// Takes in what the gateways say, until it changes nothing any more.
    fn hear(&mut self) {
        let mut source = self.ends.reports.clone();
        self.ends.reports.mark_unchanged();
        let reports = source.borrow_and_update();
        if self.kinds.update(reports.values()) {
            self.search.answering(self.kinds.answering());
        }
        // What was told before counts until all that answer have said what they are, and when nobody does any more.
        if votes::all_said(reports.values()) {
            self.gateways = self.kinds.known().to_vec();
            self.router_flavor = votes::router_flavor(reports.values(), &self.router_flavor);
        }
        self.hear_late(&reports);
        self.offer();
        while let Some(last) = self.offered.back() {
            let votes: Vec<Vote> =
                reports.values().map(|report| votes::vote(report, last.hash, last.flatten)).collect();
            let refused = votes.iter().any(|vote| matches!(vote, Vote::Refused(_)));
            self.first_refusal = refused.then(|| self.first_refusal.unwrap_or_else(Instant::now));
            let waited = self.first_refusal.map(|first| first.elapsed()).unwrap_or_default();
            let Some(verdict) = judge(&votes, waited, self.patience) else { return };
            // What was refused of another's offers, or of old ones, is the leader's to judge.
            if self.heard.as_ref() == Some(&verdict) || (verdict != Verdict::Taken && !self.leads()) {
                return;
            }
            self.tell(&verdict);
            let empty = !reports.values().any(|report| report.hash_observed.is_some_and(|hash| !hash.is_empty()));
            self.search.judge(&verdict, self.kinds.answering(), empty, Timestamp::now());
            self.heard = Some(verdict);
            self.offer();
        }
    }

    /// Gateways may have taken what was offered before.
    fn hear_late(&mut self, reports: &Reports) {
        let observed: BTreeSet<ConfigHash> = reports.values().filter_map(|report| report.hash_observed).collect();
        let earlier = self.offered.len().saturating_sub(1);
        let mut news: Vec<usize> = Vec::new();
        for (at, offered) in self.offered.iter_mut().enumerate().take(earlier) {
            if !offered.taken && observed.contains(&offered.hash) {
                offered.taken = true;
                news.push(at);
            }
        }
        for at in news {
            let Some(offered) = self.offered.get(at) else { continue };
            self.search.taken_late(&offered.config);
            if self.offered.iter().skip(at + 1).all(|later| !later.taken) {
                self.search.took(&offered.config);
                self.accept(at);
            }
        }
    }

    /// Says what a verdict means, and keeps what was accepted.
    fn tell(&mut self, verdict: &Verdict) {
        let at = self.offered.len().saturating_sub(1);
        match verdict {
            Verdict::Taken => {
                self.metrics.verdict("taken");
                if let Some(offered) = self.offered.get_mut(at) {
                    offered.taken = true;
                }
                self.accept(at);
            }
            Verdict::Refused(refusal) => {
                self.metrics.verdict(if refusal.named.is_empty() { "refused_unnamed" } else { "refused" });
                tracing::warn!("all gateways that answer refuse the configuration: {}", refusal.words);
            }
        }
    }

    fn accept(&self, at: usize) {
        let Some(Offered { config, commit, .. }) = self.offered.get(at) else { return };
        let accepted = Accepted { commit: commit.clone(), config: config.clone(), at: Timestamp::now() };
        self.metrics.accepted();
        self.ends.accepted.send_replace(Some(Arc::new(accepted)));
    }

    /// Tells people and the other replicas.
    fn show(&self) {
        let quarantine = self.search.quarantine();
        self.metrics.quarantined(quarantine.len());
        let wanted = self.wanted.back().map(|desired| desired.config.clone()).unwrap_or_default();
        let offered = self.offered.iter().map(|offered| (offered.hash, offered.config.clone())).collect();
        self.ends.offers.send_replace(Offers { wanted, offered });
        let accepted = self.ends.accepted.borrow().as_ref().map(|it| (it.commit.generation, it.at));
        let shown = Shown { quarantine: quarantine.to_vec(), suspects: self.search.suspects(), accepted };
        self.ends.shown.send_if_modified(|before| {
            for entry in quarantine.iter().filter(|entry| !before.quarantine.contains(entry)) {
                let objects: Vec<String> = entry.objects.iter().map(ToString::to_string).collect();
                tracing::error!(
                    objects = objects.join(", "),
                    closed = entry.closed,
                    "{} {} is left out, all gateways refuse it: {}",
                    entry.kind,
                    entry.name,
                    entry.reason
                );
            }
            for entry in before.quarantine.iter().filter(|entry| {
                !quarantine.iter().any(|it| (&it.within, it.rendering) == (&entry.within, entry.rendering))
            }) {
                tracing::info!("{} {} is not left out any more", entry.kind, entry.name);
            }
            let news = *before != shown;
            *before = shown;
            news
        });
        if !self.adopted && self.ends.found.has_changed().is_ok() {
            return; // It would be written over what is to be taken over yet.
        }
        let feedback = Feedback {
            epoch: self.ends.epoch.borrow().clone(),
            router_flavor: self.router_flavor.clone(),
            gateways: self.gateways.clone(),
            quarantine: quarantine.to_vec(),
        };
        self.ends.feedback.send_if_modified(|before| {
            let news = *before != feedback;
            *before = feedback;
            news
        });
    }
}

fn body(config: &Config, before: Option<&ConfigBody>) -> ConfigBody {
    let pieces = document::pieces(config.iter().map(|(key, piece)| (key, &piece.rendered)));
    match before {
        // Hashes only from the first piece on that is different.
        Some(before) => before.next(pieces),
        None => ConfigBody::new(pieces),
    }
}

fn remember<T>(all: &mut VecDeque<T>, one: T) {
    all.push_back(one);
    if all.len() > REMEMBERED {
        all.pop_front();
    }
}

#[cfg(test)]
mod tests;

//! Follows a translator, and decides which of its configurations is the one to push.
//!
//! A configuration counts when it is whole, and only if it has seen every change that the one before was made from:
//! no gateway is ever set back in time when the pusher moves from one translator to another.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::counter::Counter;
use silverback_isolation::{Config, Piece};
use silverback_kong::{EntityKey, Rendered};
use silverback_model::{Commit, Traces, rules};
use silverback_service::Context;
use silverback_service::metrics::Metrics;
use silverback_service::streaming::Following;
use silverback_sync::client::{Event, Follower};
use silverback_sync::{Delta, Received};
use tokio::sync::watch;

/// The configuration to push, as the translator has it.
#[derive(Clone, Debug)]
pub(crate) struct Desired {
    pub(crate) commit: Commit,
    /// How old its oldest change was when it came here.
    pub(crate) age: Duration,
    pub(crate) config: Arc<Config>,
    /// The changes that led here.
    pub(crate) traces: Traces,
}

/// What readiness calls a pusher that has nothing to push.
pub(crate) const WHAT: &str = "pusher";

/// Entities as received, and what was accepted of them.
#[derive(Default)]
pub(crate) struct Configs {
    config: Arc<Config>,
    accepted: Option<Commit>,
    /// When the oldest change that was received and not handed on was made.
    changed_at: Option<Duration>,
    refused: Counter,
    contradictions: Counter,
}

impl Configs {
    /// Takes in a whole configuration. None when it must not be pushed, or says nothing new to gateways.
    /// `now` is the time since 1970-01-01 UTC.
    pub(crate) fn take(&mut self, now: Duration, commit: Commit, deltas: Vec<Delta>) -> Option<Desired> {
        self.changed_at = [self.changed_at, commit.changed_at].into_iter().flatten().min();
        let config = Arc::make_mut(&mut self.config);
        for delta in deltas {
            let key = EntityKey::new(delta.collection.kind.as_str().into(), delta.key.name);
            match delta.item {
                Some(item) => {
                    let bytes = Arc::<[u8]>::from(item.body.clone());
                    let piece = Piece::new(Rendered::of_canonical(&key, bytes), item.sources.clone());
                    config.insert(key, piece);
                }
                None => {
                    config.remove(&key);
                }
            }
        }
        if let Some(held) = &self.accepted {
            if !rules::may_follow(&held.inputs, &commit.inputs) {
                self.refused.inc();
                tracing::info!(
                    generation = %commit.generation,
                    "this translator has not seen all that the last configuration was made from; waiting for it"
                );
                return None;
            }
            if !rules::agree(held, &commit) {
                self.contradictions.inc();
                tracing::error!(
                    held = %held.content, next = %commit.content,
                    "two translators made different configurations of equal inputs: one of them is defective"
                );
            }
            if held.content == commit.content && held.entities == commit.entities {
                self.accepted = Some(commit);
                self.changed_at = None;
                return None;
            }
        }
        self.accepted = Some(commit.clone());
        // Another machine's clock may be ahead.
        let age = self.changed_at.take().map_or(Duration::ZERO, |changed_at| now.saturating_sub(changed_at));
        Some(Desired { commit, age, config: self.config.clone(), traces: Traces::default() })
    }

    /// The last configuration accepted.
    pub(crate) fn accepted(&self) -> Option<&Commit> {
        self.accepted.as_ref()
    }
}

/// Registers what is counted of configurations.
pub(crate) fn register(metrics: &Metrics, configs: &Configs) {
    metrics.register(
        "silverback_pusher_commits_refused",
        "configurations that had not seen all that the last one was made from",
        configs.refused.clone(),
    );
    metrics.register(
        "silverback_pusher_commits_contradicting",
        "configurations that differ from one made from the same objects: anything but 0 is a defect",
        configs.contradictions.clone(),
    );
}

/// Follows until dropped; readiness names what is missing.
pub(crate) async fn run(mut follower: Follower, desired: watch::Sender<Option<Arc<Desired>>>, context: &Context) {
    let mut configs = Configs::default();
    register(&context.metrics, &configs);
    let mut following = Following::register(&context.metrics, "pusher");
    let mut traces = Traces::default();
    let mut lost = String::new();
    loop {
        let event = follower.next().await;
        following.observe(&event, &follower);
        match event {
            Event::Connected { server } => {
                tracing::info!(translator = server, held = follower.replica().len(), "following a translator");
                lost.clear();
                if configs.accepted().is_none() {
                    context.readiness.block(WHAT, "no configuration was received yet");
                }
            }
            Event::Lost { server, cause } => {
                let cause = cause.to_string();
                if cause != lost {
                    tracing::warn!(
                        translator = server,
                        "{cause}; check --translator-url; the gateways keep what they have"
                    );
                }
                if configs.accepted().is_none() {
                    context.readiness.block(WHAT, format!("no translator: {cause}; check --translator-url"));
                }
                lost = cause;
            }
            Event::Received(Received::Commit(commit, deltas)) => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                traces.merge(&follower.take_traces());
                let generation = commit.generation;
                if let Some(mut next) = configs.take(now, *commit, deltas) {
                    next.traces = std::mem::take(&mut traces);
                    tracing::info!(generation = %next.commit.generation, entities = next.config.len(), "a configuration to push");
                    desired.send_replace(Some(Arc::new(next)));
                }
                if let Some(accepted) = configs.accepted() {
                    context.readiness.clear(WHAT);
                    if accepted.generation == generation {
                        // What changed nothing for gateways ends here.
                        traces = Traces::default();
                    }
                }
            }
            Event::Compared { other, agrees: false } => {
                tracing::error!(
                    other,
                    "another translator makes another configuration of the same objects: one of them is defective"
                );
            }
            Event::Received(_) | Event::Compared { .. } => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_model::{
        CollectionId, Digest, Frontier, Frontiers, Generation, Inputs, ObjectKey, SetDigest, Version,
    };
    use silverback_sync::Item;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn commit(content: u128, seen: u64, changed: u64) -> Commit {
        let frontier = Frontier { seen: Version::from_counter(seen), changed: Version::from_counter(changed) };
        let frontiers = Frontiers([(CollectionId::all("Service"), frontier)].into());
        let inputs = Inputs { frontiers, ..Inputs::default() };
        Commit {
            generation: Generation(seen),
            inputs,
            content: SetDigest(Digest(content)),
            entities: 1,
            ..Commit::default()
        }
    }

    fn upstream(name: &str) -> Vec<Delta> {
        let item = Item::new(ObjectKey::new("", name), Version::from_counter(1), format!("{{\"name\":\"{name}\"}}"));
        let (collection, key) = (CollectionId::all("upstreams"), item.key.clone());
        vec![Delta { collection, key, item: Some(Arc::new(item)) }]
    }

    fn text(desired: &Desired) -> Vec<String> {
        desired.config.values().map(|piece| String::from_utf8_lossy(piece.rendered.bytes()).into_owned()).collect()
    }

    #[test]
    fn a_configuration_holds_every_entity() {
        let mut configs = Configs::default();
        configs.take(NOW, commit(1, 5, 5), upstream("a")).unwrap();
        let desired = configs.take(NOW, commit(2, 6, 6), upstream("b")).unwrap();
        assert_eq!(text(&desired), [r#"{"name":"a"}"#, r#"{"name":"b"}"#]);
    }

    #[test]
    fn a_configuration_that_lags_is_not_pushed_until_it_caught_up() {
        let mut configs = Configs::default();
        configs.take(NOW, commit(1, 9, 9), upstream("a")).unwrap();
        assert!(configs.take(NOW, commit(2, 7, 7), upstream("b")).is_none(), "gateways would go back");
        assert!(configs.take(NOW, commit(3, 9, 7), upstream("b")).is_some());
    }

    #[test]
    fn a_configuration_of_equal_content_is_no_news() {
        let mut configs = Configs::default();
        configs.take(NOW, commit(1, 5, 5), upstream("a")).unwrap();
        assert!(configs.take(NOW, commit(1, 8, 5), Vec::new()).is_none());
        assert_eq!(configs.accepted().unwrap().generation, Generation(8), "it still counts as seen");
    }

    #[test]
    fn the_age_is_that_of_the_oldest_change_not_handed_on() {
        let dated = |content, seen, changed, ago| {
            let changed_at = Some(NOW - Duration::from_millis(ago));
            Commit { changed_at, ..commit(content, seen, changed) }
        };
        let mut configs = Configs::default();
        let age = |desired: Option<Desired>| desired.unwrap().age.as_millis();
        assert_eq!(age(configs.take(NOW, commit(1, 5, 5), upstream("a"))), 0, "a whole view has no date");
        assert_eq!(age(configs.take(NOW, dated(2, 9, 9, 30), upstream("b"))), 30);
        assert!(configs.take(NOW, dated(3, 8, 8, 700), upstream("c")).is_none(), "it lags");
        assert_eq!(age(configs.take(NOW, dated(3, 9, 9, 20), Vec::new())), 700);
        assert_eq!(age(configs.take(NOW, dated(4, 10, 10, 20), upstream("d"))), 20);
        let ahead = Commit { changed_at: Some(NOW * 2), ..commit(5, 11, 11) };
        assert_eq!(age(configs.take(NOW, ahead, upstream("e"))), 0, "its clock is ahead of ours");
    }
}

//! What collections are asked for from outside their own list and watch.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use silverback_model::{CollectionId, Version};
use tokio::time::Instant;

use super::KubernetesSource;

/// What is asked of the collections.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Histories begun: each asks every collection to list again.
    pub(super) histories: u64,
    /// Versions that consumers have seen and this watcher has not.
    pub(super) behind: BTreeMap<CollectionId, Version>,
}

impl Asked {
    /// The version that a collection must be listed again for.
    pub(super) fn must_reach(&self, collection: &CollectionId, source: &KubernetesSource) -> Option<Version> {
        let version = self.behind.get(collection)?;
        let seen = source.publisher.read(|publisher| Some(publisher.collection(collection)?.frontier.seen.clone()))?;
        (seen < *version).then(|| version.clone())
    }
}

/// Tells the collections of consumers that have seen more of them.
pub(super) async fn watch_consumers(source: KubernetesSource) {
    let mut moved = source.publisher.moved();
    loop {
        moved.borrow_and_update();
        let behind = source.publisher.read(|publisher| publisher.behind());
        source.asked.send_if_modified(|asked| {
            let news = asked.behind != behind;
            asked.behind = behind;
            news
        });
        tokio::select! {
            () = source.shutdown.cancelled() => return,
            moved = moved.changed() => if moved.is_err() {
                return;
            },
        }
    }
}

/// Whether the API server offers lists as streams. One that did not is not asked again for a while: it may be upgraded
/// meanwhile, or had no time.
#[derive(Debug)]
pub(super) struct Streams {
    not_before: Mutex<Option<Instant>>,
    again: Duration,
}

impl Streams {
    pub(super) fn new(again: Duration) -> Self {
        Self { not_before: Mutex::default(), again }
    }

    pub(super) fn are_offered(&self) -> bool {
        let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.is_none_or(|instant| Instant::now() >= instant)
    }

    pub(super) fn are_not_offered(&self) {
        let again = Instant::now() + self.again;
        let before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner).replace(again);
        if before.is_none() {
            tracing::info!("the API server does not offer lists as streams; they are read in pages");
        }
    }
}

//! Readiness: a process is ready when nothing it named is missing any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// What is still missing, by name. Shared by everything in the process.
#[derive(Clone, Debug)]
pub struct Readiness {
    missing: Arc<Mutex<BTreeMap<String, String>>>,
    degraded: Arc<Mutex<BTreeMap<String, String>>>,
    changed: watch::Sender<()>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { missing: Arc::default(), degraded: Arc::default(), changed: watch::Sender::new(()) }
    }
}

impl Readiness {
    /// Says that `what` is missing, and why; replaces an earlier reason.
    pub fn block(&self, what: impl Into<String>, why: impl Into<String>) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.insert(what.into(), why.into());
        drop(missing);
        self.changed.send_replace(());
    }

    /// Says that `what` is there.
    pub fn clear(&self, what: &str) {
        let removed = self.missing.lock().unwrap_or_else(PoisonError::into_inner).remove(what);
        if removed.is_some() {
            self.changed.send_replace(());
        }
    }

    /// Says that `what` is in trouble, and why, which is no reason to be taken for not ready.
    pub fn degrade(&self, what: impl Into<String>, why: impl Into<String>) {
        self.degraded.lock().unwrap_or_else(PoisonError::into_inner).insert(what.into(), why.into());
    }

    /// Says that `what` is in no trouble any more.
    pub fn recover(&self, what: &str) {
        self.degraded.lock().unwrap_or_else(PoisonError::into_inner).remove(what);
    }

    /// Names and reasons of what is in trouble.
    pub fn degraded(&self) -> BTreeMap<String, String> {
        self.degraded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Names and reasons of what is missing.
    pub fn missing(&self) -> BTreeMap<String, String> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether nothing is missing.
    pub fn is_ready(&self) -> bool {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Wakes when something went missing or came.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_ready_when_nothing_is_missing_and_says_what_is() {
        let readiness = Readiness::default();
        readiness.block("watcher: Service", "it was not listed yet");
        assert!(!readiness.is_ready());
        assert_eq!(readiness.missing()["watcher: Service"], "it was not listed yet");
        readiness.degrade("watcher", "Secret: it answers 403");
        readiness.clear("watcher: Service");
        assert!(readiness.is_ready() && readiness.degraded().len() == 1, "trouble alone is no reason");
        readiness.recover("watcher");
        assert!(readiness.degraded().is_empty());
    }
}

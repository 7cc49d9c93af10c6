//! Everything that a gateway ever took, to be judged afterwards.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;
use serde_json::Value;
use silverback_devcluster::gateway::{Accepted, GatewayHandle};
use tokio::task::JoinHandle;

/// Writes down each config that takes effect at a gateway.
pub(crate) struct Chronicle {
    taken: Arc<Mutex<Vec<Arc<Accepted>>>>,
    task: JoinHandle<()>,
}

impl Chronicle {
    /// From now on.
    pub(crate) fn of(gateway: &GatewayHandle) -> Self {
        let mut accepted = gateway.accepted();
        let taken = Arc::<Mutex<Vec<_>>>::default();
        let writes = Arc::clone(&taken);
        let task = tokio::spawn(async move {
            while accepted.changed().await.is_ok() {
                let now = accepted.borrow_and_update().clone();
                writes.lock().unwrap_or_else(PoisonError::into_inner).extend(now);
            }
        });
        Self { taken, task }
    }

    /// Judges every config in turn.
    pub(crate) fn judge(&self, mut judge: impl FnMut(&Value) -> anyhow::Result<()>) -> anyhow::Result<usize> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ensure!(!taken.is_empty(), "the gateway took nothing");
        for pair in taken.windows(2) {
            ensure!(pair[1].sequence == pair[0].sequence + 1, "a config between {:?} was not written down", pair);
        }
        taken.iter().try_for_each(|accepted| judge(&accepted.config()))?;
        Ok(taken.len())
    }
}

impl Drop for Chronicle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

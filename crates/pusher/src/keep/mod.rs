//! Keeps the last good configuration durably, so that gateways can be filled while neither an API server nor a translator
//! answers; reads it back at the start.

mod format;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use silverback_model::Epoch;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::isolation_metrics::IsolationMetrics;
use crate::isolation_service::Kept;
use crate::plan::Accepted;

pub(crate) use shelf::{Shelf, replace};

/// At most one write in this time.
const PERIOD: Duration = Duration::from_secs(60);
/// Pause before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// Reads and writes the shelf, as long as anything is accepted.
pub(crate) struct Keeper {
    pub(crate) shelf: Shelf,
    pub(crate) elects: bool,
    pub(crate) epoch: watch::Receiver<Option<Epoch>>,
    pub(crate) accepted: watch::Receiver<Option<Arc<Accepted>>>,
    pub(crate) recalled: watch::Sender<Option<Arc<Accepted>>>,
    pub(crate) kept: watch::Sender<Kept>,
    pub(crate) metrics: IsolationMetrics,
}

impl Keeper {
    /// Runs until nobody accepts anything any more.
    pub(crate) async fn run(mut self) {
        self.kept.send_modify(|kept| kept.place = self.shelf.to_string());
        self.recall().await;
        loop {
            let accepted = self.accepted.borrow_and_update().clone();
            let leads = !self.elects || self.epoch.borrow_and_update().is_some();
            if let Some(accepted) = accepted.filter(|_| leads) {
                if !self.keep(&accepted).await {
                    sleep(PAUSE).await;
                    continue;
                }
                sleep(PERIOD).await;
            }
            tokio::select! {
                changed = self.accepted.changed() => if changed.is_err() { return },
                // Without an election there is no epoch to change.
                Ok(()) = self.epoch.changed() => (),
            }
        }
    }

    /// Reads what is kept. Tries again until it can be read, or something newer is accepted.
    async fn recall(&mut self) {
        let mut told = String::new();
        while self.accepted.borrow().is_none() {
            match self.shelf.get().await {
                Ok(Some(accepted)) => {
                    let accepted = Arc::new(accepted);
                    self.recalled.send_replace(Some(accepted));
                    return;
                }
                Ok(None) => return,
                Err(error) => {
                    let error = format!("{error:#}");
                    if error != told {
                        tracing::warn!("the last good configuration cannot be read: {error}");
                        self.kept.send_modify(|kept| kept.trouble.clone_from(&error));
                    }
                    told = error;
                }
            }
            tokio::select! {
                () = sleep(PAUSE) => (),
                changed = self.accepted.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Writes; gives whether it is kept.
    async fn keep(&self, accepted: &Accepted) -> bool {
        let epoch = self.epoch.borrow().clone();
        match self.shelf.put(accepted, epoch.as_ref()).await {
            Ok(()) => {
                self.metrics.kept("kept");
                self.kept.send_modify(|kept| (kept.at, kept.trouble) = (Some(Timestamp::now()), String::new()));
                tracing::info!(generation = %accepted.commit.generation, "kept the last good configuration in {}", self.shelf);
                true
            }
            Err(error) => {
                self.metrics.kept("failed");
                let error = format!("{error:#}");
                if self.kept.borrow().trouble != error {
                    tracing::warn!("the last good configuration cannot be kept: {error}");
                }
                self.kept.send_modify(|kept| kept.trouble = error);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use silverback_isolation::Config;
    use silverback_model::Commit;

    use super::*;

    #[tokio::test]
    async fn what_cannot_be_kept_is_said_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("volume");
        std::fs::write(&volume, "a file where a folder should be").unwrap();
        let last = Accepted { commit: Commit::default(), config: Arc::new(Config::new()), at: Timestamp::UNIX_EPOCH };
        let (_accepted, accepted) = watch::channel(Some(Arc::new(last)));
        let (kept, mut told) = watch::channel(Kept::default());
        let keeper = Keeper {
            shelf: Shelf::Folder(volume.clone()),
            elects: false,
            epoch: watch::channel(None).1,
            accepted,
            recalled: watch::channel(None).0,
            kept,
            metrics: IsolationMetrics::register(&silverback_service::metrics::Metrics::default()),
        };
        tokio::spawn(keeper.run());
        let said = told.wait_for(|kept| kept.trouble.contains("--last-good-config-dir")).await.unwrap().at;
        assert_eq!(said, None);
        std::fs::remove_file(&volume).unwrap();
        let kept = tokio::time::timeout(PAUSE * 10, told.wait_for(|kept| kept.at.is_some())).await.unwrap();
        assert_eq!(kept.unwrap().trouble, "");
        assert!(Shelf::Folder(volume).get().await.unwrap().is_some());
    }
}

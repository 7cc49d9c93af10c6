//! The folder source: manifests on disk, followed as they change, with the same interface as a cluster.
//!
//! Versions count the looks that found something new, and the lineage is this process.

mod files;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecursiveMode, Watcher as _};
use silverback_model::Version;
use silverback_resources::registry::Kind;
use silverback_service::CancellationToken;
use silverback_sync::{Change, Item, Outcome, SharedPublisher};
use silverback_trace::Stage;
use tokio::sync::mpsc;

use crate::trace;
use files::{Files, Objects};

/// Editors write in several steps: a look waits until the folder was quiet for this long.
const QUIET: Duration = Duration::from_millis(20);
/// For file systems that tell of no changes.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Follows folders, or single files.
pub(crate) struct FolderSource {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) publisher: SharedPublisher,
    pub(crate) kinds: Vec<&'static Kind>,
    pub(crate) shutdown: CancellationToken,
}

/// What was published last.
#[derive(Default)]
struct Published {
    version: u64,
    objects: Objects,
}

impl FolderSource {
    /// Follows until the shutdown.
    ///
    /// # Errors
    /// When a path does not exist: that is a setting to mend, not a state to wait for.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        for path in &self.paths {
            anyhow::ensure!(path.exists(), "--from {}: there is no such file or folder", path.display());
        }
        let (tx, mut changed) = mpsc::channel(1);
        let _watcher = self.notify(tx);
        let (mut files, mut published) = (Files::default(), Published::default());
        loop {
            let paths = self.paths.clone();
            // Thousands of files take a while, and a thread with it.
            let (looked, news) = tokio::task::spawn_blocking(move || {
                let news = files.look(&paths);
                (files, news)
            })
            .await?;
            files = looked;
            if news || published.version == 0 {
                self.publish(files.objects(&self.kinds), &mut published);
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK_AGAIN) => (),
                Some(()) = changed.recv() => {
                    while tokio::time::timeout(QUIET, changed.recv()).await.is_ok_and(|more| more.is_some()) {}
                }
            }
        }
    }

    fn notify(&self, tx: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
        let wake = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !alters(&event)) {
                return;
            }
            let _ = tx.try_send(()); // one pending wake-up is enough
        };
        let watching = notify::recommended_watcher(wake).and_then(|mut watcher| {
            self.paths.iter().try_for_each(|path| watcher.watch(path, RecursiveMode::Recursive))?;
            Ok(watcher)
        });
        match watching {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(
                    "changes of files are not told by the system ({error}); they are looked for every {LOOK_AGAIN:?}"
                );
                None
            }
        }
    }

    /// Publishes every collection, if anything is different, as one version.
    fn publish(&self, now: Objects, published: &mut Published) {
        if published.version > 0 && now == published.objects {
            return;
        }
        published.version += 1;
        let version = Version::from_counter(published.version);
        let mut event = Stage::first("watch event");
        event.note("silverback.version", &version);
        trace::publish(&self.publisher, &event.traces(), |publisher| {
            for (collection, objects) in &now {
                if published.objects.get(collection) == Some(objects) && published.version > 1 {
                    publisher.apply(collection, Change::Bookmark(version.clone()));
                    continue;
                }
                let items = objects.iter().map(|(key, body)| Item::new(key.clone(), version.clone(), body.clone()));
                publisher.apply(collection, Change::Replace { items: items.collect(), version: version.clone() });
            }
            Some(Outcome::Altered)
        });
        let objects: usize = now.values().map(BTreeMap::len).sum();
        tracing::info!(version = published.version, objects, "the folder was read");
        published.objects = now;
    }
}

/// Whether something may be different after an event. Our own reading of files is told as well, and must lead to no look.
fn alters(event: &notify::Event) -> bool {
    !event.kind.is_access() || event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_a_file_is_no_reason_to_look_at_it() {
        let folder = tempfile::tempdir().unwrap();
        let [read, written] = ["read", "written"].map(|name| folder.path().join(name));
        std::fs::write(&read, "a").unwrap();
        let (tx, events) = std::sync::mpsc::channel();
        let mut watcher = notify::recommended_watcher(tx).unwrap();
        watcher.watch(folder.path(), RecursiveMode::Recursive).unwrap();
        std::fs::read(&read).unwrap();
        std::fs::write(&written, "b").unwrap();
        loop {
            let event = events.recv_timeout(Duration::from_secs(10)).expect("a write is told").unwrap();
            if alters(&event) {
                assert!(!event.paths.contains(&read), "{event:?}");
            }
            if event.paths.contains(&written) && alters(&event) {
                break;
            }
        }
    }
}

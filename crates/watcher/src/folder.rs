//! The folder source: manifests on disk, followed as they change, with the same interface as a cluster.
//!
//! Versions count the scans that found something new, and the lineage is this process. A file or document that cannot
//! be read keeps its last objects, so that a typing error takes nothing down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use serde_json::Value;
use silverback_model::{CollectionId, ObjectKey, Version, canonical};
use silverback_resources::manifest::{self, Manifest};
use silverback_resources::projection;
use silverback_resources::registry::Kind;
use silverback_service::CancellationToken;
use silverback_sync::{Change, Item, Outcome, SharedPublisher};
use silverback_trace::Stage;
use tokio::sync::mpsc;

use crate::trace;

/// Editors write in several steps: a scan waits until the folder was quiet for this long.
const QUIET: Duration = Duration::from_millis(20);
/// For file systems that tell of no changes.
const RESCAN: Duration = Duration::from_secs(5);

/// Follows folders, or single files.
pub(crate) struct FolderSource {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) publisher: SharedPublisher,
    pub(crate) kinds: Vec<&'static Kind>,
    pub(crate) shutdown: CancellationToken,
}

/// An object's place: its collection and key.
type Place = (CollectionId, ObjectKey);

#[derive(Default)]
struct Files {
    /// What each file held when it could last be read, and its text then.
    read: BTreeMap<PathBuf, (String, BTreeMap<Place, Value>)>,
    version: u64,
    published: BTreeMap<CollectionId, BTreeMap<ObjectKey, String>>,
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
        let mut files = Files::default();
        loop {
            files.scan(&self.paths);
            self.publish(&mut files);
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(RESCAN) => (),
                Some(()) = changed.recv() => {
                    while tokio::time::timeout(QUIET, changed.recv()).await.is_ok_and(|more| more.is_some()) {}
                }
            }
        }
    }

    fn notify(&self, tx: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
        let wake = move |_: notify::Result<notify::Event>| {
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
                    "changes of files are not told by the system ({error}); they are looked for every {RESCAN:?}"
                );
                None
            }
        }
    }

    /// Publishes every collection, if anything is different, as one version.
    fn publish(&self, files: &mut Files) {
        let mut now: BTreeMap<CollectionId, BTreeMap<ObjectKey, String>> =
            self.kinds.iter().map(|kind| (CollectionId::all(kind.id.as_str()), BTreeMap::new())).collect();
        for (place, object) in files.objects() {
            let (collection, key) = place;
            let Some(objects) = now.get_mut(collection) else { continue };
            objects.insert(key.clone(), canonical::to_string(object));
        }
        if files.version > 0 && now == files.published {
            return;
        }
        files.version += 1;
        let version = Version::from_counter(files.version);
        let mut event = Stage::first("watch event");
        event.note("silverback.version", &version);
        trace::publish(&self.publisher, &event.traces(), |publisher| {
            for (collection, objects) in &now {
                if files.published.get(collection) == Some(objects) && files.version > 1 {
                    publisher.apply(collection, Change::Bookmark(version.clone()));
                    continue;
                }
                let items = objects.iter().map(|(key, body)| Item::new(key.clone(), version.clone(), body.as_str()));
                publisher.apply(collection, Change::Replace { items: items.collect(), version: version.clone() });
            }
            Some(Outcome::Altered)
        });
        let objects: usize = now.values().map(BTreeMap::len).sum();
        tracing::info!(version = files.version, objects, "the folder was read");
        files.published = now;
    }
}

impl Files {
    /// Every object; where two files hold the same one, the first file in order wins.
    fn objects(&self) -> BTreeMap<&Place, &Value> {
        let mut all = BTreeMap::new();
        for (_, objects) in self.read.values() {
            for (place, object) in objects {
                all.entry(place).or_insert(object);
            }
        }
        all
    }

    fn scan(&mut self, paths: &[PathBuf]) {
        let mut found = BTreeSet::new();
        for path in paths {
            if let Err(error) = find(path, &mut found) {
                tracing::warn!("{}: cannot be listed: {error}; what was read of it before is kept", path.display());
                let kept: Vec<_> = self.read.keys().filter(|file| file.starts_with(path)).cloned().collect();
                found.extend(kept);
            }
        }
        self.read.retain(|file, _| found.contains(file));
        for file in found {
            self.read(&file);
        }
    }

    fn read(&mut self, file: &Path) {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                tracing::warn!("{}: cannot be read: {error}; its last objects are kept", file.display());
                return;
            }
        };
        if self.read.get(file).is_some_and(|(last, _)| *last == text) {
            return;
        }
        let mut objects = BTreeMap::new();
        let mut broken = false;
        for manifest in manifest::load(&file.display().to_string(), &text) {
            match manifest.map(place) {
                Ok(Some((place, object))) => {
                    if self.is_elsewhere(file, &place) {
                        tracing::warn!(
                            "{}: {} {} is in another file, too; the first in order counts",
                            file.display(),
                            place.0,
                            place.1
                        );
                    }
                    objects.insert(place, object);
                }
                Ok(None) => (),
                Err(error) => {
                    broken = true;
                    tracing::warn!("{error}; what was read of it before is kept");
                }
            }
        }
        if broken && let Some((_, last)) = self.read.get(file) {
            for (place, object) in last {
                objects.entry(place.clone()).or_insert_with(|| object.clone());
            }
        }
        self.read.insert(file.to_owned(), (text, objects));
    }

    fn is_elsewhere(&self, file: &Path, place: &Place) -> bool {
        self.read.iter().any(|(other, (_, objects))| other != file && objects.contains_key(place))
    }
}

/// Where an object belongs, and what is kept of it; none for kinds that are not read.
fn place(mut manifest: Manifest) -> Option<(Place, Value)> {
    let kind = manifest.kind?;
    kind.projection().trim(&mut manifest.object);
    // Versions of objects on disk mean nothing: the scan's count.
    projection::take_version(&mut manifest.object);
    Some(((kind.id.collection(), manifest.key), manifest.object))
}

fn find(path: &Path, found: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    if path.is_file() {
        found.insert(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let manifest =
            path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|e| extension == *e));
        if hidden {
            continue;
        }
        if path.is_dir() {
            find(&path, found)?;
        } else if manifest {
            found.insert(path);
        }
    }
    Ok(())
}

//! The folder of a demo's kubeconfigs, logs and manifests. It goes with the demo; what one that was killed has left
//! behind goes when the next one starts.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;
use tempfile::TempDir;

const PREFIX: &str = "silverback-demo-";
/// Locked while its demo lives, however that ends.
const LOCK: &str = "lock";

/// A folder of one demo's own.
pub(super) struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    /// Makes one where the system has such folders, and removes those of demos that are gone.
    ///
    /// # Errors
    /// When no file can be made there.
    pub(super) fn make() -> anyhow::Result<Self> {
        Self::within(&std::env::temp_dir())
    }

    fn within(parent: &Path) -> anyhow::Result<Self> {
        sweep(parent);
        let folder = TempDir::with_prefix_in(PREFIX, parent)?;
        // It gets its name when it is locked: else somebody who sweeps could be faster.
        let (new, named) = (folder.path().join("lock.new"), folder.path().join(LOCK));
        let lock = File::create(&new).with_context(|| new.display().to_string())?;
        lock.lock().and_then(|()| std::fs::rename(&new, &named)).with_context(|| named.display().to_string())?;
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes what is surely of a demo that is gone: a folder of this user's, with a lock that nobody holds.
fn sweep(parent: &Path) {
    let user = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        // Of a link this is the link's own.
        let is_ours = entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == user);
        if !is_ours || !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if lock.try_lock().is_ok() {
            // What cannot be removed is tried again by the next demo.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_demo_left_behind_goes_and_nothing_else_does() {
        let parent = TempDir::new().unwrap();
        let (alive, killed) = (Folder::within(parent.path()).unwrap(), Folder::within(parent.path()).unwrap());
        let Folder { folder, _lock } = killed;
        let killed = folder.keep();
        std::fs::write(killed.join("watcher-a.log"), "last words").unwrap();
        let still_locked = Folder::within(parent.path()).unwrap();
        assert!(killed.exists(), "its lock is held");
        drop((_lock, still_locked));

        let foreign = parent.path().join("silverback-demo-of-somebody");
        std::fs::create_dir(&foreign).unwrap();
        let elsewhere = TempDir::new().unwrap();
        std::fs::write(elsewhere.path().join(LOCK), "").unwrap();
        let link = parent.path().join("silverback-demo-link");
        std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();
        std::fs::create_dir(parent.path().join("other")).unwrap();
        std::fs::write(parent.path().join("other").join(LOCK), "").unwrap();

        let next = Folder::within(parent.path()).unwrap();
        assert!(!killed.exists());
        for kept in [alive.path(), next.path(), &foreign, &link, elsewhere.path(), &parent.path().join("other")] {
            assert!(kept.exists(), "{}", kept.display());
        }
        drop(next);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 4, "alive, foreign, link and other");
    }
}

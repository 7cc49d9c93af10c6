//! What manifests on disk say, as they could last be read.
//!
//! A file or document that cannot be read keeps its last objects, so that a typing error takes nothing down. Knows nobody
//! who follows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use silverback_model::{CollectionId, Digest, ObjectKey, canonical};
use silverback_resources::manifest::{self, Manifest};
use silverback_resources::projection;
use silverback_resources::registry::{Kind, KindId};

/// Canonical texts of objects, by collection.
pub(super) type Objects = BTreeMap<CollectionId, BTreeMap<ObjectKey, Arc<str>>>;

/// An object's place: its kind and key.
type Place = (KindId, ObjectKey);

/// Files by name, each with what it held when it could last be read.
#[derive(Default)]
pub(super) struct Files {
    read: BTreeMap<PathBuf, File>,
    /// What several files hold, and people know of it.
    told: BTreeSet<Place>,
}

struct File {
    text: Digest,
    objects: BTreeMap<Place, Arc<str>>,
}

impl Files {
    /// Reads what is new within the paths; whether anything may be different.
    pub(super) fn look(&mut self, paths: &[PathBuf]) -> bool {
        let mut found = BTreeSet::new();
        for path in paths {
            if let Err(error) = find(path, &mut found) {
                tracing::warn!("{}: cannot be listed: {error}; what was read of it before is kept", path.display());
                let kept: Vec<_> = self.read.keys().filter(|file| file.starts_with(path)).cloned().collect();
                found.extend(kept);
            }
        }
        let before = self.read.len();
        self.read.retain(|file, _| found.contains(file));
        let gone = self.read.len() < before;
        found.into_iter().fold(gone, |news, file| self.read(file) || news)
    }

    /// Every object of these kinds; where two files hold the same one, the first file in order counts.
    pub(super) fn objects(&mut self, kinds: &[&'static Kind]) -> Objects {
        let mut now: Objects = kinds.iter().map(|kind| (kind.id.collection(), BTreeMap::new())).collect();
        let mut twice = BTreeSet::new();
        for (file, File { objects, .. }) in &self.read {
            for (place, body) in objects {
                let (kind, key) = place;
                let Some(held) = now.get_mut(&kind.collection()) else { continue };
                if !held.contains_key(key) {
                    held.insert(key.clone(), body.clone());
                    continue;
                }
                if !self.told.contains(place) {
                    tracing::warn!(
                        "{}: {kind} {key} is in another file, too; the first in order counts",
                        file.display()
                    );
                }
                twice.insert(place.clone());
            }
        }
        self.told = twice;
        now
    }

    /// Reads a file; whether it holds another text than before.
    fn read(&mut self, file: PathBuf) -> bool {
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return false,
            Err(error) => {
                tracing::warn!("{}: cannot be read: {error}; its last objects are kept", file.display());
                return false;
            }
        };
        let digest = Digest::of(text.as_bytes());
        let last = self.read.get(&file);
        if last.is_some_and(|last| last.text == digest) {
            return false;
        }
        let (mut objects, faults) = load(&file, &text);
        for fault in &faults {
            tracing::warn!("{fault}; what was read of it before is kept");
        }
        if let Some(last) = last.filter(|_| !faults.is_empty()) {
            for (place, object) in &last.objects {
                objects.entry(place.clone()).or_insert_with(|| object.clone());
            }
        }
        self.read.insert(file, File { text: digest, objects });
        true
    }
}

/// The objects of a text, and what is wrong with others in it.
fn load(file: &Path, text: &str) -> (BTreeMap<Place, Arc<str>>, Vec<manifest::ManifestError>) {
    let (mut objects, mut faults) = (BTreeMap::new(), Vec::new());
    for manifest in manifest::load(&file.display().to_string(), text) {
        match manifest {
            Ok(manifest) => objects.extend(object(manifest)),
            Err(error) => faults.push(error),
        }
    }
    (objects, faults)
}

/// Where an object belongs, and what is kept of it; none for kinds that are not read.
fn object(mut manifest: Manifest) -> Option<(Place, Arc<str>)> {
    let kind = manifest.kind?;
    kind.projection().trim(&mut manifest.object);
    // Versions of objects on disk mean nothing: the number of the look counts.
    projection::take_version(&mut manifest.object);
    Some(((kind.id, manifest.key), canonical::to_string(&manifest.object).into()))
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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use silverback_resources::registry::KINDS;

    use super::*;

    fn kinds() -> Vec<&'static Kind> {
        KINDS.iter().collect()
    }

    fn service(name: &str, port: u16) -> String {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: {port}}}]}}\n")
    }

    /// Names of the Services, and their ports.
    fn services(files: &mut Files) -> BTreeMap<String, u64> {
        let services = files.objects(&kinds()).remove(&KindId::SERVICE.collection()).unwrap();
        let port = |body: &str| {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            body.pointer("/spec/ports/0/port").and_then(serde_json::Value::as_u64).unwrap()
        };
        services.into_iter().map(|(key, body)| (key.name, port(&body))).collect()
    }

    fn held(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect()
    }

    #[test]
    fn a_fault_keeps_what_was_there_and_takes_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let (file, paths) = (folder.path().join("a.yaml"), [folder.path().to_owned()]);
        let mut files = Files::default();
        std::fs::write(&file, [service("a", 1), service("b", 1)].join("---\n")).unwrap();
        assert!(files.look(&paths));
        assert_eq!(services(&mut files), held(&[("a", 1), ("b", 1)]));
        assert!(!files.look(&paths), "nothing is different");

        std::fs::write(&file, ["kind: [\n".to_owned(), service("b", 2), service("c", 2)].join("---\n")).unwrap();
        assert!(files.look(&paths));
        assert_eq!(services(&mut files), held(&[("a", 1), ("b", 2), ("c", 2)]));
        std::fs::write(&file, service("c", 3)).unwrap();
        assert!(files.look(&paths));
        assert_eq!(services(&mut files), held(&[("c", 3)]));
        std::fs::remove_file(&file).unwrap();
        assert!(files.look(&paths));
        assert_eq!(services(&mut files), held(&[]));
    }

    #[test]
    fn of_two_files_with_one_object_the_first_counts_and_the_other_steps_in() {
        let folder = tempfile::tempdir().unwrap();
        let (paths, mut files) = ([folder.path().to_owned()], Files::default());
        let write = |name: &str, port| std::fs::write(folder.path().join(name), service("a", port)).unwrap();
        write("b.yaml", 2);
        files.look(&paths);
        assert_eq!((services(&mut files), files.told.len()), (held(&[("a", 2)]), 0));
        write("a.yaml", 1);
        files.look(&paths);
        assert_eq!((services(&mut files), files.told.len()), (held(&[("a", 1)]), 1));
        std::fs::remove_file(folder.path().join("a.yaml")).unwrap();
        files.look(&paths);
        assert_eq!((services(&mut files), files.told.len()), (held(&[("a", 2)]), 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// However objects are spread over files, and written anew one file at a time, what is held is what reading all
        /// of it at once gives.
        #[test]
        fn looks_lead_to_what_the_disk_says(
            writes in proptest::collection::vec((0..4u8, proptest::collection::vec((0..5u8, 1..4u16), 0..4)), 1..12),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (paths, mut files) = ([folder.path().to_owned()], Files::default());
            let mut disk: BTreeMap<u8, BTreeMap<u8, u16>> = BTreeMap::new();
            for (file, objects) in writes {
                let path = folder.path().join(format!("{file}.yaml"));
                let text = objects.iter().fold(String::new(), |mut text, (name, port)| {
                    let _ = write!(text, "---\n{}", service(&format!("s{name}"), *port));
                    text
                });
                let new = disk.insert(file, objects.into_iter().collect::<BTreeMap<_, _>>());
                std::fs::write(path, &text).unwrap();
                let news = files.look(&paths);
                prop_assert!(news || new.is_some());
                let mut expected = BTreeMap::new();
                for (name, port) in disk.values().flatten() {
                    expected.entry(format!("s{name}")).or_insert(u64::from(*port));
                }
                prop_assert_eq!(services(&mut files), expected.clone());
                let mut afresh = Files::default();
                afresh.look(&paths);
                prop_assert_eq!(services(&mut afresh), expected);
            }
        }
    }
}

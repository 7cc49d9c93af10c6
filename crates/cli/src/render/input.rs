//! Where manifests come from, and what is told of them before they are translated.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;
use silverback_resources::manifest::{self, Manifest};
use silverback_resources::registry::{Kind, KindId};

use super::unknown;

/// What is wrong is told at once, and counted.
pub(super) struct Problems {
    pub(super) count: usize,
    colours: bool,
}

impl Problems {
    pub(super) fn new() -> Self {
        Self { count: 0, colours: std::io::stderr().is_terminal() }
    }

    pub(super) fn tell(&mut self, problem: &str) {
        self.count += 1;
        let (on, off) = if self.colours { ("\u{1b}[33m", "\u{1b}[0m") } else { ("", "") };
        eprintln!("{on}warning:{off} {problem}");
    }
}

/// Adds the objects of a text, and tells what is wrong with it.
pub(super) fn load(name_of_file: &str, text: &str, complete: bool, objects: &mut Vec<Value>, problems: &mut Problems) {
    let load = if complete { manifest::load } else { manifest::load_as_written };
    for manifest in load(name_of_file, text) {
        match manifest {
            Ok(manifest) => {
                let (kind, name) = (manifest.object["kind"].as_str().unwrap_or_default(), &manifest.key.name);
                let object = format!("{name_of_file}: {}: {kind} {name}", manifest.place);
                for problem in oddities(&manifest) {
                    problems.tell(&format!("{object}: {problem}"));
                }
                objects.push(manifest.object);
            }
            Err(error) => problems.tell(&error.to_string()),
        }
    }
}

/// What is odd about an object, though it can be read.
fn oddities(manifest: &Manifest) -> Vec<String> {
    let object = &manifest.object;
    let Some(kind) = manifest.kind else {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        return unknown::kind(text("apiVersion"), text("kind")).into_iter().collect();
    };
    let gaps = gaps(kind, object).into_iter().map(|gap| format!("{gap}, or have it filled in with --complete"));
    let unknown = unknown::fields(kind, object).into_iter();
    gaps.chain(unknown.map(|path| format!("there is no field {path}; it is passed over"))).collect()
}

/// What an API server would have filled in, where it makes a difference.
fn gaps(kind: &Kind, object: &Value) -> Vec<&'static str> {
    let written = |pointer: &str| object.pointer(pointer).is_some();
    let mut gaps = Vec::new();
    if kind.namespaced() && !written("/metadata/namespace") {
        gaps.push("metadata.namespace is missing; write it");
    }
    if kind.id == KindId::SECRET && written("/stringData") {
        gaps.push("stringData is not read; write data");
    }
    gaps
}

/// Names and texts of a file, of a folder's manifests, or of standard input.
///
/// # Errors
/// When one cannot be read.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
        return Ok(vec![("standard input".to_owned(), text)]);
    }
    let in_words = || format!("-f {}: cannot be read", path.display());
    if path.is_dir() {
        let mut entries = std::fs::read_dir(path).with_context(in_words)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::path);
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.path();
            let manifest = path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|e| end == *e));
            if path.is_dir() || manifest {
                all.extend(read(&path)?);
            }
        }
        return Ok(all);
    }
    Ok(vec![(path.display().to_string(), std::fs::read_to_string(path).with_context(in_words)?)])
}

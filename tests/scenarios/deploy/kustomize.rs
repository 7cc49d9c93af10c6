//! As much of kustomize as the manifests here need; anything else is refused rather than passed over.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use regex::Regex;
use serde_json::Value;

use super::{list, root, text};

/// Every object of a kustomization.
pub(super) fn build(folder: &Path) -> anyhow::Result<Vec<Value>> {
    let [kustomization] = &documents(&folder.join("kustomization.yaml"))?[..] else {
        bail!("one document is expected")
    };
    let known = ["apiVersion", "kind", "namespace", "resources", "patches"];
    let keys = kustomization.as_object().context("no kustomization")?.keys();
    let unknown: Vec<_> = keys.filter(|key| !known.contains(&key.as_str())).collect();
    ensure!(unknown.is_empty(), "{}: {unknown:?} are not understood", folder.display());

    let mut objects = Vec::new();
    for resource in list(kustomization, "/resources").filter_map(Value::as_str) {
        let path = folder.join(resource);
        objects.extend(if path.is_dir() { build(&path)? } else { documents(&path)? });
    }
    for patch in list(kustomization, "/patches") {
        let path = folder.join(text(patch, "/path"));
        let [change] = &documents(&path)?[..] else { bail!("{}: one patch is expected", path.display()) };
        apply(&mut objects, patch, change).with_context(|| path.display().to_string())?;
    }
    let namespace = text(kustomization, "/namespace");
    for object in objects.iter_mut().filter(|object| !namespace.is_empty() && !is_wide(object)) {
        object["metadata"]["namespace"] = namespace.into();
    }
    Ok(objects)
}

/// Every object of a kustomization, as kustomize itself has it. `None`, with a line on stderr, where it is not installed.
pub(super) fn real(folder: &Path) -> anyhow::Result<Option<Vec<Value>>> {
    let Ok(output) = Command::new("kubectl").arg("kustomize").arg(folder).output() else {
        eprintln!("skipped: no kubectl to kustomize with");
        return Ok(None);
    };
    let (said, failed) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "kubectl kustomize {}: {failed}", folder.display());
    parse(&said).map(Some)
}

/// The documents of a file.
pub(super) fn documents(path: &Path) -> anyhow::Result<Vec<Value>> {
    let all = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    parse(&all).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> anyhow::Result<Vec<Value>> {
    Ok(text.split("\n---\n").map(serde_saphyr::from_str).collect::<Result<_, _>>()?)
}

fn is_wide(object: &Value) -> bool {
    text(object, "/kind").starts_with("Cluster")
}

fn apply(objects: &mut Vec<Value>, patch: &Value, change: &Value) -> anyhow::Result<()> {
    let name = Regex::new(&format!("^({})$", text(patch, "/target/name")))?;
    let kind = text(patch, "/target/kind");
    let is_target = |object: &Value| text(object, "/kind") == kind && name.is_match(text(object, "/metadata/name"));
    ensure!(objects.iter().any(is_target), "it patches nothing");
    if text(change, "/$patch") == "delete" {
        objects.retain(|object| !is_target(object));
        return Ok(());
    }
    for object in objects.iter_mut().filter(|object| is_target(object)) {
        for step in change.as_array().context("neither a deletion nor a list of steps")? {
            take(object, step)?;
        }
    }
    Ok(())
}

/// One step of a JSON patch.
fn take(object: &mut Value, step: &Value) -> anyhow::Result<()> {
    let (parent, key) = text(step, "/path").rsplit_once('/').context("no path")?;
    let parent = object.pointer_mut(parent).with_context(|| format!("there is no {parent}"))?;
    let value = step["value"].clone();
    match (text(step, "/op"), parent) {
        ("add", Value::Array(items)) if key == "-" => items.push(value),
        ("add", Value::Object(fields)) => {
            fields.insert(key.to_owned(), value);
        }
        ("replace", Value::Object(fields)) => {
            fields.insert(key.to_owned(), value).with_context(|| format!("there is no {key} to replace"))?;
        }
        _ => bail!("{step} is not understood"),
    }
    Ok(())
}

#[test]
fn the_manifests_are_read_as_kustomize_reads_them() -> anyhow::Result<()> {
    let key = |object: &Value| {
        ["/kind", "/metadata/namespace", "/metadata/name"].map(|pointer| text(object, pointer).to_owned())
    };
    for folder in ["base", "overlays/one-namespace", "overlays/high-availability"] {
        let folder = root().join("deploy").join(folder);
        let Some(mut real) = real(&folder)? else { return Ok(()) };
        let mut read = build(&folder)?;
        real.sort_by_key(key);
        read.sort_by_key(key);
        ensure!(read.iter().map(key).eq(real.iter().map(key)), "{}: other objects", folder.display());
        for (read, real) in read.iter().zip(&real) {
            ensure!(read == real, "{}: {read:#}\nis to kustomize\n{real:#}", folder.display());
        }
    }
    Ok(())
}

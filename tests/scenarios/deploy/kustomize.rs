//! As much of kustomize as the manifests here need; anything else is refused rather than passed over.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use regex::Regex;
use serde_json::Value;

use super::{list, text};

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

/// The documents of a file.
pub(super) fn documents(path: &Path) -> anyhow::Result<Vec<Value>> {
    let all = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let documents = all.split("\n---\n").map(serde_saphyr::from_str::<Value>).collect::<Result<Vec<_>, _>>();
    documents.with_context(|| path.display().to_string())
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

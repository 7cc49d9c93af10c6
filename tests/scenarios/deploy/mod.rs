//! What is deployed: manifests and compose file, held against the binaries and against a real API server.

mod admission;
mod commands;
mod compose;
mod engine;
mod images;
mod kustomize;
mod rights;
mod run;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

const SERVICES: [&str; 3] = ["watcher", "translator", "pusher"];
/// Namespace of the manifests.
const NAMESPACE: &str = "kong";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn base() -> anyhow::Result<Vec<Value>> {
    kustomize::build(&root().join("deploy/base"))
}

fn overlay(name: &str) -> anyhow::Result<Vec<Value>> {
    kustomize::build(&root().join("deploy/overlays").join(name))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| text(object, "/kind") == kind)
}

fn deployment<'a>(objects: &'a [Value], service: &str) -> anyhow::Result<&'a Value> {
    let name = format!("silverback-{service}");
    let found = of_kind(objects, "Deployment").find(|object| text(object, "/metadata/name") == name);
    found.with_context(|| format!("no Deployment {name}"))
}

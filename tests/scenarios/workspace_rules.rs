//! Who may depend on whom, over everything cargo would link, and what the rules of the product may ask of the machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Crates that reach for sockets, threads or clocks.
const EDGES: [&str; 8] = ["tokio", "tonic", "hyper", "axum", "kube", "kube-client", "reqwest", "notify"];
const API_SERVER: [&str; 5] = ["kube", "kube-client", "kube-runtime", "k8s-openapi", "silverback-cluster"];
const TRANSLATION: [&str; 2] = ["silverback-translation", "silverback-incremental"];

/// Every crate that `crate_name` is linked with, itself left out.
fn dependencies(crate_name: &str) -> anyhow::Result<BTreeSet<String>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["tree", "--package", crate_name, "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .arg("--offline")
        // What a crate asks for itself, not what others ask for beside it.
        .env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .context("cargo cannot be run")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout)?;
    let names = tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned);
    Ok(names.filter(|name| !name.is_empty() && name != crate_name).collect())
}

fn must_not_see(crate_name: &str, forbidden: &[&str]) -> anyhow::Result<()> {
    let seen = dependencies(crate_name)?;
    let found: Vec<_> = forbidden.iter().filter(|name| seen.contains(**name)).collect();
    ensure!(
        found.is_empty(),
        "{crate_name} must not depend on {found:?}; see `cargo tree -p {crate_name} -i {}`",
        found[0]
    );
    Ok(())
}

#[test]
fn cargo_tree_is_read_rightly() -> anyhow::Result<()> {
    let seen = dependencies("silverback-watcher")?;
    for name in ["tokio", "tonic", "kube", "silverback-resources", "silverback-model"] {
        ensure!(seen.contains(name), "{name} is not among {seen:?}");
    }
    ensure!(must_not_see("silverback-watcher", &["tokio"]).is_err());
    Ok(())
}

#[test]
fn rules_of_the_product_touch_no_edge() -> anyhow::Result<()> {
    for pure in ["model", "kong", "incremental", "isolation", "resources", "status", "translation"] {
        must_not_see(&format!("silverback-{pure}"), &EDGES)?;
        must_not_see(&format!("silverback-{pure}"), &["silverback-proto", "silverback-sync", "silverback-service"])?;
    }
    Ok(())
}

#[test]
fn incremental_knows_neither_kubernetes_nor_kong() -> anyhow::Result<()> {
    must_not_see("silverback-incremental", &["silverback-resources", "silverback-kong", "k8s-openapi"])
}

#[test]
fn the_watcher_knows_no_rule_of_kongs() -> anyhow::Result<()> {
    must_not_see("silverback-watcher", &TRANSLATION)?;
    must_not_see("silverback-watcher", &["silverback-kong", "silverback-gateway", "silverback-lease"])
}

#[test]
fn the_translator_reaches_neither_api_server_nor_gateway() -> anyhow::Result<()> {
    must_not_see("silverback-translator", &API_SERVER)?;
    must_not_see("silverback-translator", &["silverback-gateway", "silverback-lease"])
}

#[test]
fn the_pusher_translates_nothing() -> anyhow::Result<()> {
    must_not_see("silverback-pusher", &TRANSLATION)?;
    must_not_see("silverback-pusher", &["silverback-resources", "silverback-watcher", "silverback-translator"])
}

#[test]
fn stand_ins_judge_the_product_from_outside() -> anyhow::Result<()> {
    let seen = dependencies("silverback-devcluster")?;
    let ours: Vec<_> = seen.iter().filter(|name| name.starts_with("silverback-")).collect();
    ensure!(ours.is_empty(), "silverback-devcluster depends on {ours:?}");
    Ok(())
}

#[test]
fn only_services_link_the_wire_with_the_api_server() -> anyhow::Result<()> {
    for library in ["lease", "cluster", "gateway"] {
        must_not_see(&format!("silverback-{library}"), &["silverback-proto", "silverback-sync", "tonic"])?;
    }
    Ok(())
}

/// What a pure rule is told, and never asks for: the time, chance, files, the environment, other threads.
const OUTSIDE: [&str; 9] = [
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "rand::",
    "std::fs",
    "std::env",
    "std::net::Tcp",
    "std::thread",
    "std::process",
];

/// Crates and machines that are pure, with the files of their tests left out.
const PURE: [&str; 12] = [
    "model/src",
    "kong/src",
    "incremental/src",
    "isolation/src",
    "resources/src",
    "status/src",
    "translation/src",
    "lease/src/machine.rs",
    "gateway/src/worker.rs",
    "watcher/src/kubernetes/list_watch.rs",
    "sync/src/publisher.rs",
    "sync/src/replica.rs",
];

#[test]
fn pure_rules_ask_nothing_of_the_machine() -> anyhow::Result<()> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    for place in PURE {
        let sources = sources(&crates.join(place))?;
        ensure!(!sources.is_empty(), "nothing is at {place}");
        for path in sources {
            let text = std::fs::read_to_string(&path)?;
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            let found = OUTSIDE.iter().find(|word| product.contains(**word));
            ensure!(found.is_none(), "{}: {found:?} is to be passed in", path.display());
        }
    }
    Ok(())
}

fn sources(place: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(place).with_context(|| place.display().to_string())? {
        let path = entry?.path();
        let tests = path.file_stem().is_some_and(|name| name == "tests");
        if path.is_dir() && !tests {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|end| end == "rs") && !tests {
            found.push(path);
        }
    }
    Ok(found)
}

//! Who may depend on whom, over everything cargo would link.

use std::collections::BTreeSet;
use std::path::Path;
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

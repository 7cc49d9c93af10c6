//! What a real API server says to the manifests: it knows every field, and takes every pod where a namespace is as
//! strict about pods as can be.

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use silverback_test_support::binary;

use super::{NAMESPACE, SERVICES, base, deployment, kustomize, list, overlay, root, text};
use crate::story::Cluster;

#[tokio::test]
async fn every_object_is_taken_and_every_pod_may_run_in_the_strictest_namespace() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::own(NAMESPACE).await? else { return Ok(()) };
    let strict = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let metadata = json!({ "name": NAMESPACE, "labels": strict });
    cluster.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata })).await?;

    let definitions = Command::new(binary("silverback")?).arg("crds").output()?;
    let definitions: Value = serde_json::from_slice(&definitions.stdout)?;
    ensure!(list(&definitions, "/items").count() > 0, "no kind is defined: {definitions}");
    for definition in list(&definitions, "/items") {
        cluster.put(definition.clone()).await?;
    }
    let mut all = vec![("base", base()?)];
    for name in ["one-namespace", "high-availability"] {
        all.push((name, overlay(name)?));
    }
    if let Some(mut example) = kustomize::real(&root().join("deploy/example"))? {
        let before = example.len();
        example.retain(|object| !text(object, "/apiVersion").starts_with("cert-manager.io/"));
        ensure!(example.len() < before, "the example has no certificates");
        all.push(("example", example));
    }
    for (place, objects) in &all {
        for object in objects {
            ensure!(!["", "default"].contains(&namespace_of(object)), "{place}: {object} is in no namespace");
            cluster.put(object.clone()).await.with_context(|| (*place).to_owned())?;
        }
        for service in SERVICES {
            cluster.put(pod(place, deployment(objects, service)?)).await.with_context(|| (*place).to_owned())?;
        }
    }

    let pod = |name| anyhow::Ok(pod(name, deployment(&all[0].1, "pusher")?));
    let (mut risky, mut misspelt) = (pod("risky")?, pod("misspelt")?);
    risky["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    misspelt["spec"]["containers"][0]["livenesProbe"] = json!({});
    for (object, why) in [(risky, "violates PodSecurity"), (misspelt, "livenesProbe")] {
        let refused = cluster.put(object).await.err().with_context(|| format!("{why} is no reason to refuse"))?;
        ensure!(format!("{refused:?}").contains(why), "{refused:?}");
    }
    Ok(())
}

fn namespace_of(object: &Value) -> &str {
    if text(object, "/kind").starts_with("Cluster") { "none" } else { text(object, "/metadata/namespace") }
}

/// A pod as the controller of a Deployment makes it.
fn pod(place: &str, deployment: &Value) -> Value {
    let mut pod = deployment.pointer("/spec/template").cloned().unwrap_or_default();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = format!("{}-{place}", text(deployment, "/metadata/name")).into();
    pod
}

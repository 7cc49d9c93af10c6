//! A namespace full of applications that change all the time, and never in number or size.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Cluster, Gateways, SOON, endpoints, ingress, service};

/// Requests under way at once.
const AT_ONCE: usize = 16;
/// A change each.
const PERIOD: Duration = Duration::from_millis(40);

/// Applications, each a Service, an EndpointSlice and an Ingress.
pub(crate) struct Crowd {
    client: kube::Client,
    namespace: String,
    applications: usize,
    /// Counts the changes that were waited for.
    shown: AtomicUsize,
}

/// Changes that go on until they are stopped.
pub(crate) struct Churn {
    stop: Arc<AtomicBool>,
    task: JoinHandle<anyhow::Result<usize>>,
}

/// Names of one length, so that every application takes the same room.
fn name(n: usize) -> String {
    format!("app-{n:05}")
}

/// Addresses of one length.
fn address(network: usize, n: usize) -> String {
    format!("10.{network}.{}.{}", 100 + n / 100 % 100, 100 + n % 100)
}

fn path(n: usize, change: usize) -> String {
    format!("/{}/{:06}", name(n), change % 1_000_000)
}

impl Crowd {
    /// Objects of each application.
    pub(crate) const OBJECTS_OF_AN_APPLICATION: usize = 3;

    /// Creates that many applications.
    pub(crate) async fn gather(cluster: &Cluster, applications: usize) -> anyhow::Result<Self> {
        let (client, namespace) = (cluster.client.clone(), cluster.namespace.clone());
        let crowd = Self { client, namespace, applications, shown: AtomicUsize::new(0) };
        let all = (0..applications).flat_map(|n| {
            [service(&name(n)), endpoints(&name(n), &[&address(100, n)]), ingress("kong", &name(n), &path(n, 0))]
        });
        futures::stream::iter(all.map(Ok)).try_for_each_concurrent(AT_ONCE, |object| crowd.create(object)).await?;
        Ok(crowd)
    }

    pub(crate) fn applications(&self) -> usize {
        self.applications
    }

    /// Changes the first application, and waits until every gateway has that and all the others.
    pub(crate) async fn shows_a_change(&self, gateways: &Gateways) -> anyhow::Result<()> {
        let n = self.shown.fetch_add(1, Ordering::Relaxed);
        let target = address(200, n);
        change(&self.client, &self.namespace, endpoints(&name(0), &[&target])).await?;
        for gateway in &gateways.0 {
            // Looked at once a push: a config is large, and its gateway runs in this process.
            let shown = gateway.wait_for(10 * SOON, |accepted| self.is_shown(&accepted.config(), &target)).await;
            let posts = gateway.posts().len();
            shown.with_context(|| format!("no gateway of {posts} pushes has {target} and every application"))?;
        }
        Ok(())
    }

    fn is_shown(&self, config: &Value, target: &str) -> bool {
        let services = config["services"].as_array().map_or(0, Vec::len);
        let mut targets = config["upstreams"].as_array().into_iter().flatten().map(|it| &it["targets"][0]["target"]);
        let is_target = |it: &Value| it.as_str().and_then(|it| it.split(':').next()) == Some(target);
        services == self.applications && targets.any(is_target)
    }

    /// Changes endpoints and paths of all applications but the first, one after the other.
    pub(crate) fn churn(&self) -> Churn {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, client, namespace, applications) =
            (stop.clone(), self.client.clone(), self.namespace.clone(), self.applications);
        let task = tokio::spawn(async move {
            let ticks = futures::stream::unfold(tokio::time::interval(PERIOD), async |mut interval| {
                interval.tick().await;
                Some(((), interval))
            });
            ticks
                .take_while(|()| std::future::ready(!stopped.load(Ordering::Relaxed)))
                .enumerate()
                .then(|(at, ())| {
                    let n = 1 + at * 7919 % (applications - 1);
                    let object = match at % 2 {
                        0 => endpoints(&name(n), &[&address(100 + at % 100, n)]),
                        _ => ingress("kong", &name(n), &path(n, at)),
                    };
                    change(&client, &namespace, object)
                })
                .try_fold(0, async |count, ()| Ok(count + 1))
                .await
        });
        Churn { stop, task }
    }

    async fn create(&self, object: Value) -> anyhow::Result<()> {
        let (api, _) = found(&self.client, &self.namespace, &object)?;
        api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(())
    }
}

impl Churn {
    /// Ends it, and gives the number of changes.
    pub(crate) async fn stop(self) -> anyhow::Result<usize> {
        ensure!(!self.task.is_finished(), "changes ended early: {:?}", self.task.await);
        self.stop.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

async fn change(client: &kube::Client, namespace: &str, object: Value) -> anyhow::Result<()> {
    let (api, name) = found(client, namespace, &object)?;
    let spec = json!({ "spec": object.get("spec"), "endpoints": object.get("endpoints") });
    api.patch(&name, &PatchParams::default(), &Patch::Merge(&without_nulls(spec))).await?;
    Ok(())
}

fn without_nulls(mut patch: Value) -> Value {
    if let Some(fields) = patch.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    patch
}

fn found(
    client: &kube::Client,
    namespace: &str,
    object: &Value,
) -> anyhow::Result<(Api<kube::api::DynamicObject>, String)> {
    let (resource, name) = super::cluster::resource_of(object)?;
    Ok((Api::namespaced_with(client.clone(), namespace, &resource), name))
}

#[test]
fn every_application_takes_the_same_room() -> anyhow::Result<()> {
    let size = |n: usize, at: usize| format!("{}{}{}", name(n), address(100 + at % 100, n), path(n, at)).len();
    let expected = size(0, 0);
    for n in [1, 99, 100, 1_665, 9_999] {
        for at in [1, 77, 12_345] {
            ensure!(size(n, at) == expected, "application {n} after change {at}");
        }
    }
    Ok(())
}

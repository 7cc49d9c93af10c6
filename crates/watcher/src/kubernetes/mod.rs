//! The Kubernetes source: one list/watch a collection, and the collection of CRDs that tells which kinds there are.
//!
//! Knows no rule of Kong's; what is kept of an object is the registry's to say.

mod crds;
mod follow;
mod list_watch;
mod wire;

use std::sync::Arc;

use silverback_cluster::Cluster;
use silverback_model::{CollectionId, Digest, Lineage};
use silverback_resources::registry::Kind;
use silverback_service::CancellationToken;
use silverback_sync::SharedPublisher;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crds::Installed;

/// What is watched, and where it is published.
#[derive(Clone)]
pub(crate) struct KubernetesSource {
    pub(crate) cluster: Cluster,
    pub(crate) publisher: SharedPublisher,
    pub(crate) kinds: Arc<[&'static Kind]>,
    /// Empty for the whole cluster.
    pub(crate) namespaces: Arc<[String]>,
    pub(crate) shutdown: CancellationToken,
}

/// The collections of `kinds`: one each, or one a namespace where watching is namespaced.
pub(crate) fn collections<'a>(
    kinds: &'a [&'static Kind],
    namespaces: &'a [String],
) -> impl Iterator<Item = (&'static Kind, CollectionId)> + 'a {
    kinds.iter().flat_map(move |kind| -> Vec<_> {
        if !kind.namespaced() || namespaces.is_empty() {
            return vec![(*kind, CollectionId::all(kind.id.as_str()))];
        }
        namespaces.iter().map(|namespace| (*kind, CollectionId::in_namespace(kind.id.as_str(), namespace))).collect()
    })
}

impl KubernetesSource {
    /// Follows every collection until the shutdown.
    pub(crate) async fn run(self) {
        let installed = watch::Sender::new(Installed::default());
        let history = watch::Sender::new(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(crds::follow(self.clone(), installed.clone()));
        for (kind, collection) in collections(&self.kinds, &self.namespaces) {
            let follower = follow::Follower {
                source: self.clone(),
                kind,
                collection,
                installed: (!kind.required()).then(|| installed.subscribe()),
                history: history.clone(),
            };
            tasks.spawn(follower.run());
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// The version space of a cluster: the uid of its `kube-system` namespace, which every watcher reads alike. Where that
/// may not be read, the url of the API server has to do; watchers of one cluster then need the same url.
pub(crate) async fn lineage(cluster: &Cluster) -> Result<Lineage, String> {
    let request = http::Request::get("/api/v1/namespaces/kube-system").body(Vec::new());
    let request = request.map_err(|error| error.to_string())?;
    match cluster.client.request::<serde_json::Value>(request).await {
        Ok(namespace) => match namespace.pointer("/metadata/uid").and_then(serde_json::Value::as_str) {
            Some(uid) => Ok(Lineage(uid.to_owned())),
            None => Err("the namespace kube-system has no uid".to_owned()),
        },
        Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403 | 404) => {
            tracing::info!(
                "the namespace kube-system cannot be read ({}); the url of the API server names the cluster instead",
                status.message
            );
            Ok(Lineage(Digest::of(cluster.url.as_bytes()).to_string()))
        }
        Err(error) => Err(silverback_cluster::in_words(&error)),
    }
}

//! The Kubernetes source: one list/watch a collection, and the collection of CRDs that tells which kinds there are.
//!
//! Knows no rule of Kong's; what is kept of an object is the registry's to say.

mod asked;
mod closure;
mod crds;
mod follow;
mod list_watch;
mod look_up;
mod names;
mod query;
mod schemas;
mod session;
mod wire;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use silverback_cluster::Cluster;
use silverback_model::{CollectionId, Digest, Lineage, Version};
use silverback_resources::registry::Kind;
use silverback_service::CancellationToken;
use silverback_sync::{Change, SharedPublisher, State};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::metrics::Counters;
use asked::{Asked, Streams};
pub(crate) use closure::{Closure, Selectors};
use crds::Installed;
use follow::Defined;
pub(crate) use list_watch::Cause;
use schemas::Schemas;

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a list, paged or streamed.
    pub(crate) list: Duration,
    /// For the next word of a streamed list.
    pub(crate) streamed: Duration,
    /// Until a server that did not stream a list is asked for one again.
    pub(crate) streamed_again: Duration,
    /// For a word of a watch: bookmarks come about once a minute.
    pub(crate) silence: Duration,
    /// Until a refusal is believed, where nothing else tells that a kind is not there.
    pub(crate) refused: Duration,
    /// Until the API server goes by the new definition of a kind.
    pub(crate) defined: Duration,
    /// Until the API server is asked again for what tells of new definitions, where these may not be read.
    pub(crate) schemas: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            list: Duration::from_secs(60),
            streamed: Duration::from_secs(10),
            streamed_again: Duration::from_secs(600),
            silence: Duration::from_secs(150),
            refused: Duration::from_secs(5),
            defined: Duration::from_secs(5),
            schemas: Duration::from_secs(10),
        }
    }
}

/// What is watched, and where it is published.
#[derive(Clone)]
pub(crate) struct KubernetesSource {
    cluster: Cluster,
    publisher: SharedPublisher,
    kinds: Arc<[&'static Kind]>,
    /// Empty for the whole cluster.
    namespaces: Arc<[String]>,
    closure: Closure,
    asked: watch::Sender<Asked>,
    streams: Arc<Streams>,
    patience: Patience,
    counters: Counters,
    shutdown: CancellationToken,
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

/// What a [`KubernetesSource`] is made of.
pub(crate) struct Settings {
    pub(crate) kinds: Arc<[&'static Kind]>,
    /// Empty for the whole cluster.
    pub(crate) namespaces: Arc<[String]>,
    pub(crate) selectors: Selectors,
    pub(crate) patience: Patience,
}

impl KubernetesSource {
    pub(crate) fn new(
        cluster: Cluster,
        publisher: SharedPublisher,
        settings: Settings,
        counters: Counters,
        shutdown: CancellationToken,
    ) -> Self {
        let Settings { kinds, namespaces, selectors, patience } = settings;
        let referring = collections(&kinds, &namespaces).filter(|(kind, _)| !kind.references.is_empty());
        let referring = referring.map(|(_, id)| id).collect();
        let closure = Closure::new(publisher.clone(), namespaces.clone(), selectors, referring);
        let (asked, streams) = (watch::Sender::default(), Arc::new(Streams::new(patience.streamed_again)));
        Self { cluster, publisher, kinds, namespaces, closure, asked, streams, patience, counters, shutdown }
    }

    pub(crate) fn closure(&self) -> &Closure {
        &self.closure
    }

    /// Follows every collection until the shutdown.
    pub(crate) async fn run(self) {
        let installed = watch::Sender::new(Installed::default());
        let schemas = watch::Sender::new(Schemas::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(crds::follow(self.clone(), installed.clone()));
        tasks.spawn(schemas::follow(self.clone(), installed.subscribe(), schemas.clone()));
        tasks.spawn(look_up::run(self.clone()));
        tasks.spawn(asked::watch_consumers(self.clone()));
        for (kind, collection) in collections(&self.kinds, &self.namespaces) {
            let defined =
                (!kind.required()).then(|| Defined { installed: installed.subscribe(), schemas: schemas.subscribe() });
            tasks.spawn(follow::Follower { source: self.clone(), kind, collection, defined }.run());
        }
        while tasks.join_next().await.is_some() {}
    }

    /// The history that is followed now.
    fn lineage(&self) -> Lineage {
        self.publisher.read(|publisher| publisher.lineage().clone())
    }

    fn state(&self, collection: &CollectionId) -> Option<State> {
        self.publisher.read(|publisher| publisher.collection(collection).map(|view| view.state.clone()))
    }

    /// Tells that a collection cannot be brought up to date.
    fn tell_stale(&self, collection: &CollectionId, reason: String) {
        self.warn_stale(collection, &reason);
        self.publisher.write(|publisher| publisher.apply(collection, Change::Stale(reason)));
    }

    /// Logs why a collection cannot be brought up to date, once.
    fn warn_stale(&self, collection: &CollectionId, reason: &str) {
        let known = self.publisher.read(|publisher| {
            publisher.collection(collection).is_some_and(|view| view.stale.is_some_and(|known| known == reason))
        });
        if !known {
            tracing::warn!("{collection}: the API server is asked in vain: {reason}; what is known is kept");
        }
    }

    /// The API server's newest list of a collection, as of `version`, is older than what was seen in history `ended`:
    /// etcd was restored from a backup. Gives the history that is followed now.
    fn begin_history(&self, ended: &Lineage, collection: &CollectionId, list: Change, version: &Version) -> Lineage {
        let cluster = ended.0.split('+').next().unwrap_or_default();
        let next = Lineage(format!("{cluster}+{version}"));
        let begun = self.publisher.write(|publisher| {
            // Another collection may have been faster.
            let first = publisher.lineage() == ended;
            if first {
                publisher.begin_lineage(next.clone(), "the cluster's history began again");
                publisher.apply(collection, list);
            }
            first
        });
        if begun {
            tracing::warn!(
                "{collection} went back to version {version}: history {next} begins and everything is listed again"
            );
            self.asked.send_modify(|asked| asked.histories += 1);
        }
        self.lineage()
    }
}

/// The version space of a cluster: the uid of its `kube-system` namespace, which every watcher reads alike. Where that
/// may not be read, the url of the API server has to do; watchers of one cluster then need the same url.
pub(crate) async fn lineage(cluster: &Cluster) -> Result<Lineage, String> {
    match cluster.get("/api/v1/namespaces/kube-system").await {
        Ok(text) => {
            let namespace: serde_json::Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            match namespace.pointer("/metadata/uid").and_then(serde_json::Value::as_str) {
                Some(uid) => Ok(Lineage(uid.to_owned())),
                None => Err("the namespace kube-system has no uid".to_owned()),
            }
        }
        Err(refusal) if matches!(refusal.status, Some(401 | 403 | 404)) => {
            tracing::info!(
                "the namespace kube-system cannot be read ({}); the url of the API server names the cluster instead",
                refusal.reason
            );
            Ok(Lineage(Digest::of(cluster.url.as_bytes()).to_string()))
        }
        Err(refusal) => Err(refusal.reason),
    }
}

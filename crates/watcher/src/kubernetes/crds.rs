//! Which kinds are installed, and in which version: the collection of CustomResourceDefinitions, watched like any other.
//!
//! A kind is absent only if a complete view of that collection does not hold it; an error is never "absent".

use std::collections::BTreeMap;

use serde_json::Value;
use silverback_model::rules::Completeness;
use silverback_model::{CollectionId, ObjectKey, Version};
use silverback_resources::registry::{self, Kind, KindId};
use silverback_sync::{Publisher, SharedPublisher};
use tokio::sync::watch;

use super::KubernetesSource;
use super::follow::Follower;

/// The CRDs as of a version of their collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Installed {
    /// None until the collection was complete once.
    as_of: Option<Version>,
    /// Versions served, by `plural.group`, of CRDs that are established.
    served: BTreeMap<String, Vec<String>>,
    /// Why the CRDs cannot be listed right now.
    pub(super) trouble: Option<String>,
    /// They may not be read, and that is how it is meant to be.
    pub(super) unreadable: bool,
}

impl Installed {
    /// The best version in which a kind is served; the version as of which it is absent; or none while that is not
    /// known yet.
    pub(crate) fn version_of(&self, kind: &Kind) -> Option<Result<&'static str, Version>> {
        let as_of = self.as_of.clone()?;
        let served = self.served.get(&kind.crd_name()?);
        let best = served.and_then(|served| kind.served_version(served.iter().map(String::as_str)));
        Some(best.ok_or(as_of))
    }

    fn read(publisher: &Publisher, collection: &CollectionId) -> Self {
        let Some(view) = publisher.collection(collection) else { return Self::default() };
        let trouble = view.stale.map(str::to_owned);
        match view.completeness() {
            Completeness::Never => return Self { trouble, ..Self::default() },
            Completeness::Absent => return Self { trouble, unreadable: true, ..Self::default() },
            Completeness::Whole { .. } => (),
        }
        let served = view.items.values().filter_map(|item| served_versions(&item.key, &item.body)).collect();
        Self { as_of: Some(view.frontier.seen.clone()), served, trouble, unreadable: false }
    }
}

/// `plural.group` and the served versions of a CRD that is established.
fn served_versions(key: &ObjectKey, body: &str) -> Option<(String, Vec<String>)> {
    let crd: Value = serde_json::from_str(body).ok()?;
    let established = crd.pointer("/status/conditions")?.as_array()?.iter().any(|condition| {
        condition["type"].as_str() == Some("Established") && condition["status"].as_str() == Some("True")
    });
    let served = crd.pointer("/spec/versions")?.as_array()?.iter().filter(|version| version["served"] == true);
    let served = served.filter_map(|version| version["name"].as_str()).map(str::to_owned).collect();
    established.then(|| (key.name.clone(), served))
}

/// Follows the CRDs and tells what is installed.
pub(super) async fn follow(source: KubernetesSource, installed: watch::Sender<Installed>) {
    let kind = KindId::CUSTOM_RESOURCE_DEFINITION.kind();
    let collection = CollectionId::all(kind.id.as_str());
    // A publisher of its own: CRDs tell the watcher what to watch, and are of no use to consumers.
    let lineage = source.publisher.read(|publisher| publisher.lineage().clone());
    let crds = SharedPublisher::new(Publisher::new(lineage, registry::trim_digest(), [collection.clone()]));
    let mut moved = crds.moved();
    let source = source.alone(crds.clone());
    let shutdown = source.shutdown.clone();
    let follower = Follower { source, kind, collection: collection.clone(), installed: None };
    let tell = async {
        while moved.changed().await.is_ok() {
            let now = crds.read(|publisher| Installed::read(publisher, &collection));
            // Bookmarks move the version alone, which is news to nobody.
            installed.send_if_modified(|held| {
                let news = held.as_of.is_some() != now.as_of.is_some()
                    || held.served != now.served
                    || held.trouble != now.trouble
                    || held.unreadable != now.unreadable;
                if news {
                    *held = now;
                }
                news
            });
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => (),
        () = tell => (),
        () = follower.run() => (),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(body: &str) -> Installed {
        let served = served_versions(&ObjectKey::new("", "tcproutes.gateway.networking.k8s.io"), body);
        let as_of = Some(Version::from_counter(5));
        Installed { as_of, served: served.into_iter().collect(), ..Installed::default() }
    }

    #[test]
    fn the_best_version_that_is_served_is_read() {
        let kind = KindId::TCP_ROUTE.kind();
        let established = r#""status":{"conditions":[{"type":"Established","status":"True"}]}"#;
        let old = format!(r#"{{"spec":{{"versions":[{{"name":"v1alpha2","served":true}}]}},{established}}}"#);
        assert_eq!(installed(&old).version_of(kind), Some(Ok("v1alpha2")));
        let unserved = format!(r#"{{"spec":{{"versions":[{{"name":"v1alpha2","served":false}}]}},{established}}}"#);
        assert_eq!(installed(&unserved).version_of(kind), Some(Err(Version::from_counter(5))));
        let pending = r#"{"spec":{"versions":[{"name":"v1alpha2","served":true}]},"status":{"conditions":[]}}"#;
        assert!(installed(pending).version_of(kind).unwrap().is_err());
        assert_eq!(Installed::default().version_of(kind), None, "not knowing is not absence");
    }
}

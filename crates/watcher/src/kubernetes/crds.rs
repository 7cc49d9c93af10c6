//! Which kinds are installed, and in which version: the collection of CustomResourceDefinitions, watched like any other.
//!
//! A kind is absent only if a complete view of that collection does not hold it; an error is never "absent".

use std::collections::BTreeMap;

use serde_json::Value;
use silverback_model::rules::Completeness;
use silverback_model::{CollectionId, ObjectKey, Version};
use silverback_resources::registry::{Kind, KindId};
use silverback_sync::CollectionView;
use tokio::sync::watch;

use super::KubernetesSource;

/// The CRDs as of a version of their collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Installed {
    /// None until the collection was complete once.
    as_of: Option<Version>,
    /// CRDs that are established, by `plural.group`.
    definitions: BTreeMap<String, Definition>,
    /// Why the CRDs cannot be listed right now.
    pub(super) trouble: Option<String>,
    /// They may not be read, and that is how it is meant to be.
    pub(super) unreadable: bool,
}

/// What a CRD says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Definition {
    /// How often it was written.
    generation: i64,
    /// Versions in which the kind is served.
    served: Vec<String>,
}

impl Installed {
    /// The best version in which a kind is served; the version as of which it is absent; or none while that is not
    /// known yet.
    pub(crate) fn version_of(&self, kind: &Kind) -> Option<Result<&'static str, Version>> {
        let as_of = self.as_of.clone()?;
        let definition = self.definitions.get(&kind.crd_name()?);
        let served = definition.map(|definition| definition.served.iter().map(String::as_str));
        Some(served.and_then(|served| kind.served_version(served)).ok_or(as_of))
    }

    /// How often a kind's definition was written: under another one, objects have other fields.
    pub(super) fn generation_of(&self, kind: &Kind) -> Option<i64> {
        Some(self.definitions.get(&kind.crd_name()?)?.generation)
    }

    /// What the collection says now, where `held` is what it said before.
    fn read(view: &CollectionView<'_>, held: &Self) -> Self {
        let trouble = view.stale.map(str::to_owned);
        match view.completeness() {
            // A history that begins has listed nothing yet: what was installed still is.
            Completeness::Never => return Self { trouble, ..held.clone() },
            Completeness::Absent => return Self { trouble, unreadable: true, ..Self::default() },
            Completeness::Whole { .. } => (),
        }
        let definitions = view.items.values().filter_map(|item| definition(&item.key, &item.body)).collect();
        Self { as_of: Some(view.frontier.seen.clone()), definitions, trouble, unreadable: false }
    }
}

/// `plural.group` and what it says, of a CRD that is established.
fn definition(key: &ObjectKey, body: &str) -> Option<(String, Definition)> {
    let crd: Value = serde_json::from_str(body).ok()?;
    let established = crd.pointer("/status/conditions")?.as_array()?.iter().any(|condition| {
        condition["type"].as_str() == Some("Established") && condition["status"].as_str() == Some("True")
    });
    let served = crd.pointer("/spec/versions")?.as_array()?.iter().filter(|version| version["served"] == true);
    let served = served.filter_map(|version| version["name"].as_str()).map(str::to_owned).collect();
    let generation = crd.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
    established.then(|| (key.name.clone(), Definition { generation, served }))
}

/// Tells what is installed, from what is published of the CRDs.
pub(super) async fn follow(source: KubernetesSource, installed: watch::Sender<Installed>) {
    let collection = CollectionId::all(KindId::CUSTOM_RESOURCE_DEFINITION.as_str());
    let mut moved = source.publisher.moved();
    let mut told = None;
    loop {
        moved.borrow_and_update();
        let now = source.publisher.read(|publisher| {
            let view = publisher.collection(&collection)?;
            // Bookmarks move what was seen alone, and other collections move all the time: that is news to nobody.
            let state = (view.state.clone(), view.frontier.changed.clone(), view.stale.map(str::to_owned));
            let news = told.as_ref() != Some(&state);
            told = Some(state);
            news.then(|| Installed::read(&view, &installed.borrow()))
        });
        if let Some(now) = now {
            installed.send_if_modified(|held| {
                let news = held.as_of.is_some() != now.as_of.is_some()
                    || held.definitions != now.definitions
                    || held.trouble != now.trouble
                    || held.unreadable != now.unreadable;
                if news {
                    *held = now;
                }
                news
            });
        }
        tokio::select! {
            () = source.shutdown.cancelled() => return,
            moved = moved.changed() => if moved.is_err() {
                return;
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(body: &str) -> Installed {
        let definition = definition(&ObjectKey::new("", "tcproutes.gateway.networking.k8s.io"), body);
        let as_of = Some(Version::from_counter(5));
        Installed { as_of, definitions: definition.into_iter().collect(), ..Installed::default() }
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

//! What tells of new definitions where the CRDs may not be read: the API server's index of schemas. It may be read by
//! whoever may ask at all, unless that was taken away, and names each version of a group with a digest of its schemas.
//!
//! It tells nothing of single kinds, and is asked from time to time, since there is no watch of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use tokio::sync::watch;

use super::KubernetesSource;
use super::crds::Installed;

const PATH: &str = "/openapi/v3";

/// The index as it was told last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Schemas {
    /// By path, such as `apis/configuration.konghq.com/v1`.
    paths: BTreeMap<String, Schema>,
}

/// Where the schemas of a group's version are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Schema {
    /// With their digest.
    #[serde(rename = "serverRelativeURL")]
    server_relative_url: String,
}

impl Schemas {
    /// Whatever changes when a kind of the group is defined anew, or in another version.
    pub(super) fn of(&self, group: &str) -> Vec<String> {
        let path = format!("apis/{group}/");
        let ours = self.paths.iter().filter(|(at, _)| at.starts_with(&path));
        ours.map(|(_, schema)| schema.server_relative_url.clone()).collect()
    }
}

/// Tells the index until the shutdown, for as long as the CRDs may not be read. Once beforehand: what was known before
/// anything was listed shows whether it changed since.
pub(super) async fn follow(
    source: KubernetesSource,
    mut installed: watch::Receiver<Installed>,
    told: watch::Sender<Schemas>,
) {
    if source.namespaces.is_empty() {
        return; // Without the CRDs nothing is listed at all.
    }
    let telling = async {
        loop {
            match read(&source).await {
                Ok(now) => drop(told.send_if_modified(|held| {
                    let news = *held != now;
                    *held = now;
                    news
                })),
                // What is known stays.
                Err(reason) => tracing::debug!("{PATH} is asked in vain: {reason}"),
            }
            tokio::time::sleep(source.patience.schemas).await;
            if installed.wait_for(|now| now.unreadable).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = source.shutdown.cancelled() => (),
        () = telling => (),
    }
}

async fn read(source: &KubernetesSource) -> Result<Schemas, String> {
    let asked = tokio::time::timeout(source.patience.list, source.cluster.get(PATH)).await;
    let text = asked.map_err(|late| late.to_string())?.map_err(|refusal| refusal.reason)?;
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemas(text: &str) -> Schemas {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_group_is_told_by_all_its_versions_and_by_no_other_group() {
        let index = schemas(
            r#"{"paths": {
                ".well-known/openid-configuration": {"serverRelativeURL": "/openapi/v3/.well-known?hash=0"},
                "apis/a.io": {"serverRelativeURL": "/openapi/v3/apis/a.io?hash=1"},
                "apis/a.io/v1": {"serverRelativeURL": "/openapi/v3/apis/a.io/v1?hash=2"},
                "apis/a.io/v2": {"serverRelativeURL": "/openapi/v3/apis/a.io/v2?hash=3"},
                "apis/b.a.io/v1": {"serverRelativeURL": "/openapi/v3/apis/b.a.io/v1?hash=4"}
            }}"#,
        );
        assert_eq!(index.of("a.io"), ["/openapi/v3/apis/a.io/v1?hash=2", "/openapi/v3/apis/a.io/v2?hash=3"]);
        assert_eq!(Schemas::default().of("a.io"), Vec::<String>::new());
    }
}

//! Where what was found is told: one ConfigMap, or a file. The one that leads writes; every replica reads, so that whoever
//! leads next knows it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use silverback_cluster::in_words;
use silverback_isolation::{FEEDBACK_LABEL, Feedback};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::keep::replace;

/// At most one write in this time.
const PERIOD: Duration = Duration::from_secs(1);
/// Longest pause before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// Where feedback is.
#[derive(Clone)]
pub(crate) enum Place {
    /// A ConfigMap.
    ConfigMap { api: Box<Api<ConfigMap>>, namespace: String, name: String },
    /// A file that holds the same object, for a folder of manifests or a single replica.
    File(PathBuf),
}

/// Why it could not be written.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// Somebody else wrote meanwhile: it is read and tried again.
    #[error("somebody else wrote at the same time")]
    Conflict,
    /// The one that wrote leads since later.
    #[error("a later leader has written")]
    Deposed,
    #[error("{0:#}")]
    Other(anyhow::Error),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ConfigMap { namespace, name, .. } => write!(f, "ConfigMap {namespace}/{name}"),
            Self::File(path) => write!(f, "--feedback-file {}", path.display()),
        }
    }
}

/// Follows what is written there. The first word comes when it could be read, or is known to be missing.
pub(crate) async fn read(place: Place, found: watch::Sender<Option<Feedback>>) {
    match &place {
        Place::File(path) => {
            let feedback = read_file(path).unwrap_or_else(|error| {
                tracing::warn!("{place}: {error:#}");
                Feedback::default()
            });
            found.send_replace(Some(feedback));
            found.closed().await;
        }
        Place::ConfigMap { api, name, .. } => {
            let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
            let mut events = watcher(Api::clone(api), only).default_backoff().boxed();
            let (mut listed, mut told) = (None, String::new());
            while let Some(event) = events.next().await {
                let now = match event {
                    Ok(watcher::Event::Init) => {
                        listed = None;
                        continue;
                    }
                    Ok(watcher::Event::InitApply(map)) => {
                        listed = Some(map);
                        continue;
                    }
                    Ok(watcher::Event::InitDone) => listed.take(),
                    Ok(watcher::Event::Apply(map)) => Some(map),
                    Ok(watcher::Event::Delete(_)) => None,
                    Err(error) => {
                        let error = error.to_string();
                        if error != told {
                            tracing::warn!("{place} cannot be watched: {error}; grant get, list and watch on it");
                        }
                        told = error;
                        continue;
                    }
                };
                told.clear();
                match now.as_ref().map_or_else(|| Ok(Feedback::default()), parse) {
                    Ok(feedback) => drop(found.send_replace(Some(feedback))),
                    Err(error) => tracing::warn!("{place}: {error:#}"),
                }
            }
        }
    }
}

/// Writes what is to be told, while this replica leads.
pub(crate) async fn write(
    place: Place,
    mut feedback: watch::Receiver<Feedback>,
    mut found: watch::Receiver<Option<Feedback>>,
    elects: bool,
) {
    // What is there is read first, so that it is not lost.
    if found.wait_for(Option::is_some).await.is_err() {
        return;
    }
    let mut told = String::new();
    loop {
        let now = feedback.borrow_and_update().clone();
        let leads = !elects || now.epoch.is_some();
        if leads && now != Feedback::default() {
            let pause = match put(&place, &now).await {
                Ok(()) => {
                    told.clear();
                    sleep(PERIOD).await;
                    None
                }
                Err(Trouble::Deposed) => None,
                Err(Trouble::Conflict) => Some(Duration::from_millis(50)),
                Err(error) => {
                    let error = error.to_string();
                    if error != told {
                        tracing::warn!("{place} cannot be written: {error}; nothing is lost, it is tried again");
                    }
                    told = error;
                    Some(PAUSE)
                }
            };
            if let Some(pause) = pause {
                sleep(pause).await;
                continue;
            }
        }
        if feedback.changed().await.is_err() {
            return;
        }
    }
}

async fn put(place: &Place, feedback: &Feedback) -> Result<(), Trouble> {
    match place {
        Place::File(path) => {
            let map = object(file_name(path), feedback);
            let text = serde_json::to_string_pretty(&map).map_err(|error| Trouble::Other(error.into()))?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            replace(folder, path, text.as_bytes()).map_err(Trouble::Other)
        }
        Place::ConfigMap { api, name, .. } => {
            let before = api.get_opt(name).await.map_err(|error| trouble(&error, "get"))?;
            replace_map(api, name, before, feedback).await
        }
    }
}

/// Writes in the place of what was there before; fails when somebody else did so meanwhile, or leads since later.
async fn replace_map(
    api: &Api<ConfigMap>,
    name: &str,
    before: Option<ConfigMap>,
    feedback: &Feedback,
) -> Result<(), Trouble> {
    let mut map = object(name, feedback);
    let Some(before) = before else {
        let made = api.create(&PostParams::default(), &map).await;
        return made.map(drop).map_err(|error| trouble(&error, "create"));
    };
    let written = parse(&before).unwrap_or_default();
    if let (Some(theirs), Some(ours)) = (&written.epoch, &feedback.epoch)
        && theirs > ours
    {
        return Err(Trouble::Deposed);
    }
    if written == *feedback {
        return Ok(());
    }
    // The API server takes it only if nobody wrote since it was read.
    map.metadata.resource_version = before.metadata.resource_version;
    let made = api.replace(name, &PostParams::default(), &map).await;
    made.map(drop).map_err(|error| trouble(&error, "update"))
}

fn trouble(error: &kube::Error, verb: &str) -> Trouble {
    match error {
        kube::Error::Api(status) if status.code == 409 => Trouble::Conflict,
        kube::Error::Api(status) if status.code == 403 => {
            Trouble::Other(anyhow::anyhow!("{}; grant {verb} on it", in_words(error)))
        }
        _ => Trouble::Other(anyhow::anyhow!("{}", in_words(error))),
    }
}

fn object(name: &str, feedback: &Feedback) -> ConfigMap {
    let labels = BTreeMap::from([(FEEDBACK_LABEL.to_owned(), "true".to_owned())]);
    let metadata = ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() };
    ConfigMap { metadata, data: Some(feedback.to_data()), ..ConfigMap::default() }
}

fn parse(map: &ConfigMap) -> anyhow::Result<Feedback> {
    Ok(Feedback::from_data(map.data.as_ref().unwrap_or(&BTreeMap::new()))?)
}

fn read_file(path: &Path) -> anyhow::Result<Feedback> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Feedback::default()),
        Err(error) => return Err(error.into()),
    };
    parse(&serde_json::from_str(&text).context("it is no ConfigMap as JSON; delete it: it is written anew")?)
}

/// A name for the object in a file: that of the file, without its ending.
fn file_name(path: &Path) -> &str {
    path.file_stem().and_then(|name| name.to_str()).unwrap_or("silverback-feedback")
}

#[cfg(test)]
mod tests;

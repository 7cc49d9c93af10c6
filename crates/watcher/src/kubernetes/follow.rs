//! Drives the list/watch machine of one collection against the API server.

use std::time::Duration;

use futures::{AsyncBufReadExt, StreamExt};
use kube::Client;
use silverback_cluster::in_words;
use silverback_model::{CollectionId, Lineage, Version};
use silverback_resources::registry::Kind;
use silverback_sync::{Change, Outcome};
use tokio::sync::watch;
use tokio::time::timeout;

use super::crds::Installed;
use super::list_watch::{Answer, ListWatch, Request};
use super::{KubernetesSource, wire};

const PAGE: u32 = 500;
const LIST_TIMEOUT: Duration = Duration::from_secs(60);
/// The API server ends a watch after this; it is resumed where it was.
const WATCH_SECONDS: u64 = 290;
/// Bookmarks come about once a minute: a watch without a word for longer than this is replaced.
const SILENCE: Duration = Duration::from_secs(150);

/// Follows one collection.
pub(super) struct Follower {
    pub(super) source: KubernetesSource,
    pub(super) kind: &'static Kind,
    pub(super) collection: CollectionId,
    /// For kinds that come from a CRD: which of them are installed.
    pub(super) installed: Option<watch::Receiver<Installed>>,
    /// Counts the histories begun: each asks every collection to list again.
    pub(super) history: watch::Sender<u64>,
}

impl Follower {
    /// Follows until the shutdown.
    pub(super) async fn run(mut self) {
        let shutdown = self.source.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = self.follow() => (),
        }
    }

    async fn follow(&mut self) {
        let Some(mut installed) = self.installed.take() else {
            return self.follow_version(self.kind.best_version(), std::future::pending()).await;
        };
        loop {
            let now = installed.borrow_and_update().clone();
            match now.version_of(self.kind) {
                Some(Ok(version)) => {
                    let (kind, mut changes) = (self.kind, installed.clone());
                    let changed = async move {
                        let other = |now: &Installed| now.version_of(kind) != Some(Ok(version));
                        let _ = changes.wait_for(other).await;
                    };
                    self.follow_version(version, changed).await;
                }
                Some(Err(as_of)) => {
                    tracing::debug!(kind = %self.kind.id, "not installed");
                    self.publish(Change::Absent(as_of));
                    if installed.changed().await.is_err() {
                        return;
                    }
                }
                None => {
                    if let Some(trouble) = &now.trouble {
                        self.publish(Change::Stale(format!("CustomResourceDefinitions cannot be listed: {trouble}")));
                    }
                    if installed.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Follows the kind in one version, until `changed`.
    async fn follow_version(&self, version: &str, changed: impl Future<Output = ()>) {
        tokio::pin!(changed);
        let mut machine = ListWatch::new();
        let mut history = self.history.subscribe();
        let namespace = Some(self.collection.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let path = self.kind.path(version, namespace);
        loop {
            let (pause, request) = machine.next(rand::random());
            tokio::select! {
                () = &mut changed => return,
                Ok(()) = history.changed() => machine.relist(),
                () = async {
                    tokio::time::sleep(pause).await;
                    match request {
                        Request::List { continue_token } => self.list(&path, continue_token, &mut machine).await,
                        Request::Watch { from } => self.watch(&path, &from, &mut machine).await,
                    }
                } => (),
            }
        }
    }

    async fn list(&self, path: &str, continue_token: Option<String>, machine: &mut ListWatch) {
        let mut query = format!("limit={PAGE}");
        if let Some(token) = continue_token {
            query.push_str(&format!("&continue={}", encode(&token)));
        }
        let answer = match timeout(LIST_TIMEOUT, self.get(path, &query)).await {
            Ok(Ok(text)) => wire::read_page(&text, self.kind.projection()),
            Ok(Err(error)) => answer_of(&error),
            Err(_) => failed(format!("it did not answer a list within {} s", LIST_TIMEOUT.as_secs())),
        };
        self.take(machine, answer);
    }

    async fn get(&self, path: &str, query: &str) -> Result<String, kube::Error> {
        let request = request(path, &self.with_selector(query))?;
        self.client().request_text(request).await
    }

    async fn watch(&self, path: &str, from: &Version, machine: &mut ListWatch) {
        let query = format!("watch=1&allowWatchBookmarks=true&resourceVersion={from}&timeoutSeconds={WATCH_SECONDS}");
        let stream = match request(path, &self.with_selector(&query)) {
            Ok(request) => self.client().request_stream(request).await,
            Err(error) => Err(error),
        };
        let mut lines = match stream {
            Ok(stream) => stream.lines(),
            Err(error) => return self.take(machine, answer_of(&error)),
        };
        self.take(machine, Answer::Watching);
        loop {
            let answer = match timeout(SILENCE, lines.next()).await {
                Ok(Some(Ok(line))) => match wire::read_event(&line, self.kind.projection()) {
                    Some(answer) => answer,
                    None => continue,
                },
                // A broken connection is like one that ended: the next watch tells whether all is well.
                Ok(None | Some(Err(_))) => Answer::Ended,
                Err(_) => {
                    tracing::info!(collection = %self.collection, "the watch went silent and is replaced");
                    Answer::Ended
                }
            };
            let over = matches!(answer, Answer::Ended | Answer::Expired | Answer::Failed { .. });
            self.take(machine, answer);
            if over {
                return;
            }
        }
    }

    fn take(&self, machine: &mut ListWatch, answer: Answer) {
        if let Some(change) = machine.on(answer) {
            self.publish(change);
        }
    }

    fn publish(&self, change: Change) {
        if let Change::Stale(reason) = &change {
            let known = self.source.publisher.read(|publisher| {
                publisher.collection(&self.collection).is_some_and(|view| view.stale == Some(reason))
            });
            if !known {
                tracing::warn!("{}: the API server is asked in vain: {reason}; what is known is kept", self.collection);
            }
        }
        let again = change.clone();
        let outcome = self.source.publisher.write(|publisher| publisher.apply(&self.collection, change));
        if outcome == Outcome::WentBack {
            self.begin_history(again);
        }
    }

    /// The API server's newest list is older than what was seen: etcd was restored from a backup.
    fn begin_history(&self, list: Change) {
        let Change::Replace { version, .. } = &list else { return };
        let lineage = self.source.publisher.read(|publisher| publisher.lineage().0.clone());
        let cluster = lineage.split('+').next().unwrap_or_default();
        let next = Lineage(format!("{cluster}+{version}"));
        tracing::warn!(
            "{} went back to version {version}: history {next} begins and everything is listed again",
            self.collection
        );
        self.source.publisher.write(|publisher| {
            publisher.begin_lineage(next, "the cluster's history began again");
            publisher.apply(&self.collection, list)
        });
        self.history.send_modify(|histories| *histories += 1);
    }

    fn client(&self) -> &Client {
        &self.source.cluster.client
    }

    fn with_selector(&self, query: &str) -> String {
        match self.kind.field_selector {
            Some(selector) => format!("{query}&fieldSelector={}", encode(selector)),
            None => query.to_owned(),
        }
    }
}

fn request(path: &str, query: &str) -> Result<http::Request<Vec<u8>>, kube::Error> {
    http::Request::get(format!("{path}?{query}"))
        .header(http::header::ACCEPT, "application/json")
        .body(Vec::new())
        .map_err(kube::Error::HttpError)
}

fn failed(reason: String) -> Answer {
    Answer::Failed { reason, retry_after: None }
}

fn answer_of(error: &kube::Error) -> Answer {
    match error {
        kube::Error::Api(status) if status.code == 410 => Answer::Expired,
        kube::Error::Api(status) => {
            let seconds = status.details.as_ref().map(|details| details.retry_after_seconds).unwrap_or_default();
            let retry_after = (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)));
            Answer::Failed { reason: in_words(error), retry_after }
        }
        _ => failed(in_words(error)),
    }
}

/// Percent-encodes a query value.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

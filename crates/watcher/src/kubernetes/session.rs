//! Drives the list/watch machine of one collection, in one version of its kind, against the API server.

use std::collections::BTreeMap;
use std::future::Future;

use silverback_cluster::{Lines, Refusal};
use silverback_model::{CollectionId, Lineage, ObjectKey, Version, rules};
use silverback_resources::registry::{Kind, Scope};
use silverback_sync::{Change, Outcome, State};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::asked::Asked;
use super::closure::is_selective;
use super::list_watch::{Answer, Cause, ListWatch, News, Request};
use super::names::Naming;
use super::wire::{self, Wanted};
use super::{KubernetesSource, query};
use crate::trace;

/// Objects in a page of a list; bodies of Secrets and ConfigMaps may be a megabyte each.
const PAGE: u32 = 500;
const PAGE_OF_LARGE: u32 = 25;
/// The API server ends a watch after this, not all of them at once; it is resumed where it was.
const WATCH_SECONDS: std::ops::Range<u64> = 240..300;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The kind is to be read in another version, or not at all.
    Changed,
    /// The server does not know the kind in this version.
    Unknown,
}

/// One list/watch.
pub(super) struct Session<'s> {
    source: &'s KubernetesSource,
    kind: &'static Kind,
    collection: &'s CollectionId,
    path: String,
    /// Nobody said that the kind is served: an answer that says it is not ends the session.
    unannounced: bool,
    machine: ListWatch,
    /// The stream that told the list, and goes on as a watch.
    open: Option<Lines>,
    asked: watch::Receiver<Asked>,
    /// The history that what is read belongs to.
    lineage: Lineage,
    /// What a consumer has seen, known before the list that is under way was asked for.
    must_reach: Option<Version>,
    refused_since: Option<Instant>,
}

impl<'s> Session<'s> {
    pub(super) fn new(
        source: &'s KubernetesSource,
        kind: &'static Kind,
        collection: &'s CollectionId,
        version: &str,
        unannounced: bool,
    ) -> Self {
        let namespace = Some(collection.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        Self {
            source,
            kind,
            collection,
            path: kind.path(version, namespace),
            unannounced,
            machine: ListWatch::new(),
            open: None,
            asked: source.asked.subscribe(),
            lineage: source.lineage(),
            must_reach: None,
            refused_since: None,
        }
    }

    /// Follows until `changed`, or the server does not know the kind.
    pub(super) async fn run(mut self, changed: impl Future<Output = ()>) -> End {
        tokio::pin!(changed);
        let mut histories = self.asked.borrow_and_update().histories;
        let (source, collection) = (self.source, self.collection);
        loop {
            let mut asked = self.asked.clone();
            let watching = self.machine.is_watching();
            let relist = asked.wait_for(|asked| {
                asked.histories != histories || watching && asked.must_reach(collection, source).is_some()
            });
            tokio::select! {
                () = &mut changed => return End::Changed,
                Ok(asked) = relist => {
                    let cause = if asked.histories != histories { Cause::History } else { Cause::Behind };
                    histories = asked.histories;
                    self.must_reach = asked.must_reach(collection, source);
                    drop(asked);
                    self.open = None;
                    self.machine.relist(cause);
                }
                end = self.ask() => if let Some(end) = end {
                    return end;
                },
            }
        }
    }

    /// Makes the request that is due, and takes in all that comes of it.
    async fn ask(&mut self) -> Option<End> {
        if let Some(lines) = self.open.take() {
            self.go_on(lines).await;
            return None;
        }
        let (pause, request) = self.machine.next(rand::random(), self.source.streams.are_offered());
        tokio::time::sleep(pause).await;
        if let (Some(cause), Request::Stream | Request::List { .. }) = (self.machine.cause(), &request) {
            self.source.counters.relisted(self.collection, cause);
            self.lineage = self.source.lineage();
        }
        let refusal = match request {
            Request::Stream => self.stream().await,
            Request::Watch { from } => self.watch(&from).await,
            Request::Newest => {
                let path = query::with(&self.path, &query::page(1, None), self.kind.field_selector);
                match get(self.source, &path).await {
                    Ok(text) => {
                        self.take(|_| Some(wire::read_newest(&text))).await;
                        None
                    }
                    Err(refusal) => Some(refusal),
                }
            }
            Request::List { continue_token } => {
                let limit = if is_selective(self.kind) { PAGE_OF_LARGE } else { PAGE };
                let page = query::page(limit, continue_token.as_deref());
                match get(self.source, &query::with(&self.path, &page, self.kind.field_selector)).await {
                    Ok(text) => {
                        let kind = self.kind;
                        self.take(|wanted| Some(wire::read_page(&text, kind, wanted))).await;
                        None
                    }
                    Err(refusal) => Some(refusal),
                }
            }
        };
        let refusal = refusal?;
        let end = (self.unannounced && refusal.status == Some(404)).then_some(End::Unknown);
        self.refused(refusal).await;
        end
    }

    /// A list as a stream, which goes on as a watch.
    async fn stream(&mut self) -> Option<Refusal> {
        let path = query::with(&self.path, &query::stream(rand::random_range(WATCH_SECONDS)), self.kind.field_selector);
        let (limit, silence) = (self.source.patience.list, self.source.patience.streamed);
        let started = Instant::now();
        let mut lines = match timeout(silence, self.source.cluster.lines(&path)).await {
            Ok(Ok(lines)) => lines,
            // What it says of a parameter that it does not take.
            Ok(Err(refusal)) if matches!(refusal.status, Some(400 | 422)) => return self.not_streamed().await,
            Ok(Err(refusal)) => return Some(refusal),
            Err(_) => return self.not_streamed().await,
        };
        self.on(Answer::Watching).await;
        while !self.machine.is_watching() {
            // A server that does not know of streamed lists takes the request for a plain watch, whose end never comes.
            let left = limit.saturating_sub(started.elapsed()).min(silence);
            match timeout(left, self.line(&mut lines)).await {
                Ok(true) => (),
                Ok(false) => return None,
                Err(_) => return self.not_streamed().await,
            }
        }
        self.open = Some(lines);
        None
    }

    async fn not_streamed(&mut self) -> Option<Refusal> {
        self.source.streams.are_not_offered();
        self.on(Answer::NotStreamed).await;
        None
    }

    async fn watch(&mut self, from: &Version) -> Option<Refusal> {
        let path =
            query::with(&self.path, &query::watch(from, rand::random_range(WATCH_SECONDS)), self.kind.field_selector);
        let silence = self.source.patience.silence;
        let lines = match timeout(silence, self.source.cluster.lines(&path)).await {
            Ok(Ok(lines)) => lines,
            Ok(Err(refusal)) => return Some(refusal),
            Err(_) => {
                let reason = format!("it did not answer a watch within {} s", silence.as_secs_f64());
                return Some(Refusal { reason, ..Refusal::default() });
            }
        };
        self.on(Answer::Watching).await;
        self.go_on(lines).await;
        None
    }

    /// Takes in lines until there are no more.
    async fn go_on(&mut self, mut lines: Lines) {
        while self.machine.is_watching() {
            match timeout(self.source.patience.silence, self.line(&mut lines)).await {
                Ok(true) => (),
                Ok(false) => return,
                Err(_) => {
                    tracing::info!(collection = %self.collection, "the watch went silent and is replaced");
                    self.source.counters.watch_ended(self.collection, "silent");
                    self.on(Answer::Ended).await;
                    return;
                }
            }
        }
    }

    /// Takes in one line; whether more can follow.
    async fn line(&mut self, lines: &mut Lines) -> bool {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            // A broken connection is like one that ended: the next request tells whether all is well.
            end => {
                let how = if end.is_ok() { "ended" } else { "broken" };
                self.source.counters.watch_ended(self.collection, how);
                self.on(Answer::Ended).await;
                return false;
            }
        };
        let kind = self.kind;
        let over = self.take(|wanted| wire::read_event(line, kind, wanted)).await;
        if over {
            self.source.counters.watch_ended(self.collection, "refused");
        }
        !over
    }

    /// Takes in what is read, of which only what is wanted is held; whether it ends a watch.
    async fn take(&mut self, read: impl FnOnce(Wanted<'_>) -> Option<Answer>) -> bool {
        if !is_selective(self.kind) {
            let Some(answer) = read(None) else { return false };
            let over = is_over(&answer);
            self.on(answer).await;
            return over;
        }
        let (kind, source) = (self.kind, self.source);
        // Read and told under one lock: what comes to be named meanwhile is looked up afterwards.
        let mut held = source.closure.lock();
        let Some(answer) = read(Some(&|head| held.wants(kind, head))) else { return false };
        let over = is_over(&answer);
        if let Some(news) = self.machine.on(answer) {
            self.warn(&news);
            if let Some((change, outcome)) = held.tell(&self.lineage, self.collection, kind.id, news) {
                self.judge(&change, outcome);
            }
        }
        over
    }

    /// Takes in an answer to the machine.
    async fn on(&mut self, answer: Answer) {
        if let Some(news) = self.machine.on(answer) {
            self.tell(news).await;
        }
    }

    async fn tell(&mut self, news: News) {
        self.warn(&news);
        if is_selective(self.kind) {
            let told = self.source.closure.lock().tell(&self.lineage, self.collection, self.kind.id, news);
            return told.map_or((), |(change, outcome)| self.judge(&change, outcome));
        }
        let (change, naming) = if self.kind.references.is_empty() { (change_of(news), None) } else { split(news) };
        let (source, collection) = (self.source, self.collection);
        if let Some(naming) = &naming {
            source.closure.announce(collection, naming, |reason| source.tell_stale(collection, reason)).await;
        }
        let outcome = trace::apply(&source.publisher, &self.lineage, collection, change.clone());
        if let Some(naming) = naming {
            source.closure.told(collection, naming);
        }
        if let Some(outcome) = outcome {
            self.judge(&change, outcome);
        }
    }

    /// Logs a reason that is new.
    fn warn(&self, news: &News) {
        if let News::Stale(reason) = news {
            self.source.closure.was_listed(self.collection);
            self.source.warn_stale(self.collection, reason);
        }
    }

    /// Whether a list shows that another history began: it is older than what was seen, here or by a consumer.
    fn judge(&mut self, change: &Change, outcome: Outcome) {
        let Change::Replace { version, .. } = change else { return };
        let must_reach = self.must_reach.take();
        if outcome == Outcome::WentBack || must_reach.is_some_and(|asked| rules::history_went_back(&asked, version)) {
            self.lineage = self.source.begin_history(&self.lineage, self.collection, change.clone(), version);
        }
    }

    async fn refused(&mut self, refusal: Refusal) {
        if self.unannounced && refusal.status == Some(404) {
            self.source.closure.was_listed(self.collection);
            return;
        }
        if refusal.status == Some(410) {
            return self.on(Answer::Expired).await;
        }
        self.count_as_absent(refusal.status);
        let Refusal { reason, retry_after, .. } = refusal;
        self.on(Answer::Failed { reason, retry_after }).await;
    }

    /// Whoever may read namespaces only goes on being refused what belongs to the whole cluster: that counts as absent
    /// where it was never seen.
    fn count_as_absent(&mut self, status: Option<u16>) {
        let narrow = !self.source.namespaces.is_empty() && self.kind.scope == Scope::Cluster;
        if !narrow || status != Some(403) {
            self.refused_since = None;
            return;
        }
        let since = *self.refused_since.get_or_insert_with(Instant::now);
        let unseen = self.source.state(self.collection) == Some(State::Starting);
        if unseen && since.elapsed() >= self.source.patience.refused {
            tracing::warn!(
                "{} may not be read, and with --watch-namespace counts as not there; bind a ClusterRole that lists and \
                 watches {} to have it",
                self.collection,
                self.kind.plural
            );
            let absent = Change::Absent(Version::zero());
            self.source.publisher.write(|publisher| publisher.apply(self.collection, absent));
        }
    }
}

async fn get(source: &KubernetesSource, path: &str) -> Result<Vec<u8>, Refusal> {
    let limit = source.patience.list;
    let reason = || format!("it did not answer a list within {} s", limit.as_secs_f64());
    let late = |_| Refusal { reason: reason(), ..Refusal::default() };
    timeout(limit, source.cluster.get(path)).await.map_err(late)?
}

fn is_over(answer: &Answer) -> bool {
    matches!(answer, Answer::Ended | Answer::Expired | Answer::Failed { .. })
}

fn change_of(news: News) -> Change {
    match news {
        News::Whole { found, version } => {
            Change::Replace { items: found.into_iter().map(|found| found.item).collect(), version }
        }
        News::Upsert(found) => Change::Upsert(found.item),
        News::Delete { key, version } => Change::Delete { key, version },
        News::Pass { version, .. } | News::Bookmark(version) => Change::Bookmark(version),
        News::Stale(reason) => Change::Stale(reason),
    }
}

/// A change of objects that refer to others, and what it does to that.
fn split(mut news: News) -> (Change, Option<Naming>) {
    let naming = match &mut news {
        News::Whole { found, .. } => {
            let all = found.iter_mut().map(|found| (found.item.key.clone(), std::mem::take(&mut found.names)));
            Some(Naming::Whole(all.filter(|(_, names)| !names.is_empty()).collect::<BTreeMap<ObjectKey, _>>()))
        }
        News::Upsert(found) => Some(Naming::One(found.item.key.clone(), std::mem::take(&mut found.names))),
        News::Delete { key, .. } => Some(Naming::Gone(key.clone())),
        News::Pass { .. } | News::Bookmark(_) | News::Stale(_) => None,
    };
    (change_of(news), naming)
}

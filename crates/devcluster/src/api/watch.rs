//! One watch: the state it begins with, then what happens, bookmarks, and its end. It never knows HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep_until};

use super::failure::{Failure, Outcome};
use super::forms;
use super::kinds::Kind;
use super::request::{Form, Listing};
use super::selectors::Selection;
use super::shared::{Shared, now};
use super::store::{Event, Key};

/// The API server ends a watch after half an hour to an hour where nobody asks for another time.
const LONGEST: Duration = Duration::from_secs(1_800);

/// What is watched, for whom.
pub(crate) struct Watch {
    pub(crate) shared: Arc<Shared>,
    pub(crate) client: String,
    pub(crate) kind: Kind,
    pub(crate) version: String,
    pub(crate) namespace: String,
    pub(crate) selection: Selection,
    pub(crate) listing: Listing,
    pub(crate) form: Form,
}

impl Watch {
    /// Starts it. What comes out are lines of JSON; the stream ends with the watch.
    pub(crate) fn start(self) -> Outcome<mpsc::Receiver<Bytes>> {
        let (lines, received) = mpsc::channel(64);
        let store = self.shared.store();
        let newest = store.revision();
        let mut first = Vec::new();
        let from = match self.listing.version {
            // "0" and nothing at all mean: the state there is, and then whatever happens.
            None | Some(0) => {
                self.state(&store, &mut first)?;
                newest
            }
            Some(version) if self.listing.initial_events => {
                if version > newest {
                    return Err(Failure::too_large_version(version, newest));
                }
                self.state(&store, &mut first)?;
                newest
            }
            Some(version) => version,
        };
        if self.listing.initial_events {
            first.push(self.bookmark(newest, true));
        }
        drop(store);
        tokio::spawn(self.run(first, from, lines));
        Ok(received)
    }

    fn state(&self, store: &super::store::Store, first: &mut Vec<Bytes>) -> Outcome<()> {
        let objects = store.list(&self.kind.id(), store.revision(), &Key::default());
        let objects = objects.map_err(|_| Failure::expired("too old resource version"))?;
        first.extend(
            objects.iter().filter(|(_, object)| self.takes(object)).map(|(_, object)| self.line("ADDED", object)),
        );
        Ok(())
    }

    async fn run(self, first: Vec<Bytes>, mut from: u64, lines: mpsc::Sender<Bytes>) {
        for line in first {
            if lines.send(line).await.is_err() {
                return;
            }
        }
        let mut revision = self.shared.revision();
        let end = Instant::now() + self.listing.timeout.unwrap_or(LONGEST);
        let period = self.shared.settings.bookmark_period;
        let mut bookmarks = interval_at(Instant::now() + period, period);
        loop {
            tokio::select! {
                () = lines.closed() => return,
                () = self.shared.faults.until_heard(&self.client) => {}
            }
            let (events, reached) = match self.since(from) {
                Ok(found) => found,
                Err(failure) => {
                    let _ = lines.send(line_of("ERROR", &failure.object())).await;
                    return;
                }
            };
            for event in events.iter().filter_map(|event| self.event(event)) {
                if lines.send(event).await.is_err() {
                    return;
                }
            }
            from = from.max(reached);
            tokio::select! {
                () = lines.closed() => return,
                () = sleep_until(end) => return,
                changed = revision.changed() => if changed.is_err() { return },
                _ = bookmarks.tick(), if self.listing.bookmarks => {
                    // What happened since the last look comes first.
                    if self.shared.faults.is_heard(&self.client)
                        && self.shared.store().revision() == from
                        && lines.send(self.bookmark(from, false)).await.is_err()
                    {
                        return;
                    }
                }
            }
        }
    }

    fn since(&self, from: u64) -> Outcome<(Vec<Event>, u64)> {
        let store = self.shared.store();
        let events = store
            .since(&self.kind.id(), from)
            .map_err(|_| Failure::expired(format!("too old resource version: {from} ({})", store.oldest())))?;
        Ok((events, store.revision()))
    }

    fn takes(&self, object: &Value) -> bool {
        let inside = self.namespace.is_empty() || object["metadata"]["namespace"] == *self.namespace;
        inside && self.selection.takes(object)
    }

    /// To somebody who selects, an object that no longer fits is deleted, and one that fits from now on is new.
    fn event(&self, event: &Event) -> Option<Bytes> {
        let now = !event.deleted && self.takes(&event.object);
        let before = event.previous.as_deref().is_some_and(|previous| self.takes(previous));
        let kind = match (before, now) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        Some(self.line(kind, &event.object))
    }

    fn bookmark(&self, version: u64, initial: bool) -> Bytes {
        let mut object = json!({ "metadata": { "resourceVersion": version.to_string() } });
        if initial {
            object["metadata"]["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        self.line("BOOKMARK", &object)
    }

    fn line(&self, kind: &str, object: &Value) -> Bytes {
        line_of(kind, &forms::one(object, &self.kind, &self.version, self.form, now().as_second()))
    }
}

fn line_of(kind: &str, object: &Value) -> Bytes {
    format!("{}\n", json!({ "type": kind, "object": object })).into()
}

//! Looks up by name what came to be named after its collection was listed.
//!
//! A list of that one name is asked for: its version dates presence and absence alike, and it needs no right beyond
//! those of following the collection.

use std::time::Duration;

use futures::StreamExt;
use silverback_cluster::Refusal;
use silverback_model::CollectionId;
use silverback_sync::Item;
use tokio::time::{sleep, timeout};

use super::closure::Closure;
use super::list_watch::{Answer, Place};
use super::{KubernetesSource, query, wire};

const AT_ONCE: usize = 16;
const TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Looks names up until the shutdown.
pub(super) async fn run(source: KubernetesSource) {
    let closure = &source.closure;
    let mut moved = closure.moved();
    let mut pause = FIRST_PAUSE;
    loop {
        moved.borrow_and_update();
        let due = closure.lock().due();
        if due.is_empty() {
            pause = FIRST_PAUSE;
            tokio::select! {
                () = source.shutdown.cancelled() => return,
                _ = moved.changed() => continue,
            }
        }
        let asked = due.len();
        futures::stream::iter(due).for_each_concurrent(AT_ONCE, |(place, id)| look_up(&source, place, id)).await;
        // What failed, or is the stream's to bring, is asked for again.
        if closure.lock().due().len() >= asked {
            tokio::select! {
                () = source.shutdown.cancelled() => return,
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }
}

async fn look_up(source: &KubernetesSource, place: Place, collection: CollectionId) {
    let found = timeout(TIMEOUT, read(source, &place)).await;
    let closure: &Closure = &source.closure;
    match found {
        Ok(Ok(item)) => closure.lock().looked_up(&place, &collection, item),
        Ok(Err(refusal)) => closure.lock().not_looked_up(&place, &refusal.reason),
        Err(_) => closure.lock().not_looked_up(&place, "it did not answer within 10 s"),
    }
}

async fn read(source: &KubernetesSource, (kind, key): &Place) -> Result<Option<Item>, Refusal> {
    let kind = kind.kind();
    let name = format!("metadata.name={}", key.name);
    let selector = kind.field_selector.map_or_else(|| name.clone(), |selector| format!("{selector},{name}"));
    let path = kind.path(kind.best_version(), Some(&key.namespace));
    let text = source.cluster.get(&query::with(&path, "", Some(&selector))).await?;
    match wire::read_page(&text, kind, None) {
        Answer::Page { found, .. } => Ok(found.into_iter().map(|found| found.item).find(|item| item.key == *key)),
        Answer::Failed { reason, .. } => Err(Refusal { reason, ..Refusal::default() }),
        _ => Ok(None),
    }
}

//! Follows one collection: in which version it is read, and whether it is there at all.
//!
//! A kind is absent only if a complete view of the CRDs does not hold it, or — where neither they nor objects of the
//! whole cluster may be read — if the API server went on refusing it.

use std::time::Duration;

use silverback_model::{CollectionId, Version};
use silverback_resources::registry::Kind;
use silverback_sync::{Change, State};
use tokio::sync::watch;
use tokio::time::Instant;

use super::KubernetesSource;
use super::closure::is_selective;
use super::crds::Installed;
use super::names::Naming;
use super::schemas::Schemas;
use super::session::{End, Session};

/// How often a kind that is not served is looked for where the CRDs may not be read.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// And as long as it is not believed.
const LOOK_AT_ONCE: Duration = Duration::from_millis(500);

/// Follows one collection.
pub(super) struct Follower {
    pub(super) source: KubernetesSource,
    pub(super) kind: &'static Kind,
    pub(super) collection: CollectionId,
    /// For kinds that come from a CRD: what tells of it.
    pub(super) defined: Option<Defined>,
}

/// What tells of the definitions of kinds.
pub(super) struct Defined {
    /// The CRDs, where they may be read.
    pub(super) installed: watch::Receiver<Installed>,
    /// The index of schemas, where they may not.
    pub(super) schemas: watch::Receiver<Schemas>,
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
        if is_selective(self.kind) {
            self.source.closure.until_listed().await;
        }
        let Some(Defined { mut installed, schemas }) = self.defined.take() else {
            self.follow_version(self.kind.best_version(), false, std::future::pending()).await;
            return;
        };
        let mut asked = self.source.asked.subscribe();
        let mut read = None;
        loop {
            let now = installed.borrow_and_update().clone();
            let histories = asked.borrow_and_update().histories;
            if now.unreadable {
                self.follow_unannounced(&mut installed, &schemas).await;
                continue;
            }
            match now.version_of(self.kind) {
                Some(Ok(version)) => {
                    let kind = self.kind;
                    let definition = (version, now.generation_of(kind));
                    // Objects are listed anew under each definition: an older one may have hidden fields. The API server
                    // may go by the older one for a moment, so they are listed again when that is over.
                    let until = match read.replace(definition) {
                        Some(before) if before != definition => self.source.patience.defined,
                        _ => Duration::MAX,
                    };
                    let other = move |now: &Installed| {
                        now.version_of(kind) != Some(Ok(version)) || now.generation_of(kind) != definition.1
                    };
                    let mut changes = installed.clone();
                    let changed = async move {
                        let _ = tokio::time::timeout(until, changes.wait_for(other)).await;
                    };
                    self.follow_version(version, false, changed).await;
                    continue;
                }
                Some(Err(as_of)) => self.vanish(as_of).await,
                None => {
                    if let Some(trouble) = &now.trouble {
                        let reason = format!("CustomResourceDefinitions cannot be listed: {trouble}");
                        self.source.tell_stale(&self.collection, reason);
                        self.source.closure.was_listed(&self.collection);
                    }
                }
            }
            // What is absent is so in one history, and must be told anew in the next.
            tokio::select! {
                changed = installed.changed() => if changed.is_err() {
                    return;
                },
                _ = asked.wait_for(|asked| asked.histories != histories) => (),
            }
        }
    }

    /// The CRDs may not be read: every version is tried, and a kind that is refused in all of them is looked for again
    /// and again. It counts as absent if it was never seen.
    async fn follow_unannounced(&self, installed: &mut watch::Receiver<Installed>, schemas: &watch::Receiver<Schemas>) {
        let refused_since = Instant::now();
        let mut schema = schemas.borrow().of(self.kind.group);
        let mut until = Duration::MAX;
        while installed.borrow_and_update().unreadable {
            if self.follow_any_version(installed, schemas, &schema, until).await == End::Changed {
                let now = schemas.borrow().of(self.kind.group);
                // As where definitions are read: listed under each, and again when all API servers go by it.
                until = if now == schema { Duration::MAX } else { self.source.patience.defined };
                schema = now;
                continue;
            }
            let mut pause = LOOK_AT_ONCE;
            if refused_since.elapsed() >= self.source.patience.refused {
                pause = LOOK_AGAIN;
                if self.source.state(&self.collection) == Some(State::Starting) {
                    self.vanish(Version::zero()).await;
                } else {
                    self.source.tell_stale(&self.collection, "it answers 404: it does not know the kind".to_owned());
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => (),
                _ = installed.wait_for(|now| !now.unreadable) => (),
            }
        }
    }

    /// Follows the best version that the server knows, until that may be another one, or objects may have other fields.
    async fn follow_any_version(
        &self,
        installed: &watch::Receiver<Installed>,
        schemas: &watch::Receiver<Schemas>,
        schema: &[String],
        until: Duration,
    ) -> End {
        for version in self.kind.versions {
            let (mut installed, mut schemas) = (installed.clone(), schemas.clone());
            let changed = async move {
                tokio::select! {
                    _ = installed.wait_for(|now| !now.unreadable) => (),
                    _ = schemas.wait_for(|now| now.of(self.kind.group) != schema) => (),
                    () = tokio::time::sleep(until) => (),
                }
            };
            if self.follow_version(version, true, changed).await == End::Changed {
                return End::Changed;
            }
        }
        End::Unknown
    }

    async fn follow_version(&self, version: &str, unannounced: bool, changed: impl Future<Output = ()>) -> End {
        Session::new(&self.source, self.kind, &self.collection, version, unannounced).run(changed).await
    }

    /// The kind is not installed.
    async fn vanish(&self, as_of: Version) {
        tracing::debug!(kind = %self.kind.id, "not installed");
        let nothing = Naming::Whole(Default::default());
        let closure = &self.source.closure;
        closure.announce(&self.collection, &nothing, |_| ()).await;
        self.source.publisher.write(|publisher| publisher.apply(&self.collection, Change::Absent(as_of)));
        closure.told(&self.collection, nothing);
    }
}

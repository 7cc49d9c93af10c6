//! Who pushes: turns the election into what each gateway's task may do, and records on the Lease what was pushed.
//!
//! A new leader first waits, within bounds, until it has seen every change that its predecessor's last configuration
//! was made from. While the API server is away nobody can be elected; gateways that lost their configuration are
//! filled all the same, since every replica would send them the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use silverback_gateway::{Grant, Permission};
use silverback_lease::{Handle, Leadership};
use silverback_model::{CollectionId, Epoch, Frontier, Frontiers, Inputs, Lineage, SetDigest, Version, rules};
use tokio::sync::watch;

use crate::follow::Desired;

/// A new leader waits at most this long for what its predecessor had seen.
const CATCH_UP: Duration = Duration::from_secs(5);

/// The election as the rest of the pusher sees it.
#[derive(Clone)]
pub(crate) struct Lead {
    pub(crate) permission: Permission,
    /// The present leadership, once it may push.
    pub(crate) epoch: watch::Receiver<Option<Epoch>>,
}

impl Lead {
    /// Without an election: this replica always pushes.
    pub(crate) fn always() -> Self {
        Self { permission: Permission::always(), epoch: watch::channel(None).1 }
    }

    /// Follows an election.
    pub(crate) fn of(handle: Handle, desired: watch::Receiver<Option<Arc<Desired>>>) -> Self {
        let (grants, granted) = watch::channel(Grant::Watch);
        let (epochs, epoch) = watch::channel(None);
        let held = handle.clone();
        // Pushing is allowed as long as the Lease's deadline is ahead; filling only while nobody can be elected.
        let holds = move |grant| match grant {
            Grant::Push => held.may_push_now(),
            Grant::Fill => held.leadership().borrow().permit().is_none() && held.trouble().borrow().is_some(),
            Grant::Watch => true,
        };
        let permission = Permission::new(granted, holds);
        tokio::spawn(grant(handle, desired, grants, epochs));
        Self { permission, epoch }
    }
}

async fn grant(
    handle: Handle,
    mut desired: watch::Receiver<Option<Arc<Desired>>>,
    grants: watch::Sender<Grant>,
    epochs: watch::Sender<Option<Epoch>>,
) {
    let (mut leadership, mut trouble) = (handle.leadership(), handle.trouble());
    loop {
        let now = leadership.borrow_and_update().clone();
        match &now {
            Leadership::Leading(permit) if epochs.borrow().as_ref() == Some(permit.epoch()) => (),
            Leadership::Leading(permit) => {
                // What another leadership was granted ends with it.
                grants.send_replace(Grant::Watch);
                let recorded = handle.recorded().borrow().clone();
                tokio::select! {
                    () = catch_up(recorded.as_deref(), &mut desired) => (),
                    Ok(()) = leadership.changed() => continue,
                }
                tracing::info!(epoch = %permit.epoch(), "leading: this replica pushes");
                epochs.send_replace(Some(permit.epoch().clone()));
                grants.send_replace(Grant::Push);
            }
            Leadership::Standby { holder } => {
                epochs.send_replace(None);
                let grant = if trouble.borrow_and_update().is_some() { Grant::Fill } else { Grant::Watch };
                if grants.send_replace(grant) == Grant::Push {
                    tracing::info!(
                        holder = holder.as_deref().unwrap_or("nobody"),
                        "not leading any more: another replica pushes"
                    );
                }
            }
        }
        tokio::select! {
            changed = leadership.changed() => if changed.is_err() {
                epochs.send_replace(None);
                grants.send_replace(Grant::Watch);
                return;
            },
            Ok(()) = trouble.changed() => (),
        }
    }
}

/// Waits until the configuration at hand has seen every change recorded on the Lease.
async fn catch_up(recorded: Option<&str>, desired: &mut watch::Receiver<Option<Arc<Desired>>>) {
    let Some(recorded) = recorded.and_then(Recorded::read) else { return };
    let caught_up = |desired: &Option<Arc<Desired>>| {
        desired.as_ref().is_some_and(|desired| rules::may_follow(&recorded, &desired.commit.inputs))
    };
    if tokio::time::timeout(CATCH_UP, desired.wait_for(caught_up)).await.is_err() {
        tracing::warn!(
            "the last leader had seen more than this replica after {CATCH_UP:?}; pushing what is known, and the rest as it comes"
        );
    }
}

/// What a leader records of the configuration it pushed: when each collection that it was made from changed last, and
/// what it held, since watchers that listed the same at different times date it differently.
#[derive(Serialize, Deserialize)]
struct Recorded {
    lineage: Lineage,
    changed: BTreeMap<String, Version>,
    #[serde(default)]
    held: BTreeMap<String, SetDigest>,
}

impl Recorded {
    /// As inputs that saw nothing but these changes.
    fn read(text: &str) -> Option<Inputs> {
        let Self { lineage, changed, held } = serde_json::from_str(text).ok()?;
        let frontier = |changed: Version| Frontier { seen: changed.clone(), changed };
        let frontiers = changed.into_iter().map(|(id, changed)| (parse(&id), frontier(changed)));
        let digests = held.into_iter().map(|(id, digest)| (parse(&id), digest)).collect();
        Some(Inputs { lineage, frontiers: Frontiers(frontiers.collect()), digests, ..Inputs::default() })
    }
}

/// The text that a renewal records.
pub(crate) fn recorded(inputs: &Inputs) -> String {
    let changed = inputs.frontiers.0.iter().filter(|(_, frontier)| !frontier.changed.is_zero());
    let changed: BTreeMap<_, _> = changed.map(|(id, frontier)| (print(id), frontier.changed.clone())).collect();
    let held = inputs.digests.iter().map(|(id, digest)| (print(id), *digest));
    let held = held.filter(|(id, _)| changed.contains_key(id)).collect();
    serde_json::to_string(&Recorded { lineage: inputs.lineage.clone(), changed, held }).unwrap_or_default()
}

fn print(id: &CollectionId) -> String {
    if id.namespace.is_empty() { id.kind.clone() } else { format!("{}/{}", id.namespace, id.kind) }
}

fn parse(text: &str) -> CollectionId {
    match text.split_once('/') {
        Some((namespace, kind)) => CollectionId::in_namespace(kind, namespace),
        None => CollectionId::all(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_model::Digest;

    #[test]
    fn what_is_recorded_reads_back_as_what_must_have_been_seen() {
        let frontier = |n| Frontier { seen: Version::from_counter(n + 5), changed: Version::from_counter(n) };
        let ids = [
            CollectionId::all("Service"),
            CollectionId::in_namespace("Secret", "shop"),
            CollectionId::all("Namespace"),
        ];
        let frontiers = Frontiers(ids.into_iter().zip([7, 9, 0]).map(|(id, n)| (id, frontier(n))).collect());
        let inputs = Inputs { lineage: Lineage("l".into()), frontiers, ..Inputs::default() };
        let read = Recorded::read(&recorded(&inputs)).unwrap();
        assert!(rules::may_follow(&read, &inputs));
        let mut behind = inputs.clone();
        behind.frontiers.0.insert(CollectionId::in_namespace("Secret", "shop"), frontier(1));
        assert!(!rules::may_follow(&read, &behind));
        assert_eq!(read.frontiers.0.len(), 2, "what never changed need not be waited for");

        let digests: BTreeMap<_, _> =
            inputs.frontiers.0.keys().map(|id| (id.clone(), SetDigest(Digest::of(b"the same")))).collect();
        let read = Recorded::read(&recorded(&Inputs { digests: digests.clone(), ..inputs })).unwrap();
        behind.digests = digests;
        assert!(rules::may_follow(&read, &behind), "it holds the same, though it listed it earlier");
    }
}

//! Fault taps of the API server: what can be made to go wrong, for everybody or for one client. They hold no
//! behaviour of Kubernetes' own.

use std::time::Duration;

use http::StatusCode;
use tokio::sync::watch;

use super::failure::Failure;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Every answer takes this much longer.
    Slow(Duration),
    /// Requests are answered with this status; watches under way go on.
    Answer {
        /// Such as 429 or 500.
        status: u16,
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u32>,
        /// How many requests get it; all of them when `None`.
        times: Option<u32>,
    },
    /// Watches stay open and say nothing more, not even bookmarks.
    SilentWatches,
    /// As if the network between this server and the client swallowed everything: requests get no answer, watches say
    /// nothing. Both go on when it heals.
    Partition,
}

/// An effect, and whom it hits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    /// Everybody when `None`.
    client: Option<String>,
    effect: Effect,
}

impl Fault {
    fn hits(&self, client: &str) -> bool {
        self.client.as_deref().is_none_or(|hit| hit == client)
    }
}

/// The taps of one API server. Clients are known by their bearer token, which is the name their kubeconfig was made
/// for, or else by the first word of their user agent, such as `kubectl`.
#[derive(Debug)]
pub struct Faults(watch::Sender<Vec<Fault>>);

impl Default for Faults {
    fn default() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }
}

impl Faults {
    /// Lets something go wrong for everybody, from the next request on.
    pub fn inject(&self, effect: Effect) {
        self.0.send_modify(|faults| faults.push(Fault { client: None, effect }));
    }

    /// Lets something go wrong for one client.
    pub fn inject_for(&self, client: &str, effect: Effect) {
        self.0.send_modify(|faults| faults.push(Fault { client: Some(client.to_owned()), effect }));
    }

    /// Ends every fault.
    pub fn clear(&self) {
        self.0.send_modify(Vec::clear);
    }

    /// Whether watches of a client are sent anything.
    pub(crate) fn is_heard(&self, client: &str) -> bool {
        !silences(&self.0.borrow(), client)
    }

    /// Waits while watches of a client are silenced.
    pub(crate) async fn until_heard(&self, client: &str) {
        // The sender lives as long as self, so this ends only when the silence does.
        let _ = self.0.subscribe().wait_for(|faults| !silences(faults, client)).await;
    }

    /// What becomes of a request before it is looked at: it waits, and may be refused.
    pub(crate) async fn pass(&self, client: &str) -> Result<(), Failure> {
        let mut faults = self.0.subscribe();
        let swallowed =
            |faults: &Vec<Fault>| faults.iter().any(|fault| fault.hits(client) && fault.effect == Effect::Partition);
        let _ = faults.wait_for(|faults| !swallowed(faults)).await;
        let slow =
            faults.borrow().iter().filter(|fault| fault.hits(client)).fold(Duration::ZERO, |slow, fault| {
                if let Effect::Slow(more) = fault.effect { slow + more } else { slow }
            });
        tokio::time::sleep(slow).await;
        let mut refused = None;
        self.0.send_if_modified(|faults| {
            refused = faults.iter_mut().filter(|fault| fault.hits(client)).find_map(spend);
            faults.retain(|fault| !matches!(fault.effect, Effect::Answer { times: Some(0), .. }));
            refused.is_some()
        });
        refused.map_or(Ok(()), Err)
    }
}

fn silences(faults: &[Fault], client: &str) -> bool {
    let silent = |fault: &Fault| matches!(fault.effect, Effect::SilentWatches | Effect::Partition);
    faults.iter().any(|fault| fault.hits(client) && silent(fault))
}

/// The answer of a fault, one less of which is left.
fn spend(fault: &mut Fault) -> Option<Failure> {
    let Effect::Answer { status, retry_after, times } = &mut fault.effect else { return None };
    if let Some(times) = times {
        *times = times.checked_sub(1)?;
    }
    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Some(Failure::injected(status, *retry_after))
}

//! What is known of one gateway, for people, statuses and metrics. Nothing of a config is in it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use silverback_model::{Epoch, Generation, ObjectKey};

use crate::{Cause, ConfigHash, Facts, Rejection};

/// How a gateway is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was not reached yet.
    #[default]
    Starting,
    /// It is reached; there is no config to bring.
    Idle,
    /// It has the config.
    Synced,
    /// It lacks a change: it is in its quiet time, or somebody else is the one to push.
    Pending,
    /// A push is in flight.
    Pushing,
    /// It refused this config, and keeps its last one.
    Refused,
    /// It cannot be given this kind of config.
    Blocked,
    /// Requests to it fail.
    Failing,
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PushResult {
    /// The gateway loaded it.
    Loaded,
    /// The gateway had it.
    Unchanged,
    /// The gateway refused its content.
    Refused(Arc<Rejection>),
    /// It failed otherwise.
    Failed(String),
    /// The permission to push ended while it was in flight.
    GivenUp,
}

/// One push.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LastPush {
    /// When, by the wall clock.
    pub started: SystemTime,
    /// Until its answer.
    pub took: Duration,
    /// Hash of what was sent.
    pub hash: ConfigHash,
    /// Whether faults were asked for by entity.
    pub flatten: bool,
    /// Size of what was sent.
    pub bytes: u64,
    /// Commit that was sent.
    pub generation: Generation,
    /// What became of it.
    pub result: PushResult,
}

/// Told of everything that becomes of one gateway's requests, as it happens: reports show only the last of it.
pub trait Observer: Send + Sync {
    /// A push ended, for this cause where it failed.
    fn pushed(&self, push: &LastPush, cause: Option<&Cause>);
    /// A gateway holds a change, this long after the change was made.
    fn arrived(&self, lag: Duration);
    /// A request failed, be it a push or a look.
    fn failed(&self, cause: &Cause);
}

/// What is known of one gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GatewayReport {
    /// Its Admin API.
    pub url: String,
    /// The pod it is, if discovered.
    pub pod: Option<ObjectKey>,
    /// How it is doing.
    pub state: State,
    /// The commit it has.
    pub generation: Option<Generation>,
    /// The leadership that brought or verified it.
    pub epoch: Option<Epoch>,
    /// The hash it should report.
    pub hash_expected: Option<ConfigHash>,
    /// The hash it reported last.
    pub hash_observed: Option<ConfigHash>,
    /// The last push that ended.
    pub last_push: Option<LastPush>,
    /// Pushes that ended, whatever became of them.
    pub pushes: u64,
    /// Since when it lacks a change.
    pub behind_since: Option<SystemTime>,
    /// How long the last change took: from when the watcher learned of it, or its arrival here where that is not known,
    /// until the gateway had it.
    pub lag: Option<Duration>,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// What stands against it being in sync, in words.
    pub last_error: Option<String>,
    /// The same in one word, where a request failed.
    pub last_error_kind: Option<&'static str>,
    /// What it says about itself.
    pub facts: Option<Arc<Facts>>,
}

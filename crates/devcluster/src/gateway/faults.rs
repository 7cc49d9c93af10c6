//! Fault taps: what can be made to go wrong at a running gateway. They hold no behaviour of Kong's own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::answer::Answer;
use super::settings::LoadTime;

/// Which requests a fault concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// `POST /config` alone.
    Posts,
    /// Every request, on the status listener too.
    Everything,
}

impl On {
    fn concerns(self, is_post: bool) -> bool {
        self == Self::Everything || is_post
    }
}

/// An answer given without looking at the request.
#[derive(Debug, Clone)]
pub struct FixedAnswer {
    /// The status.
    pub status: u16,
    /// The JSON body.
    pub body: Value,
    /// Seconds for a `Retry-After` header.
    pub retry_after: Option<u32>,
    /// How many requests get it; all of them when `None`.
    pub times: Option<usize>,
}

impl FixedAnswer {
    /// `status` with `{"message": message}`, for every request until the faults are cleared.
    #[must_use]
    pub fn message(status: u16, message: &str) -> Self {
        Self { status, body: json!({ "message": message }), retry_after: None, times: None }
    }
}

type Predicate = dyn Fn(&str, &Map<String, Value>) -> bool + Send + Sync;

/// An entity that the gateway refuses: a predicate and what it says.
#[derive(Clone)]
pub(crate) struct Rejection {
    predicate: Arc<Predicate>,
    pub(crate) message: String,
}

impl Rejection {
    /// `kind` is the plural collection name, such as `services`.
    pub(crate) fn hits(&self, kind: &str, entity: &Map<String, Value>) -> bool {
        (self.predicate)(kind, entity)
    }
}

impl std::fmt::Debug for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rejection").field(&self.message).finish()
    }
}

#[derive(Debug, Default)]
struct Taps {
    fixed: Option<(On, FixedAnswer)>,
    cut_after: Option<(On, usize)>,
    load_time: Option<LoadTime>,
    rejections: Vec<Rejection>,
}

/// The taps of one gateway. Every change holds from the next request on.
#[derive(Debug)]
pub struct Faults {
    taps: Mutex<Taps>,
    hanging: watch::Sender<Option<On>>,
}

impl Faults {
    pub(crate) fn new() -> Self {
        Self { taps: Mutex::default(), hanging: watch::Sender::new(None) }
    }

    /// Ends every fault; requests held by [`Faults::hang`] go on.
    pub fn clear(&self) {
        *self.lock() = Taps::default();
        self.hanging.send_replace(None);
    }

    /// Holds requests after they were read, without an answer, until [`Faults::release`] or [`Faults::clear`].
    pub fn hang(&self, on: On) {
        self.hanging.send_replace(Some(on));
    }

    /// Ends [`Faults::hang`]: the held requests go on, as in a process that was frozen and thawed.
    pub fn release(&self) {
        self.hanging.send_replace(None);
    }

    /// Answers without looking at the request, and changes nothing.
    pub fn answer(&self, on: On, fixed: FixedAnswer) {
        self.lock().fixed = Some((on, fixed));
    }

    /// Overrides the load time of the settings.
    pub fn load_time(&self, load_time: LoadTime) {
        self.lock().load_time = Some(load_time);
    }

    /// Breaks the connection after that many bytes of an answer's body; the request itself takes effect.
    pub fn cut_answers(&self, on: On, after_bytes: usize) {
        self.lock().cut_after = Some((on, after_bytes));
    }

    /// Refuses configs holding an entity that satisfies the predicate, which is given the collection's name (such
    /// as `services`) and the entity as posted. The answer names each of them with `message`.
    pub fn reject(&self, message: &str, predicate: impl Fn(&str, &Map<String, Value>) -> bool + Send + Sync + 'static) {
        let rejection = Rejection { predicate: Arc::new(predicate), message: message.to_owned() };
        self.lock().rejections.push(rejection);
    }

    /// Refuses configs holding an entity with this tag.
    pub fn reject_tag(&self, tag: &str, message: &str) {
        let tag = tag.to_owned();
        self.reject(message, move |_, entity| {
            entity.get("tags").and_then(Value::as_array).is_some_and(|tags| tags.iter().any(|found| *found == *tag))
        });
    }

    /// Ends all of [`Faults::reject`].
    pub fn accept_again(&self) {
        self.lock().rejections.clear();
    }

    /// Waits while such requests are held.
    pub(crate) async fn pass(&self, is_post: bool) {
        let mut hanging = self.hanging.subscribe();
        // The sender lives as long as self, so this ends only when the hold does.
        let _ = hanging.wait_for(|on| !on.is_some_and(|on| on.concerns(is_post))).await;
    }

    pub(crate) fn fixed(&self, is_post: bool) -> Option<Answer> {
        let mut taps = self.lock();
        let (on, fixed) = taps.fixed.as_mut()?;
        if !on.concerns(is_post) {
            return None;
        }
        let status = StatusCode::from_u16(fixed.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let answer = Answer::json(status, &fixed.body);
        let answer = match fixed.retry_after {
            Some(seconds) => answer.retry_after(seconds),
            None => answer,
        };
        if let Some(times) = fixed.times.as_mut() {
            *times = times.saturating_sub(1);
            if *times == 0 {
                taps.fixed = None;
            }
        }
        Some(answer)
    }

    pub(crate) fn cut_after(&self, is_post: bool) -> Option<usize> {
        self.lock().cut_after.filter(|(on, _)| on.concerns(is_post)).map(|(_, bytes)| bytes)
    }

    pub(crate) fn load_time_override(&self) -> Option<LoadTime> {
        self.lock().load_time
    }

    pub(crate) fn rejections(&self) -> Vec<Rejection> {
        self.lock().rejections.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Taps> {
        self.taps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

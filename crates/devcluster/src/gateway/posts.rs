//! The record of the configs a gateway was sent, whatever became of them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::HeaderMap;
use tokio::sync::watch;

/// One `POST /config` whose body was received.
#[derive(Debug, Clone)]
pub struct Post {
    /// When the last byte of the body was in.
    pub at: Instant,
    /// Size of the body.
    pub bytes: usize,
    /// md5 of the body, in hex. Empty when the body was over the limit, which is not kept.
    pub md5: String,
    /// The query string, empty when there was none.
    pub query: String,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The status answered; `None` while the answer is not out (or never will be).
    pub status: Option<u16>,
    /// When the answer was ready.
    pub answered_at: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Posts {
    list: Mutex<Vec<Post>>,
    received: watch::Sender<u64>,
    answered: watch::Sender<u64>,
}

impl Posts {
    pub(crate) fn new() -> Self {
        Self { list: Mutex::default(), received: watch::Sender::new(0), answered: watch::Sender::new(0) }
    }

    /// Returns the post's place in the list.
    pub(crate) fn push(&self, post: Post) -> usize {
        let mut list = self.lock();
        list.push(post);
        self.received.send_modify(|count| *count += 1);
        list.len() - 1
    }

    pub(crate) fn answer(&self, place: usize, status: u16) {
        if let Some(post) = self.lock().get_mut(place) {
            post.status = Some(status);
            post.answered_at = Some(Instant::now());
        }
        self.answered.send_modify(|count| *count += 1);
    }

    pub(crate) fn list(&self) -> Vec<Post> {
        self.lock().clone()
    }

    pub(crate) fn received(&self) -> watch::Receiver<u64> {
        self.received.subscribe()
    }

    pub(crate) fn answered(&self) -> watch::Receiver<u64> {
        self.answered.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Post>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

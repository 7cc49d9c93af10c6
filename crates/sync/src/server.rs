//! The serving rim: one publisher, shared between its source and any number of gRPC streams.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures::Stream;
use silverback_model::Cursor;
use silverback_proto::v1::{self, watch_response::Frame};
use tokio::sync::watch;
use tokio::time::Sleep;
use tonic::Status;

use crate::{Publisher, SubscriberId};

/// Largest request: cursors that name every entity of a configuration, 16 bytes each.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;
/// A stream that lived this long, give or take a fifth, resumes at any server, so that consumers spread over those that
/// were added since, and over a new connection, with the certificates of that time.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

/// A publisher behind a lock that is held for one step at a time, never across an await.
#[derive(Clone)]
pub struct SharedPublisher {
    publisher: Arc<Mutex<Publisher>>,
    moved: watch::Sender<u64>,
    max_age: Duration,
}

impl SharedPublisher {
    /// Shares a publisher.
    pub fn new(publisher: Publisher) -> Self {
        Self { publisher: Arc::new(Mutex::new(publisher)), moved: watch::Sender::new(0), max_age: MAX_AGE }
    }

    /// The same, but streams live about this long.
    pub fn with_max_age(self, max_age: Duration) -> Self {
        Self { max_age, ..self }
    }

    /// Looks at the publisher.
    pub fn read<T>(&self, look: impl FnOnce(&Publisher) -> T) -> T {
        look(&self.lock())
    }

    /// Alters the publisher, then wakes every stream. Everything done in one call is seen together.
    pub fn write<T>(&self, alter: impl FnOnce(&mut Publisher) -> T) -> T {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut publisher = self.lock();
        publisher.date(now);
        let result = alter(&mut publisher);
        drop(publisher);
        self.moved.send_modify(|moves| *moves = moves.wrapping_add(1));
        result
    }

    /// Wakes whoever waits when the publisher was altered.
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Publisher> {
        // A panic in a step cannot leave a publisher half altered in a way that count and digest would not show.
        self.publisher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream that answers a `Watch` call.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when a cursor makes no sense.
    pub fn watch(
        &self,
        request: v1::WatchRequest,
    ) -> Result<impl Stream<Item = Result<v1::WatchResponse, Status>> + Send + 'static, Status> {
        let cursors = request.cursors.into_iter().map(Cursor::try_from).collect::<Result<Vec<_>, _>>();
        let cursors = cursors.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let moved = self.moved.subscribe();
        let id = self.lock().subscribe(cursors);
        let age = self.max_age.mul_f64(rand::random_range(0.8..1.2));
        let old = Some(Box::pin(tokio::time::sleep(age)));
        let subscription = Subscription { shared: self.clone(), id, moved, old };
        Ok(futures::stream::unfold(Some(subscription), |subscription| async move {
            let mut subscription = subscription?;
            let frame = subscription.next().await?;
            let last = matches!(frame.frame, Some(Frame::GoAway(_)));
            Some((Ok(frame), (!last).then_some(subscription)))
        }))
    }
}

struct Subscription {
    shared: SharedPublisher,
    id: SubscriberId,
    moved: watch::Receiver<u64>,
    /// None once it is.
    old: Option<Pin<Box<Sleep>>>,
}

impl Subscription {
    async fn next(&mut self) -> Option<v1::WatchResponse> {
        loop {
            self.moved.borrow_and_update();
            let frame = self.shared.lock().next_frame(self.id);
            if let Some(frame) = frame {
                return Some(frame);
            }
            tokio::select! {
                moved = self.moved.changed() => moved.ok()?,
                () = elapsed(&mut self.old) => self.send_away(),
            }
        }
    }

    fn send_away(&mut self) {
        self.old = None;
        self.shared.lock().send_away(self.id, "this stream is old: it may resume at any server");
    }
}

async fn elapsed(sleep: &mut Option<Pin<Box<Sleep>>>) {
    match sleep {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.lock().unsubscribe(self.id);
    }
}

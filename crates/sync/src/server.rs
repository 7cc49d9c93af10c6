//! The serving rim: one publisher, shared between its source and any number of gRPC streams.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use futures::Stream;
use silverback_model::Cursor;
use silverback_proto::v1::{self, watch_response::Frame};
use tokio::sync::watch;
use tonic::Status;

use crate::{Publisher, SubscriberId};

/// A publisher behind a lock that is held for one step at a time, never across an await.
#[derive(Clone)]
pub struct SharedPublisher {
    publisher: Arc<Mutex<Publisher>>,
    moved: watch::Sender<u64>,
}

impl SharedPublisher {
    /// Shares a publisher.
    pub fn new(publisher: Publisher) -> Self {
        Self { publisher: Arc::new(Mutex::new(publisher)), moved: watch::Sender::new(0) }
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
        let subscription = Subscription { shared: self.clone(), id, moved };
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
}

impl Subscription {
    async fn next(&mut self) -> Option<v1::WatchResponse> {
        loop {
            self.moved.borrow_and_update();
            let frame = self.shared.lock().next_frame(self.id);
            if let Some(frame) = frame {
                return Some(frame);
            }
            self.moved.changed().await.ok()?;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.lock().unsubscribe(self.id);
    }
}

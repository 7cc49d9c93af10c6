//! Connections that tell when they end. An idle one that ends is the first sign of a gateway that restarts, and it costs
//! nothing. Says nothing of why: gateways close connections for other reasons, too.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::sync::Notify;
use tower::Service;

/// Makes connections whose end is told.
#[derive(Clone, Debug)]
pub(crate) struct Telling<C> {
    inner: C,
    ended: Arc<Notify>,
}

impl<C> Telling<C> {
    /// `ended` is notified of each end; one that nobody waits for is kept.
    pub(crate) fn new(inner: C, ended: Arc<Notify>) -> Self {
        Self { inner, ended }
    }
}

impl<C> Service<Uri> for Telling<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
{
    type Response = Told<C::Response>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, C::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, ended) = (self.inner.call(uri), Arc::clone(&self.ended));
        Box::pin(async move { Ok(Told { io: connecting.await?, _end: End(ended) }) })
    }
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Told<T> {
    io: T,
    _end: End,
}

/// Dropped with the connection.
#[derive(Debug)]
struct End(Arc<Notify>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl<T: Connection> Connection for Told<T> {
    fn connected(&self) -> Connected {
        self.io.connected()
    }
}

impl<T: Read + Unpin> Read for Told<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: Write + Unpin> Write for Told<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }
}

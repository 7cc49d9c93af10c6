//! HTTP at a connection: reading requests, cutting answers. It never knows what a path means.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::admin::{self, Request};
use super::answer::Answer;
use super::hash;
use super::posts::Post;
use super::state::Shared;
use crate::listener::Serve;

/// Which of the two listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Admin,
    Status,
}

/// Serves one side of a gateway.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) shared: Arc<Shared>,
    pub(crate) side: Side,
}

impl Serve for Server {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        serve_http(stream, self).await;
    }
}

async fn serve_http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, server: Server) {
    // Loads go on when their client has gone, and end when the gateway does: the set is dropped by the task that
    // owns the connection only after the loads are done.
    let loads = Arc::new(Mutex::new(JoinSet::new()));
    let service = {
        let loads = Arc::clone(&loads);
        service_fn(move |request| respond(server.clone(), request, Arc::clone(&loads)))
    };
    let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    // An error here is a client that went away or an answer that was cut.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
    let mut loads = loads.lock().await;
    while loads.join_next().await.is_some() {}
}

type Loads = Arc<Mutex<JoinSet<()>>>;

async fn respond(
    server: Server,
    request: http::Request<Incoming>,
    loads: Loads,
) -> Result<Response<Cuttable>, Infallible> {
    let (parts, body) = request.into_parts();
    let is_post = server.side == Side::Admin && parts.method == http::Method::POST && parts.uri.path() == "/config";
    let limit = server.shared.settings.body_limit;
    let body = if is_post && server.shared.settings.sink { sink(body, limit).await } else { read(body, limit).await };
    if let Read::Gone = body {
        // The client went away in the middle of its request: there is nobody to answer.
        return Ok(Answer::empty(StatusCode::BAD_REQUEST).into_http("").map(Cuttable::whole));
    }
    let is_head = parts.method == http::Method::HEAD;
    let cut = server.shared.faults.cut_after(is_post);
    let (version, side) = (server.shared.settings.version.clone(), server.side);
    let (done, answered) = tokio::sync::oneshot::channel();
    let mut loads = loads.lock().await;
    while loads.try_join_next().is_some() {}
    loads.spawn(async move {
        let _ = done.send(handle(server, parts, body, is_post).await);
    });
    drop(loads);
    let answer = answered.await.unwrap_or_else(|_| Answer::unexpected());
    let response = if side == Side::Admin { answer.into_admin(&version) } else { answer.into_http(&version) };
    Ok(response.map(|body| if is_head { Cuttable::whole(Bytes::new()) } else { Cuttable::new(body, cut) }))
}

async fn handle(server: Server, parts: http::request::Parts, body: Read, is_post: bool) -> Answer {
    let Server { shared, side, .. } = server;
    let mut md5 = String::new();
    let (body, bytes) = match body {
        Read::Whole(body) => (Some(body.clone()), body.len()),
        Read::Sunk { bytes, md5: hash } => {
            md5 = hash;
            (Some(Bytes::new()), bytes)
        }
        Read::TooLarge(bytes) => (None, bytes),
        Read::Gone => (None, 0),
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let mut place = None;
    if is_post {
        let at = Instant::now();
        if let Some(body) = body.as_ref().filter(|_| md5.is_empty()) {
            md5 = digest(body.clone()).await;
        }
        let (md5, headers) = (md5.clone(), parts.headers.clone());
        let post = Post { at, bytes, md5, query: query.clone(), headers, status: None, answered_at: None };
        place = Some(shared.posts.push(post));
    }
    shared.faults.pass(is_post).await;
    let answer = match (shared.faults.fixed(is_post), body) {
        (Some(fixed), _) => fixed,
        (None, None) => Answer::page(StatusCode::PAYLOAD_TOO_LARGE),
        (None, Some(body)) => {
            let path = parts.uri.path().to_owned();
            let request = Request { method: parts.method, path, query, headers: parts.headers, body, md5 };
            admin::answer(Arc::clone(&shared), side, request).await
        }
    };
    if let Some(place) = place {
        shared.posts.answer(place, answer.status.as_u16());
    }
    answer
}

/// md5 in hex; of large bodies, off the threads that serve connections.
async fn digest(body: Bytes) -> String {
    if body.len() < 1 << 16 {
        return hash::of_text(&body);
    }
    tokio::task::spawn_blocking(move || hash::of_text(&body)).await.unwrap_or_default()
}

enum Read {
    Whole(Bytes),
    /// Its size and hash: it was not kept.
    Sunk {
        bytes: usize,
        md5: String,
    },
    /// Over the limit, by its size: read and dropped, so that a client still writing sees the answer.
    TooLarge(usize),
    /// The client went away.
    Gone,
}

async fn read(mut body: Incoming, limit: usize) -> Read {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut whole = Vec::with_capacity(announced.min(limit));
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Read::Gone };
        let Ok(chunk) = frame.into_data() else { continue };
        size += chunk.len();
        if size <= limit {
            whole.extend_from_slice(&chunk);
        } else {
            whole = Vec::new();
        }
    }
    if size <= limit { Read::Whole(whole.into()) } else { Read::TooLarge(size) }
}

/// Reads a body to its end and keeps nothing but its hash.
async fn sink(mut body: Incoming, limit: usize) -> Read {
    let (mut hasher, mut bytes) = (md5::Md5::default(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Read::Gone };
        if let Some(chunk) = frame.data_ref() {
            md5::Digest::update(&mut hasher, chunk);
            bytes += chunk.len();
        }
    }
    if bytes <= limit { Read::Sunk { bytes, md5: hash::in_hex(hasher) } } else { Read::TooLarge(bytes) }
}

/// A body that may break off.
struct Cuttable {
    rest: Option<Bytes>,
    cut: Option<usize>,
}

impl Cuttable {
    fn whole(body: Bytes) -> Self {
        Self::new(body, None)
    }

    fn new(body: Bytes, cut: Option<usize>) -> Self {
        Self { rest: (!body.is_empty()).then_some(body), cut }
    }
}

/// Why an answer broke off: because it was told to.
#[derive(Debug, thiserror::Error)]
#[error("the answer was cut")]
struct Cut;

impl Body for Cuttable {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let cut = self.cut;
        let frame = match (self.rest.take(), cut) {
            (Some(body), None) => Some(Ok(body)),
            (Some(body), Some(after)) if after > 0 => {
                self.cut = Some(0);
                self.rest = Some(body.clone());
                Some(Ok(body.slice(..after.min(body.len()))))
            }
            (Some(_), Some(_)) => Some(Err(Cut)),
            (None, _) => None,
        };
        Poll::Ready(frame.map(|frame| frame.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let size = self.rest.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(size as u64)
    }
}

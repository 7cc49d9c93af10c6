//! HTTP at a connection: requests in, answers and streams out. It never knows what a path means.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::answer::{self, Answer};
use super::failure::Failure;
use super::request::Request;
use super::shared::Shared;
use crate::listener::Serve;
use crate::query::Query;

/// Largest body that is read; a real API server takes 3 MiB.
const BODY_LIMIT: usize = 3 << 20;

/// Serves connections of one API server.
#[derive(Clone, Debug)]
pub(crate) struct Server(pub(crate) Arc<Shared>);

impl Serve for Server {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(move |request| respond(Arc::clone(&self.0), request));
        let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        // An error here is a client that went away.
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    }
}

async fn respond(shared: Arc<Shared>, request: http::Request<Incoming>) -> Result<Response<Content>, Infallible> {
    let (parts, body) = request.into_parts();
    let is_head = parts.method == http::Method::HEAD;
    let answer = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => {
            let request = Request {
                method: parts.method,
                path: parts.uri.path().to_owned(),
                query: Query::parse(parts.uri.query().unwrap_or_default()),
                headers: parts.headers,
                body: body.to_bytes(),
            };
            answer::answer(&shared, &request).await
        }
        Err(_) => Err(Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {BODY_LIMIT}"),
        )),
    };
    let mut response = match answer {
        Ok(answer) => written(answer),
        Err(failure) => refused(&failure),
    };
    if is_head {
        *response.body_mut() = Content::Whole(None);
    }
    Ok(response)
}

fn written(answer: Answer) -> Response<Content> {
    match answer {
        Answer::Text(status, text) => response(status, "text/plain; charset=utf-8", Content::Whole(Some(text))),
        Answer::Json { status, media, body, warnings } => {
            let mut response = response(status, media, Content::Whole(Some(body.to_string().into())));
            // 299 is a warning that lasts, and a hyphen stands for who warns, as at an API server.
            let values = warnings.iter().filter_map(|text| HeaderValue::try_from(format!("299 - \"{text}\"")).ok());
            response.headers_mut().extend(values.map(|value| (header::WARNING, value)));
            response
        }
        Answer::Stream(lines) => response(StatusCode::OK, "application/json", Content::Lines(lines)),
    }
}

fn refused(failure: &Failure) -> Response<Content> {
    let body = Content::Whole(Some(failure.object().to_string().into()));
    let mut response = response(failure.code, "application/json", body);
    if let Some(seconds) = failure.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn response(status: StatusCode, media: &'static str, body: Content) -> Response<Content> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// A body that is there, or one that goes on.
enum Content {
    Whole(Option<Bytes>),
    Lines(mpsc::Receiver<Bytes>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut *self {
            Self::Whole(body) => Poll::Ready(body.take()),
            Self::Lines(lines) => lines.poll_recv(cx),
        };
        next.map(|data| data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Self::Lines(_) => SizeHint::default(),
        }
    }
}

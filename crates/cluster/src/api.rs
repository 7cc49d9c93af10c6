//! Asking the API server: answers as bytes or line by line, and refusals with what they say about trying again.
//!
//! Knows nothing of what is asked.

use std::time::Duration;

use futures::io::{AsyncBufRead, AsyncBufReadExt};
use futures::{StreamExt, TryStreamExt};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;
use silverback_model::with_causes;

use crate::Cluster;

/// Buffers larger than this are given back after the line they were grown for.
const USUAL_LINE: usize = 64 * 1024;
/// Of a refusal, no more than this is read.
const LONGEST_REFUSAL: usize = 16 * 1024;

/// Why there is no answer: status and message, or what happened to the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status; none where the server could not be reached.
    pub status: Option<u16>,
    /// In words.
    pub reason: String,
    /// When the server wants to be asked again, at the earliest.
    pub retry_after: Option<Duration>,
}

/// An answer that comes line by line.
pub struct Lines {
    reader: Box<dyn AsyncBufRead + Send + Unpin>,
    line: Vec<u8>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    message: String,
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    retry_after_seconds: u64,
}

impl Cluster {
    /// Gets a path with its query, as JSON.
    ///
    /// # Errors
    /// Where the server cannot be reached, or answers anything but success.
    pub async fn get(&self, path: &str) -> Result<Vec<u8>, Refusal> {
        let body = self.send(path).await?.into_body();
        let bytes = body.collect().await.map_err(|error| Refusal::of(&error))?;
        Ok(bytes.to_bytes().into())
    }

    /// Gets a path with its query, line by line.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn lines(&self, path: &str) -> Result<Lines, Refusal> {
        let stream = self.send(path).await?.into_body().into_data_stream().map_err(std::io::Error::other);
        Ok(Lines { reader: Box::new(stream.into_async_read()), line: Vec::new() })
    }

    async fn send(&self, path: &str) -> Result<Response<Body>, Refusal> {
        let request = Request::get(path).header(header::ACCEPT, "application/json").body(Body::empty());
        let request = request.map_err(|error| Refusal::of(&error))?;
        let response = self.client.send(request).await.map_err(|error| Refusal::of(&error))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(refused(status, response).await),
        }
    }
}

impl Lines {
    /// The next line without its end; none when the answer is over.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> std::io::Result<Option<&[u8]>> {
        self.line.clear();
        self.line.shrink_to(USUAL_LINE);
        let read = self.reader.read_until(b'\n', &mut self.line).await?;
        Ok((read > 0).then(|| self.line.trim_ascii_end()))
    }
}

impl Refusal {
    fn of(error: &dyn std::error::Error) -> Self {
        Self { reason: format!("it cannot be reached: {}", with_causes(error)), ..Self::default() }
    }
}

async fn refused(status: StatusCode, response: Response<Body>) -> Refusal {
    let header = retry_after(response.headers());
    let mut text = Vec::new();
    let mut body = response.into_body().into_data_stream();
    while let Some(Ok(bytes)) = body.next().await
        && text.len() < LONGEST_REFUSAL
    {
        text.extend_from_slice(&bytes);
    }
    let said: Status = serde_json::from_slice(&text).unwrap_or_default();
    let seconds = said.details.retry_after_seconds;
    let message = if said.message.is_empty() { String::from_utf8_lossy(&text).into_owned() } else { said.message };
    Refusal {
        status: Some(status.as_u16()),
        reason: format!("it answers {}: {}", status.as_u16(), message.trim()),
        retry_after: header.or((seconds > 0).then(|| Duration::from_secs(seconds))),
    }
}

/// In seconds; the other form, a date, no API server sends.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

//! Answers of the gateway before they become HTTP, and the few that nginx gives in HTML. It never knows what
//! was asked.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue,
    RETRY_AFTER, SERVER,
};
use http::{Response, StatusCode};
use serde_json::{Value, json};

/// Status, headers and body.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=UTF-8");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");

impl Answer {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self::json_text(status, serde_json::to_vec(body).unwrap_or_default().into())
    }

    pub(crate) fn json_text(status: StatusCode, body: Bytes) -> Self {
        Self { status, headers: vec![(CONTENT_TYPE, JSON)], body }
    }

    pub(crate) fn plain(body: String) -> Self {
        Self { status: StatusCode::OK, headers: vec![(CONTENT_TYPE, PLAIN)], body: body.into() }
    }

    pub(crate) fn message(status: StatusCode, message: &str) -> Self {
        Self::json(status, &json!({ "message": message }))
    }

    /// An error page of the web server below Kong.
    pub(crate) fn page(status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or_default();
        // Kong's nginx has its own names for two of them.
        let reason = if status == StatusCode::PAYLOAD_TOO_LARGE { "Request Entity Too Large" } else { reason };
        let title = format!("{} {reason}", status.as_u16());
        let body = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
        );
        Self { status, headers: vec![(CONTENT_TYPE, HTML)], body: body.into() }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        self.with(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The answer to `OPTIONS`.
    pub(crate) fn options(methods: &'static str) -> Self {
        let methods = HeaderValue::from_static(methods);
        Self::empty(StatusCode::NO_CONTENT)
            .with(ALLOW, methods.clone())
            .with(http::header::ACCESS_CONTROL_ALLOW_METHODS, methods)
            .with(http::header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"))
    }

    pub(crate) fn not_found() -> Self {
        Self::message(StatusCode::NOT_FOUND, "Not found")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
    }

    pub(crate) fn unexpected() -> Self {
        Self::message(StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occurred")
    }

    /// With the headers every answer of the Admin API has. `version` is Kong's.
    pub(crate) fn into_admin(self, version: &str) -> Response<Bytes> {
        self.with(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")).into_http(version)
    }

    /// With the headers every answer has.
    pub(crate) fn into_http(self, version: &str) -> Response<Bytes> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if let Ok(server) = HeaderValue::from_str(&format!("kong/{version}")) {
            headers.insert(SERVER, server);
        }
        headers.extend(self.headers);
        response
    }
}

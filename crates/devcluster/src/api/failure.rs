//! Refusals, in the API server's own form: `Status` objects with a code and a reason that clients act upon.

use http::StatusCode;
use serde_json::{Value, json};

/// A request that is not granted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) code: StatusCode,
    reason: &'static str,
    message: String,
    details: Option<Value>,
    pub(crate) retry_after: Option<u32>,
    /// A continue token that goes on where an expired one stopped.
    resume: Option<String>,
}

pub(crate) type Outcome<T> = Result<T, Failure>;

/// `plural.group`, as messages name a kind of object.
pub(crate) fn qualified(group: &str, plural: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

impl Failure {
    pub(crate) fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, retry_after: None, resume: None }
    }

    /// About one object.
    fn about(mut self, group: &str, plural: &str, name: &str) -> Self {
        self.details = Some(json!({ "name": name, "group": group, "kind": plural }));
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// No such path.
    pub(crate) fn no_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
    }

    pub(crate) fn not_found(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} {name:?} not found", qualified(group, plural));
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(group, plural, name)
    }

    pub(crate) fn exists(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", qualified(group, plural));
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(group, plural, name)
    }

    pub(crate) fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", qualified(group, plural));
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(group, plural, name)
    }

    /// The object was changed by somebody else.
    pub(crate) fn changed(group: &str, plural: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, plural, name, why)
    }

    pub(crate) fn invalid(group: &str, kind: &str, name: &str, field: &str, why: &str) -> Self {
        let message = format!("{} {name:?} is invalid: {field}: {why}", qualified(group, kind));
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).about(group, kind, name);
        if let Some(details) = &mut failure.details {
            details["causes"] = json!([{ "reason": "FieldValueInvalid", "message": why, "field": field }]);
        }
        failure
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    pub(crate) fn not_acceptable(offered: &str) -> Self {
        let message = format!("only the following media types are accepted: {offered}");
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// What a real API server does and this one does not. `what` names it.
    pub(crate) fn not_done(what: &str) -> Self {
        let message = format!("this development cluster does not do {what}");
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    /// The history that was asked for is gone.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    pub(crate) fn resuming(mut self, token: String) -> Self {
        self.resume = Some(token);
        self
    }

    /// A version that was never given out.
    pub(crate) fn too_large_version(asked: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {asked}, current: {current}");
        let mut failure = Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message);
        failure.details = Some(json!({
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
            "retryAfterSeconds": 1,
        }));
        failure.retry_after = Some(1);
        failure
    }

    /// Told to fail by a fault tap.
    pub(crate) fn injected(code: StatusCode, retry_after: Option<u32>) -> Self {
        let (reason, message) = match code {
            StatusCode::TOO_MANY_REQUESTS => ("TooManyRequests", "too many requests, please try again later"),
            StatusCode::SERVICE_UNAVAILABLE => ("ServiceUnavailable", "the server is currently unable to handle it"),
            StatusCode::FORBIDDEN => ("Forbidden", "forbidden, as a fault tap says"),
            StatusCode::UNAUTHORIZED => ("Unauthorized", "Unauthorized"),
            _ => ("InternalError", "an error on the server has prevented the request from succeeding"),
        };
        let mut failure = Self::new(code, reason, message);
        failure.retry_after = retry_after;
        if let Some(seconds) = retry_after {
            failure.details = Some(json!({ "retryAfterSeconds": seconds }));
        }
        failure
    }

    /// What an API server did not expect, and gives no reason for.
    pub(crate) fn unexpected(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }

    /// The `Status` object.
    pub(crate) fn object(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code.as_u16(),
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        if let Some(token) = &self.resume {
            status["metadata"]["continue"] = token.as_str().into();
        }
        status
    }
}

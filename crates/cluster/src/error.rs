//! Errors of the API server, and of the way to it, in one line.

use silverback_model::with_causes;

/// An error of the API server in one line: status and message, or what happened to the connection with its causes.
pub fn in_words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("it answers {}: {}", status.code, status.message.trim()),
        other => format!("it cannot be reached: {}", with_causes(other)),
    }
}

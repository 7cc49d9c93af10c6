//! Errors of the API server, and of the way to it, in one line.

/// An error of the API server in one line: status and message, or what happened to the connection with its causes.
pub fn in_words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("it answers {}: {}", status.code, status.message.trim()),
        other => format!("it cannot be reached: {}", with_causes(other)),
    }
}

/// An error and its causes, each said once.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

//! Errors in one line, with their causes: those of libraries often say nothing by themselves.

use std::error::Error;

/// An error and its causes, outermost first; what was said already is not said again.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    #[test]
    fn causes_are_said_once() {
        let refused = Layer("connection refused", None);
        let again = Layer("tcp connect: connection refused", Some(Box::new(refused)));
        let outer = Layer("transport error", Some(Box::new(again)));
        assert_eq!(with_causes(&outer), "transport error: tcp connect: connection refused");
    }
}

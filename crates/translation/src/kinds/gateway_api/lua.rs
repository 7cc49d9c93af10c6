//! Redirects as programs: what Kong's plugins cannot say, because it depends on the request, a `pre-function` says.

use std::fmt::Write;

use serde_json::{Map, json};
use silverback_kong::Plugin;

/// A string literal of Lua that cannot end early: whatever is not plain is escaped by its number.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~:?&=%+,;@!$'()* ".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\{byte:03}");
        }
    }
    out.push('"');
    out
}

/// A plugin that runs a program before anything else.
pub(super) fn plugin(program: String) -> Plugin {
    let config = Map::from_iter([("access".to_owned(), json!([program]))]);
    Plugin { name: "pre-function".into(), config, ..Plugin::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_cannot_end_early() {
        assert_eq!(literal("/a-b.c"), r#""/a-b.c""#);
        assert_eq!(literal("\"\\\n]é"), r#""\034\092\010\093\195\169""#);
    }
}

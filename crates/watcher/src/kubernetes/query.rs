//! Queries of the API server's paths.

use silverback_model::Version;

/// A path with its query: what is asked, and a field selector.
pub(super) fn with(path: &str, asked: &str, selector: Option<&str>) -> String {
    let selector = selector.map(|selector| format!("fieldSelector={}", encode(selector)));
    let parts: Vec<&str> = [Some(asked), selector.as_deref()].into_iter().flatten().filter(|p| !p.is_empty()).collect();
    format!("{path}?{}", parts.join("&"))
}

/// A page of a list.
pub(super) fn page(limit: u32, continue_token: Option<&str>) -> String {
    match continue_token {
        Some(token) => format!("limit={limit}&continue={}", encode(token)),
        None => format!("limit={limit}"),
    }
}

/// A watch from a version on.
pub(super) fn watch(from: &Version, seconds: u64) -> String {
    format!("watch=1&allowWatchBookmarks=true&resourceVersion={from}&timeoutSeconds={seconds}")
}

/// A watch that begins with every object, as new as can be.
pub(super) fn stream(seconds: u64) -> String {
    let initial = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    format!("watch=1&allowWatchBookmarks=true&{initial}&timeoutSeconds={seconds}")
}

/// Percent-encodes a query value.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded() {
        assert_eq!(with("/api/v1/secrets", &page(5, Some("a=b")), None), "/api/v1/secrets?limit=5&continue=a%3Db");
        assert_eq!(
            with("/api/v1/secrets", "", Some("type!=x,metadata.name=a")),
            "/api/v1/secrets?fieldSelector=type%21%3Dx%2Cmetadata.name%3Da"
        );
    }
}

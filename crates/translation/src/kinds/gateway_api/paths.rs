//! Paths of HTTPRoutes, for both routers, as they are and where a part of them is rewritten.

use silverback_kong::expression as e;
use silverback_resources::types::PathMatch;

/// How a path is matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// Any path: none was given.
    Any,
    /// The very path.
    Exact(String),
    /// The path and what is below it.
    Prefix(String),
    /// A regular expression.
    Regex(String),
}

impl Path {
    pub(super) fn of(given: Option<&PathMatch>) -> Self {
        let Some(given) = given else { return Self::Any };
        let value = given.value.clone().unwrap_or_else(|| "/".to_owned());
        match given.kind.as_deref() {
            Some("Exact") => Self::Exact(value),
            Some("RegularExpression") => Self::Regex(value),
            _ => Self::Prefix(value),
        }
    }

    /// The path as written.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Any => "",
            Self::Exact(text) | Self::Prefix(text) | Self::Regex(text) => text,
        }
    }

    /// Whether it is the very path that another is the prefix of: then both are regular expressions of equal length to
    /// Kong's traditional router.
    pub(super) fn is_contested_by(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(path), Self::Prefix(prefix)) => path.trim_end_matches('/') == prefix.trim_end_matches('/'),
            _ => false,
        }
    }

    /// The paths of a traditional route.
    pub(super) fn traditional(&self) -> Vec<String> {
        match self {
            Self::Any => Vec::new(),
            Self::Exact(text) => vec![format!("~{text}$")],
            Self::Prefix(text) if text == "/" => vec!["~/$".into(), "/".into()],
            Self::Prefix(text) if text.ends_with('/') => vec![format!("~{text}$"), text.clone()],
            Self::Prefix(text) => vec![format!("~{text}$"), format!("{text}/")],
            Self::Regex(text) => vec![format!("~{text}")],
        }
    }

    /// The same, for a rewrite of the prefix: what is below it is captured.
    pub(super) fn traditional_captured(&self) -> Vec<String> {
        match self {
            Self::Any | Self::Prefix(_) if self.is_root() => vec!["~/$".into(), "~/(.*)".into()],
            Self::Prefix(text) => {
                let text = text.trim_end_matches('/');
                vec![format!("~{text}$"), format!("~{text}(/.*)")]
            }
            _ => self.traditional(),
        }
    }

    /// The term of an expression.
    pub(super) fn expression(&self) -> Option<String> {
        match self {
            Self::Any => None,
            Self::Exact(text) => Some(e::text("http.path", "==", text)),
            Self::Prefix(text) if text == "/" => Some(e::text("http.path", "^=", "/")),
            Self::Prefix(text) => {
                let text = text.trim_end_matches('/');
                e::any([e::text("http.path", "==", text), e::text("http.path", "^=", &format!("{text}/"))])
            }
            Self::Regex(text) => Some(e::text("http.path", "~", &e::anchored(text))),
        }
    }

    /// The same, for a rewrite of the prefix.
    pub(super) fn expression_captured(&self) -> Option<String> {
        match self {
            Self::Any | Self::Prefix(_) if self.is_root() => {
                e::any([e::text("http.path", "==", "/"), e::text("http.path", "~", "^/(.*)")])
            }
            Self::Prefix(text) => {
                let text = text.trim_end_matches('/');
                e::any([e::text("http.path", "==", text), e::text("http.path", "~", &format!("^{text}(/.*)"))])
            }
            _ => self.expression(),
        }
    }

    /// Whether everything is below it.
    pub(super) fn is_root(&self) -> bool {
        matches!(self, Self::Any) || matches!(self, Self::Prefix(text) if text.trim_matches('/').is_empty())
    }

    /// The new path for a rewrite of the prefix, with what was captured.
    pub(super) fn rewritten(&self, replacement: &str) -> String {
        let replacement = replacement.trim_end_matches('/');
        match (self.is_root(), replacement.is_empty()) {
            (true, true) => "$(uri_captures[1] == nil and \"/\" or \"/\" .. uri_captures[1])".to_owned(),
            (true, false) => format!("{replacement}$(uri_captures[1] == nil and \"\" or \"/\" .. uri_captures[1])"),
            (false, true) => "$(uri_captures[1] == nil and \"/\" or uri_captures[1])".to_owned(),
            (false, false) => format!("{replacement}$(uri_captures[1])"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Path {
        Path::Prefix(text.into())
    }

    #[test]
    fn prefixes_are_the_path_and_what_is_below() {
        assert_eq!(prefix("/a").traditional(), ["~/a$", "/a/"]);
        assert_eq!(prefix("/a/").traditional(), ["~/a/$", "/a/"]);
        assert_eq!(prefix("/").traditional(), ["~/$", "/"]);
        assert_eq!(prefix("/a/").expression().unwrap(), r#"(http.path == "/a") || (http.path ^= "/a/")"#);
        assert_eq!(prefix("/").expression().unwrap(), r#"http.path ^= "/""#);
    }

    #[test]
    fn rewrites_keep_what_is_below() {
        assert_eq!(prefix("/a").traditional_captured(), ["~/a$", "~/a(/.*)"]);
        assert_eq!(prefix("/a").rewritten("/b/"), "/b$(uri_captures[1])");
        assert_eq!(prefix("/a").rewritten("/"), "$(uri_captures[1] == nil and \"/\" or uri_captures[1])");
        assert_eq!(prefix("/").traditional_captured(), ["~/$", "~/(.*)"]);
    }
}

//! Paths of HTTPRoutes, for both routers, as they are and where a part of them is rewritten.

use std::borrow::Cow;

use silverback_kong::{expression as e, paths};
use silverback_resources::types::PathMatch;

/// How a path is matched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Path {
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
        // Kong compares with the normal form of what was asked for.
        let plain = |value: String| if value.starts_with('/') { paths::normal(&value) } else { value };
        match given.kind.as_deref() {
            Some("Exact") => Self::Exact(plain(value)),
            // It is anchored where it begins anyway.
            Some("RegularExpression") => Self::Regex(value.strip_prefix('^').map_or(value.clone(), str::to_owned)),
            _ => Self::Prefix(plain(value)),
        }
    }

    /// The path, in its normal form where it is plain.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Any => "",
            Self::Exact(text) | Self::Prefix(text) | Self::Regex(text) => text,
        }
    }

    /// Whether all that another plain path matches is at or below it.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let plain = |it: &Self| !matches!(it, Self::Regex(_));
        let within = |prefix: &str, path: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let trimmed = |it: &Self| it.text().trim_end_matches('/').to_owned();
        self.is_prefix() && plain(other) && (self.is_root() || within(&trimmed(self), &trimmed(other)))
    }

    /// Whether what is below it matches as well.
    pub(super) fn is_prefix(&self) -> bool {
        matches!(self, Self::Any | Self::Prefix(_))
    }

    /// The paths of a traditional route.
    pub(super) fn traditional(&self) -> Vec<String> {
        match self {
            Self::Any => Vec::new(),
            Self::Exact(text) => vec![format!("~{}$", quoted(text))],
            Self::Prefix(text) if text == "/" => vec!["~/$".into(), "/".into()],
            Self::Prefix(text) => {
                let text = text.trim_end_matches('/');
                vec![format!("~{}$", quoted(text)), format!("{text}/")]
            }
            Self::Regex(text) => vec![format!("~{text}")],
        }
    }

    /// The same, for a rewrite of the prefix: what is below it is captured.
    pub(super) fn traditional_captured(&self) -> Vec<String> {
        match self {
            Self::Any | Self::Prefix(_) if self.is_root() => vec!["~/$".into(), "~/(.*)".into()],
            Self::Prefix(text) => {
                let text = quoted(text.trim_end_matches('/'));
                vec![format!("~{text}$"), format!("~{text}(/.*)")]
            }
            _ => self.traditional(),
        }
    }

    /// The same, as regular expressions alone that take as much of a path as the plain ones would.
    pub(super) fn traditional_regexes(&self) -> Vec<String> {
        match self {
            Self::Any | Self::Prefix(_) if self.is_root() => vec!["~/".into()],
            Self::Prefix(text) => {
                let text = quoted(text.trim_end_matches('/'));
                vec![format!("~{text}$"), format!("~{text}/")]
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
                let below = format!("^{}(/.*)", quoted(text));
                e::any([e::text("http.path", "==", text), e::text("http.path", "~", &below)])
            }
            _ => self.expression(),
        }
    }

    /// Whether everything is below it.
    pub(super) fn is_root(&self) -> bool {
        matches!(self, Self::Any) || matches!(self, Self::Prefix(text) if text.trim_matches('/').is_empty())
    }

    /// The new path for a rewrite of the prefix, with what was captured: a template of Kong's.
    pub(super) fn rewritten(&self, replacement: &str) -> String {
        let replacement = verbatim(absolute(replacement).trim_end_matches('/'));
        match (self.is_root(), replacement.is_empty()) {
            (true, true) => "$(uri_captures[1] == nil and \"/\" or \"/\" .. uri_captures[1])".to_owned(),
            (true, false) => format!("{replacement}$(uri_captures[1] == nil and \"\" or \"/\" .. uri_captures[1])"),
            (false, true) => "$(uri_captures[1] == nil and \"/\" or uri_captures[1])".to_owned(),
            (false, false) => format!("{replacement}$(uri_captures[1])"),
        }
    }
}

/// A path from the root: Kong fails requests that are sent to any other.
pub(super) fn absolute(path: &str) -> Cow<'_, str> {
    if path.starts_with('/') { path.into() } else { format!("/{path}").into() }
}

/// A regular expression for a plain text. Only what means something is escaped, so that most texts stay as they are.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A text as a template of Kong's `request-transformer`, which evaluates `$(…)`: what opens it is written by its
/// characters' numbers.
pub(super) fn verbatim(text: &str) -> String {
    text.replace("$(", r#"$("\36\40")"#)
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
        assert_eq!(prefix("/a/").traditional(), ["~/a$", "/a/"], "a slash at the end does not count");
        assert_eq!(prefix("/").traditional(), ["~/$", "/"]);
        assert_eq!(prefix("/a/").expression().unwrap(), r#"(http.path == "/a") || (http.path ^= "/a/")"#);
        assert_eq!(prefix("/").expression().unwrap(), r#"http.path ^= "/""#);
    }

    #[test]
    fn plain_paths_are_no_regular_expressions() {
        let of =
            |kind: &str, value: &str| Path::of(Some(&PathMatch { kind: Some(kind.into()), value: Some(value.into()) }));
        assert_eq!(of("Exact", "/v1.0/(a)").traditional(), [r"~/v1\.0/\(a\)$"]);
        assert_eq!(of("PathPrefix", "/a.b").traditional(), [r"~/a\.b$", "/a.b/"]);
        assert_eq!(of("PathPrefix", "/a.b").traditional_captured(), [r"~/a\.b$", r"~/a\.b(/.*)"]);
        let captured = of("PathPrefix", "/a.b").expression_captured().unwrap();
        assert_eq!(captured, r#"(http.path == "/a.b") || (http.path ~ "^/a\\.b(/.*)")"#);
        assert_eq!(of("Exact", "/caf%c3%A9").traditional(), ["~/café$"], "as Kong sees it");
        assert_eq!(of("RegularExpression", "/v[0-9]").traditional(), ["~/v[0-9]"]);
    }

    #[test]
    fn what_is_put_in_place_of_a_prefix_is_no_template() {
        assert_eq!(prefix("/a").rewritten("b"), "/b$(uri_captures[1])", "from the root");
        assert_eq!(prefix("/a").rewritten("/$(os)"), r#"/$("\36\40")os)$(uri_captures[1])"#);
    }

    #[test]
    fn rewrites_keep_what_is_below() {
        assert_eq!(prefix("/a").traditional_captured(), ["~/a$", "~/a(/.*)"]);
        assert_eq!(prefix("/a").rewritten("/b/"), "/b$(uri_captures[1])");
        assert_eq!(prefix("/a").rewritten("/"), "$(uri_captures[1] == nil and \"/\" or uri_captures[1])");
        assert_eq!(prefix("/").traditional_captured(), ["~/$", "~/(.*)"]);
    }

    #[test]
    fn any_path_can_be_a_regular_expression() {
        assert_eq!(prefix("/a.b/").traditional_regexes(), [r"~/a\.b$", r"~/a\.b/"]);
        assert_eq!(prefix("/").traditional_regexes(), ["~/"]);
        assert_eq!(Path::Any.traditional_regexes(), ["~/"]);
        assert_eq!(Path::Exact("/a".into()).traditional_regexes(), ["~/a$"]);
    }
}

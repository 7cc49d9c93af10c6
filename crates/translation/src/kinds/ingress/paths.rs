//! Paths of Ingresses: what each pathType is for the traditional router, and how regular expressions are marked.

/// Marks a regular expression among Kong's paths.
const REGEX: &str = "~";

/// The three pathTypes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    /// The very path.
    Exact,
    /// The path and what is below it.
    Prefix,
    /// As Kong has it: whatever starts so, or a regular expression.
    ImplementationSpecific,
}

impl PathKind {
    /// Reads a pathType; none counts as ImplementationSpecific.
    pub(crate) fn of(text: Option<&str>) -> Option<Self> {
        match text {
            Some("Exact") => Some(Self::Exact),
            Some("Prefix") => Some(Self::Prefix),
            Some("ImplementationSpecific") | None => Some(Self::ImplementationSpecific),
            Some(_) => None,
        }
    }
}

/// A path as written, with runs of slashes as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Its type.
    pub kind: PathKind,
    /// Never empty.
    pub text: String,
}

impl Path {
    /// Cleans up a path.
    pub(crate) fn new(kind: PathKind, text: &str) -> Self {
        let mut clean = String::with_capacity(text.len().max(1));
        for c in text.chars() {
            if !(c == '/' && clean.ends_with('/')) {
                clean.push(c);
            }
        }
        if clean.is_empty() {
            clean.push('/');
        }
        Self { kind, text: clean }
    }

    /// The path without leading slashes (Exact), or without any at its ends (Prefix).
    pub(crate) fn core(&self) -> &str {
        match self.kind {
            PathKind::Exact => self.text.trim_start_matches('/'),
            PathKind::Prefix => self.text.trim_matches('/'),
            PathKind::ImplementationSpecific => &self.text,
        }
    }

    /// The paths of a traditional route. What starts with `prefix` is a regular expression; with `legacy`, so is what
    /// looks like one.
    pub(crate) fn traditional(&self, prefix: &str, legacy: bool) -> Vec<String> {
        let core = self.core();
        let paths = match self.kind {
            PathKind::Exact => vec![format!("~/{core}$")],
            PathKind::Prefix if core.is_empty() => vec!["/".to_owned()],
            PathKind::Prefix => vec![format!("/{core}/"), format!("~/{core}$")],
            PathKind::ImplementationSpecific => vec![core.to_owned()],
        };
        paths.into_iter().map(|path| mark_regex(path, prefix, legacy)).collect()
    }
}

fn mark_regex(path: String, prefix: &str, legacy: bool) -> String {
    if path.starts_with(REGEX) {
        path
    } else if let Some(regex) = path.strip_prefix(prefix) {
        format!("{REGEX}{regex}")
    } else if legacy && looks_like_regex(&path) {
        format!("{REGEX}{path}")
    } else {
        path
    }
}

/// How Kong 2 told regular expressions from prefixes.
fn looks_like_regex(path: &str) -> bool {
    !path.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_~/%".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paths(kind: PathKind, text: &str) -> Vec<String> {
        Path::new(kind, text).traditional("/~", false)
    }

    #[test]
    fn each_type_has_its_paths() {
        assert_eq!(paths(PathKind::Exact, "/a"), ["~/a$"]);
        assert_eq!(paths(PathKind::Exact, "/a/"), ["~/a/$"]);
        assert_eq!(paths(PathKind::Exact, ""), ["~/$"]);
        assert_eq!(paths(PathKind::Prefix, "/a/"), ["/a/", "~/a$"]);
        assert_eq!(paths(PathKind::Prefix, "//"), ["/"]);
        assert_eq!(paths(PathKind::ImplementationSpecific, "//a///b"), ["/a/b"]);
        assert_eq!(paths(PathKind::ImplementationSpecific, "/~/a.*"), ["~/a.*"]);
        assert_eq!(PathKind::of(Some("prefix")), None);
    }

    #[test]
    fn regular_expressions_are_marked_once() {
        let path = |text: &str| Path::new(PathKind::ImplementationSpecific, text);
        assert_eq!(path("/a\\d").traditional("/~", true), ["~/a\\d"]);
        assert_eq!(path("/a-b_1.%20~").traditional("/~", true), ["/a-b_1.%20~"]);
        assert_eq!(path("/a").traditional("", false), ["~/a"]);
        assert_eq!(Path::new(PathKind::Exact, "/a").traditional("", true), ["~/a$"]);
    }

    proptest! {
        #[test]
        fn every_path_is_one_kong_can_read(text in ".{0,12}", kind in 0..3) {
            let kind = [PathKind::Exact, PathKind::Prefix, PathKind::ImplementationSpecific][kind as usize];
            for path in Path::new(kind, &format!("/{text}")).traditional("/~", false) {
                prop_assert!(path.starts_with('/') || path.starts_with("~"), "{path:?}");
                prop_assert!(!path.contains("//"), "{path:?}");
            }
        }
    }
}

//! Annotations: their names and the forms of their values.

pub(crate) mod route;
pub(crate) mod service;

use silverback_resources::types::Meta;

/// Class of an Ingress or one of Kong's kinds.
pub(crate) const INGRESS_CLASS: &str = "kubernetes.io/ingress.class";
/// Marks the IngressClass of objects that name none.
pub(crate) const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
/// User tags.
pub(crate) const TAGS: &str = "konghq.com/tags";
/// Plugins to bind.
pub(crate) const PLUGINS: &str = "konghq.com/plugins";
/// What all of Kong's annotations start with.
pub(crate) const PREFIX: &str = "konghq.com";

/// The items of a comma-separated list: trimmed, empty ones dropped.
pub(crate) fn list(meta: &Meta, name: &str) -> Vec<String> {
    items(meta.annotation(name).unwrap_or_default(), ",")
}

/// The items of a list: trimmed, empty ones dropped.
pub(crate) fn items(text: &str, separator: &str) -> Vec<String> {
    let parts = if separator.is_empty() { vec![text] } else { text.split(separator).collect() };
    parts.into_iter().map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// `true` or `false` in any case.
pub(crate) fn truth(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A boolean as Go's `strconv.ParseBool` reads it, which is what these annotations were written for.
pub(crate) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_trimmed_and_empty_items_dropped() {
        assert_eq!(items(" a, b ,,c ", ","), ["a", "b", "c"]);
        assert_eq!(items("a,b;c", ";"), ["a,b", "c"]);
        assert!(items("", ",").is_empty() && items("", "").is_empty());
    }

    #[test]
    fn booleans_have_two_spellings() {
        assert_eq!((truth("TRUE"), truth("1")), (Some(true), None));
        assert_eq!((go_bool("1"), go_bool("tRUE")), (Some(true), None));
    }
}

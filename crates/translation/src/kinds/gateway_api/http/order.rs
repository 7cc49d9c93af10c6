//! In which order Kong's traditional router tries the matches of an HTTPRoute, and where that is not the order of the
//! specification. What matches by more things comes first (hosts, a method, headers and a path are one each), then what
//! has more headers, then regular expressions by `regex_priority`, then plain paths by length: `get_priority` of
//! `kong/router/transform.lua`.

use super::super::paths::Path;
use super::rule::Matched;

/// The `regex_priority` of exact paths below prefixes that are rewritten.
const EXACT: i64 = 1 << 10;

/// The prefixes of an HTTPRoute, among which paths have their place.
#[derive(Default)]
pub(super) struct Order {
    prefixes: Vec<Path>,
    /// Those that are regular expressions to Kong, so that what is below them can be captured.
    rewritten: Vec<Path>,
}

impl Order {
    pub(super) fn of<'m, 'r: 'm>(matches: impl Iterator<Item = &'m Matched<'r>>) -> Self {
        let mut order = Self::default();
        for matched in matches.filter(|matched| matched.path.is_prefix()) {
            order.prefixes.push(matched.path.clone());
            if matched.captured {
                order.rewritten.push(matched.path.clone());
            }
        }
        order
    }

    /// Whether a plain prefix must be a regular expression too, since Kong tries those first: a shorter one is rewritten.
    pub(super) fn is_overshadowed(&self, matched: &Matched<'_>) -> bool {
        matched.path.is_prefix() && !matched.captured && self.rewritten.iter().any(|it| it.covers(&matched.path))
    }

    /// What keeps regular expressions in order; `None`: it makes no difference.
    pub(super) fn regex_priority(&self, matched: &Matched<'_>) -> Option<i64> {
        let path = &matched.path;
        let nested = || self.prefixes.iter().filter(|other| other.covers(path) || path.covers(other)).count() > 1;
        match path {
            Path::Exact(_) if self.rewritten.iter().any(|it| it.covers(path)) => Some(EXACT),
            Path::Exact(_) => self.prefixes.iter().any(|it| path.is_contested_by(it)).then_some(1),
            Path::Regex(_) => None,
            _ if self.is_overshadowed(matched) || matched.captured && nested() => {
                i64::try_from(path.text().trim_end_matches('/').len()).ok().map(|length| length.min(EXACT - 1))
            }
            _ => None,
        }
    }
}

/// Matches that Kong tries too late: each with one that takes requests of both first.
pub(super) fn tried_too_late<'m, 'r>(matches: &[&'m Matched<'r>]) -> Vec<(&'m Matched<'r>, &'m Matched<'r>)> {
    let first = |late: &&'m Matched<'r>| {
        matches.iter().copied().find(|early| {
            specified(late) > specified(early) && tried(early) > tried(late) && may_both_match(late, early)
        })
    };
    matches.iter().copied().filter_map(|late| Some((late, first(&late)?))).collect()
}

/// What the specification compares; the greater comes first.
fn specified(matched: &Matched<'_>) -> (bool, usize, bool, usize) {
    let exact = matches!(matched.path, Path::Exact(_));
    (exact, matched.path.text().trim_end_matches('/').len(), has_method(matched), matched.headers().len())
}

/// What Kong compares before paths; the greater comes first.
fn tried(matched: &Matched<'_>) -> (usize, usize) {
    let headers = matched.headers().len();
    let things = [has_method(matched), headers > 0, !matches!(matched.path, Path::Any)];
    (things.into_iter().filter(|it| *it).count(), headers)
}

fn has_method(matched: &Matched<'_>) -> bool {
    matched.given.is_some_and(|it| it.method.is_some())
}

/// Whether there may be a request that both match. Regular expressions are not looked into.
fn may_both_match(one: &Matched<'_>, other: &Matched<'_>) -> bool {
    let method = |it: &Matched<'_>| it.given.and_then(|it| it.method.clone());
    let methods = match (method(one), method(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let (headers, others) = (one.headers(), other.headers());
    let apart = headers.iter().any(|(name, it)| others.get(name).is_some_and(|other| other.value != it.value));
    methods && !apart && (one.path == other.path || one.path.covers(&other.path) || other.path.covers(&one.path))
}

//! What a rule of an HTTPRoute asks for, checked against what Kong can do. A rule that asks for more is left out as a
//! whole, with the condition that the specification has for it.

use std::collections::BTreeMap;

use silverback_resources::types::{HttpFilter, HttpMatch, HttpRule, Retry, Timeouts, ValueMatch};

use super::super::affinity::affinity;
use super::super::durations::milliseconds;
use super::super::filters::{self, Filtered, Place};
use super::super::paths::Path;
use super::super::redirect::Front;
use super::super::{Invalid, distinct, readable, unsupported};
use crate::claims::Affinity;
use crate::settings::Settings;

/// Kong's own limit for each step of an attempt, in milliseconds: what says no more stays unset.
const DEFAULT_TIMEOUT: i64 = 60_000;
/// The longest limit that Kong takes; for none at all.
const LONGEST_TIMEOUT: i64 = 2_147_483_646;
/// How often Kong tries again unless told otherwise.
const DEFAULT_RETRIES: i64 = 5;

/// How a rule's backends are called. Rules that differ here share no service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Serving {
    /// Limit for each step of an attempt, in milliseconds.
    pub(super) timeout: Option<i64>,
    /// Further attempts.
    pub(super) retries: Option<i64>,
    /// How clients stay with their backend.
    pub(super) affinity: Option<Affinity>,
}

/// A rule that Kong can serve.
pub(super) struct Rule<'r> {
    /// Its place.
    pub(super) at: usize,
    /// The rule.
    pub(super) given: &'r HttpRule,
    /// Its filters, and those that all its backends have.
    pub(super) filters: Vec<HttpFilter>,
    /// How its backends are called.
    pub(super) serving: Serving,
    /// Its matches, one at least.
    pub(super) matches: Vec<Matched<'r>>,
}

/// A match of a rule, with all that decides what route it becomes.
#[derive(Clone)]
pub(super) struct Matched<'r> {
    pub(super) rule_at: usize,
    pub(super) at: usize,
    pub(super) rule: &'r HttpRule,
    pub(super) given: Option<&'r HttpMatch>,
    pub(super) path: Path,
    pub(super) captured: bool,
    pub(super) filtered: Filtered,
}

impl<'r> Matched<'r> {
    /// The headers by name; names do not tell upper from lower case.
    pub(super) fn headers(&self) -> BTreeMap<String, &'r ValueMatch> {
        let headers = self.given.map(|it| distinct(&it.headers));
        headers.into_iter().flatten().map(|header| (header.name.to_ascii_lowercase(), header)).collect()
    }
}

/// Checks a rule. `owner` names the route, for cookies that have no name.
///
/// # Errors
/// The condition's reason, the field, and what Kong cannot do.
pub(super) fn check<'r>(
    at: usize,
    given: &'r HttpRule,
    owner: &str,
    front: &Front,
    settings: &Settings,
) -> Result<Rule<'r>, Invalid> {
    let filters = all_filters(given)?;
    let serving = Serving {
        timeout: timeout(given.timeouts.as_ref())?,
        retries: retries(given.retry.as_ref(), given.timeouts.as_ref())?,
        affinity: given.session_persistence.as_ref().map(|it| affinity(it, owner, at, settings)).transpose()?,
    };
    let none = given.matches.is_empty().then_some(None);
    let matches = none.into_iter().chain(given.matches.iter().map(Some)).enumerate();
    let matches = matches.map(|(match_at, it)| {
        let path = it.map(|it| path(match_at, it, settings)).transpose()?.unwrap_or(Path::Any);
        it.map_or(Ok(()), |it| values(match_at, it, settings.expressions()))?;
        let filtered = filters::plugins(&filters, &Place { path: &path, front, settings })?;
        let captured = filters::rewrites_prefix(&filters);
        Ok(Matched { rule_at: at, at: match_at, rule: given, given: it, path, captured, filtered })
    });
    let matches = matches.collect::<Result<_, _>>()?;
    Ok(Rule { at, given, filters, serving, matches })
}

/// The filters of a rule, and those of its backends: Kong has none for one backend alone, so all must have the same.
fn all_filters(rule: &HttpRule) -> Result<Vec<HttpFilter>, Invalid> {
    let common = rule.backend_refs.first().map(|it| it.filters.as_slice()).unwrap_or_default();
    if let Some(other) = rule.backend_refs.iter().position(|it| it.filters != common) {
        let problem = "Kong changes requests before it chooses a backend: all backends of a rule need the same filters";
        return Err(unsupported(format!("backendRefs[{other}].filters"), problem));
    }
    Ok(rule.filters.iter().chain(common).cloned().collect())
}

fn path(at: usize, given: &HttpMatch, settings: &Settings) -> Result<Path, Invalid> {
    let kind = given.path.as_ref().and_then(|path| path.kind.as_deref());
    if let Some(kind) = kind.filter(|kind| !matches!(*kind, "Exact" | "PathPrefix" | "RegularExpression")) {
        return Err(unsupported(format!("matches[{at}].path.type"), format!("{kind} is no way to match a path")));
    }
    let path = Path::of(given.path.as_ref());
    if let Path::Regex(text) = &path {
        let field = format!("matches[{at}].path.value");
        readable::regex(&*field, text)?;
        if !settings.expressions() && (!text.starts_with('/') || text.contains("//")) {
            let problem = "needs --router-flavor expressions: else they start with a slash and never have two in a row";
            return Err(unsupported(field, format!("the regular expression {text:?} {problem}")));
        }
    }
    Ok(path)
}

/// Checks headers and query parameters.
fn values(at: usize, given: &HttpMatch, expressions: bool) -> Result<(), Invalid> {
    let field = format!("matches[{at}]");
    if let Some(query) = given.query_params.first().filter(|_| !expressions) {
        let name = &query.name;
        let problem = format!("{name}: query parameters can only be matched with --router-flavor expressions");
        return Err(unsupported(format!("{field}.queryParams"), problem));
    }
    readable::headers(&field, &given.headers, expressions)?;
    readable::queries(&field, &given.query_params)
}

fn duration(field: &str, text: Option<&String>) -> Result<Option<i64>, Invalid> {
    let Some(text) = text else { return Ok(None) };
    let field = format!("timeouts.{field}");
    let problem = format!("{text:?}: a duration such as 10s or 1m30s is expected");
    milliseconds(text).map(Some).ok_or_else(|| unsupported(field, problem))
}

/// Limits of a request and of an attempt. No time at all means no limit.
fn limits(timeouts: Option<&Timeouts>) -> Result<(Option<i64>, Option<i64>), Invalid> {
    let Some(timeouts) = timeouts else { return Ok((None, None)) };
    let request = duration("request", timeouts.request.as_ref())?.filter(|limit| *limit > 0);
    let attempt = duration("backendRequest", timeouts.backend_request.as_ref())?;
    Ok((request, attempt.map(|limit| if limit == 0 { LONGEST_TIMEOUT } else { limit.min(LONGEST_TIMEOUT) })))
}

/// The limit for each step of an attempt: no longer than the whole request may take.
fn timeout(timeouts: Option<&Timeouts>) -> Result<Option<i64>, Invalid> {
    let (request, attempt) = limits(timeouts)?;
    let limit = match (request, attempt) {
        (Some(request), attempt) => Some(request.min(attempt.unwrap_or(DEFAULT_TIMEOUT))),
        (None, attempt) => attempt,
    };
    Ok(limit.filter(|limit| *limit != DEFAULT_TIMEOUT))
}

/// How often Kong tries again: as asked, and no more than fits into the time of a request.
fn retries(retry: Option<&Retry>, timeouts: Option<&Timeouts>) -> Result<Option<i64>, Invalid> {
    if let Some(retry) = retry {
        if !retry.codes.is_empty() {
            let problem = "Kong tries again when a backend does not answer, whatever the status of answers";
            return Err(unsupported("retry.codes", problem));
        }
        if retry.backoff.is_some() {
            return Err(unsupported("retry.backoff", "Kong tries again at once"));
        }
    }
    let asked = retry.and_then(|retry| retry.attempts).map(|attempts| attempts.clamp(0, 32_767));
    let (request, attempt) = limits(timeouts)?;
    let Some(request) = request else { return Ok(asked) };
    let attempt = attempt.unwrap_or(DEFAULT_TIMEOUT).min(request).max(1);
    Ok(Some(asked.unwrap_or(DEFAULT_RETRIES).min(request / attempt - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeouts(request: &str, attempt: &str) -> Timeouts {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Timeouts { request: given(request), backend_request: given(attempt) }
    }

    #[test]
    fn all_attempts_together_fit_into_the_request() {
        let both = |request: &str, attempt: &str| {
            let given = timeouts(request, attempt);
            (timeout(Some(&given)).unwrap(), retries(None, Some(&given)).unwrap())
        };
        assert_eq!(both("10s", "3s"), (Some(3_000), Some(2)));
        assert_eq!(both("2s", ""), (Some(2_000), Some(0)));
        assert_eq!(both("", "3s"), (Some(3_000), None));
        assert_eq!(both("", "60s"), (None, None));
        assert_eq!(both("0s", "0s"), (Some(LONGEST_TIMEOUT), None), "no limit");
        assert_eq!(both("1h", "1s"), (Some(1_000), Some(DEFAULT_RETRIES)));
        assert!(timeout(Some(&timeouts("", "soon"))).is_err());
    }
}

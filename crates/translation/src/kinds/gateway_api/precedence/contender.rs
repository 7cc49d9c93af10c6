//! A match as the order of matches sees it: its path, and what else its route of Kong's asks of a request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use silverback_kong::Route;

use super::super::paths::Path;
use super::tried::{Form, Standing, kinds};
use crate::rank::Seniority;

/// A match within a route that was made of it, maybe with others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stake {
    /// Its path.
    pub path: Path,
    /// Whether what is below the path is captured.
    pub captured: bool,
    /// Whether the route's paths for it are regular expressions all.
    pub regex: bool,
    /// What comes first by the specification, under hosts; below [`Stake::HOST`].
    pub class: u64,
    /// The largest number that the last bits of the class hold.
    pub most: u64,
    /// What decides within a class.
    pub seniority: Seniority,
}

impl Stake {
    /// Classes leave the bits from here to hosts.
    pub(crate) const HOST: u64 = 1 << 27;
}

/// What a match asks of a request beside its host and path; nothing asked is an empty list.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Limits {
    /// The methods.
    pub methods: BTreeSet<String>,
    /// The values of headers, by their names in lower case.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The server names of TLS.
    pub snis: BTreeSet<String>,
}

/// A match that others may stand in the way of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contender {
    pub(super) stake: Stake,
    /// The hosts of its route; none: every host.
    pub(super) hosts: Arc<[String]>,
    pub(super) limits: Limits,
    pub(super) protocols: Arc<[String]>,
    pub(super) kinds: u8,
    pub(super) plain_hosts: bool,
    pub(super) regex_priority: u64,
    /// Kong takes away the part of a path that the route matched by, so that this part must stay.
    pub(super) pinned: bool,
}

impl Contender {
    /// The matches of a route.
    pub(crate) fn of<'s>(route: &Route, stakes: &'s [Stake]) -> impl Iterator<Item = Self> + use<'s> {
        let (hosts, protocols) = (Arc::from(&route.hosts[..]), Arc::from(&route.protocols[..]));
        let headers = route.headers.iter().map(|(name, values)| (name.to_ascii_lowercase(), values.clone()));
        let limits = Limits {
            methods: route.methods.iter().cloned().collect(),
            headers: headers.collect(),
            snis: route.snis.iter().cloned().collect(),
        };
        let host_kind = if route.hosts.is_empty() { 0 } else { kinds::HOST };
        let path_kind = if route.paths.is_empty() { 0 } else { kinds::PATH };
        let kinds = limits.kinds() | host_kind | path_kind;
        let plain_hosts = !route.hosts.is_empty() && route.hosts.iter().all(|host| !host.contains('*'));
        let regex_priority = route.regex_priority.and_then(|it| u64::try_from(it).ok()).unwrap_or_default();
        let strips = route.strip_path == Some(true);
        stakes.iter().map(move |stake| Self {
            stake: stake.clone(),
            hosts: Arc::clone(&hosts),
            limits: limits.clone(),
            protocols: Arc::clone(&protocols),
            kinds,
            plain_hosts,
            regex_priority,
            pinned: strips || stake.captured,
        })
    }

    /// Its hosts, every host being an empty one.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        let any = self.hosts.is_empty().then_some("");
        any.into_iter().chain(self.hosts.iter().map(String::as_str))
    }

    /// Whether it is for a host, as it is written.
    pub(crate) fn is_at(&self, host: &str) -> bool {
        self.hosts().any(|it| it == host)
    }

    /// Whether it asks for more than host and path, so that Kong may try it before matches of more specific hosts.
    pub(crate) fn is_armed(&self) -> bool {
        self.limits != Limits::default()
    }

    /// Whether Kong tries its route before all of less specific hosts that are not armed.
    pub(super) fn is_safe(&self) -> bool {
        self.plain_hosts && self.has_path()
    }

    pub(super) fn has_path(&self) -> bool {
        self.kinds & kinds::PATH != 0
    }

    pub(super) fn has_host(&self) -> bool {
        self.kinds & kinds::HOST != 0
    }

    /// The path of its own route by which it matches a request.
    pub(super) fn form(&self, point: Point<'_>) -> Form {
        match &self.stake.path {
            _ if !self.has_path() => Form::None,
            Path::Any if !self.stake.regex => Form::Plain(1),
            Path::Prefix(text) if !self.stake.regex => {
                let text = text.trim_end_matches('/');
                let is_whole = matches!(point, Point::At(path) if path == if text.is_empty() { "/" } else { text });
                if is_whole { Form::Regex(self.regex_priority) } else { Form::Plain(text.len() + 1) }
            }
            _ => Form::Regex(self.regex_priority),
        }
    }

    /// Where Kong has its own route.
    pub(super) fn standing(&self, point: Point<'_>) -> Standing {
        let (kinds, plain_hosts, headers) = (self.kinds, self.plain_hosts, self.limits.headers.len());
        Standing { kinds, plain_hosts, headers, form: self.form(point) }
    }
}

impl Limits {
    pub(super) fn kinds(&self) -> u8 {
        let given = |is_given: bool, kind: u8| if is_given { kind } else { 0 };
        given(!self.methods.is_empty(), kinds::METHOD)
            | given(!self.headers.is_empty(), kinds::HEADER)
            | given(!self.snis.is_empty(), kinds::SNI)
    }

    /// Whether there may be a request that both take. Regular expressions are not looked into.
    pub(super) fn meet(&self, other: &Self) -> bool {
        let headers = self.headers.iter().all(|(name, values)| match other.headers.get(name) {
            Some(others) => is_regex(values) || is_regex(others) || values.iter().any(|value| contains(others, value)),
            None => true,
        });
        headers && (self.methods.is_empty() || other.methods.is_empty() || !self.methods.is_disjoint(&other.methods))
    }

    /// These, and of the other what is not asked here. Of what both ask, these count: it is never less than both.
    pub(super) fn narrowed(&self, other: &Self) -> Self {
        let both = |own: &BTreeSet<String>, others: &BTreeSet<String>| {
            let common: BTreeSet<String> = own.intersection(others).cloned().collect();
            if own.is_empty() {
                others.clone()
            } else if common.is_empty() {
                own.clone()
            } else {
                common
            }
        };
        let mut headers = other.headers.clone();
        headers.extend(self.headers.clone());
        Self { methods: both(&self.methods, &other.methods), headers, snis: both(&self.snis, &other.snis) }
    }

    /// Whether it takes all that the other takes.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let wider = |own: &BTreeSet<String>, others: &BTreeSet<String>| {
            own.is_empty() || !others.is_empty() && others.is_subset(own)
        };
        let header = |(name, values): (&String, &Vec<String>)| {
            other.headers.get(name).is_some_and(|others| others.iter().all(|value| contains(values, value)))
        };
        wider(&self.methods, &other.methods) && wider(&self.snis, &other.snis) && self.headers.iter().all(header)
    }
}

/// Whether a value is among others. Kong tells no upper from lower case there, but within regular expressions it counts.
fn contains(values: &[String], value: &str) -> bool {
    values.iter().any(|it| it == value || !value.starts_with("~*") && it.eq_ignore_ascii_case(value))
}

fn is_regex(values: &[String]) -> bool {
    values.iter().any(|value| value.starts_with("~*"))
}

/// Paths of requests that two matches take both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point<'p> {
    /// This very path.
    At(&'p str),
    /// Some path that neither has as its own.
    Within,
}

//! The order of the specification among matches at one host, made from what Kong orders routes by. Kong tries first what
//! matches by more things, so a match that should come first may be tried too late. Then it gets a further route, of its
//! own path as a regular expression, whose `regex_priority` decides between routes that match by as much; and where that is
//! not enough, one that matches by all that the other matches by as well.
//!
//! Matches are looked at from the last to the first: what one gets can only stand in the way of those before it, which are
//! looked at later. So one pass is enough, and it depends on nothing that comes earlier in the order.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::paths::Path;
use super::contender::{Contender, Limits, Point};
use super::tried::{Form, Standing, kinds};

/// More routes than this for one match at one host are too many: regular expressions are tried one by one.
pub(super) const MOST: usize = 32;

/// A further route of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extra {
    /// Its path, at or below that of the match.
    pub path: Path,
    /// All that it asks for beside.
    pub limits: Limits,
}

/// What a match needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Its further routes.
    pub extras: Vec<Extra>,
    /// The place in the list of a match that takes requests of both all the same.
    pub late_for: Option<usize>,
}

/// What the matches of the first host need, by their places in the list. `contenders` are given with the place of their
/// host among those of a request, the most specific first: 0 for the host that is asked about.
pub(crate) fn verdicts(host: &str, contenders: &[(usize, &Contender)]) -> BTreeMap<usize, Verdict> {
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    order.sort_by_key(|at| {
        let (host, it) = contenders[*at];
        Reverse((host, Reverse(it.stake.class), &it.stake.seniority))
    });
    let mut pass = Pass { elements: Vec::new(), by_path: BTreeMap::new(), regexes: Vec::new() };
    let mut verdicts = BTreeMap::new();
    for (place, at) in order.into_iter().enumerate() {
        let (host_at, contender) = contenders[at];
        // Hosts are wildcards, but for the first.
        let kind = if contender.hosts.is_empty() { 0 } else { kinds::HOST };
        let plain = kind != 0 && host_at == 0 && !host.contains('*');
        let owner = Owner { at, contender, priority: ABOVE_ANNOTATIONS + place as u64, kind, plain };
        let verdict = pass.take(owner);
        if host_at == 0 && verdict != Verdict::default() {
            verdicts.insert(at, verdict);
        }
    }
    verdicts
}

/// What is told by annotations is less, in practice.
pub(crate) const ABOVE_ANNOTATIONS: u64 = 1 << 31;

/// A match while it is looked at.
#[derive(Clone, Copy)]
struct Owner<'c> {
    at: usize,
    contender: &'c Contender,
    /// The `regex_priority` of its further routes, as far as it matters here.
    priority: u64,
    /// Whether its further routes have a host, and whether that is plain.
    kind: u8,
    plain: bool,
}

/// A route of Kong's.
struct Element<'c> {
    owner: Owner<'c>,
    path: Cow<'c, Path>,
    limits: Cow<'c, Limits>,
    /// Whether it is there anyway.
    own: bool,
}

impl<'c> Element<'c> {
    fn own(owner: Owner<'c>) -> Self {
        let (path, limits) = (&owner.contender.stake.path, &owner.contender.limits);
        Self { owner, path: Cow::Borrowed(path), limits: Cow::Borrowed(limits), own: true }
    }

    /// The match at this host alone, as a regular expression.
    fn regex(owner: Owner<'c>) -> Self {
        Self { own: false, ..Self::own(owner) }
    }

    /// What a match has in common with another route, or a little more: where paths cannot be narrowed, its own stays.
    fn common(owner: Owner<'c>, other: &Element<'_>) -> Self {
        let own = &owner.contender.stake.path;
        let path = if owner.contender.pinned || !own.covers(&other.path) || other.path.covers(own) {
            Cow::Borrowed(own)
        } else {
            Cow::Owned(other.path.clone().into_owned())
        };
        Self { owner, path, limits: Cow::Owned(owner.contender.limits.narrowed(&other.limits)), own: false }
    }

    fn standing(&self, point: Point<'_>) -> Standing {
        if self.own {
            return self.owner.contender.standing(point);
        }
        Standing {
            kinds: self.limits.kinds() | kinds::PATH | self.owner.kind,
            plain_hosts: self.owner.plain,
            headers: self.limits.headers.len(),
            form: Form::Regex(self.owner.priority),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        (self.path == other.path || self.path.covers(&other.path)) && self.limits.covers(&other.limits)
    }

    fn meets(&self, other: &Self) -> bool {
        let (one, another) = (self.owner.contender, other.owner.contender);
        let mut common = one.protocols.iter().filter(|it| another.protocols.contains(it)).peekable();
        // Server names count where there is TLS.
        let tls = |it: &&String| matches!(&***it, "https" | "grpcs");
        let snis = !self.limits.snis.is_empty() && !other.limits.snis.is_empty();
        common.peek().is_some()
            && !(snis && self.limits.snis.is_disjoint(&other.limits.snis) && common.all(|it| tls(&it)))
            && self.limits.meet(&other.limits)
            && meet(&self.path, &other.path)
    }

    /// Whether Kong tries it first wherever both match.
    fn is_before(&self, other: &Self) -> bool {
        let mut points = points(&self.path, &other.path).into_iter();
        points.all(|point| self.standing(point).is_before(&other.standing(point)))
    }
}

/// Further routes of a match while others are looked at.
#[derive(Default)]
struct Further<'c> {
    /// Whether the match itself is needed as a regular expression.
    regex: bool,
    /// What it has in common with others.
    common: Vec<Element<'c>>,
}

impl<'c> Further<'c> {
    fn is_full(&self) -> bool {
        usize::from(self.regex) + self.common.len() >= MOST
    }

    /// Whether there is room for the match as a regular expression, or it is there.
    fn take_regex(&mut self) -> bool {
        self.regex |= !self.is_full();
        self.regex
    }

    /// Whether what a match has in common with another is taken before that.
    fn take_common(&mut self, owner: Owner<'c>, other: &Element<'_>) -> bool {
        let common = Element::common(owner, other);
        if self.common.iter().any(|it| it.covers(&common) && it.is_before(other)) {
            return true;
        }
        let has_place = common.is_before(other) && !self.is_full();
        if has_place {
            self.common.push(common);
        }
        has_place
    }
}

/// The routes of the matches that were looked at.
struct Pass<'c> {
    elements: Vec<Element<'c>>,
    /// Those of plain paths, by the path without a slash at its end.
    by_path: BTreeMap<String, Vec<usize>>,
    regexes: Vec<usize>,
}

impl<'c> Pass<'c> {
    /// Looks at a match that comes before all that were looked at.
    fn take(&mut self, owner: Owner<'c>) -> Verdict {
        let (own, regex) = (Element::own(owner), Element::regex(owner));
        let mut further = Further::default();
        let mut late_for = None;
        for other in self.near(&owner.contender.stake.path).into_iter().map(|at| &self.elements[at]) {
            // Of one match with several hosts it does not matter which comes first.
            let same = other.owner.contender.stake.seniority == owner.contender.stake.seniority;
            if same || !own.meets(other) || own.is_before(other) {
                continue;
            }
            let is_kept = if regex.is_before(other) { further.take_regex() } else { further.take_common(owner, other) };
            if !is_kept {
                late_for = late_for.or(Some(other.owner.at));
            }
        }
        let further: Vec<_> = further.regex.then_some(regex).into_iter().chain(further.common).collect();
        let extras = further
            .iter()
            .map(|it| Extra { path: it.path.clone().into_owned(), limits: it.limits.clone().into_owned() });
        let verdict = Verdict { extras: extras.collect(), late_for };
        [own].into_iter().chain(further).for_each(|element| self.add(element));
        verdict
    }

    fn add(&mut self, element: Element<'c>) {
        let at = self.elements.len();
        match &*element.path {
            Path::Regex(_) => self.regexes.push(at),
            path => self.by_path.entry(path.text().trim_end_matches('/').to_owned()).or_default().push(at),
        }
        self.elements.push(element);
    }

    /// The routes whose paths are above, at or below a path, and regular expressions.
    fn near(&self, path: &Path) -> Vec<usize> {
        if matches!(path, Path::Regex(_)) {
            return (0..self.elements.len()).collect();
        }
        let text = path.text().trim_end_matches('/');
        let above = text.match_indices('/').map(|(at, _)| &text[..at]).filter_map(|it| self.by_path.get(it));
        let here = self.by_path.get(text);
        let below = path.is_prefix().then(|| self.by_path.range(format!("{text}/")..format!("{text}0")));
        let below = below.into_iter().flatten().map(|(_, all)| all);
        above.chain(here).chain(below).flatten().chain(&self.regexes).copied().collect()
    }
}

/// Whether there may be a path that both match.
fn meet(one: &Path, other: &Path) -> bool {
    match (one, other) {
        (Path::Regex(one), Path::Regex(other)) => begin_alike(literal(one), literal(other)),
        (Path::Regex(regex), plain) | (plain, Path::Regex(regex)) => {
            let text = plain.text().trim_end_matches('/');
            // What is below a prefix may go on as the expression does.
            let literal = literal(regex);
            text.starts_with(literal) || plain.is_prefix() && begin_alike(text, literal)
        }
        _ => one == other || one.covers(other) || other.covers(one),
    }
}

fn begin_alike(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// What all texts that a regular expression matches begin with.
fn literal(regex: &str) -> &str {
    if regex.contains('|') {
        return "";
    }
    let end = regex.find(|c| r"\.+*?()[]{}^$".contains(c)).unwrap_or(regex.len());
    let (text, rest) = regex.split_at(end);
    let repeated = rest.starts_with(['*', '?', '{']);
    let last = text.char_indices().last().filter(|_| repeated).map_or(end, |(at, _)| at);
    &text[..last]
}

/// Paths of requests that two paths match, one for each pair of forms in which they may be tried.
fn points<'p>(one: &'p Path, other: &'p Path) -> Vec<Point<'p>> {
    let whole = |path: &'p Path| match path.text().trim_end_matches('/') {
        "" => Point::At("/"),
        text => Point::At(text),
    };
    match (one, other) {
        (Path::Exact(text), _) | (_, Path::Exact(text)) => vec![Point::At(text)],
        (Path::Regex(_), Path::Regex(_)) => vec![Point::Within],
        (Path::Regex(_), prefix) | (prefix, Path::Regex(_)) => vec![whole(prefix), Point::Within],
        _ if one.covers(other) => vec![whole(other), Point::Within],
        _ => vec![whole(one), Point::Within],
    }
}

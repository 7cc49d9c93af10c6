//! Annotations of route sources: Ingress, the routes of the Gateway API, TCPIngress and UDPIngress. They apply to every
//! Kong route made from the object.
//!
//! A value that is not understood has no effect, and a diagnostic says so.

use std::collections::{BTreeMap, HashSet};

use silverback_kong::{Route, limits};

use super::{PREFIX, go_bool, items, list, truth};
use crate::source::{Notes, Source};

const STRIP_PATH: &str = "konghq.com/strip-path";
const PRESERVE_HOST: &str = "konghq.com/preserve-host";
const PROTOCOLS: &str = "konghq.com/protocols";
const REDIRECT_CODE: &str = "konghq.com/https-redirect-status-code";
const FORCE_SSL: &str = "ingress.kubernetes.io/force-ssl-redirect";
const REQUEST_BUFFERING: &str = "konghq.com/request-buffering";
const RESPONSE_BUFFERING: &str = "konghq.com/response-buffering";
const REGEX_PRIORITY: &str = "konghq.com/regex-priority";
const METHODS: &str = "konghq.com/methods";
const SNIS: &str = "konghq.com/snis";
const HOST_ALIASES: &str = "konghq.com/host-aliases";
const HEADERS_SEPARATOR: &str = "konghq.com/headers-separator";
const PATH_HANDLING: &str = "konghq.com/path-handling";
const REGEX_PREFIX: &str = "konghq.com/regex-prefix";
/// Rewrites the path of requests (Ingress only).
pub(crate) const REWRITE: &str = "konghq.com/rewrite";

/// What is in the way of a regular expression's `~` unless the annotation says otherwise.
const DEFAULT_REGEX_PREFIX: &str = "/~";

/// A list whose items are judged one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// The items that are right, in order, doubled ones too.
    pub good: Vec<String>,
    /// Number of all items.
    pub given: usize,
}

impl Judged {
    fn of(given: Vec<String>, good: impl Fn(&str) -> bool) -> Self {
        let number = given.len();
        Self { good: given.into_iter().filter(|item| good(item)).collect(), given: number }
    }

    /// Whether an item is wrong.
    pub(crate) fn spoilt(&self) -> bool {
        self.good.len() < self.given
    }

    /// All items, or none if one is wrong.
    pub(crate) fn all_or_none(self) -> Vec<String> {
        if self.spoilt() { Vec::new() } else { self.good }
    }
}

/// The annotations that say which requests match, read once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Matching {
    /// More hosts.
    pub hosts: Judged,
    /// Methods, in upper case.
    pub methods: Judged,
    /// Server names; `None` when the annotation is not there.
    pub snis: Option<Judged>,
    /// Values allowed per header.
    pub headers: BTreeMap<String, Vec<String>>,
    /// What marks a path as a regular expression; empty marks every path.
    pub regex_prefix: Option<String>,
}

impl Matching {
    /// Reads the annotations of a source.
    pub(crate) fn of(source: &Source<'_>, notes: &mut Notes) -> Self {
        let meta = source.meta;
        let hosts = Judged::of(list(meta, HOST_ALIASES), limits::is_route_host);
        let methods =
            Judged::of(list(meta, METHODS).into_iter().map(|method| method.to_uppercase()).collect(), |method| {
                method.bytes().all(|b| b.is_ascii_uppercase())
            });
        let snis = meta.annotation(SNIS).map(|_| Judged::of(list(meta, SNIS), is_sni));
        for (judged, name, wants) in [
            (Some(&hosts), HOST_ALIASES, "host names, with a * label at one end or none"),
            (Some(&methods), METHODS, "HTTP methods of letters"),
            (snis.as_ref(), SNIS, "host names without wildcards"),
        ] {
            if judged.is_some_and(Judged::spoilt) {
                notes.bad_annotation(source, name, wants);
            }
        }
        Self {
            hosts,
            methods,
            snis,
            headers: headers(source),
            regex_prefix: meta.annotation(REGEX_PREFIX).map(str::to_owned),
        }
    }

    /// Takes the annotations into a route of the traditional router. One wrong item voids its annotation.
    fn apply(self, route: &mut Route) {
        let mut known: HashSet<String> = route.hosts.iter().cloned().collect();
        route.hosts.extend(self.hosts.all_or_none().into_iter().filter(|host| known.insert(host.clone())));
        let methods = self.methods.all_or_none();
        if !methods.is_empty() {
            route.methods = methods;
        }
        if let Some(snis) = self.snis.filter(|snis| !snis.spoilt()) {
            route.snis = snis.good;
        }
        if !self.headers.is_empty() {
            route.headers = self.headers;
        }
    }

    /// Tells of annotations that have no effect where a route's own matches are made expressions.
    pub(crate) fn note_unused(&self, source: &Source<'_>, notes: &mut Notes) {
        let headers = self.headers.keys().map(|name| format!("{PREFIX}/headers.{name}"));
        let named = [(HOST_ALIASES, self.hosts.given > 0), (METHODS, self.methods.given > 0)];
        let named = named.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_owned());
        let traditional = [REGEX_PRIORITY, PATH_HANDLING].map(str::to_owned);
        let all = headers.chain(named).chain(traditional);
        for name in all.filter(|name| source.meta.annotation(name).is_some()) {
            notes.bad_annotation(source, &name, "a match of the route's own, with --router-flavor expressions,");
        }
    }

    /// Tells of a host among the headers where expressions are made, which leave it out.
    pub(crate) fn note_host_header(&self, source: &Source<'_>, notes: &mut Notes) {
        for name in self.headers.keys().filter(|name| name.eq_ignore_ascii_case("host")) {
            notes.bad_annotation(source, &format!("{PREFIX}/headers.{name}"), "a header other than the host");
        }
    }

    /// The prefix that marks a regular expression for the traditional router.
    pub(crate) fn traditional_prefix(&self) -> &str {
        self.regex_prefix.as_deref().unwrap_or(DEFAULT_REGEX_PREFIX)
    }

    /// The prefix that marks a regular expression for the expressions router, where an empty one counts as none given.
    pub(crate) fn expressions_prefix(&self) -> &str {
        self.regex_prefix.as_deref().filter(|prefix| !prefix.is_empty()).unwrap_or(DEFAULT_REGEX_PREFIX)
    }
}

/// Server names of routes take no wildcard and no underscore.
fn is_sni(name: &str) -> bool {
    limits::is_host_name(name) && !name.contains('_') && !name.ends_with('.')
}

fn headers(source: &Source<'_>) -> BTreeMap<String, Vec<String>> {
    let separator = source.meta.annotation(HEADERS_SEPARATOR).filter(|it| !it.is_empty()).unwrap_or(",");
    let prefix = format!("{PREFIX}/headers.");
    let named = source.meta.annotations.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, value)));
    named
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), items(value, separator)))
        .filter(|(_, values)| !values.is_empty())
        .collect()
}

/// Takes all annotations into a route of the traditional router.
pub(crate) fn apply_traditional(source: &Source<'_>, matching: Matching, route: &mut Route, notes: &mut Notes) {
    matching.apply(route);
    if let Some(text) = source.meta.annotation(REGEX_PRIORITY) {
        match text.parse() {
            Ok(priority) => route.regex_priority = Some(priority),
            Err(_) => notes.bad_annotation(source, REGEX_PRIORITY, "an integer"),
        }
    }
    if let Some(text) = source.meta.annotation(PATH_HANDLING) {
        match path_handling(text) {
            Some(handling) => route.path_handling = Some(handling),
            None => notes.bad_annotation(source, PATH_HANDLING, "v0 or v1"),
        }
    }
    apply_common(source, route, notes);
    normalise_protocols(route);
}

/// Takes the annotations into a route of streams, which the source's kind gave its protocols. A stream shows a server name
/// and no more: what else annotations could match by has no effect.
pub(crate) fn apply_streams(source: &Source<'_>, expressions: bool, route: &mut Route, notes: &mut Notes) {
    if expressions {
        return apply_expressions(source, route, notes);
    }
    let mut matching = Matching::of(source, notes);
    for (name, is_given) in [(HOST_ALIASES, matching.hosts.given > 0), (METHODS, matching.methods.given > 0)] {
        if is_given {
            notes.bad_annotation(source, name, "a route of HTTP");
        }
    }
    if let Some(name) = matching.headers.keys().next() {
        notes.bad_annotation(source, &format!("{PREFIX}/headers.{name}"), "a route of HTTP");
    }
    (matching.hosts, matching.methods, matching.headers) = Default::default();
    apply_traditional(source, matching, route, notes);
}

/// Takes the annotations into a route of the expressions router whose expression is already made.
pub(crate) fn apply_expressions(source: &Source<'_>, route: &mut Route, notes: &mut Notes) {
    apply_common(source, route, notes);
    one_family(route);
}

fn apply_common(source: &Source<'_>, route: &mut Route, notes: &mut Notes) {
    let meta = source.meta;
    notes.bad_tags(source);
    for (name, field) in [(STRIP_PATH, &mut route.strip_path), (PRESERVE_HOST, &mut route.preserve_host)] {
        match meta.annotation(name).map(truth) {
            Some(Some(value)) => *field = Some(value),
            Some(None) => notes.bad_annotation(source, name, "true or false"),
            None => {}
        }
    }
    let buffering =
        [(REQUEST_BUFFERING, &mut route.request_buffering), (RESPONSE_BUFFERING, &mut route.response_buffering)];
    for (name, field) in buffering {
        match meta.annotation(name).map(go_bool) {
            Some(Some(value)) => *field = Some(value),
            Some(None) => notes.bad_annotation(source, name, "true or false"),
            None => {}
        }
    }
    let streams = route.protocols.iter().any(|protocol| is_stream(protocol));
    if meta.annotation(FORCE_SSL) == Some("true") && streams {
        notes.bad_annotation(source, FORCE_SSL, "a route of HTTP");
    } else if meta.annotation(FORCE_SSL) == Some("true") {
        route.https_redirect_status_code = Some(302);
        only_encrypted(route);
    }
    if let Some(text) = meta.annotation(REDIRECT_CODE) {
        match text.parse() {
            Ok(code @ (426 | 301 | 302 | 307 | 308)) => route.https_redirect_status_code = Some(code),
            _ => notes.bad_annotation(source, REDIRECT_CODE, "426, 301, 302, 307 or 308"),
        }
    }
    let protocols = list(meta, PROTOCOLS);
    if protocols.iter().any(|protocol| !limits::is_protocol(protocol, true)) {
        notes.bad_annotation(
            source,
            PROTOCOLS,
            "a list of http, https, grpc, grpcs, ws, wss, tls, tcp, tls_passthrough",
        );
    } else if protocols.iter().any(|protocol| is_stream(protocol) != streams) {
        let wants = if streams {
            "protocols of streams: tcp, tls, udp, tls_passthrough"
        } else {
            "protocols of requests: http, https, grpc, grpcs, ws, wss"
        };
        notes.bad_annotation(source, PROTOCOLS, wants);
    } else if !protocols.is_empty() {
        route.protocols = protocols;
    }
}

/// Whether what a protocol carries is no HTTP to the gateway.
fn is_stream(protocol: &str) -> bool {
    matches!(protocol, "tcp" | "tls" | "udp" | "tls_passthrough")
}

/// Leaves a route only what is encrypted, of the families of protocols that it has.
fn only_encrypted(route: &mut Route) {
    let (http, grpc) = families(route);
    route.protocols = match (http, grpc) {
        (true, true) => vec!["grpcs".into(), "https".into()],
        (false, true) => vec!["grpcs".into()],
        _ => vec!["https".into()],
    };
}

fn families(route: &Route) -> (bool, bool) {
    let any = |of: [&str; 2]| route.protocols.iter().any(|protocol| of.contains(&protocol.as_str()));
    (any(["http", "https"]), any(["grpc", "grpcs"]))
}

/// Kong takes no route of both families, and none of gRPC that strips its path.
fn normalise_protocols(route: &mut Route) {
    if families(route).1 {
        route.strip_path = None;
    }
    one_family(route);
}

fn one_family(route: &mut Route) {
    if families(route) == (true, true) {
        route.protocols = vec!["http".into(), "https".into()];
    }
}

/// The first `v` with a digit after it, wherever it is.
fn path_handling(text: &str) -> Option<String> {
    let found = text.match_indices('v').any(|(at, _)| text[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    found.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_resources::types::{Ingress, Meta};

    fn ingress(annotations: &[(&str, &str)]) -> Ingress {
        let annotations = annotations.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Ingress { metadata: Meta { name: "a".into(), annotations, ..Meta::default() }, ..Ingress::default() }
    }

    fn traditional(annotations: &[(&str, &str)]) -> (Route, Notes) {
        let ingress = ingress(annotations);
        let (source, mut notes) = (Source::of(&ingress), Notes::default());
        let mut route = Route { hosts: vec!["a.io".into()], ..Route::default() };
        let matching = Matching::of(&source, &mut notes);
        apply_traditional(&source, matching, &mut route, &mut notes);
        (route, notes)
    }

    #[test]
    fn one_wrong_item_voids_a_list() {
        let (route, notes) = traditional(&[(METHODS, "get,po st"), (HOST_ALIASES, "b.io,-"), (SNIS, "a,*.b")]);
        assert!(route.methods.is_empty() && route.snis.is_empty());
        assert_eq!(route.hosts, ["a.io"]);
        assert_eq!(notes.0.len(), 3);
        let (route, notes) = traditional(&[(METHODS, "get, post"), (HOST_ALIASES, "*.b.io,a.io,c.*,*.b.io")]);
        assert_eq!(route.methods, ["GET", "POST"]);
        assert_eq!(route.hosts, ["a.io", "*.b.io", "c.*"]);
        assert!(notes.0.is_empty());
    }

    #[test]
    fn the_protocols_annotation_wins_over_force_ssl() {
        let (route, _) = traditional(&[(FORCE_SSL, "true")]);
        assert_eq!((route.protocols, route.https_redirect_status_code), (vec!["https".to_owned()], Some(302)));
        let (route, _) = traditional(&[(FORCE_SSL, "true"), (PROTOCOLS, "http")]);
        assert_eq!((route.protocols, route.https_redirect_status_code), (vec!["http".to_owned()], Some(302)));
        let (route, _) = traditional(&[(FORCE_SSL, "True")]);
        assert_eq!(route.https_redirect_status_code, None);
    }

    #[test]
    fn families_of_protocols_do_not_mix() {
        let (route, _) = traditional(&[(PROTOCOLS, "grpc,https"), (STRIP_PATH, "true")]);
        assert_eq!(route.protocols, ["http", "https"]);
        let (route, _) = traditional(&[(PROTOCOLS, "grpcs"), (STRIP_PATH, "true")]);
        assert_eq!(route.strip_path, None);
        let (route, notes) = traditional(&[(PROTOCOLS, "https,ftp")]);
        assert!(route.protocols.is_empty());
        assert_eq!(notes.0[0].field, "metadata.annotations[konghq.com/protocols]");
    }

    #[test]
    fn headers_have_their_own_separator() {
        let (route, _) = traditional(&[("konghq.com/headers.X-A", "a, b"), ("konghq.com/headers.x-none", " ,")]);
        assert_eq!(route.headers, BTreeMap::from([("X-A".to_owned(), vec!["a".to_owned(), "b".to_owned()])]));
        let (route, _) = traditional(&[("konghq.com/headers.X-A", "a,b;c"), (HEADERS_SEPARATOR, ";")]);
        assert_eq!(route.headers["X-A"], ["a,b", "c"]);
    }
}

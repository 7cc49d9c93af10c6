//! The redirect filter: Kong's `redirect` plugin where the place is known beforehand, a status and a header where the
//! version has none, a program where the place depends on the request.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use silverback_kong::{Plugin, limits};
use silverback_resources::types::Redirect;

use super::filters::Place;
use super::lua::{self, literal};
use super::paths::{Path, absolute};
use crate::settings::KongVersion;

/// The first version with a redirect plugin.
const REDIRECT_PLUGIN: KongVersion = KongVersion { major: 3, minor: 9 };

/// Schemes and ports of the listeners that serve a route; each once, sorted. Nothing: they are not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Front(pub(super) Vec<(String, u16)>);

impl Front {
    fn schemes(&self) -> Vec<&str> {
        let mut schemes: Vec<&str> = self.0.iter().map(|(scheme, _)| scheme.as_str()).collect();
        schemes.dedup();
        schemes
    }

    /// The port of a scheme's only listener.
    fn port(&self, scheme: &str) -> Option<u16> {
        let mut ports = self.0.iter().filter(|(it, _)| it == scheme).map(|(_, port)| *port);
        ports.next().filter(|_| ports.next().is_none())
    }
}

/// What a redirect comes to.
pub(super) struct Redirected {
    /// The plugin that answers.
    pub(super) plugin: Plugin,
    /// A header to add to its answer.
    pub(super) location: Option<String>,
}

/// What becomes of the path.
enum NewPath<'a> {
    Kept,
    Full(Cow<'a, str>),
    Prefix { old: &'a str, new: Cow<'a, str> },
}

/// The answer that sends clients elsewhere.
///
/// # Errors
/// The field and what is wrong.
pub(super) fn redirect(redirect: &Redirect, place: &Place<'_>) -> Result<Redirected, (String, String)> {
    let status = redirect.status_code.unwrap_or(302);
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Err(("statusCode".into(), format!("{status} is no status of a redirect")));
    }
    if redirect.scheme.as_deref().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        return Err(("scheme".into(), "http or https is expected".into()));
    }
    if let Some(host) = redirect.hostname.as_deref().filter(|host| !is_host(host)) {
        return Err(("hostname".into(), format!("{host:?} is no name of a host")));
    }
    let path = new_path(redirect, place.path)?;
    if !place.settings.feature_gates.support_redirect_plugin {
        return Ok(by_header(status, beforehand(redirect, place.path)));
    }
    let host = redirect.hostname.as_deref().filter(|host| !host.is_empty());
    let somewhere = redirect.scheme.is_some() || redirect.port.is_some();
    let origin = host.and_then(|host| origin(host, redirect, place.front));
    let known = place.settings.kong_version >= REDIRECT_PLUGIN;
    let fixed = match (&path, origin) {
        (NewPath::Full(path), Some(origin)) => Some((origin, if path == "/" { "" } else { &**path }, false)),
        (NewPath::Full(path), None) if host.is_none() && !somewhere => Some((String::new(), &**path, false)),
        (NewPath::Kept, Some(origin)) => Some((origin, "", true)),
        _ => None,
    };
    let exact = if let Path::Exact(path) = place.path { Some(path.as_str()) } else { None };
    Ok(match fixed {
        // The plugin takes no location without a host.
        Some((origin, path, keep)) if known && !origin.is_empty() => {
            by_plugin(status, &format!("{origin}{path}"), keep)
        }
        Some((origin, path, false)) => by_header(status, format!("{origin}{path}")),
        Some((origin, _, true)) if exact.is_some() => by_header(status, origin + exact.unwrap_or_default()),
        _ => Redirected { plugin: lua::plugin(program(status, redirect, &path, place.front)), location: None },
    })
}

/// Whether this is a host and nothing else; empty, it is that of the request.
fn is_host(host: &str) -> bool {
    host.is_empty() || limits::is_host_name(host) || host.parse::<Ipv4Addr>().is_ok()
}

fn new_path<'a>(redirect: &'a Redirect, matched: &'a Path) -> Result<NewPath<'a>, (String, String)> {
    let Some(path) = &redirect.path else { return Ok(NewPath::Kept) };
    match (path.kind.as_str(), matched) {
        ("ReplaceFullPath", _) => Ok(NewPath::Full(absolute(path.replace_full_path.as_deref().unwrap_or_default()))),
        ("ReplacePrefixMatch", matched) if matched.is_prefix() => Ok(NewPath::Prefix {
            old: matched.text(),
            new: absolute(path.replace_prefix_match.as_deref().unwrap_or_default()),
        }),
        ("ReplacePrefixMatch", _) => Err(("path".into(), "only a rule that matches a prefix can replace it".into())),
        (other, _) => Err(("path.type".into(), format!("{other} is no way to change a path"))),
    }
}

/// The place as KIC has it with the gate `SupportRedirectPlugin` off: one for all requests of a match, so that what is
/// below a prefix is lost.
fn beforehand(redirect: &Redirect, matched: &Path) -> String {
    let host = redirect.hostname.as_deref().filter(|host| !host.is_empty());
    let origin = host.map(|host| {
        let scheme = redirect.scheme.as_deref().unwrap_or("http");
        let port = redirect.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{host}{port}")
    });
    let full = redirect.path.as_ref().filter(|path| path.kind == "ReplaceFullPath");
    let path = match full.map(|path| path.replace_full_path.as_deref().unwrap_or_default()) {
        Some("/") if origin.is_some() => "",
        Some(path) => path,
        None if matches!(matched, Path::Regex(_)) => "",
        None => matched.text(),
    };
    origin.unwrap_or_default() + path
}

fn usual_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

/// Scheme, host and port, where they do not depend on the request. A port that a scheme has anyway is not written.
fn origin(host: &str, redirect: &Redirect, front: &Front) -> Option<String> {
    let scheme = match (redirect.scheme.as_deref(), front.schemes().as_slice()) {
        (Some(scheme), _) => scheme,
        (None, []) => "http",
        (None, [only]) => only,
        (None, _) => return None,
    };
    let port = match redirect.port {
        Some(port) => port,
        None if redirect.scheme.is_some() || front.0.is_empty() => usual_port(scheme),
        None => front.port(scheme)?,
    };
    let port = if port == usual_port(scheme) { String::new() } else { format!(":{port}") };
    Some(format!("{scheme}://{host}{port}"))
}

fn by_plugin(status: u16, location: &str, keep: bool) -> Redirected {
    let config = json!({"status_code": status, "location": location, "keep_incoming_path": keep});
    Redirected { plugin: plugin("redirect", config), location: None }
}

fn by_header(status: u16, location: String) -> Redirected {
    let location = if location.is_empty() { "/".to_owned() } else { location };
    Redirected { plugin: plugin("request-termination", json!({"status_code": status})), location: Some(location) }
}

fn plugin(name: &str, config: Value) -> Plugin {
    let config = config.as_object().cloned().unwrap_or_default();
    Plugin { name: name.to_owned(), config, ..Plugin::default() }
}

/// Puts the place together from the request.
fn program(status: u16, redirect: &Redirect, path: &NewPath<'_>, front: &Front) -> String {
    let mut out = String::from("local request = kong.request\n");
    let scheme = redirect.scheme.as_deref().map_or_else(|| "request.get_forwarded_scheme()".to_owned(), literal);
    let host = redirect.hostname.as_deref().filter(|host| !host.is_empty());
    let host = host.map_or_else(|| "request.get_forwarded_host()".to_owned(), literal);
    let path = match path {
        NewPath::Kept => "request.get_raw_path()".to_owned(),
        NewPath::Full(path) => literal(path),
        NewPath::Prefix { old, new } => format!("{} .. {}", literal(new.trim_end_matches('/')), below(old)),
    };
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "local scheme, host, path = {scheme}, {host}, {path}\n\
         local usual = scheme == \"https\" and 443 or 80\n\
         local port = {}\n\
         local query = request.get_raw_query()\n\
         if string.sub(path, 1, 1) ~= \"/\" then path = \"/\" .. path end\n\
         local place = scheme .. \"://\" .. host .. (port ~= usual and \":\" .. port or \"\") .. path\n\
         if query ~= \"\" then place = place .. \"?\" .. query end\n\
         return kong.response.exit({status}, nil, {{ Location = place }})\n",
        port(redirect, front),
    );
    out
}

/// What is below a prefix: the path as the client wrote it without as many elements as the prefix has, since these may
/// be written in several ways.
fn below(prefix: &str) -> String {
    let elements = prefix.split('/').filter(|element| !element.is_empty()).count();
    if elements == 0 {
        return "request.get_raw_path()".to_owned();
    }
    format!("(string.match(request.get_raw_path(), \"^{}(.*)$\") or \"\")", "/+[^/]*".repeat(elements))
}

/// The port: as given, that of the given scheme, that of the listener, or as the client had it.
fn port(redirect: &Redirect, front: &Front) -> String {
    if let Some(port) = redirect.port {
        return port.to_string();
    }
    if redirect.scheme.is_some() {
        return "usual".to_owned();
    }
    if front.0.is_empty() {
        return "request.get_forwarded_port()".to_owned();
    }
    let known = |scheme: &str| front.port(scheme).map_or_else(|| "nil".to_owned(), |port| port.to_string());
    format!("({{ http = {}, https = {} }})[scheme] or request.get_forwarded_port()", known("http"), known("https"))
}

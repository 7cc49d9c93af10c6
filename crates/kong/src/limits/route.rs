//! What Kong 3.9 refuses in a route. Each group of protocols may and must match by fields of its own.

use super::{Refused, is_header_name, is_name, is_percent_encoded, is_protocol, is_route_host, tags};
use crate::Route;

/// Groups of protocols: a route has those of one.
const GROUPS: [&[&str]; 5] =
    [&["http", "https"], &["grpc", "grpcs"], &["tcp", "tls", "udp"], &["tls_passthrough"], &["ws", "wss"]];
/// Protocols without a TLS handshake.
const PLAIN: [&str; 5] = ["http", "grpc", "tcp", "udp", "ws"];
/// What Kong takes where a route names none.
const DEFAULT: [&str; 2] = ["http", "https"];

/// Takes out of a route what Kong refuses.
///
/// # Errors
/// What Kong refuses in what the route matches by. Taking that out would let in requests that the route is not meant
/// for: it must go as a whole.
pub fn route(route: &mut Route, enterprise: bool) -> Result<Vec<Refused>, Refused> {
    if !is_name(&route.name) {
        return Err(Refused::new("name", &route.name, "letters, digits and .-_~"));
    }
    let mut refused = Vec::new();
    protocols(route, enterprise, &mut refused)?;
    texts(route, &mut refused)?;
    headers(route)?;
    let group = group(route);
    let is_stream = matches!(group, "tcp" | "tls_passthrough");
    match group {
        _ if is_stream => stream(route)?,
        "grpc" => grpc(route, &mut refused)?,
        _ => {}
    }
    if !(is_stream || route.destinations.is_empty()) {
        return Err(Refused::new("destinations", names(route).join(","), "ports only with protocols of streams"));
    }
    if !route.snis.is_empty() && names(route).iter().all(|protocol| PLAIN.contains(protocol)) {
        // Kong compares server names only where there is a handshake.
        let snis = std::mem::take(&mut route.snis).join(",");
        refused.push(Refused::new("snis", snis, "server names only with https, grpcs, tls or tls_passthrough"));
    }
    matches_something(route)?;
    let code = route.https_redirect_status_code.take_if(|code| !matches!(code, 301 | 302 | 307 | 308 | 426));
    if let Some(code) = code {
        refused.push(Refused::new("https_redirect_status_code", code, "426, 301, 302, 307 or 308"));
    }
    if let Some(handling) = route.path_handling.take_if(|it| !matches!(it.as_str(), "v0" | "v1")) {
        refused.push(Refused::new("path_handling", handling, "v0 or v1"));
    }
    refused.extend(tags(&mut route.tags));
    Ok(refused)
}

fn names(route: &Route) -> Vec<&str> {
    if route.protocols.is_empty() {
        return DEFAULT.to_vec();
    }
    route.protocols.iter().map(String::as_str).collect()
}

/// The first protocol of the group that a route's protocols are of.
fn group(route: &Route) -> &'static str {
    let first = names(route)[0].to_owned();
    GROUPS.iter().find(|group| group.contains(&first.as_str())).map_or("http", |group| group[0])
}

fn protocols(route: &mut Route, enterprise: bool, refused: &mut Vec<Refused>) -> Result<(), Refused> {
    if let Some(protocol) = route.protocols.iter().find(|protocol| !is_protocol(protocol, enterprise)) {
        let wants = "only grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp";
        refused.push(Refused::new("protocols", protocol, wants));
        route.protocols.clear();
    }
    let of_one_group = |group: &&[&str]| names(route).iter().all(|protocol| group.contains(protocol));
    if !GROUPS.iter().any(of_one_group) {
        let wants = "protocols of one group: http and https, grpc and grpcs, tcp, tls and udp, tls_passthrough";
        return Err(Refused::new("protocols", route.protocols.join(","), wants));
    }
    Ok(())
}

/// Takes out hosts, server names, methods and paths, as long as there are others.
fn texts(route: &mut Route, refused: &mut Vec<Refused>) -> Result<(), Refused> {
    for path in route.paths.iter_mut().filter(|path| path.starts_with('/')) {
        // It means the same; Kong takes a plain path in no other form.
        *path = crate::paths::normal(path);
    }
    let fields = [
        (
            "hosts",
            &mut route.hosts,
            is_route_host as fn(&str) -> bool,
            "a host name, with one * label at an end or none",
        ),
        ("snis", &mut route.snis, is_route_host, "a host name"),
        ("methods", &mut route.methods, is_method, "a method of upper case letters"),
        ("paths", &mut route.paths, is_path, "a path from the root, with %-encoding that is right"),
    ];
    for (field, values, is_fine, wants) in fields {
        let bad = values.iter().find(|value| !is_fine(value)).map(|value| Refused::new(field, value, wants));
        let Some(bad) = bad else { continue };
        values.retain(|value| is_fine(value));
        if values.is_empty() {
            return Err(bad);
        }
        refused.push(bad);
    }
    Ok(())
}

fn is_method(method: &str) -> bool {
    !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase())
}

/// Whether Kong takes this as a path of a route.
fn is_path(path: &str) -> bool {
    let fine = match path.strip_prefix('~') {
        Some(regex) => regex.starts_with('/'),
        None => path.starts_with('/') && is_percent_encoded(path),
    };
    fine && !path.contains("//")
}

fn headers(route: &Route) -> Result<(), Refused> {
    for (name, values) in &route.headers {
        if name.eq_ignore_ascii_case("host") {
            return Err(Refused::new("headers", name, "the host among the hosts, not among the headers"));
        }
        if !is_header_name(name) {
            return Err(Refused::new("headers", name, "names of headers of letters, digits, - and _"));
        }
        if values.is_empty() || values.iter().any(String::is_empty) {
            return Err(Refused::new("headers", name, "values of at least one character"));
        }
    }
    Ok(())
}

/// A stream has a port and a server name, and nothing else to match by.
fn stream(route: &Route) -> Result<(), Refused> {
    let lists = [("methods", &route.methods), ("hosts", &route.hosts), ("paths", &route.paths)];
    let given =
        lists.into_iter().find(|(_, values)| !values.is_empty()).map(|(field, values)| (field, values.join(",")));
    match given.or_else(|| Some(("headers", route.headers.keys().next()?.clone()))) {
        Some((field, value)) => {
            Err(Refused::new(field, value, "only ports and server names with protocols of streams"))
        }
        None => Ok(()),
    }
}

/// Every gRPC request is a POST, and its path is whole.
fn grpc(route: &mut Route, refused: &mut Vec<Refused>) -> Result<(), Refused> {
    // Not worth a word: gRPC has no path to strip.
    route.strip_path.take_if(|strip| *strip);
    if route.methods.is_empty() {
        return Ok(());
    }
    let methods = Refused::new("methods", route.methods.join(","), "no methods with gRPC: all its requests are POST");
    if !route.methods.iter().any(|method| method == "POST") {
        return Err(methods);
    }
    route.methods.clear();
    refused.push(methods);
    Ok(())
}

fn matches_something(route: &Route) -> Result<(), Refused> {
    if route.expression.is_some() {
        return Ok(());
    }
    let has_sni = !route.snis.is_empty();
    let (has, wants) = match group(route) {
        "tls_passthrough" => (has_sni, "server names to match by"),
        "tcp" => (has_sni || !route.destinations.is_empty(), "ports or server names to match by"),
        _ => {
            let lists = [&route.methods, &route.hosts, &route.paths];
            let has = lists.iter().any(|list| !list.is_empty()) || !route.headers.is_empty();
            (has || has_sni, "hosts, paths, methods, headers or server names to match by")
        }
    };
    if has { Ok(()) } else { Err(Refused::new("protocols", names(route).join(","), wants)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(protocols: &[&str]) -> Route {
        let protocols = protocols.iter().map(|it| it.to_string()).collect();
        Route { name: "r".into(), protocols, paths: vec!["/".into()], ..Route::default() }
    }

    fn left_out(given: &Route) -> &'static str {
        route(&mut given.clone(), false).unwrap_err().field
    }

    #[test]
    fn protocols_are_of_one_group() {
        let mut unknown = with(&["http", "wss"]);
        assert_eq!(route(&mut unknown, false).unwrap()[0].field, "protocols");
        assert!(unknown.protocols.is_empty());
        assert_eq!(left_out(&with(&["http", "tcp"])), "protocols");
        assert_eq!(left_out(&with(&["tls", "tls_passthrough"])), "protocols");
        assert!(route(&mut with(&["https", "http"]), false).unwrap().is_empty());
    }

    #[test]
    fn streams_have_ports_and_server_names_alone() {
        assert_eq!(left_out(&with(&["tcp"])), "paths");
        let bare = |protocol| Route { paths: Vec::new(), ..with(&[protocol]) };
        assert_eq!(left_out(&bare("udp")), "protocols", "nothing to match by");
        let port = crate::Destination { port: Some(1) };
        assert_eq!(route(&mut Route { destinations: vec![port.clone()], ..bare("udp") }, false), Ok(vec![]));
        assert_eq!(left_out(&Route { destinations: vec![port], ..bare("tls_passthrough") }), "protocols");
        let headers = [("a".to_owned(), vec!["b".to_owned()])].into();
        assert_eq!(left_out(&Route { headers, ..bare("tls") }), "headers");
        let port = crate::Destination { port: Some(1) };
        assert_eq!(left_out(&Route { destinations: vec![port], ..with(&["http"]) }), "destinations");
    }

    #[test]
    fn every_grpc_request_is_a_post() {
        let mut posts = Route { methods: vec!["GET".into(), "POST".into()], strip_path: Some(true), ..with(&["grpc"]) };
        assert_eq!(route(&mut posts, false).unwrap()[0].field, "methods");
        assert_eq!((posts.methods.len(), posts.strip_path), (0, None));
        assert_eq!(left_out(&Route { methods: vec!["GET".into()], ..with(&["grpcs"]) }), "methods");
    }

    #[test]
    fn server_names_need_a_handshake() {
        let mut plain = Route { snis: vec!["a.test".into()], ..with(&["http"]) };
        assert_eq!(route(&mut plain, false).unwrap()[0].field, "snis");
        assert!(plain.snis.is_empty());
        let mut only = Route { snis: vec!["a.test".into()], paths: Vec::new(), ..with(&["https"]) };
        assert_eq!(route(&mut only, false), Ok(vec![]));
    }

    #[test]
    fn headers_have_values() {
        for values in [vec![], vec![String::new()], vec!["a".to_owned(), String::new()]] {
            let headers = [("x-a".to_owned(), values)].into();
            assert_eq!(left_out(&Route { headers, ..with(&[]) }), "headers");
        }
    }

    #[test]
    fn headers_have_names_of_tokens() {
        for name in ["Host", "x-a~/(", "a b", "é", ""] {
            let headers = [(name.to_owned(), vec!["v".to_owned()])].into();
            assert_eq!(left_out(&Route { headers, ..with(&[]) }), "headers", "{name}");
        }
    }

    #[test]
    fn bad_texts_go_while_others_are_left() {
        let hosts = |hosts: &[&str]| Route { hosts: hosts.iter().map(|it| it.to_string()).collect(), ..with(&[]) };
        let mut some = hosts(&["a b", "a.test"]);
        assert_eq!(route(&mut some, false).unwrap()[0].field, "hosts");
        assert_eq!(some.hosts, ["a.test"]);
        assert_eq!(left_out(&hosts(&["a b"])), "hosts");
        assert_eq!(left_out(&Route { methods: vec!["GET/".into()], ..with(&[]) }), "methods");
        for path in ["~a", "~/a//b", "/%zz", "a"] {
            assert_eq!(left_out(&Route { paths: vec![path.into()], ..with(&[]) }), "paths", "{path}");
        }
    }

    #[test]
    fn what_is_no_danger_goes_alone() {
        let mut it = Route { path_handling: Some("v7".into()), https_redirect_status_code: Some(300), ..with(&[]) };
        assert_eq!(route(&mut it, false).unwrap().len(), 2);
        assert_eq!(it, with(&[]));
    }
}

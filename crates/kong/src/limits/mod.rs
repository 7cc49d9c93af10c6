//! What Kong 3.9 refuses in the fields we write. A value it would refuse is taken out here, one finding each, because a
//! gateway that refuses one value refuses the whole config.
//!
//! Where leaving a value out is no danger Kong's default applies; where it would widen what a route matches
//! (hosts, methods, ...) a route goes as a whole. Limits were read off a gateway's answers.

mod hosts;
mod made_plugin;
mod route;

pub use hosts::{is_host, is_host_name, is_route_host};
pub use made_plugin::made_plugin;
pub use route::route;

use crate::{Service, Target, Upstream};

/// A value that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The field, as Kong calls it.
    pub field: &'static str,
    /// The value, as text.
    pub value: String,
    /// What Kong takes instead.
    pub wants: &'static str,
}

impl Refused {
    fn new(field: &'static str, value: impl ToString, wants: &'static str) -> Self {
        Self { field, value: value.to_string(), wants }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} was left out: Kong wants {}", self.field, self.value, self.wants)
    }
}

/// Protocols a service or a route can have.
const PROTOCOLS: [&str; 8] = ["grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp"];
/// Those the Enterprise edition adds.
const ENTERPRISE_PROTOCOLS: [&str; 2] = ["ws", "wss"];

/// Whether Kong knows this as the protocol of a service or a route.
pub fn is_protocol(protocol: &str, enterprise: bool) -> bool {
    PROTOCOLS.contains(&protocol) || (enterprise && ENTERPRISE_PROTOCOLS.contains(&protocol))
}

const TIMEOUTS: std::ops::RangeInclusive<i64> = 1..=2_147_483_646;
const RETRIES: std::ops::RangeInclusive<i64> = 0..=32767;
/// `tls_verify_depth` of a service.
pub const VERIFY_DEPTH: std::ops::RangeInclusive<i64> = 0..=64;
const WEIGHTS: std::ops::RangeInclusive<i64> = 0..=65535;
const SLOTS: std::ops::RangeInclusive<i64> = 10..=65536;

/// Takes out of a service what Kong refuses.
pub fn service(service: &mut Service, enterprise: bool) -> Vec<Refused> {
    let mut refused = Vec::new();
    if let Some(protocol) = service.protocol.take_if(|protocol| !is_protocol(protocol, enterprise)) {
        let wants = "one of grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp";
        refused.push(Refused::new("protocol", &protocol, wants));
    }
    let protocol = service.protocol.as_deref().unwrap_or("http");
    let (http, tls) =
        (matches!(protocol, "http" | "https" | "ws" | "wss"), matches!(protocol, "https" | "tls" | "wss"));
    for (field, value) in [
        ("connect_timeout", &mut service.connect_timeout),
        ("read_timeout", &mut service.read_timeout),
        ("write_timeout", &mut service.write_timeout),
    ] {
        number(&mut refused, field, value, &TIMEOUTS, "1 to 2147483646 milliseconds");
    }
    number(&mut refused, "retries", &mut service.retries, &RETRIES, "0 to 32767");
    number(&mut refused, "tls_verify_depth", &mut service.tls_verify_depth, &VERIFY_DEPTH, "0 to 64");
    if let Some(path) = service.path.take_if(|path| !http || path_problem(path).is_some()) {
        // The root is what Kong sends anyway: leaving it out loses nothing.
        if let Some(problem) = path_problem(&path) {
            refused.push(Refused::new("path", &path, problem));
        } else if path != "/" {
            refused.push(Refused::new("path", &path, "a path only with http and https"));
        }
    }
    if !tls {
        without_tls(service, &mut refused);
    }
    refused
}

fn without_tls(service: &mut Service, refused: &mut Vec<Refused>) {
    const WANTS: &str = "this only with protocol https or tls";
    if let Some(verify) = service.tls_verify.take() {
        refused.push(Refused::new("tls_verify", verify, WANTS));
    }
    if let Some(depth) = service.tls_verify_depth.take() {
        refused.push(Refused::new("tls_verify_depth", depth, WANTS));
    }
    if !service.ca_certificates.is_empty() {
        refused.push(Refused::new("ca_certificates", std::mem::take(&mut service.ca_certificates).join(","), WANTS));
    }
    if let Some(certificate) = service.client_certificate.take() {
        refused.push(Refused::new("client_certificate", certificate, WANTS));
    }
}

fn number(
    refused: &mut Vec<Refused>,
    field: &'static str,
    value: &mut Option<i64>,
    range: &std::ops::RangeInclusive<i64>,
    wants: &'static str,
) {
    if let Some(number) = value.take_if(|number| !range.contains(number)) {
        refused.push(Refused::new(field, number, wants));
    }
}

/// What is wrong with a path that requests are sent to.
pub(crate) fn path_problem(path: &str) -> Option<&'static str> {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@".contains(&b);
    if !path.starts_with('/') {
        Some("a path that starts with /")
    } else if path.contains("//") {
        Some("a path without empty segments")
    } else if !path.bytes().all(unreserved) || !is_percent_encoded(path) {
        Some("a path of the characters of RFC 3986, others percent-encoded")
    } else {
        None
    }
}

/// Whether what is behind each `%` is an octet.
fn is_percent_encoded(path: &str) -> bool {
    let octet = |part: &str| part.len() >= 2 && part.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    path.split('%').skip(1).all(octet)
}

/// Whether Kong takes this as the name of a header.
pub fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether Kong takes this as the name of a service, a route or a consumer group.
pub fn is_name(name: &str) -> bool {
    let fine = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~');
    !name.is_empty() && !name.chars().any(char::is_control) && name.chars().all(fine)
}

/// Why Kong would refuse a service for its name or its host, which nothing can take the place of.
pub fn unusable(service: &Service) -> Option<Refused> {
    if !is_name(&service.name) {
        return Some(Refused::new("name", &service.name, "letters, digits and .-_~"));
    }
    (!is_host_name(&service.host)).then(|| Refused::new("host", &service.host, "a host name"))
}

/// Prefixes of references that no vault can have: they are kinds of vault.
const VAULT_KINDS: [&str; 6] = ["env", "aws", "azure", "gcp", "hcv", "conjur"];

/// Whether Kong takes this as the prefix of a vault.
pub fn is_vault_prefix(prefix: &str) -> bool {
    let mut bytes = prefix.bytes();
    let start = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
    start
        && prefix.len() > 1
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !prefix.ends_with('-')
        && !VAULT_KINDS.contains(&prefix)
}

/// Takes out of an upstream what Kong refuses.
pub fn upstream(upstream: &mut Upstream) -> Vec<Refused> {
    let mut refused = Vec::new();
    number(&mut refused, "slots", &mut upstream.slots, &SLOTS, "10 to 65536");
    if let Some(host) = upstream.host_header.take_if(|host| !is_host(host)) {
        refused.push(Refused::new("host_header", host, "a host name, with a port or not"));
    }
    for Target { weight, .. } in &mut upstream.targets {
        number(&mut refused, "weight", weight, &WEIGHTS, "0 to 65535");
    }
    refused.extend(crate::balancing::limit(upstream));
    refused
}

/// Takes out the tags Kong refuses: it takes printable text without `,` and `/`.
pub fn tags(tags: &mut Vec<String>) -> Vec<Refused> {
    let mut refused = Vec::new();
    tags.retain(|tag| {
        let fine = !tag.is_empty() && !tag.chars().any(|c| c == ',' || c == '/' || c.is_control());
        if !fine {
            refused.push(Refused::new("tags", tag, "printable text without , and /"));
        }
        fine
    });
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(refused: &[Refused]) -> Vec<&str> {
        refused.iter().map(|refused| refused.field).collect()
    }

    #[test]
    fn numbers_out_of_range_are_left_out() {
        let mut it = Service {
            connect_timeout: Some(0),
            read_timeout: Some(-1),
            write_timeout: Some(2_147_483_647),
            retries: Some(32768),
            ..Service::default()
        };
        assert_eq!(fields(&service(&mut it, false)), ["connect_timeout", "read_timeout", "write_timeout", "retries"]);
        assert_eq!(it, Service::default());
        let fine = Service { connect_timeout: Some(1), retries: Some(0), ..Service::default() };
        let mut same = fine.clone();
        assert!(service(&mut same, false).is_empty());
        assert_eq!(same, fine);
    }

    #[test]
    fn what_needs_tls_goes_without_it() {
        let with = |protocol: &str| Service {
            protocol: Some(protocol.into()),
            tls_verify: Some(true),
            client_certificate: Some("c".into()),
            ca_certificates: vec!["a".into()],
            ..Service::default()
        };
        for protocol in ["http", "grpcs", "grpc", "tcp", "tls_passthrough"] {
            let refused = service(&mut with(protocol), false);
            assert_eq!(fields(&refused), ["tls_verify", "ca_certificates", "client_certificate"], "{protocol}");
        }
        for protocol in ["https", "tls"] {
            assert!(service(&mut with(protocol), false).is_empty(), "{protocol}");
        }
    }

    #[test]
    fn paths_are_for_http_only() {
        let with = |protocol: &str, path: &str| Service {
            protocol: Some(protocol.into()),
            path: Some(path.into()),
            ..Service::default()
        };
        assert!(service(&mut with("tls", "/"), false).is_empty(), "the root is no loss");
        assert_eq!(fields(&service(&mut with("tls", "/a"), false)), ["path"]);
        assert_eq!(fields(&service(&mut with("http", "/a//b"), false)), ["path"]);
        assert_eq!(fields(&service(&mut with("http", "/a b"), false)), ["path"]);
        assert!(service(&mut with("https", "/a/b%20c"), false).is_empty());
    }

    #[test]
    fn editions_differ_in_protocols() {
        let mut it = Service { protocol: Some("wss".into()), ..Service::default() };
        assert!(service(&mut it.clone(), true).is_empty());
        assert_eq!(fields(&service(&mut it, false)), ["protocol"]);
    }
}

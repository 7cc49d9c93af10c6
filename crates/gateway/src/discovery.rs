//! Which gateways there are: from a list of URLs, or from the EndpointSlices of the Admin API's Service. Pure.
//!
//! One gateway is one process that holds one config. A pod that is listed with several addresses, ports or in several
//! slices is one gateway with several ways to it, never two: it must not get two configs at once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::discovery::v1::{Endpoint as SliceEndpoint, EndpointPort, EndpointSlice};
use silverback_model::ObjectKey;

use crate::SettingsError;

/// Label that names a slice's Service.
pub const SERVICE_LABEL: &str = "kubernetes.io/service-name";
/// Default of `--kong-admin-svc-port-names`.
pub const DEFAULT_PORT_NAMES: [&str; 2] = ["admin-tls", "kong-admin-tls"];

/// One gateway's Admin API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// `http(s)://host:port[/path]`, without a trailing slash.
    pub url: String,
    /// Other URLs of the same gateway, tried when the first cannot be reached.
    pub alternates: Vec<String>,
    /// The name its certificate must have; that of the URL when none.
    pub server_name: Option<String>,
    /// The pod it is, if discovered.
    pub pod: Option<ObjectKey>,
}

impl Endpoint {
    /// Every URL, the first one first.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.url.as_str()).chain(self.alternates.iter().map(String::as_str))
    }

    /// Whether it is on this host's loopback interface, so that nobody else can be configuring it.
    pub fn is_loopback(&self) -> bool {
        self.urls().all(|url| {
            let uri: Option<http::Uri> = url.parse().ok();
            let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
            let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
        })
    }
}

/// Reads `--kong-admin-url`.
///
/// # Errors
/// Names the URL and what is wrong with it. Credentials in a URL are refused: it is shown in logs and reports.
pub fn from_urls<S: AsRef<str>>(urls: impl IntoIterator<Item = S>) -> Result<Vec<Endpoint>, SettingsError> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for (at, given) in urls.into_iter().enumerate() {
        let given = given.as_ref().trim();
        let wrong = |reason: &str| {
            let shown = if given.contains('@') { format!("number {}", at + 1) } else { given.to_owned() };
            SettingsError::new(format!("--kong-admin-url {shown}"), reason)
        };
        if given.contains('@') {
            return Err(wrong(
                "credentials in a URL would show in logs; use --kong-admin-token or --kong-admin-header",
            ));
        }
        let uri: http::Uri = given.parse().map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(wrong("http://host:port or https://host:port is expected"));
        }
        if uri.query().is_some() || given.contains('#') {
            return Err(wrong("a query or fragment has no meaning here"));
        }
        let url = given.trim_end_matches('/').to_owned();
        if endpoints.iter().all(|known| known.url != url) {
            endpoints.push(Endpoint { url, alternates: Vec::new(), server_name: None, pod: None });
        }
    }
    Ok(endpoints)
}

/// An endpoint that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// The slice it is in.
    pub slice: ObjectKey,
    /// Pod or address, or empty when it concerns the whole slice.
    pub what: String,
    /// Why it is skipped.
    pub reason: &'static str,
}

/// What the slices of a Service say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovered {
    /// The gateways, sorted.
    pub endpoints: Vec<Endpoint>,
    /// What is no gateway, for the logs.
    pub skipped: Vec<Skipped>,
}

/// Which gateway an endpoint of a slice is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    Pod { uid: String, key: ObjectKey },
    Address(String),
}

#[derive(Default)]
struct Found {
    /// Sorted by preference: the port's place in the accepted names, IPv4 before IPv6 before names, the URL.
    ways: std::collections::BTreeSet<(usize, u8, String)>,
    terminating: bool,
}

/// Finds the gateways behind a Service, from its EndpointSlices (others are ignored).
///
/// An endpoint that is not ready counts: a Kong without a config is not ready, and needs one to become so. A
/// terminating one does not. The Service is known by the slice's label, so that slices written by hand count too.
pub fn from_slices<'a>(
    service: &ObjectKey,
    port_names: &[impl AsRef<str>],
    slices: impl IntoIterator<Item = &'a EndpointSlice>,
) -> Discovered {
    let mut found: BTreeMap<Identity, Found> = BTreeMap::new();
    let mut skipped = Vec::new();
    for slice in slices.into_iter().filter(|slice| belongs_to(slice, service)) {
        let key = ObjectKey::new(&*service.namespace, slice.metadata.name.clone().unwrap_or_default());
        let mut skip = |what: &str, reason| skipped.push(Skipped { slice: key.clone(), what: what.to_owned(), reason });
        let ports = usable_ports(slice.ports.as_deref().unwrap_or_default(), port_names);
        if ports.is_empty() {
            skip("", "no TCP port has one of the names in --kong-admin-svc-port-names");
            continue;
        }
        let family = match slice.address_type.as_str() {
            "IPv4" => 0,
            "IPv6" => 1,
            _ => 2,
        };
        for endpoint in slice.endpoints.iter().flatten() {
            let Some(first) = endpoint.addresses.first() else {
                skip(target(endpoint), "it has no address");
                continue;
            };
            let Some(identity) = identity(endpoint, first, service) else {
                skip(target(endpoint), "it is no pod");
                continue;
            };
            let gateway = found.entry(identity).or_default();
            gateway.terminating |= endpoint.conditions.as_ref().and_then(|c| c.terminating).unwrap_or(false);
            for address in &endpoint.addresses {
                let ways = ports.iter().map(|(place, port)| (*place, family, url(address, port)));
                gateway.ways.extend(ways);
            }
        }
    }
    let server_name = format!("pod.{}.{}.svc", service.name, service.namespace);
    let mut endpoints = Vec::new();
    for (identity, gateway) in found.into_iter().filter(|(_, gateway)| !gateway.terminating) {
        let mut urls = gateway.ways.into_iter().map(|(_, _, url)| url);
        let pod = match identity {
            Identity::Pod { key, .. } => Some(key),
            Identity::Address(_) => None,
        };
        if let Some(url) = urls.next() {
            endpoints.push(Endpoint { url, alternates: urls.collect(), server_name: Some(server_name.clone()), pod });
        }
    }
    endpoints.sort();
    Discovered { endpoints, skipped }
}

fn belongs_to(slice: &EndpointSlice, service: &ObjectKey) -> bool {
    let label = slice.metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE_LABEL));
    slice.metadata.namespace.as_deref() == Some(&service.namespace) && label == Some(&service.name)
}

/// The ports with an accepted name, with its place among those.
fn usable_ports<'a>(ports: &'a [EndpointPort], names: &[impl AsRef<str>]) -> Vec<(usize, &'a EndpointPort)> {
    let named = ports.iter().filter(|port| port.port.is_some() && port.protocol.as_deref().is_none_or(|p| p == "TCP"));
    let place = |port: &EndpointPort| names.iter().position(|name| Some(name.as_ref()) == port.name.as_deref());
    named.filter_map(|port| Some((place(port)?, port))).collect()
}

/// A pod by its uid; without a reference, as in a slice written by hand, by its address.
fn identity(endpoint: &SliceEndpoint, address: &str, service: &ObjectKey) -> Option<Identity> {
    let Some(target) = &endpoint.target_ref else { return Some(Identity::Address(address.to_owned())) };
    if target.kind.as_deref() != Some("Pod") {
        return None;
    }
    let namespace = target.namespace.clone().unwrap_or_else(|| service.namespace.clone());
    let key = ObjectKey::new(namespace, target.name.clone().unwrap_or_default());
    Some(Identity::Pod { uid: target.uid.clone().unwrap_or_default(), key })
}

fn target(endpoint: &SliceEndpoint) -> &str {
    endpoint.target_ref.as_ref().and_then(|target| target.name.as_deref()).unwrap_or_default()
}

fn url(address: &str, port: &EndpointPort) -> String {
    let plain = port.app_protocol.as_deref().is_some_and(|protocol| protocol.eq_ignore_ascii_case("http"));
    let scheme = if plain { "http" } else { "https" };
    let (open, close) = if address.contains(':') { ("[", "]") } else { ("", "") };
    format!("{scheme}://{open}{address}{close}:{}", port.port.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn service() -> ObjectKey {
        ObjectKey::new("kong", "admin")
    }

    fn slice(name: &str, family: &str, ports: &Value, endpoints: &Value) -> EndpointSlice {
        serde_json::from_value(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": "kong", "labels": {SERVICE_LABEL: "admin"}},
            "addressType": family, "ports": ports, "endpoints": endpoints}))
        .unwrap()
    }

    fn pod(name: &str, addresses: &[&str], conditions: &Value) -> Value {
        json!({"addresses": addresses, "conditions": conditions,
            "targetRef": {"kind": "Pod", "name": name, "namespace": "kong", "uid": format!("uid-{name}")}})
    }

    fn admin() -> Value {
        json!([{"name": "admin-tls", "port": 8444, "protocol": "TCP"}])
    }

    fn discover(slices: &[EndpointSlice]) -> Discovered {
        from_slices(&service(), &DEFAULT_PORT_NAMES, slices)
    }

    #[test]
    fn pods_are_found_whether_ready_or_not_unless_they_go() {
        let endpoints = json!([
            pod("a", &["10.0.0.1"], &json!({"ready": true})),
            pod("b", &["10.0.0.2"], &json!({"ready": false, "serving": false})),
            pod("c", &["10.0.0.3"], &json!({"ready": false, "serving": true, "terminating": true})),
            pod("d", &["10.0.0.4"], &json!({})),
        ]);
        let found = discover(&[slice("s", "IPv4", &admin(), &endpoints)]);
        let urls: Vec<_> = found.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect();
        assert_eq!(urls, ["https://10.0.0.1:8444", "https://10.0.0.2:8444", "https://10.0.0.4:8444"]);
        assert_eq!(found.endpoints[0].server_name.as_deref(), Some("pod.admin.kong.svc"));
        assert_eq!(found.endpoints[0].pod, Some(ObjectKey::new("kong", "a")));
        assert!(found.skipped.is_empty());
    }

    #[test]
    fn one_pod_is_one_gateway_however_often_it_is_listed() {
        let both = json!([{"name": "kong-admin-tls", "port": 8445}, {"name": "admin-tls", "port": 8444},
            {"name": "proxy", "port": 8443}, {"name": "admin-tls", "port": 53, "protocol": "UDP"}]);
        let slices = [
            slice("six", "IPv6", &both, &json!([pod("a", &["fd00::1"], &json!({}))])),
            slice("four", "IPv4", &both, &json!([pod("a", &["10.0.0.1"], &json!({}))])),
            slice("moved", "IPv4", &both, &json!([pod("a", &["10.0.0.1"], &json!({}))])),
        ];
        let found = discover(&slices);
        assert_eq!(found.endpoints.len(), 1, "{found:?}");
        let urls: Vec<_> = found.endpoints[0].urls().collect();
        let expected =
            ["https://10.0.0.1:8444", "https://[fd00::1]:8444", "https://10.0.0.1:8445", "https://[fd00::1]:8445"];
        assert_eq!(urls, expected, "by the order of the port names, then IPv4 first");
    }

    #[test]
    fn every_pod_of_a_slice_counts_and_the_order_of_slices_does_not() {
        let slices = [
            slice(
                "x",
                "IPv4",
                &admin(),
                &json!([pod("b", &["10.0.0.2"], &json!({})), pod("a", &["10.0.0.1"], &json!({}))]),
            ),
            slice("y", "IPv4", &admin(), &json!([pod("c", &["10.0.0.3", "10.0.1.3"], &json!({}))])),
        ];
        let found = discover(&slices);
        assert_eq!(found.endpoints.len(), 3);
        assert_eq!(found.endpoints[2].alternates, ["https://10.0.1.3:8444"]);
        let [x, y] = slices;
        assert_eq!(discover(&[y, x]), found);
    }

    #[test]
    fn a_pod_that_one_slice_says_is_going_is_going() {
        let slices = [
            slice("old", "IPv4", &admin(), &json!([pod("a", &["10.0.0.1"], &json!({"ready": true}))])),
            slice("new", "IPv4", &admin(), &json!([pod("a", &["10.0.0.1"], &json!({"terminating": true}))])),
        ];
        assert_eq!(discover(&slices).endpoints, []);
    }

    #[test]
    fn what_is_no_gateway_is_said() {
        let endpoints = json!([
            {"addresses": [], "targetRef": {"kind": "Pod", "name": "empty"}},
            {"addresses": ["10.0.0.9"], "targetRef": {"kind": "Node", "name": "node"}},
            {"addresses": ["192.0.2.1"]},
        ]);
        let slices = [
            slice("s", "IPv4", &admin(), &endpoints),
            slice(
                "t",
                "IPv4",
                &json!([{"name": "proxy", "port": 8443}]),
                &json!([pod("a", &["10.0.0.1"], &json!({}))]),
            ),
        ];
        let found = discover(&slices);
        let whats: Vec<_> = found.skipped.iter().map(|skipped| skipped.what.as_str()).collect();
        assert_eq!(whats, ["empty", "node", ""]);
        assert_eq!(found.endpoints.len(), 1, "an address without a pod is a gateway outside the cluster");
        assert_eq!((found.endpoints[0].url.as_str(), &found.endpoints[0].pod), ("https://192.0.2.1:8444", &None));
    }

    #[test]
    fn slices_of_others_are_ignored() {
        let mut other = slice("s", "IPv4", &admin(), &json!([pod("a", &["10.0.0.1"], &json!({}))]));
        other.metadata.labels = Some([(SERVICE_LABEL.to_owned(), "proxy".to_owned())].into());
        let mut elsewhere = slice("s", "IPv4", &admin(), &json!([pod("a", &["10.0.0.1"], &json!({}))]));
        elsewhere.metadata.namespace = Some("other".into());
        assert_eq!(discover(&[other, elsewhere]), Discovered::default());
    }

    #[test]
    fn a_port_may_say_that_it_is_plain_and_an_address_be_a_name() {
        let ports = json!([{"name": "admin-tls", "port": 8001, "appProtocol": "http"}]);
        let found = discover(&[slice("s", "FQDN", &ports, &json!([{"addresses": ["kong.example"]}]))]);
        assert_eq!(found.endpoints[0].url, "http://kong.example:8001");
    }

    #[test]
    fn urls_are_read_and_refused_with_a_reason() {
        let endpoints =
            from_urls(["http://localhost:8001/", "https://kong:8444/admin", "http://localhost:8001"]).unwrap();
        let urls: Vec<_> = endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect();
        assert_eq!(urls, ["http://localhost:8001", "https://kong:8444/admin"]);
        for bad in ["", "localhost:8001", "ftp://a", "http://", "http://a?x=1", "http://a#b", "a b"] {
            let error = from_urls([bad]).unwrap_err().to_string();
            assert!(error.starts_with("--kong-admin-url"), "{bad:?}: {error}");
        }
        let secret = from_urls(["http://me:hunter2@kong"]).unwrap_err().to_string();
        assert!(!secret.contains("hunter2") && secret.contains("--kong-admin-token"), "{secret}");
    }

    #[test]
    fn loopback_is_recognised() {
        let loopback = |url: &str| from_urls([url]).unwrap()[0].is_loopback();
        for url in ["http://localhost:8001", "http://127.0.0.1", "http://[::1]:8001", "http://127.9.9.9"] {
            assert!(loopback(url), "{url}");
        }
        for url in ["http://kong:8001", "http://10.0.0.1", "http://localhost.example", "http://[fd00::1]"] {
            assert!(!loopback(url), "{url}");
        }
    }
}

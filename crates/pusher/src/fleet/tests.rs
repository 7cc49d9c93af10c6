//! Gateways that are found by the slices of their admin Service: they come, go, are replaced, altered and rotated.

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::json;
use silverback_devcluster::gateway::{GatewayHandle, LoadTime, Restart, Settings, StandInGateway, Tls};
use silverback_gateway::{ClientSettings, ConfigBody, State, discovery};
use silverback_model::{Generation, ObjectKey, SetDigest, Traces};
use silverback_test_support::{Authority, Pair};
use tempfile::TempDir;

use super::*;
use crate::{PusherArgs, reload};

/// Longest time anything may take.
const SOON: Duration = Duration::from_secs(60);
/// The name that discovery gives a gateway's certificate.
const NAME: &str = "pod.admin.kong.svc";

fn config(name: &str) -> ConfigBody {
    let text = json!({"_format_version": "3.0", "services": [{"name": name, "host": "backend"}]}).to_string();
    ConfigBody::new([text.into_bytes()])
}

fn slice(pod: &str, gateway: &GatewayHandle) -> EndpointSlice {
    let protocol = if gateway.admin_url().starts_with("https") { "https" } else { "http" };
    let object = json!({
        "metadata": {
            "name": pod, "namespace": "kong", "labels": { "kubernetes.io/service-name": "admin" },
        },
        "addressType": "IPv4",
        "ports": [{ "name": "admin-tls", "port": gateway.admin_addr().port(), "protocol": "TCP", "appProtocol": protocol }],
        "endpoints": [{
            "addresses": ["127.0.0.1"], "conditions": { "ready": false },
            "targetRef": { "kind": "Pod", "name": pod, "uid": format!("uid-of-{pod}") },
        }],
    });
    serde_json::from_value(object).unwrap()
}

/// A fleet at work, with all its strings.
struct World {
    slices: BTreeMap<String, EndpointSlice>,
    endpoints: watch::Sender<Vec<Endpoint>>,
    targets: watch::Sender<Option<Arc<Target>>>,
    reports: watch::Receiver<Reports>,
    registry: silverback_service::metrics::Metrics,
    shutdown: CancellationToken,
    fleet: tokio::task::JoinHandle<()>,
}

impl World {
    fn start(connectors: watch::Receiver<Connector>) -> Self {
        let (endpoints, found) = watch::channel(Vec::new());
        let (targets, aimed) = watch::channel(None);
        let (reports, seen) = watch::channel(Reports::new());
        let (registry, shutdown) = (silverback_service::metrics::Metrics::default(), CancellationToken::new());
        let fleet = Fleet {
            connectors,
            rules: worker::Settings { verify_every: Duration::from_millis(200), ..worker::Settings::default() },
            lead: Lead::always(),
            targets: aimed,
            reports,
            metrics: Metrics::register(&registry),
            shutdown: shutdown.clone(),
        };
        let fleet = tokio::spawn(fleet.run(found));
        Self { slices: BTreeMap::new(), endpoints, targets, reports: seen, registry, shutdown, fleet }
    }

    fn plain() -> Self {
        Self::start(watch::channel(Connector::new(ClientSettings::default()).unwrap()).1)
    }

    fn bring(&self, name: &str) {
        self.targets.send_replace(Some(Arc::new(Target {
            body: config(name),
            content: SetDigest::default(),
            routing: Routing::Fields,
            flatten: true,
            generation: Generation(1),
            epoch: None,
            age: Duration::ZERO,
            traces: Traces::default(),
            only_empty: false,
        })));
    }

    fn list(&mut self, pod: &str, gateway: &GatewayHandle) {
        self.slices.insert(pod.to_owned(), slice(pod, gateway));
        self.discover();
    }

    fn unlist(&mut self, pod: &str) {
        self.slices.remove(pod);
        self.discover();
    }

    fn discover(&self) {
        let (service, names) = (ObjectKey::new("kong", "admin"), discovery::DEFAULT_PORT_NAMES);
        self.endpoints.send_replace(discovery::from_slices(&service, &names, self.slices.values()).endpoints);
    }

    async fn has(&self, gateway: &GatewayHandle, name: &str) {
        let hash = config(name).hash().to_string();
        let arrived = gateway.wait_for(SOON, |config| config.hash == hash).await;
        assert!(arrived.is_some(), "{name} did not arrive: {:?}", self.reports.borrow());
    }

    /// Waits until so many gateways are known and hold what they should.
    async fn are_in_sync(&self, count: usize) {
        let in_sync =
            |reports: &Reports| reports.len() == count && reports.values().all(|report| report.state == State::Synced);
        let mut reports = self.reports.clone();
        let found = tokio::time::timeout(SOON, reports.wait_for(in_sync)).await;
        assert!(found.is_ok(), "{count} in sync did not come about: {:?}", self.reports.borrow());
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.fleet.await.unwrap();
    }
}

// ---- certificates

/// A gateway with a certificate of an authority, that wants one of it.
async fn gateway_of(authority: &Authority) -> GatewayHandle {
    let Pair { certificate: cert_pem, key: key_pem } = authority.service(NAME).unwrap();
    let tls = Tls { cert_pem, key_pem, client_ca_pem: Some(authority.certificate.clone()) };
    StandInGateway::start(Settings { tls: Some(tls), ..Settings::default() }).await.unwrap()
}

/// Puts credentials of an authority into a folder, one file after the other, as they may be seen in between.
async fn fill(folder: &Path, authority: &Authority, token: &str) {
    let Pair { certificate, key } = authority.service("silverback").unwrap();
    let files = [
        ("ca.crt", authority.certificate.clone()),
        ("tls.crt", certificate),
        ("tls.key", key),
        ("token", token.into()),
    ];
    for (name, content) in files {
        std::fs::write(folder.join("next"), content).unwrap();
        std::fs::rename(folder.join("next"), folder.join(name)).unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    pusher: PusherArgs,
}

fn args(folder: &Path) -> PusherArgs {
    let flag = |flag: &str, file: &str| format!("--kong-admin-{flag}-file={}", folder.join(file).display());
    let flags = [flag("ca-cert", "ca.crt"), flag("tls-client-cert", "tls.crt"), flag("tls-client-key", "tls.key")];
    Cli::parse_from(["pusher".into(), flag("token", "token")].into_iter().chain(flags)).pusher
}

#[tokio::test]
async fn gateways_go_from_three_to_none_to_ten_while_certificates_and_the_token_are_rotated() {
    let (old, new, folder) = (Authority::new().unwrap(), Authority::new().unwrap(), TempDir::new().unwrap());
    fill(folder.path(), &old, "first-token").await;
    let args = args(folder.path());
    assert!(args.gateways.reads_files());
    let (connectors, held) = watch::channel(Connector::new(args.client_settings().unwrap()).unwrap());
    let watched = tokio::spawn(reload::run(Duration::from_millis(20), move || args.client_settings(), connectors));
    let mut world = World::start(held);
    world.bring("one");

    let mut three = Vec::new();
    for n in 0..3 {
        let gateway = gateway_of(&old).await;
        world.list(&format!("old-{n}"), &gateway);
        three.push(gateway);
    }
    for gateway in &three {
        world.has(gateway, "one").await;
        assert_eq!(gateway.posts()[0].headers["kong-admin-token"], "first-token");
    }
    (0..3).for_each(|n| world.unlist(&format!("old-{n}")));
    world.are_in_sync(0).await;
    world.bring("two");

    // These are there before we have what they want.
    let mut ten = Vec::new();
    for n in 0..10 {
        let gateway = gateway_of(&new).await;
        world.list(&format!("new-{n}"), &gateway);
        ten.push(gateway);
    }
    let mut reports = world.reports.clone();
    let distrusted =
        |reports: &Reports| reports.len() == 10 && reports.values().all(|report| report.last_error_kind == Some("tls"));
    tokio::time::timeout(SOON, reports.wait_for(distrusted)).await.expect("they are not trusted").unwrap();
    fill(folder.path(), &new, "second-token").await;
    for gateway in &ten {
        world.has(gateway, "two").await;
        assert_eq!(gateway.posts().last().unwrap().headers["kong-admin-token"], "second-token");
    }
    world.are_in_sync(10).await;
    assert!(three.iter().all(|gone| gone.posts().len() == 1), "a gateway that is gone was pushed to");
    assert!(ten.iter().all(|gateway| gateway.posts().len() == 1));
    watched.abort();
    world.end().await;
}

#[tokio::test]
async fn ten_gateways_are_replaced_one_by_one_by_another_version_and_what_is_altered_is_repaired() {
    let mut world = World::plain();
    world.bring("one");
    let mut gateways = Vec::new();
    for n in 0..10 {
        let gateway = StandInGateway::start(Settings::default()).await.unwrap();
        world.list(&format!("old-{n}"), &gateway);
        gateways.push(gateway);
    }
    world.are_in_sync(10).await;
    for (n, place) in gateways.iter_mut().enumerate() {
        let settings = Settings { version: "3.10.0".to_owned(), ..Settings::default() };
        let next = StandInGateway::start(settings).await.unwrap();
        world.list(&format!("new-{n}"), &next);
        world.has(&next, "one").await;
        world.unlist(&format!("old-{n}"));
        world.are_in_sync(10).await;
        assert_eq!(place.posts().len(), 1);
        std::mem::replace(place, next).stop().await;
    }
    let versions = |reports: &Reports| {
        reports.values().all(|report| report.facts.as_ref().is_some_and(|facts| facts.version == "3.10.0"))
    };
    assert!(versions(&world.reports.borrow()), "{:?}", world.reports.borrow());

    gateways[3].alter_config(r#"{"_format_version":"3.0","services":[{"name":"x","host":"y"}]}"#).unwrap();
    gateways[7].restart(Restart::Empty, Duration::from_millis(300)).await.unwrap();
    for (n, gateway) in gateways.iter().enumerate() {
        world.has(gateway, "one").await;
        let expected = if n == 3 || n == 7 { 2 } else { 1 };
        assert_eq!(gateway.posts().len(), expected, "gateway {n}");
    }
    world.are_in_sync(10).await;
    world.end().await;
}

#[tokio::test]
async fn a_gateway_whose_addresses_change_never_gets_two_pushes_at_once() {
    let load_time = LoadTime { base: Duration::from_millis(300), ..LoadTime::default() };
    let gateway = StandInGateway::start(Settings { load_time, ..Settings::default() }).await.unwrap();
    let mut world = World::plain();
    world.bring("one");
    world.list("only", &gateway);
    let mut received = gateway.received();
    tokio::time::timeout(SOON, received.wait_for(|count| *count == 1)).await.unwrap().unwrap();

    // Another address of the pod becomes known while it loads, and a change with it.
    let slice = world.slices.get_mut("only").unwrap();
    slice.endpoints.as_mut().unwrap()[0].addresses.push("127.0.0.2".into());
    world.bring("two");
    world.discover();
    world.has(&gateway, "two").await;
    let posts = gateway.posts();
    assert!(
        posts.windows(2).all(|pair| pair[0].answered_at.is_some_and(|answered| answered <= pair[1].at)),
        "{posts:?}"
    );
    world.are_in_sync(1).await;
    world.end().await;
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_yet_is_configured_when_it_does_and_its_series_go_with_it() {
    let gateway = StandInGateway::start(Settings::default()).await.unwrap();
    gateway.set_listening(false).await.unwrap();
    let mut world = World::plain();
    world.bring("one");
    let empty = world.registry.encode().unwrap();
    world.list("late", &gateway);
    let mut reports = world.reports.clone();
    let refused = |reports: &Reports| reports.values().any(|report| report.last_error_kind == Some("unreachable"));
    tokio::time::timeout(SOON, reports.wait_for(refused)).await.expect("it cannot be reached").unwrap();
    gateway.set_listening(true).await.unwrap();
    world.has(&gateway, "one").await;
    world.are_in_sync(1).await;
    let text = world.registry.encode().unwrap();
    let url = gateway.admin_url();
    for line in [
        format!("silverback_gateway_in_sync{{dataplane=\"{url}\"}} 1"),
        format!("silverback_gateway_lag_seconds_count{{dataplane=\"{url}\"}} 1"),
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line:?} is not in\n{text}");
    }
    assert!(text.contains("cause=\"unreachable\""), "{text}");
    world.unlist("late");
    world.are_in_sync(0).await;
    let registry = world.registry.clone();
    world.end().await;
    assert_eq!(registry.encode().unwrap(), empty);
}

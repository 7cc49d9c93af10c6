//! One request at a time.

use std::time::Duration;

use serde_json::json;
use silverback_devcluster::gateway::{FixedAnswer, On, RouterFlavor, Settings, StandInGateway, Tls};
use silverback_gateway::client::{Accepted, Headers};
use silverback_gateway::{Cause, ClientSettings, ConfigHash, Connector, Endpoint, Routing, Timeouts};
use silverback_model::{Epoch, Generation, Lineage, Version};
use silverback_test_support::{Authority, Pair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{client_of, config, endpoint, gateway, large_config};

#[tokio::test]
async fn a_config_is_loaded_under_the_predicted_hash_and_a_repeat_changes_nothing() {
    let gateway = gateway().await;
    let client = client_of(&gateway, ClientSettings::default());
    assert_eq!(client.status().await.unwrap().hash, ConfigHash::EMPTY);
    let body = config("a");
    let epoch = Epoch { lineage: Lineage("l".into()), version: Version::from_counter(41) };
    let about = Headers { epoch: Some(epoch), generation: Some(Generation(7)), traceparent: Some("00-a-b-01".into()) };
    assert_eq!(client.post_config(&body, true, &about).await.unwrap(), Accepted::Loaded);
    assert_eq!(client.status().await.unwrap().hash, body.hash());
    assert_eq!(gateway.config()["services"][0]["name"], "a");
    assert_eq!(client.post_config(&body, true, &about).await.unwrap(), Accepted::Unchanged);
    let post = gateway.posts().remove(0);
    assert_eq!(post.query, "check_hash=1&flatten_errors=1");
    let header = |name: &str| post.headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/yaml");
    assert_eq!(header("content-length"), body.len().to_string());
    assert_eq!((header("silverback-epoch"), header("silverback-generation")), ("41".into(), "7".into()));
    assert_eq!(header("traceparent"), "00-a-b-01");
    assert!(header("user-agent").starts_with("silverback/"));
}

#[tokio::test]
async fn a_gateway_says_what_it_is() {
    let settings = Settings { router_flavor: RouterFlavor::Expressions, ..Settings::default() };
    let gateway = StandInGateway::start(settings).await.unwrap();
    let facts = client_of(&gateway, ClientSettings::default()).root().await.unwrap();
    assert_eq!((facts.version.as_str(), facts.routing()), ("3.9.3", Some(Routing::Expressions)));
    assert_eq!(facts.database, "off");
}

#[tokio::test]
async fn of_plugins_of_its_own_a_gateway_tells_the_schemas() {
    let schemas = async |minimum: u32| {
        let config = json!({"config": {"type": "record", "fields": [{"limit": {"type": "integer", "gt": minimum}}]}});
        let own_plugins = [("house-limit".to_owned(), json!({"fields": [config]}))].into();
        let gateway = StandInGateway::start(Settings { own_plugins, ..Settings::default() }).await.unwrap();
        client_of(&gateway, ClientSettings::default()).root().await.unwrap().schemas
    };
    let (one, same, other) = (schemas(1).await, schemas(1).await, schemas(2).await);
    assert_eq!(one.keys().collect::<Vec<_>>(), ["house-limit"], "those of other plugins follow from its version");
    assert!(one["house-limit"].is_some());
    assert_eq!(one, same);
    assert_ne!(one, other);
}

#[tokio::test]
async fn settings_show_in_requests() {
    let gateway = gateway().await;
    let settings = ClientSettings {
        headers: vec!["x-team: edge".into(), "x-team:core".into()],
        token: Some(" secret\n".into()),
        ..ClientSettings::default()
    };
    assert!(!format!("{settings:?}").contains("secret"));
    client_of(&gateway, settings).post_config(&config("a"), false, &Headers::default()).await.unwrap();
    let post = gateway.posts().remove(0);
    assert_eq!(post.query, "check_hash=1");
    assert_eq!(post.headers["kong-admin-token"], "secret");
    let teams: Vec<_> = post.headers.get_all("x-team").iter().collect();
    assert_eq!(teams, ["edge", "core"]);
}

#[tokio::test]
async fn a_workspace_is_part_of_the_path() {
    let gateway = gateway().await;
    let settings = ClientSettings { workspace: Some("team".into()), ..ClientSettings::default() };
    let error = client_of(&gateway, settings).status().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Status { status: 404, .. }), "the stand-in knows no workspaces: {error}");
    for bad in ["a/b", "a b", "ä"] {
        let settings = ClientSettings { workspace: Some(bad.into()), ..ClientSettings::default() };
        assert!(Connector::new(settings).unwrap_err().to_string().contains("--kong-workspace"));
    }
}

#[tokio::test]
async fn a_rejection_names_the_entity_by_its_tags() {
    let gateway = gateway().await;
    gateway.faults().reject_tag("k8s-name:bad", "no good");
    let client = client_of(&gateway, ClientSettings::default());
    let error = client.post_config(&config("bad"), true, &Headers::default()).await.unwrap_err();
    assert!(error.to_string().contains(&gateway.admin_url()), "{error}");
    let Cause::Rejected(rejection) = &error.cause else { panic!("{error}") };
    assert_eq!(rejection.entities[0].tags, ["k8s-name:bad"]);
    assert_eq!(rejection.entities[0].kind, "service");
    assert!(error.to_string().contains("service bad"), "{error}");
    assert_eq!(gateway.hash(), ConfigHash::EMPTY.to_string());
}

#[tokio::test]
async fn a_config_over_the_limit_is_named_with_the_setting_to_raise_and_not_sent_once_the_limit_is_known() {
    let gateway = StandInGateway::start(Settings { body_limit: 1 << 20, ..Settings::default() }).await.unwrap();
    let client = client_of(&gateway, ClientSettings::default());
    let body = large_config(2 << 20);
    let error = client.post_config(&body, true, &Headers::default()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::TooLarge { limit: None, .. }), "{error}");
    assert!(error.to_string().contains("nginx_admin_client_max_body_size"), "{error}");
    let posts = gateway.posts().len();
    assert_eq!(client.root().await.unwrap().body_limit, Some(1 << 20));
    let error = client.post_config(&body, true, &Headers::default()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::TooLarge { limit: Some(_), .. }), "{error}");
    assert_eq!(gateway.posts().len(), posts, "it was not sent");
}

/// As nginx does it: the answer comes before the body was read, which is then read and thrown away.
#[tokio::test]
async fn an_answer_before_the_body_was_sent_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 1_000];
        stream.read_exact(&mut buffer).await.unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    });
    let client = Connector::new(ClientSettings::default()).unwrap().client(&endpoint(&url)).unwrap();
    let error = client.post_config(&large_config(40 << 20), true, &Headers::default()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn statuses_become_causes() {
    let gateway = gateway().await;
    let client = client_of(&gateway, ClientSettings::default());
    let post = async |answer| {
        gateway.faults().answer(On::Posts, answer);
        client.post_config(&config("a"), true, &Headers::default()).await.unwrap_err()
    };
    let busy = FixedAnswer { retry_after: Some(10), ..FixedAnswer::message(429, "loading") };
    let error = post(busy).await;
    assert_eq!(error.cause.retry_after(), Some(Duration::from_secs(10)), "{error}");
    let error = post(FixedAnswer::message(401, "who?")).await;
    assert!(matches!(error.cause, Cause::Denied { status: 401, .. }));
    assert!(error.to_string().contains("--kong-admin-token") && error.to_string().contains("who?"), "{error}");
    let error = post(FixedAnswer::message(500, "An unexpected error occurred")).await;
    assert!(error.to_string().contains("500: An unexpected error"), "{error}");
    assert!(matches!(post(FixedAnswer::message(415, "no")).await.cause, Cause::MediaType));
}

#[tokio::test]
async fn what_is_not_kong_is_not_understood() {
    let gateway = gateway().await;
    gateway.faults().answer(On::Everything, FixedAnswer::message(200, "hello"));
    let error = client_of(&gateway, ClientSettings::default()).status().await.unwrap_err();
    assert!(error.to_string().contains("configuration_hash"), "{error}");
}

#[tokio::test]
async fn a_hanging_gateway_is_waited_for_in_bounds() {
    let gateway = gateway().await;
    gateway.faults().hang(On::Everything);
    let timeouts = Timeouts { read: Duration::from_millis(50), push: Duration::from_millis(80), ..Timeouts::default() };
    let client = client_of(&gateway, ClientSettings { timeouts, ..ClientSettings::default() });
    assert!(matches!(client.status().await.unwrap_err().cause, Cause::Timeout(..)));
    let error = client.post_config(&config("a"), true, &Headers::default()).await.unwrap_err();
    assert!(error.to_string().contains("--proxy-timeout-seconds"), "{error}");
}

#[tokio::test]
async fn a_cut_answer_is_told_from_no_connection() {
    let gateway = gateway().await;
    let client = client_of(&gateway, ClientSettings::default());
    gateway.faults().cut_answers(On::Posts, 20);
    let error = client.post_config(&config("a"), true, &Headers::default()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Cut(_)), "{error}");
    gateway.set_listening(false).await.unwrap();
    let error = client.status().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn another_way_to_the_same_gateway_is_tried() {
    let gateway = gateway().await;
    let dead = Endpoint { alternates: vec![gateway.admin_url()], ..endpoint("http://127.0.0.1:1") };
    let client = Connector::new(ClientSettings::default()).unwrap().client(&dead).unwrap();
    assert!(matches!(client.status().await.unwrap_err().cause, Cause::Unreachable(_)));
    assert!(client.status().await.is_ok());
    assert!(client.status().await.is_ok(), "it stays with the way that works");
}

// ---- TLS

const NAME: &str = "pod.admin.kong.svc";

/// Asks a gateway whose certificate is for `NAME`, by its IP address.
async fn ask(authority: &Authority, wants_client: bool, name: &str, settings: ClientSettings) -> Result<(), String> {
    let Pair { certificate: cert_pem, key: key_pem } = authority.service(NAME).unwrap();
    let client_ca_pem = wants_client.then(|| authority.certificate.clone());
    let tls = Tls { cert_pem, key_pem, client_ca_pem };
    let gateway = StandInGateway::start(Settings { tls: Some(tls), ..Settings::default() }).await.unwrap();
    let discovered = Endpoint { server_name: Some(name.into()), ..endpoint(&gateway.admin_url()) };
    let client = Connector::new(settings).unwrap().client(&discovered).unwrap();
    client.status().await.map(|_| ()).map_err(|error| error.to_string())
}

fn trusting(authority: &Authority) -> ClientSettings {
    ClientSettings { ca_pem: Some(authority.certificate.clone()), ..ClientSettings::default() }
}

#[tokio::test]
async fn a_pod_is_reached_by_address_and_verified_by_name() {
    let authority = Authority::new().unwrap();
    ask(&authority, false, NAME, trusting(&authority)).await.unwrap();
}

#[tokio::test]
async fn a_wrong_name_is_refused_and_named() {
    let authority = Authority::new().unwrap();
    let error = ask(&authority, false, "pod.other.kong.svc", trusting(&authority)).await.unwrap_err();
    for part in ["pod.other.kong.svc", NAME, "--kong-admin-tls-server-name"] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[tokio::test]
async fn an_unknown_authority_is_refused_unless_told_otherwise() {
    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let error = ask(&authority, false, NAME, trusting(&other)).await.unwrap_err();
    assert!(error.contains("--kong-admin-ca-cert"), "{error}");
    let blind = ClientSettings { skip_verify: true, ..ClientSettings::default() };
    ask(&authority, false, "any.name", blind).await.unwrap();
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_wanted() {
    let authority = Authority::new().unwrap();
    let Pair { certificate: cert, key } = authority.service("silverback").unwrap();
    let known = ClientSettings { client_cert_pem: Some(cert), client_key_pem: Some(key), ..trusting(&authority) };
    ask(&authority, true, NAME, known).await.unwrap();
    let error = ask(&authority, true, NAME, trusting(&authority)).await.unwrap_err();
    assert!(error.contains("--kong-admin-tls-client-cert"), "{error}");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let authority = Authority::new().unwrap();
    let cert = authority.service("a").unwrap().certificate;
    let other_key = authority.service("b").unwrap().key;
    let secret = "top:secret\u{7f}value";
    let cases = [
        (ClientSettings { ca_pem: Some("nonsense".into()), ..ClientSettings::default() }, "--kong-admin-ca-cert"),
        (ClientSettings { client_cert_pem: Some(cert.clone()), ..ClientSettings::default() }, "without the other"),
        (
            ClientSettings {
                client_cert_pem: Some(cert),
                client_key_pem: Some(other_key),
                ..ClientSettings::default()
            },
            "--kong-admin-tls-client-key",
        ),
        (ClientSettings { headers: vec!["no-colon".into()], ..ClientSettings::default() }, "--kong-admin-header"),
        (ClientSettings { headers: vec![secret.into()], ..ClientSettings::default() }, "--kong-admin-header number 1"),
        (ClientSettings { token: Some("a\nb".into()), ..ClientSettings::default() }, "--kong-admin-token"),
    ];
    for (settings, part) in cases {
        let error = Connector::new(settings).unwrap_err().to_string();
        assert!(error.contains(part), "{part:?} is not in {error:?}");
        assert!(!error.contains("secret"), "{error}");
    }
    let unusable = Endpoint { server_name: Some("not a name".into()), ..endpoint("https://127.0.0.1:1") };
    assert!(Connector::new(ClientSettings::default()).unwrap().client(&unusable).is_err());
}

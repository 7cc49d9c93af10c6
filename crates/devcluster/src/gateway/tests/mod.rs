//! A gateway from outside, through a socket: what does not need the recordings.

use std::time::Duration;

use http::StatusCode;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::json;

use super::*;

mod golden;
mod recordings;
mod replay;
mod tables;

const SOON: Duration = Duration::from_secs(60);
const CONFIG: &str =
    r#"{"_format_version":"3.0","services":[{"name":"a","url":"http://127.0.0.1:1","tags":["bad","k8s-name:a"]}]}"#;

async fn call(
    addr: SocketAddr,
    method: &str,
    path: &str,
    content_type: &str,
    body: &str,
) -> Result<(StatusCode, bytes::Bytes), Box<dyn std::error::Error>> {
    let stream = tokio::net::TcpStream::connect(addr).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", addr.to_string())
        .header("content-type", content_type)
        .body(Full::new(bytes::Bytes::from(body.to_owned())))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

async fn post(gateway: &GatewayHandle, body: &str) -> (StatusCode, Value) {
    let path = "/config?check_hash=1&flatten_errors=1";
    let (status, body) = call(gateway.admin_addr(), "POST", path, "text/yaml", body).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn gateway() -> GatewayHandle {
    StandInGateway::start(Settings::default()).await.unwrap()
}

#[tokio::test]
async fn tells_what_it_was_sent_and_what_it_took() {
    let gateway = gateway().await;
    assert_eq!(gateway.hash(), hash::EMPTY);
    assert_eq!(*gateway.config(), json!({}));
    assert_eq!(post(&gateway, CONFIG).await.0, StatusCode::CREATED);
    let accepted = gateway.wait_for(SOON, |config| config.sequence == 1).await.unwrap();
    assert_eq!(accepted.hash, hash::of_text(CONFIG.as_bytes()));
    assert_eq!(gateway.config()["services"][0]["name"], "a");
    assert_eq!(post(&gateway, CONFIG).await.0, StatusCode::NOT_MODIFIED);
    let posts = gateway.posts();
    assert_eq!(posts.iter().map(|post| post.status).collect::<Vec<_>>(), [Some(201), Some(304)]);
    assert_eq!(posts[0].md5, gateway.hash());
    assert_eq!(posts[0].bytes, CONFIG.len());
}

#[tokio::test]
async fn a_hung_gateway_goes_on_when_released() {
    let gateway = gateway().await;
    gateway.faults().hang(On::Posts);
    let mut received = gateway.received();
    let addr = gateway.admin_addr();
    let poster = tokio::spawn(async move { call(addr, "POST", "/config", "text/yaml", CONFIG).await.unwrap().0 });
    tokio::time::timeout(SOON, received.wait_for(|count| *count == 1)).await.unwrap().unwrap();
    // Reads are not held.
    assert_eq!(call(addr, "GET", "/status", "", "").await.unwrap().0, StatusCode::OK);
    assert_eq!(gateway.posts()[0].status, None);
    assert_eq!(gateway.hash(), hash::EMPTY);
    gateway.faults().release();
    assert_eq!(poster.await.unwrap(), StatusCode::CREATED);
    assert_eq!(gateway.posts()[0].status, Some(201));
}

#[tokio::test]
async fn a_load_under_way_lands_though_its_client_left() {
    let gateway = gateway().await;
    gateway.faults().hang(On::Posts);
    let mut received = gateway.received();
    let addr = gateway.admin_addr();
    let poster = tokio::spawn(async move { call(addr, "POST", "/config", "text/yaml", CONFIG).await.is_ok() });
    tokio::time::timeout(SOON, received.wait_for(|count| *count == 1)).await.unwrap().unwrap();
    poster.abort();
    assert!(poster.await.is_err());
    gateway.faults().release();
    assert!(gateway.wait_for(SOON, |config| config.sequence == 1).await.is_some());
}

#[tokio::test]
async fn rejects_by_tag_and_names_the_entity() {
    let gateway = gateway().await;
    gateway.faults().reject_tag("bad", "no such thing");
    let (status, answer) = post(&gateway, CONFIG).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let entry = &answer["flattened_errors"][0];
    assert_eq!(entry["entity_name"], "a");
    assert_eq!(entry["entity_type"], "service");
    assert_eq!(entry["entity_tags"], json!(["bad", "k8s-name:a"]));
    assert_eq!(entry["errors"][0]["message"], "no such thing");
    assert_eq!(gateway.hash(), hash::EMPTY);
    gateway.faults().accept_again();
    assert_eq!(post(&gateway, CONFIG).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn answers_what_it_is_told_as_often_as_it_is_told() {
    let gateway = gateway().await;
    let fixed = FixedAnswer { times: Some(1), ..FixedAnswer::message(500, "An unexpected error occurred") };
    gateway.faults().answer(On::Posts, fixed);
    assert_eq!(post(&gateway, CONFIG).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(post(&gateway, CONFIG).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn cuts_an_answer_though_the_config_took_effect() {
    let gateway = gateway().await;
    gateway.faults().cut_answers(On::Posts, 10);
    assert!(call(gateway.admin_addr(), "POST", "/config", "text/yaml", CONFIG).await.is_err());
    assert_eq!(gateway.hash(), hash::of_text(CONFIG.as_bytes()));
    gateway.faults().clear();
    assert_eq!(post(&gateway, CONFIG).await.0, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn a_second_post_while_one_loads_is_told_to_come_back() {
    let gateway = gateway().await;
    gateway.faults().load_time(LoadTime { locked: Duration::from_secs(600), ..LoadTime::default() });
    let addr = gateway.admin_addr();
    let first = tokio::spawn(async move { call(addr, "POST", "/config", "text/yaml", CONFIG).await.is_ok() });
    let is_loading = async {
        while gateway.shared.loading.try_lock().is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, is_loading).await.unwrap();
    let (status, answer) = post(&gateway, CONFIG).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer["message"], "Currently loading previous configuration");
    first.abort();
}

#[tokio::test]
async fn restarts_with_its_config_or_empty_on_the_same_port() {
    let gateway = gateway().await;
    post(&gateway, CONFIG).await;
    let hash = gateway.hash();
    gateway.set_listening(false).await.unwrap();
    assert!(call(gateway.admin_addr(), "GET", "/status", "", "").await.is_err());
    gateway.set_listening(true).await.unwrap();
    gateway.restart(Restart::KeepingConfig, Duration::ZERO).await.unwrap();
    assert_eq!(gateway.hash(), hash);
    gateway.restart(Restart::Empty, Duration::ZERO).await.unwrap();
    let (_, body) = call(gateway.admin_addr(), "GET", "/status", "", "").await.unwrap();
    let status: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status["configuration_hash"], hash::EMPTY);
    assert_eq!(post(&gateway, CONFIG).await.0, StatusCode::CREATED);
}

/// Else an outgoing connection may get it, and the gateway could not come back.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn nobody_is_given_its_port_while_it_does_not_listen() {
    let gateway = gateway().await;
    gateway.set_listening(false).await.unwrap();
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    assert_eq!(other.bind(gateway.admin_addr()).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    gateway.set_listening(true).await.unwrap();
}

#[tokio::test]
async fn a_hand_at_the_gateway_changes_the_hash() {
    let gateway = gateway().await;
    post(&gateway, CONFIG).await;
    let before = gateway.hash();
    let after =
        gateway.alter_config("{\"_format_version\":\"3.0\",\"services\":[{\"name\":\"b\",\"host\":\"h\"}]}").unwrap();
    assert_ne!(before, after);
    assert_eq!(gateway.hash(), after);
    assert_eq!(gateway.posts().len(), 1);
}

#[tokio::test]
async fn a_trusting_gateway_still_hashes() {
    let settings = Settings { trusting: true, ..Settings::default() };
    let gateway = StandInGateway::start(settings).await.unwrap();
    assert_eq!(post(&gateway, CONFIG).await.0, StatusCode::CREATED);
    assert_eq!(post(&gateway, CONFIG).await.0, StatusCode::NOT_MODIFIED);
    assert_eq!(gateway.config()["services"][0]["name"], "a");
}

#[tokio::test]
async fn a_sink_hashes_and_keeps_nothing() {
    let gateway = StandInGateway::start(Settings { sink: true, ..Settings::default() }).await.unwrap();
    assert_eq!(post(&gateway, CONFIG).await.0, StatusCode::CREATED);
    assert_eq!(gateway.hash(), hash::of_text(CONFIG.as_bytes()));
    assert_eq!(post(&gateway, CONFIG).await.0, StatusCode::NOT_MODIFIED);
    let post = gateway.posts().remove(0);
    assert_eq!((post.bytes, post.md5), (CONFIG.len(), gateway.hash()));
    assert!(gateway.accepted().borrow().as_ref().unwrap().text().is_empty());
}

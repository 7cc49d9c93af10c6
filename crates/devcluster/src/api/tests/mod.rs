//! The fault taps and the handle, over real connections. What requests are answered is held against a real API server
//! elsewhere.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

const SOON: Duration = Duration::from_secs(60);
/// Long enough for what must not come, though it would come at once.
const A_WHILE: Duration = Duration::from_millis(300);

/// A request under way.
struct Asked(BufReader<TcpStream>);

impl Asked {
    async fn get(api: &ApiHandle, client: &str, path: &str) -> Self {
        let mut stream = TcpStream::connect(api.addr()).await.unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(BufReader::new(stream))
    }

    /// The next line that is JSON; none when the connection ends.
    async fn object(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await.unwrap_or_default() == 0 {
                return None;
            }
            if let Ok(object @ Value::Object(_)) = serde_json::from_str(&line) {
                return Some(object);
            }
        }
    }

    async fn event(&mut self) -> String {
        let event = timeout(SOON, self.object()).await.expect("no event came").expect("the watch ended");
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
        format!("{} {name}", event["type"].as_str().unwrap_or_default())
    }

    async fn says_nothing(&mut self) -> bool {
        timeout(A_WHILE, self.object()).await.is_err()
    }

    /// Status and head of the answer.
    async fn status(mut self) -> (u16, String) {
        let mut text = String::new();
        timeout(SOON, self.0.read_to_string(&mut text)).await.expect("no answer").unwrap();
        (text[9..12].parse().unwrap(), text)
    }
}

async fn start() -> ApiHandle {
    ApiServer::start(Settings { bookmark_period: Duration::from_millis(20), ..Settings::default() }).await.unwrap()
}

fn map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } })
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const WATCH: &str = "/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=0";

#[tokio::test]
async fn a_silent_watch_says_nothing_until_it_is_heard_again() {
    let api = start().await;
    let (mut silent, mut other) = (Asked::get(&api, "a", WATCH).await, Asked::get(&api, "b", WATCH).await);
    api.put(map("first")).unwrap();
    assert_eq!((silent.event().await, other.event().await), ("ADDED first".into(), "ADDED first".into()));

    api.faults().inject_for("a", Effect::SilentWatches);
    api.put(map("second")).unwrap();
    assert_eq!(other.event().await, "ADDED second");
    assert!(silent.says_nothing().await);
    assert_eq!(Asked::get(&api, "a", MAPS).await.status().await.0, 200, "lists are answered");
    api.faults().clear();
    assert_eq!(silent.event().await, "ADDED second");
}

#[tokio::test]
async fn bookmarks_come_when_nothing_else_does() {
    let api = start().await;
    let mut watch = Asked::get(&api, "a", &format!("{WATCH}&allowWatchBookmarks=true")).await;
    let version = api.put(map("first")).unwrap();
    assert_eq!(watch.event().await, "ADDED first");
    let bookmark = timeout(SOON, watch.object()).await.unwrap().unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["metadata"]["resourceVersion"], version.to_string());
}

#[tokio::test]
async fn a_partition_swallows_one_client() {
    let api = start().await;
    let mut watch = Asked::get(&api, "a", WATCH).await;
    api.put(map("first")).unwrap();
    assert_eq!(watch.event().await, "ADDED first");
    api.faults().inject_for("a", Effect::Partition);
    api.put(map("second")).unwrap();
    let mut list = Asked::get(&api, "a", MAPS).await;
    assert!(list.says_nothing().await && watch.says_nothing().await);
    assert_eq!(Asked::get(&api, "b", MAPS).await.status().await.0, 200);
    api.faults().clear();
    assert_eq!(watch.event().await, "ADDED second");
    assert_eq!(list.status().await.0, 200);
}

#[tokio::test]
async fn refusals_are_counted_and_slowness_adds_up() {
    let api = start().await;
    api.faults().inject(Effect::Answer { status: 429, retry_after: Some(3), times: Some(2) });
    for _ in 0..2 {
        let (status, text) = Asked::get(&api, "a", MAPS).await.status().await;
        assert!(status == 429 && text.to_lowercase().contains("retry-after: 3"), "{text}");
    }
    assert_eq!(Asked::get(&api, "a", MAPS).await.status().await.0, 200);
    api.faults().inject(Effect::Answer { status: 500, retry_after: None, times: None });
    assert_eq!(Asked::get(&api, "a", MAPS).await.status().await.0, 500);
    api.faults().clear();

    api.faults().inject(Effect::Slow(Duration::from_millis(100)));
    api.faults().inject(Effect::Slow(Duration::from_millis(100)));
    let begun = std::time::Instant::now();
    assert_eq!(Asked::get(&api, "a", MAPS).await.status().await.0, 200);
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_restart_drops_connections_and_may_bring_back_an_older_state() {
    let api = start().await;
    let backup = api.put(map("first")).unwrap();
    api.put(map("second")).unwrap();
    let mut watch = Asked::get(&api, "a", WATCH).await;
    assert_eq!(watch.event().await, "ADDED first");
    assert_eq!(watch.event().await, "ADDED second");

    api.restart(Restart::AsItWas, Duration::ZERO).await.unwrap();
    assert!(timeout(SOON, watch.object()).await.unwrap().is_none(), "the watch goes on");
    assert!(api.object("configmaps", "default", "second").is_some());
    api.restart(Restart::BackTo(backup), Duration::ZERO).await.unwrap();
    assert!(api.object("configmaps", "default", "first").is_some());
    assert!(api.object("configmaps", "default", "second").is_none());
    assert_eq!(api.put(map("third")).unwrap(), backup + 1, "versions are given out anew");

    api.compact();
    let mut late = Asked::get(&api, "a", &WATCH.replace("=0", &format!("={backup}"))).await;
    let event = timeout(SOON, late.object()).await.unwrap().unwrap();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert!(api.restart(Restart::BackTo(backup), Duration::ZERO).await.is_err());
}

#[tokio::test]
async fn what_a_definition_declares_is_served_and_goes_with_it() {
    let api = start().await;
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "toys.x.io" },
        "spec": {
            "group": "x.io", "scope": "Cluster", "names": { "kind": "Toy", "plural": "toys" },
            "versions": [{ "name": "v1", "served": true, "storage": true }],
        },
    });
    let toy = json!({ "apiVersion": "x.io/v1", "kind": "Toy", "metadata": { "name": "ball" } });
    assert!(api.put(toy.clone()).unwrap_err().contains("serves no such kind"));
    let mut converting = definition.clone();
    converting["spec"]["conversion"] = json!({ "strategy": "Webhook" });
    assert!(api.put(converting).unwrap_err().contains("conversion between versions"));
    api.put(definition).unwrap();
    api.put(toy).unwrap();
    assert_eq!(Asked::get(&api, "a", "/apis/x.io/v1/toys/ball").await.status().await.0, 200);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/toys.x.io";
    let mut stream = TcpStream::connect(api.addr()).await.unwrap();
    let head = format!("DELETE {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(Asked(BufReader::new(stream)).status().await.0, 200);
    assert_eq!(Asked::get(&api, "a", "/apis/x.io/v1/toys/ball").await.status().await.0, 404);
    assert!(api.object("toys.x.io", "", "ball").is_none());
}

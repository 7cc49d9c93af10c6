//! A scripted API server in memory: lists, pages, streams and watches of whatever is put in, and faults on demand.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};
use silverback_cluster::Cluster;
use silverback_model::{ObjectKey, Version};
use silverback_resources::registry::KindId;
use tokio::sync::watch;

/// What the server makes of `sendInitialEvents`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Streams {
    #[default]
    Offered,
    Refused,
    Ignored,
}

#[derive(Default)]
struct State {
    version: u64,
    /// By path of the collection in the whole cluster.
    objects: BTreeMap<String, BTreeMap<ObjectKey, Value>>,
    /// Version, path, type and object of every event.
    log: Vec<(u64, String, &'static str, Value)>,
    /// Watches from before this version are refused.
    oldest: u64,
    streams: Streams,
    /// Digests of schemas by group and version.
    schemas: BTreeMap<String, String>,
    /// Status and Retry-After, for requests that contain a text.
    faults: Vec<(String, u16, Option<u32>)>,
    /// Requests that contain one of these texts get no answer, and watches no further word.
    muted: Vec<String>,
    /// Connections of an older epoch are cut.
    epoch: u64,
    requests: Vec<(String, Instant)>,
}

type Text = UnsyncBoxBody<Bytes, Infallible>;

/// The server.
#[derive(Clone, Default)]
pub(super) struct Fake {
    state: Arc<Mutex<State>>,
    moved: watch::Sender<u64>,
    asked: watch::Sender<()>,
}

fn path_of(kind: KindId) -> String {
    kind.kind().path(kind.kind().best_version(), None)
}

impl Fake {
    pub(super) fn cluster(&self) -> Cluster {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let fake = fake.clone();
            async move { Ok::<_, Infallible>(fake.answer(request.uri().to_string()).await) }
        });
        Cluster { client: kube::Client::new(service, "default"), url: "http://fake".into() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn alter<T>(&self, alter: impl FnOnce(&mut State) -> T) -> T {
        let result = alter(&mut self.state());
        self.moved.send_modify(|moves| *moves += 1);
        result
    }

    /// Creates an object, or replaces it.
    pub(super) fn put(&self, kind: KindId, namespace: &str, name: &str, mut object: Value) {
        self.alter(|state| {
            state.version += 1;
            let version = state.version;
            let metadata = object.as_object_mut().unwrap().entry("metadata").or_insert_with(|| json!({}));
            metadata["name"] = name.into();
            metadata["resourceVersion"] = version.to_string().into();
            if !namespace.is_empty() {
                metadata["namespace"] = namespace.into();
            }
            let objects = state.objects.entry(path_of(kind)).or_default();
            let before = objects.insert(ObjectKey::new(namespace, name), object.clone());
            let event = if before.is_some() { "MODIFIED" } else { "ADDED" };
            state.log.push((version, path_of(kind), event, object));
        });
    }

    /// Shows an object otherwise, as another definition of its kind does: nobody wrote it, and no watch tells.
    pub(super) fn show(&self, kind: KindId, namespace: &str, name: &str, field: &str, value: Value) {
        self.alter(|state| {
            let objects = state.objects.entry(path_of(kind)).or_default();
            objects.get_mut(&ObjectKey::new(namespace, name)).unwrap()[field] = value;
        });
    }

    /// Tells another digest of the schemas of a group's version.
    pub(super) fn define(&self, group_version: &str, digest: &str) {
        self.alter(|state| state.schemas.insert(format!("apis/{group_version}"), digest.to_owned()));
    }

    pub(super) fn delete(&self, kind: KindId, namespace: &str, name: &str) {
        self.alter(|state| {
            state.version += 1;
            let version = state.version;
            let objects = state.objects.entry(path_of(kind)).or_default();
            let mut object = objects.remove(&ObjectKey::new(namespace, name)).unwrap();
            object["metadata"]["resourceVersion"] = version.to_string().into();
            state.log.push((version, path_of(kind), "DELETED", object));
        });
    }

    /// Every watch of a kind is told how far the server is.
    pub(super) fn bookmark(&self, kind: KindId) {
        self.alter(|state| {
            let object = json!({ "metadata": { "resourceVersion": state.version.to_string() } });
            state.log.push((state.version, path_of(kind), "BOOKMARK", object));
        });
    }

    /// Lets time pass without any event of this kind.
    pub(super) fn skip_to(&self, version: u64) {
        self.alter(|state| state.version = state.version.max(version));
    }

    pub(super) fn streams(&self, streams: Streams) {
        self.alter(|state| state.streams = streams);
    }

    /// Requests that contain `part` are answered with an error.
    pub(super) fn refuse(&self, part: &str, status: u16, retry_after: Option<u32>) {
        self.alter(|state| state.faults.push((part.to_owned(), status, retry_after)));
        self.cut();
    }

    /// Requests that contain `part` get no answer, and watches no further word.
    pub(super) fn mute(&self, part: &str) {
        self.alter(|state| state.muted.push(part.to_owned()));
    }

    /// Ends all faults, and nothing else: whoever was muted waits on.
    pub(super) fn heal(&self) {
        self.alter(|state| state.faults.clear());
        self.alter(|state| state.muted.clear());
    }

    /// Cuts every connection.
    pub(super) fn cut(&self) {
        self.alter(|state| state.epoch += 1);
    }

    /// Forgets all events, as a compaction does, and cuts every connection.
    pub(super) fn compact(&self) {
        self.alter(|state| {
            state.oldest = state.version + 1;
            state.version += 1;
            state.log.clear();
            state.epoch += 1;
        });
    }

    /// Goes back to an earlier version, with the objects of now that are not newer, and cuts every connection.
    pub(super) fn restore(&self, version: u64) {
        self.alter(|state| {
            state.version = version;
            state.log.clear();
            for objects in state.objects.values_mut() {
                objects.retain(|_, object| version_of(object) <= version);
            }
            state.epoch += 1;
        });
    }

    /// Waits until `more` requests have come that contain all of these, beside those so far.
    pub(super) async fn is_asked(&self, more: usize, parts: &[&str]) {
        let mut asked = self.asked.subscribe();
        let enough = self.requests(parts) + more;
        while self.requests(parts) < enough {
            let _ = asked.changed().await;
        }
    }

    /// The newest version.
    pub(super) fn version(&self) -> Version {
        Version::from_counter(self.state().version)
    }

    /// How long the second request that contains `part` came after the first.
    pub(super) fn pause(&self, part: &str) -> Duration {
        let state = self.state();
        let mut times = state.requests.iter().filter(|(request, _)| request.contains(part)).map(|(_, time)| *time);
        let (first, second) = (times.next().unwrap(), times.next().unwrap());
        second - first
    }

    /// Requests so far that contain all of these.
    pub(super) fn requests(&self, parts: &[&str]) -> usize {
        self.state().requests.iter().filter(|(request, _)| parts.iter().all(|part| request.contains(part))).count()
    }

    /// Every request so far.
    pub(super) fn all_requests(&self) -> Vec<String> {
        self.state().requests.iter().map(|(request, _)| request.clone()).collect()
    }

    async fn answer(&self, uri: String) -> Response<Text> {
        let (path, query) = uri.split_once('?').map_or((uri.as_str(), ""), |(path, query)| (path, query));
        let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        self.state().requests.push((uri.clone(), Instant::now()));
        self.asked.send_replace(());
        self.until_heard(&uri).await;
        let fault = self.state().faults.iter().find(|(part, ..)| uri.contains(part)).cloned();
        if let Some((_, status, retry_after)) = fault {
            return refusal(status, retry_after);
        }
        if path.ends_with("/namespaces/kube-system") {
            return whole(200, json!({ "metadata": { "uid": "the-cluster" } }));
        }
        if path == "/openapi/v3" {
            let schema = |(path, digest): (&String, &String)| {
                (path.clone(), json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash={digest}") }))
            };
            let paths: serde_json::Map<_, _> = self.state().schemas.iter().map(schema).collect();
            return whole(200, json!({ "paths": paths }));
        }
        let (path, namespace) = split_namespace(path);
        if query.contains_key("watch") {
            self.watch(uri.clone(), path, namespace, &query)
        } else {
            self.list(&path, namespace, &query)
        }
    }

    async fn until_heard(&self, uri: &str) {
        let mut moved = self.moved.subscribe();
        while self.state().muted.iter().any(|part| uri.contains(part.as_str())) {
            let _ = moved.changed().await;
        }
    }

    fn list(&self, path: &str, namespace: Option<&str>, query: &BTreeMap<&str, &str>) -> Response<Text> {
        let state = self.state();
        let named = query.get("fieldSelector").and_then(|selector| selector.split("metadata.name%3D").nth(1));
        let all = state.objects.get(path).into_iter().flatten();
        let all = all.filter(|(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace));
        let all: Vec<&Value> =
            all.filter(|(key, _)| named.is_none_or(|name| key.name == name)).map(|(_, o)| o).collect();
        let from: usize = query.get("continue").and_then(|token| token.parse().ok()).unwrap_or_default();
        let limit: usize = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
        let to = all.len().min(from.saturating_add(limit));
        let more = if to < all.len() { to.to_string() } else { String::new() };
        let metadata = json!({ "resourceVersion": state.version.to_string(), "continue": more });
        whole(200, json!({ "metadata": metadata, "items": all[from..to] }))
    }

    fn watch(
        &self,
        uri: String,
        path: String,
        namespace: Option<&str>,
        query: &BTreeMap<&str, &str>,
    ) -> Response<Text> {
        let state = self.state();
        let namespace = namespace.map(str::to_owned);
        let initial = query.contains_key("sendInitialEvents");
        if initial && state.streams == Streams::Refused {
            return whole(422, json!({ "message": "sendInitialEvents is forbidden", "code": 422 }));
        }
        let mut first = Vec::new();
        let mut from = query.get("resourceVersion").and_then(|v| v.parse().ok()).unwrap_or(state.version);
        if initial {
            from = state.version;
            let objects = state.objects.get(&path).into_iter().flat_map(BTreeMap::values);
            first.extend(objects.filter(|object| is_in(object, &namespace)).map(|object| event("ADDED", object)));
            if state.streams == Streams::Offered {
                let annotations = json!({ "k8s.io/initial-events-end": "true" });
                let end = json!({ "metadata": { "resourceVersion": from.to_string(), "annotations": annotations } });
                first.push(event("BOOKMARK", &end));
            }
        } else if from + 1 < state.oldest {
            first.push(event("ERROR", &json!({ "code": 410, "message": "too old resource version" })));
        }
        let next = (state.log.len(), state.epoch);
        // Events that came between the version asked for and now.
        let missed = state.log.iter();
        let missed = missed.filter(|(version, at, _, o)| *version > from && *at == path && is_in(o, &namespace));
        first.extend(missed.map(|(_, _, kind, object)| event(kind, object)));
        drop(state);
        let rest = futures::stream::unfold((self.clone(), next, from), move |(fake, (at, epoch), from)| {
            let (uri, path, namespace) = (uri.clone(), path.clone(), namespace.clone());
            async move {
                let mut moved = fake.moved.subscribe();
                loop {
                    moved.borrow_and_update();
                    let events = {
                        let state = fake.state();
                        if state.epoch != epoch {
                            return None;
                        }
                        let muted = state.muted.iter().any(|part| uri.contains(part.as_str()));
                        let news = if muted { &[][..] } else { state.log.get(at..).unwrap_or_default() };
                        let mine = news.iter().filter(|(version, p, kind, object)| {
                            *p == path && (*kind == "BOOKMARK" || *version > from && is_in(object, &namespace))
                        });
                        let text: String = mine.map(|(_, _, kind, object)| event(kind, object)).collect();
                        (!text.is_empty()).then_some((text, state.log.len()))
                    };
                    if let Some((text, at)) = events {
                        return Some((text, (fake, (at, epoch), from)));
                    }
                    let _ = moved.changed().await;
                }
            }
        });
        let text = futures::stream::iter(first).chain(rest);
        let frames = text.map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from(text))));
        Response::new(StreamBody::new(frames).boxed_unsync())
    }
}

fn is_in(object: &Value, namespace: &Option<String>) -> bool {
    namespace.as_ref().is_none_or(|namespace| object["metadata"]["namespace"] == *namespace.as_str())
}

fn version_of(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn split_namespace(path: &str) -> (String, Option<&str>) {
    match path.split_once("/namespaces/").and_then(|(root, rest)| Some((root, rest.split_once('/')?))) {
        Some((root, (namespace, plural))) => (format!("{root}/{plural}"), Some(namespace)),
        None => (path.to_owned(), None),
    }
}

fn event(kind: &str, object: &Value) -> String {
    format!("{}\n", json!({ "type": kind, "object": object }))
}

fn whole(status: u16, body: Value) -> Response<Text> {
    Response::builder().status(status).body(Full::from(body.to_string()).boxed_unsync()).unwrap()
}

fn refusal(status: u16, retry_after: Option<u32>) -> Response<Text> {
    let mut response = whole(status, json!({ "message": "as scripted", "code": status }));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

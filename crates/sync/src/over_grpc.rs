//! The rims against each other, over loopback: readers that stop, servers that stop, fall behind or grow old.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::Stream;
use silverback_model::{
    CollectionId, Commit, Digest, Frontier, Frontiers, Inputs, Lineage, ObjectKey, SetDigest, Version,
};
use silverback_proto::v1;
use silverback_proto::v1::config_server::{Config, ConfigServer};
use silverback_proto::v1::state_server::{State, StateServer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::client::{Event, Follower, Hop, Lost, Servers};
use crate::{Change, Item, Publisher, Received, SharedPublisher};

const SOON: Duration = Duration::from_secs(30);
const OBJECTS: u64 = 200;

#[derive(Clone)]
struct Service(SharedPublisher);

#[tonic::async_trait]
impl State for Service {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(Box::pin(self.0.watch(request.into_inner())?)))
    }

    async fn get_head(&self, _: Request<v1::GetHeadRequest>) -> Result<Response<v1::Commit>, Status> {
        Ok(Response::new(v1::Commit::from(&self.0.read(Publisher::head))))
    }

    async fn list(&self, _: Request<v1::ListRequest>) -> Result<Response<v1::ListResponse>, Status> {
        Err(Status::unimplemented("of no use here"))
    }

    async fn get(&self, _: Request<v1::GetRequest>) -> Result<Response<v1::Item>, Status> {
        Err(Status::unimplemented("of no use here"))
    }

    async fn list_kinds(&self, _: Request<v1::ListKindsRequest>) -> Result<Response<v1::ListKindsResponse>, Status> {
        Err(Status::unimplemented("of no use here"))
    }
}

#[tonic::async_trait]
impl Config for Service {
    type WatchStream = <Self as State>::WatchStream;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        State::watch(self, request).await
    }

    async fn get_head(&self, request: Request<v1::GetHeadRequest>) -> Result<Response<v1::Commit>, Status> {
        State::get_head(self, request).await
    }

    async fn get_entity(&self, _: Request<v1::GetEntityRequest>) -> Result<Response<v1::Item>, Status> {
        Err(Status::unimplemented("of no use here"))
    }

    async fn list_entities(
        &self,
        _: Request<v1::ListEntitiesRequest>,
    ) -> Result<Response<v1::ListEntitiesResponse>, Status> {
        Err(Status::unimplemented("of no use here"))
    }

    async fn explain(&self, _: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        Err(Status::unimplemented("of no use here"))
    }
}

/// A watcher that holds [`OBJECTS`] objects of a kilobyte, as of version 10.
struct Watcher {
    publisher: SharedPublisher,
    url: String,
    serving: JoinHandle<()>,
}

impl Watcher {
    async fn start(max_age: Duration) -> Self {
        let id = services();
        let mut publisher = Publisher::new(Lineage("cluster".into()), Digest(7), [id.clone()]);
        let items = (0..OBJECTS).map(|name| object(name, 10)).collect();
        publisher.apply(&id, Change::Replace { items, version: Version::from_counter(10) });
        Self::serve(SharedPublisher::new(publisher).with_max_age(max_age)).await
    }

    async fn serve(publisher: SharedPublisher) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = Service(publisher.clone());
        let serving = tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(StateServer::new(service.clone()));
            let server = server.add_service(ConfigServer::new(service));
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        Self { publisher, url, serving }
    }

    /// Puts an object, and gives what tells whether its body is still kept.
    fn put(&self, name: u64, version: u64) -> Weak<str> {
        let object = object(name, version);
        let body = Arc::downgrade(&object.body);
        self.publisher.write(|publisher| publisher.apply(&services(), Change::Upsert(object)));
        body
    }

    fn delete(&self, name: u64, version: u64) {
        let delete = Change::Delete { key: key(name), version: Version::from_counter(version) };
        self.publisher.write(|publisher| publisher.apply(&services(), delete));
    }
}

fn services() -> CollectionId {
    CollectionId::all("Service")
}

fn key(name: u64) -> ObjectKey {
    ObjectKey::new("shop", format!("n{name}"))
}

fn object(name: u64, version: u64) -> Item {
    Item::new(key(name), Version::from_counter(version), format!("\"{version}{}\"", "x".repeat(1000)))
}

fn servers(of: &[&Watcher]) -> Servers {
    Servers { urls: of.iter().map(|server| server.url.parse().unwrap()).collect(), tls: None, client: "test".into() }
}

fn follow(watchers: &[&Watcher]) -> Follower {
    Follower::new(servers(watchers), Hop::State)
}

/// Follows until that much has been seen, and gives what happened on the way but for changes.
async fn until_seen(follower: &mut Follower, version: u64) -> Vec<Event> {
    let version = Version::from_counter(version);
    let mut events = Vec::new();
    let followed = async {
        while follower.replica().frontiers().get(&services()).seen < version {
            match follower.next().await {
                Event::Received(Received::Deltas(_)) => (),
                event => events.push(event),
            }
        }
    };
    tokio::time::timeout(SOON, followed).await.unwrap();
    events
}

fn served_by(events: &[Event]) -> &str {
    let connected = events.iter().rev().find_map(|event| match event {
        Event::Connected { server } => Some(server.as_str()),
        _ => None,
    });
    connected.unwrap()
}

/// Which of two serves the follower, and which does not.
fn sides<'a>(events: &[Event], a: &'a Watcher, b: &'a Watcher) -> (&'a Watcher, &'a Watcher) {
    if a.url.ends_with(served_by(events)) { (a, b) } else { (b, a) }
}

#[tokio::test]
async fn a_reader_that_stops_costs_no_more_than_the_keys_there_are() {
    let watcher = Watcher::start(SOON).await;
    let mut follower = follow(&[&watcher]);
    until_seen(&mut follower, 10).await;

    // Twenty seconds of a thousand changes each, fourteen megabytes, far more than windows and buffers hold; half of it of
    // objects that come and go.
    let mut version = 10;
    let mut bodies: Vec<Weak<str>> = Vec::new();
    for round in 0..7_000 {
        bodies.push(watcher.put(round % OBJECTS, version + 1));
        bodies.push(watcher.put(1_000_000 + round, version + 2));
        watcher.delete(1_000_000 + round, version + 3);
        version += 3;
        let backlog = watcher.publisher.read(Publisher::largest_backlog);
        assert!(backlog.pending as u64 <= 2 * OBJECTS + 2, "{backlog:?} after {version} events");
        assert!(backlog.under_way as u64 <= 2 * OBJECTS + 2, "{backlog:?} after {version} events");
        tokio::task::yield_now().await;
    }
    let backlog = watcher.publisher.read(Publisher::largest_backlog);
    assert!(backlog.pending as u64 >= OBJECTS, "it read on: {backlog:?}");
    let kept = bodies.iter().filter(|body| body.strong_count() > 0).count() as u64;
    assert!(kept <= OBJECTS + backlog.under_way as u64, "{kept} bodies are kept for {backlog:?}");

    until_seen(&mut follower, version).await;
    let (here, there) = (follower.replica().head(), watcher.publisher.read(Publisher::head));
    assert_eq!((here.content, here.entities), (there.content, there.entities));
    let backlog = watcher.publisher.read(Publisher::largest_backlog);
    assert_eq!(backlog.total(), 0);
}

#[tokio::test]
async fn a_reader_moves_to_another_watcher_for_the_price_of_what_changed() {
    let (a, b) = (Watcher::start(SOON).await, Watcher::start(SOON).await);
    let mut follower = follow(&[&a, &b]);
    let events = until_seen(&mut follower, 10).await;
    let (served, other) = sides(&events, &a, &b);
    let before = follower.replica().tally();

    other.put(3, 11);
    served.publisher.write(|publisher| publisher.close("this watcher stops"));
    served.serving.abort();
    let events = until_seen(&mut follower, 11).await;
    assert!(other.url.ends_with(served_by(&events)));
    let after = follower.replica().tally();
    assert_eq!((after.snapshots, after.items), (before.snapshots, before.items + 1), "a delta, not everything");
}

#[tokio::test]
async fn a_watcher_that_falls_behind_is_left() {
    let (a, b) = (Watcher::start(SOON).await, Watcher::start(SOON).await);
    let mut follower = follow(&[&a, &b]);
    let events = until_seen(&mut follower, 10).await;
    let (served, other) = sides(&events, &a, &b);

    other.put(3, 11); // the other one never hears of it
    let events = until_seen(&mut follower, 11).await;
    assert!(other.url.ends_with(served_by(&events)));
    let left = |event: &Event| matches!(event, Event::Lost { cause: Lost::Behind { .. }, .. });
    assert!(events.iter().any(left), "{events:?}");
    assert_eq!(served.publisher.read(Publisher::subscribers), 0);
}

#[tokio::test]
async fn translators_that_make_different_things_of_the_same_objects_are_told_of() {
    let translator = |body: &str| {
        let mut publisher = Publisher::new(Lineage(format!("makes {body}")), Digest(7), []).committing();
        let item = Item::new(key(1), Version::from_counter(1), body);
        publisher.apply(&services(), Change::Replace { items: vec![item], version: Version::from_counter(1) });
        let frontiers = Frontiers([(services(), Frontier::default())].into());
        let digests = [(services(), SetDigest(Digest(5)))].into();
        let inputs = Inputs { frontiers, digests, ..Inputs::default() };
        let content = publisher.content();
        publisher.commit_as(Commit { inputs, content, entities: 1, ..Commit::default() });
        Watcher::serve(SharedPublisher::new(publisher))
    };
    let (a, b) = (translator("this").await, translator("that").await);
    let mut follower = Follower::new(servers(&[&a, &b]), Hop::Config);
    let compared = async {
        loop {
            if let Event::Compared { agrees, .. } = follower.next().await {
                return agrees;
            }
        }
    };
    assert!(!tokio::time::timeout(SOON, compared).await.unwrap());
}

#[tokio::test]
async fn old_streams_begin_anew_where_they_were() {
    let watcher = Watcher::start(Duration::from_millis(100)).await;
    let mut follower = follow(&[&watcher]);
    until_seen(&mut follower, 10).await;
    let ended = async { while !matches!(follower.next().await, Event::Lost { cause: Lost::Ended(_), .. }) {} };
    tokio::time::timeout(SOON, ended).await.unwrap();
    watcher.put(3, 11);
    until_seen(&mut follower, 11).await;
    let tally = follower.replica().tally();
    assert_eq!((tally.snapshots, tally.items), (1, OBJECTS + 1));
}

#[tokio::test]
async fn many_readers_are_all_told() {
    let watcher = Watcher::start(SOON).await;
    let readers: Vec<_> = (0..50).map(|_| follow(&[&watcher])).collect();
    let read = readers.into_iter().map(|mut follower| async move {
        until_seen(&mut follower, 30).await;
        follower.replica().head().content
    });
    let (read, ()) = tokio::join!(futures::future::join_all(read), async {
        for version in 11..=30 {
            watcher.put(version, version);
            tokio::task::yield_now().await;
        }
    });
    let there = watcher.publisher.read(Publisher::head).content;
    assert!(read.iter().all(|content| *content == there));
}

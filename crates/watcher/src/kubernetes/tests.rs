//! The whole source against a scripted API server, as a consumer sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use silverback_model::{Cursor, Lineage, Version, rules};
use silverback_resources::registry::{KINDS, KindId, trim_digest};
use silverback_sync::{Mode, Publisher, Received, Replica, SharedPublisher, SubscriberId};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::fake::{Fake, Streams};
use super::{KubernetesSource, Patience, Selectors, Settings, asked, collections};
use crate::metrics::Counters;

const INGRESS: KindId = KindId::INGRESS;
const SECRET: KindId = KindId::SECRET;
const SERVICE: KindId = KindId::SERVICE;
const PLUGIN: KindId = KindId::KONG_PLUGIN;
const CRD: KindId = KindId::CUSTOM_RESOURCE_DEFINITION;

/// A source that runs, and one consumer of it.
struct Story {
    fake: Fake,
    publisher: SharedPublisher,
    subscriber: SubscriberId,
    replica: Replica,
    held: BTreeMap<(String, String), String>,
    /// Every state the consumer was handed, as `kind name` of what it held.
    seen: Vec<Vec<String>>,
    /// What the consumer was ever told to be gone.
    gone: Vec<String>,
    _stop: tokio_util::sync::DropGuard,
}

struct Start {
    kinds: Vec<KindId>,
    namespaces: Vec<String>,
    selectors: Selectors,
    patience: Patience,
}

impl Start {
    fn watching(kinds: &[KindId]) -> Self {
        let (kinds, patience) = (kinds.to_vec(), Patience::default());
        Self { kinds, namespaces: Vec::new(), selectors: Selectors::default(), patience }
    }

    fn run(self, fake: &Fake) -> Story {
        let kinds: Vec<_> = KINDS.iter().filter(|kind| kind.id == CRD || self.kinds.contains(&kind.id)).collect();
        let ids = collections(&kinds, &self.namespaces).map(|(_, id)| id);
        let publisher = SharedPublisher::new(Publisher::new(Lineage("the-cluster".into()), trim_digest(), ids));
        let settings = Settings {
            kinds: kinds.into(),
            namespaces: self.namespaces.into(),
            selectors: self.selectors,
            patience: self.patience,
        };
        let stop = CancellationToken::new();
        let source =
            KubernetesSource::new(fake.cluster(), publisher.clone(), settings, Counters::default(), stop.clone());
        tokio::spawn(source.run());
        let mut replica = Replica::new(Mode::PerCollection);
        let subscriber = publisher.write(|publisher| publisher.subscribe(replica.cursors()));
        Story {
            fake: fake.clone(),
            publisher,
            subscriber,
            replica,
            held: BTreeMap::new(),
            seen: Vec::new(),
            gone: Vec::new(),
            _stop: stop.drop_guard(),
        }
    }
}

impl Story {
    /// Takes in all that there is to be told.
    fn deliver(&mut self) {
        while let Some(frame) = self.publisher.write(|publisher| publisher.next_frame(self.subscriber)) {
            match self.replica.receive(frame).unwrap() {
                Received::Deltas(deltas) => {
                    for delta in deltas {
                        let place = (delta.collection.kind, delta.key.name);
                        match delta.item {
                            Some(item) => drop(self.held.insert(place, item.body.to_string())),
                            None => {
                                self.gone.push(format!("{} {}", place.0, place.1));
                                self.held.remove(&place);
                            }
                        }
                    }
                    let names = self.names();
                    self.seen.push(names);
                }
                Received::GoAway(_) => {
                    self.subscriber = self.publisher.write(|publisher| publisher.subscribe(self.replica.cursors()));
                }
                _ => (),
            }
        }
    }

    /// What is held, but for what tells which kinds there are.
    fn names(&self) -> Vec<String> {
        let held = self.held.keys().filter(|(kind, _)| *kind != CRD.as_str());
        held.map(|(kind, name)| format!("{} {name}", kind.split('.').next().unwrap())).collect()
    }

    /// Waits until the consumer, in one of its states, satisfies a condition.
    async fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let mut moved = self.publisher.moved();
        let waited = timeout(Duration::from_secs(30), async {
            loop {
                moved.borrow_and_update();
                self.deliver();
                if holds(self) {
                    return;
                }
                let _ = moved.changed().await;
            }
        });
        if waited.await.is_err() {
            panic!("{what}: never; the consumer holds {:?}; requests: {:#?}", self.names(), self.fake.all_requests());
        }
    }

    /// Waits until exactly these are held.
    async fn holds(&mut self, expected: &[&str]) {
        self.until(&format!("{expected:?} are held"), |story| story.replica.is_whole() && story.names() == expected)
            .await;
    }

    fn stale(&self, kind: KindId) -> Option<String> {
        self.replica.stale().find(|(id, _)| id.kind == kind.as_str()).map(|(_, reason)| reason.to_owned())
    }

    fn completeness(&self, kind: KindId) -> rules::Completeness {
        self.replica.completeness(&kind.collection())
    }

    /// Waits until a collection is known as far as the server is.
    async fn catches_up(&mut self, kind: KindId) {
        let newest = self.fake.version();
        let seen = |story: &Self| story.replica.frontiers().get(&kind.collection()).seen == newest;
        self.until("the collection is known up to now", seen).await;
    }
}

/// So short that it ends within a test.
const BRIEF: Duration = Duration::from_millis(100);

fn service(port: u16) -> Value {
    json!({ "spec": { "ports": [{ "port": port }] } })
}

fn ingress(secret: &str) -> Value {
    json!({ "spec": { "tls": [{ "secretName": secret }] } })
}

fn secret(value: &str) -> Value {
    json!({ "type": "kubernetes.io/tls", "data": { "tls.crt": value } })
}

fn crd(established: bool) -> Value {
    json!({
        "spec": { "versions": [{ "name": "v1", "served": true }] },
        "status": { "conditions": [{ "type": "Established", "status": if established { "True" } else { "False" } }] },
    })
}

const PLUGINS_CRD: &str = "kongplugins.configuration.konghq.com";

#[tokio::test]
async fn lists_are_streamed_where_the_server_offers_it() {
    let fake = Fake::default();
    fake.put(SERVICE, "shop", "web", service(80));
    let mut story = Start::watching(&[SERVICE]).run(&fake);
    story.holds(&["Service web"]).await;
    fake.put(SERVICE, "shop", "api", service(80));
    story.holds(&["Service api", "Service web"]).await;
    assert_eq!(fake.requests(&["/services", "sendInitialEvents"]), 1);
    assert_eq!(fake.requests(&["/services"]), 1, "the stream goes on as the watch");
}

#[tokio::test]
async fn lists_are_paged_where_streams_are_refused_or_ignored() {
    for streams in [Streams::Refused, Streams::Ignored] {
        let fake = Fake::default();
        fake.streams(streams);
        (0..30).for_each(|n| fake.put(SECRET, "shop", &format!("s{n}"), secret("a")));
        (0..30).for_each(|n| fake.put(INGRESS, "shop", &format!("i{n}"), ingress(&format!("s{n}"))));
        let patience = Patience { streamed: BRIEF, ..Patience::default() };
        let mut story = Start { patience, ..Start::watching(&[INGRESS, SECRET]) }.run(&fake);
        story.until("all are held", |story| story.held.len() == 60).await;
        assert_eq!(fake.requests(&["/secrets", "limit=25"]), 2, "two pages");
        assert_eq!(fake.requests(&["/secrets", "sendInitialEvents"]), 0, "the server was asked in vain twice");
        assert!(story.gone.is_empty());
    }
}

#[test]
fn a_server_without_streams_is_asked_for_one_again_later() {
    let (soon, late) = (asked::Streams::new(Duration::ZERO), asked::Streams::new(Duration::from_secs(600)));
    assert!(soon.are_offered() && late.are_offered());
    soon.are_not_offered();
    late.are_not_offered();
    assert!(soon.are_offered() && !late.are_offered());
}

#[tokio::test]
async fn a_watch_that_goes_silent_is_replaced() {
    let fake = Fake::default();
    fake.put(SERVICE, "shop", "web", service(80));
    let patience = Patience { silence: 2 * BRIEF, ..Patience::default() };
    let mut story = Start { patience, ..Start::watching(&[SERVICE]) }.run(&fake);
    story.holds(&["Service web"]).await;
    fake.mute("sendInitialEvents");
    fake.put(SERVICE, "shop", "api", service(80));
    story.holds(&["Service api", "Service web"]).await;
    assert_eq!(fake.requests(&["/services", "sendInitialEvents"]), 1, "it is resumed, not listed again");
    assert!(story.gone.is_empty());
}

#[tokio::test]
async fn a_compacted_watch_is_listed_again_and_only_what_is_gone_is_told_to_be() {
    let fake = Fake::default();
    ["a", "b", "c"].iter().for_each(|name| fake.put(SERVICE, "shop", name, service(80)));
    let mut story = Start::watching(&[SERVICE]).run(&fake);
    story.holds(&["Service a", "Service b", "Service c"]).await;
    fake.mute("/services");
    fake.delete(SERVICE, "shop", "b");
    fake.compact();
    fake.is_asked(1, &["/services"]).await;
    story.deliver();
    assert!(story.gone.is_empty(), "nothing was seen to be gone yet");
    fake.heal();
    story.holds(&["Service a", "Service c"]).await;
    assert_eq!(story.gone, ["Service b"]);
}

#[tokio::test]
async fn refusals_keep_the_state_and_mark_it_stale() {
    let fake = Fake::default();
    fake.put(SERVICE, "shop", "web", service(80));
    fake.put(INGRESS, "shop", "web", json!({}));
    let mut story = Start::watching(&[SERVICE, INGRESS]).run(&fake);
    story.holds(&["Ingress web", "Service web"]).await;
    for status in [403, 404, 500, 503] {
        fake.refuse("/ingresses", status, None);
        let said = format!("it answers {status}");
        story.until(&said, |story| story.stale(INGRESS).is_some_and(|reason| reason.contains(&said))).await;
        assert_eq!(story.stale(SERVICE), None, "the others go on");
        fake.put(INGRESS, "shop", "other", json!({}));
        fake.heal();
        story.holds(&["Ingress other", "Ingress web", "Service web"]).await;
        story.until("it is well again", |story| story.stale(INGRESS).is_none()).await;
        fake.delete(INGRESS, "shop", "other");
        story.holds(&["Ingress web", "Service web"]).await;
    }
    assert!(story.gone.iter().all(|gone| gone.ends_with("other")), "{:?}", story.gone);
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it() {
    let fake = Fake::default();
    fake.refuse("/services", 429, Some(1));
    fake.put(SERVICE, "shop", "web", service(80));
    let mut story = Start::watching(&[SERVICE]).run(&fake);
    fake.is_asked(1, &["/services"]).await;
    if fake.requests(&["/services"]) < 2 {
        fake.is_asked(1, &["/services"]).await;
    }
    assert!(fake.pause("/services") >= Duration::from_secs(1));
    fake.heal();
    story.holds(&["Service web"]).await;
}

#[tokio::test]
async fn a_kind_comes_and_goes_with_its_definition_and_with_nothing_else() {
    let fake = Fake::default();
    let mut story = Start::watching(&[PLUGIN]).run(&fake);
    story.until("it is absent", |story| story.completeness(PLUGIN) == rules::Completeness::Absent).await;

    fake.put(PLUGIN, "shop", "auth", json!({ "plugin": "key-auth" }));
    fake.put(CRD, "", PLUGINS_CRD, crd(false));
    fake.put(CRD, "", PLUGINS_CRD, crd(true));
    story.holds(&["KongPlugin auth"]).await;

    // CRDs that cannot be read, or a list of them that cannot be the truth, take nothing away.
    fake.refuse("customresourcedefinitions", 403, None);
    fake.is_asked(2, &["customresourcedefinitions"]).await;
    fake.put(PLUGIN, "shop", "cors", json!({ "plugin": "cors" }));
    story.holds(&["KongPlugin auth", "KongPlugin cors"]).await;
    fake.heal();
    assert!(story.gone.is_empty());

    fake.delete(CRD, "", PLUGINS_CRD);
    story.until("it is absent", |story| story.completeness(PLUGIN) == rules::Completeness::Absent).await;
    assert!(story.names().is_empty());
}

#[tokio::test]
async fn a_new_definition_shows_fields_that_the_old_one_hid() {
    let fake = Fake::default();
    let defined = |generation: u64| {
        let mut crd = crd(true);
        crd["metadata"] = json!({ "generation": generation });
        crd
    };
    fake.put(CRD, "", PLUGINS_CRD, defined(1));
    fake.put(PLUGIN, "shop", "auth", json!({ "plugin": "key-auth" }));
    let patience = Patience { defined: BRIEF, ..Patience::default() };
    let mut story = Start { patience, ..Start::watching(&[PLUGIN]) }.run(&fake);
    story.holds(&["KongPlugin auth"]).await;
    let shows = |name: &'static str| move |story: &Story| story.held.values().any(|body| body.contains(name));
    fake.show(PLUGIN, "shop", "auth", "instance_name", json!("first"));
    fake.put(CRD, "", PLUGINS_CRD, defined(2));
    story.until("the field is shown", shows("first")).await;
    // The API server went by the old definition for a moment.
    fake.show(PLUGIN, "shop", "auth", "instance_name", json!("second"));
    story.until("it is listed again", shows("second")).await;
    assert!(story.gone.is_empty());
}

#[tokio::test]
async fn where_definitions_may_not_be_read_schemas_tell_of_new_ones() {
    let fake = Fake::default();
    fake.refuse("customresourcedefinitions", 403, None);
    fake.define("configuration.konghq.com/v1", "one");
    fake.put(PLUGIN, "shop", "auth", json!({ "plugin": "key-auth" }));
    let patience = Patience { refused: BRIEF, schemas: BRIEF, defined: BRIEF, ..Patience::default() };
    let start = Start { namespaces: vec!["shop".into()], patience, ..Start::watching(&[PLUGIN]) };
    let mut story = start.run(&fake);
    story.holds(&["KongPlugin auth"]).await;
    let lists = ["kongplugins", "sendInitialEvents"];
    assert_eq!(fake.requests(&lists), 1);
    fake.define("example.com/v1", "two");
    fake.is_asked(3, &["/openapi/v3"]).await;
    assert_eq!(fake.requests(&lists), 1, "another group is none of its business");

    let shows = |name: &'static str| move |story: &Story| story.held.values().any(|body| body.contains(name));
    fake.show(PLUGIN, "shop", "auth", "instance_name", json!("first"));
    fake.define("configuration.konghq.com/v1", "two");
    story.until("the field is shown", shows("first")).await;
    fake.show(PLUGIN, "shop", "auth", "instance_name", json!("second"));
    story.until("it is listed again", shows("second")).await;
    fake.is_asked(3, &["/openapi/v3"]).await;
    assert_eq!(fake.requests(&lists), 3);
    assert!(story.gone.is_empty());
}

#[tokio::test]
async fn where_definitions_may_not_be_read_a_better_version_is_taken() {
    let (fake, kind) = (Fake::default(), KindId::TCP_ROUTE);
    let [best, other] = [0, 1].map(|at| format!("/{}/", kind.kind().versions[at]));
    fake.refuse("customresourcedefinitions", 403, None);
    fake.refuse(&best, 404, None);
    let patience = Patience { refused: BRIEF, schemas: BRIEF, defined: BRIEF, ..Patience::default() };
    let start = Start { namespaces: vec!["shop".into()], patience, ..Start::watching(&[kind]) };
    let mut story = start.run(&fake);
    story.holds(&[]).await;
    assert_eq!(fake.requests(&[&other, "sendInitialEvents"]), 1);
    fake.put(kind, "shop", "tcp", json!({}));
    fake.heal();
    fake.refuse("customresourcedefinitions", 403, None);
    fake.define("gateway.networking.k8s.io/v1", "one");
    story.holds(&["TCPRoute tcp"]).await;
}

#[tokio::test]
async fn definitions_that_were_never_read_are_waited_for() {
    let fake = Fake::default();
    fake.refuse("customresourcedefinitions", 403, None);
    let mut story = Start::watching(&[PLUGIN, SERVICE]).run(&fake);
    fake.is_asked(3, &["customresourcedefinitions"]).await;
    story.deliver();
    assert_eq!(story.completeness(PLUGIN), rules::Completeness::Never, "an error is never absence");
    fake.heal();
    story.until("it is absent", |story| story.completeness(PLUGIN) == rules::Completeness::Absent).await;
}

#[tokio::test]
async fn a_secret_that_was_not_seen_yet_is_never_taken_for_missing() {
    let fake = Fake::default();
    fake.put(SECRET, "shop", "early", secret("a"));
    fake.put(INGRESS, "shop", "early", ingress("early"));
    let mut story = Start::watching(&[INGRESS, SECRET]).run(&fake);
    story.holds(&["Ingress early", "Secret early"]).await;

    // The watch of Secrets lags: it has not told of this one when the Ingress is there.
    fake.mute("/secrets");
    fake.put(SECRET, "shop", "late", secret("b"));
    fake.put(INGRESS, "shop", "late", ingress("late"));
    fake.is_asked(1, &["metadata.name%3Dlate"]).await;
    story.deliver();
    assert_eq!(story.names(), ["Ingress early", "Secret early"], "the Ingress must wait for its Secret");
    fake.heal();
    story.holds(&["Ingress early", "Ingress late", "Secret early", "Secret late"]).await;

    // One that was let pass before anything named it is read by its name.
    fake.put(SECRET, "shop", "old", secret("c"));
    story.catches_up(SECRET).await;
    fake.put(INGRESS, "shop", "old", ingress("old"));
    story.until("it is there", |story| story.names().contains(&"Secret old".to_owned())).await;
    assert!(fake.requests(&["namespaces/shop/secrets", "metadata.name%3Dold"]) > 0);

    // At no time was an Ingress seen without its Secret.
    for seen in &story.seen {
        for name in seen.iter().filter_map(|name| name.strip_prefix("Ingress ")) {
            assert!(seen.contains(&format!("Secret {name}")), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_is_missing_holds_nothing_up_once_that_is_known() {
    let fake = Fake::default();
    fake.put(INGRESS, "shop", "a", ingress("nowhere"));
    fake.put(INGRESS, "shop", "b", ingress("no, name!"));
    let mut story = Start::watching(&[INGRESS, SECRET]).run(&fake);
    story.holds(&["Ingress a", "Ingress b"]).await;
    fake.put(SECRET, "shop", "nowhere", secret("a"));
    story.holds(&["Ingress a", "Ingress b", "Secret nowhere"]).await;
    fake.delete(SECRET, "shop", "nowhere");
    story.holds(&["Ingress a", "Ingress b"]).await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_holds_up_its_referrer_and_says_so() {
    let fake = Fake::default();
    fake.put(INGRESS, "shop", "a", json!({}));
    let mut story = Start::watching(&[INGRESS, SECRET, SERVICE]).run(&fake);
    story.holds(&["Ingress a"]).await;
    fake.refuse("metadata.name", 403, None);
    fake.put(INGRESS, "shop", "a", ingress("locked"));
    story
        .until("it says so", |story| story.stale(INGRESS).is_some_and(|reason| reason.contains("Secret shop/locked")))
        .await;
    fake.put(SERVICE, "shop", "web", service(80));
    story.holds(&["Ingress a", "Service web"]).await;
    assert!(!story.held[&(INGRESS.to_string(), "a".into())].contains("locked"), "the last state is kept");
    fake.heal();
    story.until("it goes on", |story| story.held[&(INGRESS.to_string(), "a".into())].contains("locked")).await;
}

#[tokio::test]
async fn only_what_is_named_labelled_or_selected_is_held() {
    let fake = Fake::default();
    let labelled = |label: &str, value: &str| json!({ "metadata": { "labels": { label: value } }, "data": {} });
    for n in 0..100 {
        fake.put(SECRET, "shop", &format!("other{n}"), secret("x"));
    }
    fake.put(SECRET, "shop", "named", secret("a"));
    fake.put(SECRET, "shop", "key", labelled("konghq.com/credential", "key-auth"));
    fake.put(SECRET, "shop", "mine", labelled("acme.io/mine", "true"));
    fake.put(SECRET, "shop", "not-mine", labelled("acme.io/mine", "false"));
    fake.put(KindId::CONFIG_MAP, "kong", "facts", labelled("silverback.konghq.com/feedback", "true"));
    fake.put(KindId::CONFIG_MAP, "kong", "unrelated", labelled("a", "b"));
    fake.put(INGRESS, "shop", "a", ingress("named"));
    let selectors = Selectors { secrets: Some("acme.io/mine".into()), config_maps: None };
    let mut story = Start { selectors, ..Start::watching(&[INGRESS, SECRET, KindId::CONFIG_MAP]) }.run(&fake);
    story.holds(&["ConfigMap facts", "Ingress a", "Secret key", "Secret mine", "Secret named"]).await;

    // Held while they are named, and no longer; labels are reason enough, as long as they are there.
    fake.put(INGRESS, "shop", "a", ingress("key"));
    story.holds(&["ConfigMap facts", "Ingress a", "Secret key", "Secret mine"]).await;
    fake.delete(INGRESS, "shop", "a");
    fake.put(SECRET, "shop", "mine", secret("a"));
    fake.put(SECRET, "shop", "other1", labelled("konghq.com/ca-cert", "true"));
    story.holds(&["ConfigMap facts", "Secret key", "Secret other1"]).await;
    assert_eq!(fake.requests(&["/secrets", "type%21%3Dhelm.sh%2Frelease.v1"]), fake.requests(&["/secrets"]));
}

#[tokio::test]
async fn a_history_that_begins_again_replaces_the_state_without_a_gap() {
    let fake = Fake::default();
    fake.put(SERVICE, "shop", "web", service(80));
    fake.put(SECRET, "shop", "cert", secret("a"));
    fake.put(INGRESS, "shop", "web", ingress("cert"));
    let backup = 3;
    fake.put(SERVICE, "shop", "later", service(80));
    fake.skip_to(100);
    fake.bookmark(SERVICE);
    let mut story = Start::watching(&[SERVICE, INGRESS, SECRET, PLUGIN]).run(&fake);
    story.holds(&["Ingress web", "Secret cert", "Service later", "Service web"]).await;

    fake.restore(backup);
    fake.put(SERVICE, "shop", "web", service(8080));
    story.holds(&["Ingress web", "Secret cert", "Service web"]).await;
    story.until("what changed is seen", |story| story.held[&("Service".into(), "web".into())].contains("8080")).await;
    assert_eq!(story.gone, ["Service later"]);
    story.until("the history is another", |story| story.replica.lineage() != Lineage("the-cluster".into())).await;
    story.until("it is one", |story| story.replica.is_whole() && story.replica.missing().is_empty()).await;
    let state = |story: &Story| story.publisher.read(|p| p.collection(&PLUGIN.collection()).unwrap().state.clone());
    story.until("what is absent is told to be", |story| state(story) == silverback_sync::State::Absent).await;
    // And it goes on.
    fake.put(INGRESS, "shop", "new", json!({}));
    story.holds(&["Ingress new", "Ingress web", "Secret cert", "Service web"]).await;
}

#[tokio::test]
async fn a_consumer_that_has_seen_more_makes_the_collection_list_again() {
    let fake = Fake::default();
    fake.put(SERVICE, "shop", "web", service(80));
    let mut story = Start::watching(&[SERVICE]).run(&fake);
    story.holds(&["Service web"]).await;
    fake.skip_to(50);
    let cursor = |seen: u64| Cursor {
        collection: SERVICE.collection(),
        lineage: Lineage("the-cluster".into()),
        trim: trim_digest(),
        seen: Version::from_counter(seen),
        held: Vec::new(),
    };
    let ahead = story.publisher.write(|publisher| publisher.subscribe([cursor(50)]));
    let caught_up =
        |story: &Story| story.replica.frontiers().get(&SERVICE.collection()).seen == Version::from_counter(50);
    story.until("the collection caught up", caught_up).await;
    story.publisher.write(|publisher| publisher.unsubscribe(ahead));
    assert_eq!(fake.requests(&["/services", "sendInitialEvents"]), 2);

    // One that has seen more than there is comes from another history.
    story.publisher.write(|publisher| publisher.subscribe([cursor(1000)]));
    story.until("another history begins", |story| story.replica.lineage() != Lineage("the-cluster".into())).await;
    story.holds(&["Service web"]).await;
    assert!(story.gone.is_empty());
}

#[tokio::test]
async fn namespaces_are_watched_with_rights_in_them_alone() {
    let fake = Fake::default();
    for cluster_wide in ["ingressclasses", "customresourcedefinitions", "/api/v1/namespaces?"] {
        fake.refuse(cluster_wide, 403, None);
    }
    fake.refuse("kongplugins", 404, None);
    fake.put(SERVICE, "shop", "web", service(80));
    fake.put(SERVICE, "other", "hidden", service(80));
    let kinds = [SERVICE, KindId::INGRESS_CLASS, KindId::NAMESPACE, PLUGIN, INGRESS, SECRET];
    let patience = Patience { refused: BRIEF, ..Patience::default() };
    let mut story = Start { namespaces: vec!["shop".into()], patience, ..Start::watching(&kinds) }.run(&fake);
    story.holds(&["Service web"]).await;
    assert_eq!(fake.requests(&["/api/v1/services"]), 0, "only the namespace is asked for");
    assert_eq!(story.completeness(KindId::INGRESS_CLASS), rules::Completeness::Absent);

    // A Secret of a namespace that is not watched is none to wait for.
    fake.put(KindId::GATEWAY, "shop", "unrelated", json!({}));
    fake.put(INGRESS, "shop", "a", ingress("missing"));
    story.holds(&["Ingress a", "Service web"]).await;

    // Rights that are given later, and kinds that are installed later, need no restart.
    fake.heal();
    fake.put(KindId::INGRESS_CLASS, "", "kong", json!({ "spec": { "controller": "x" } }));
    fake.put(CRD, "", PLUGINS_CRD, crd(true));
    fake.put(PLUGIN, "shop", "auth", json!({ "plugin": "key-auth" }));
    story.holds(&["Ingress a", "IngressClass kong", "KongPlugin auth", "Service web"]).await;
}

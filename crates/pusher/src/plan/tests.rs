//! The planner with a fleet of stand-in gateways that judge as Kong does.

use serde_json::{Value, json};
use silverback_devcluster::gateway::{GatewayHandle, On, Settings, StandInGateway};
use silverback_gateway::{ClientSettings, Connector, Timeouts, discovery};
use silverback_isolation::Piece;
use silverback_kong::{EntityKey, Rendered};
use silverback_model::{Generation, ObjectKey, ObjectRef, Provenance, Traces};
use silverback_service::CancellationToken;

use super::*;
use crate::fleet::{self, Fleet};
use crate::lead::Lead;
use crate::metrics::Metrics;

const SOON: Duration = Duration::from_secs(120);
/// Longer than any test: a push that is given up is sent again, and would be counted, and a gateway that is not waited
/// for does not count.
const FOR_EVER: Duration = Duration::from_secs(600);

/// A pusher without its edges, and its gateways.
struct World {
    gateways: Vec<GatewayHandle>,
    desired: watch::Sender<Option<Arc<Desired>>>,
    recalled: watch::Sender<Option<Arc<Accepted>>>,
    shown: watch::Receiver<Shown>,
    feedback: watch::Receiver<Feedback>,
    accepted: watch::Receiver<Option<Arc<Accepted>>>,
    generation: u64,
    fail_open: bool,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    async fn new(count: usize) -> Self {
        Self::with(Self::gateways(count).await, FOR_EVER)
    }

    async fn gateways(count: usize) -> Vec<GatewayHandle> {
        let mut gateways = Vec::new();
        for _ in 0..count {
            gateways.push(StandInGateway::start(Settings::default()).await.unwrap());
        }
        gateways
    }

    fn with(gateways: Vec<GatewayHandle>, patience: Duration) -> Self {
        let timeouts = Timeouts { connect: FOR_EVER, read: FOR_EVER, push: FOR_EVER };
        let connector = Connector::new(ClientSettings { timeouts, ..ClientSettings::default() }).unwrap();
        let endpoints = discovery::from_urls(gateways.iter().map(GatewayHandle::admin_url)).unwrap();
        let (desired, desired_rx) = watch::channel(None);
        let (recalled, recalled_rx) = watch::channel(None);
        let (reports, reports_rx) = watch::channel(Reports::new());
        let (plans, plans_rx) = watch::channel(None);
        let (targets, targets_rx) = watch::channel(None);
        let (accepted, accepted_rx) = watch::channel(None);
        let (feedback, feedback_rx) = watch::channel(Feedback::default());
        let (shown, shown_rx) = watch::channel(Shown::default());
        let registry = silverback_service::metrics::Metrics::default();
        let (lead, stop) = (Lead::always(), CancellationToken::new());
        let ends = Ends {
            desired: desired_rx,
            reports: reports_rx,
            epoch: lead.epoch.clone(),
            found: watch::channel(None).1,
            recalled: recalled_rx,
            plans,
            accepted,
            feedback,
            shown,
            offers: watch::channel(Offers::default()).0,
        };
        tokio::spawn(Planner::new(ends, false, patience, IsolationMetrics::register(&registry)).run());
        tokio::spawn(fleet::aim(
            plans_rx,
            lead.epoch.clone(),
            targets,
            watch::channel(None).0,
            Metrics::register(&registry),
        ));
        let metrics = Metrics::register(&registry);
        let rules = silverback_gateway::worker::Settings::default();
        let connectors = watch::channel(connector).1;
        let fleet = Fleet { connectors, rules, lead, targets: targets_rx, reports, metrics, shutdown: stop.clone() };
        tokio::spawn(fleet.run(watch::channel(endpoints).1));
        Self {
            gateways,
            desired,
            recalled,
            shown: shown_rx,
            feedback: feedback_rx,
            accepted: accepted_rx,
            generation: 0,
            fail_open: false,
            stop,
        }
    }

    fn want(&mut self, config: &Config) {
        self.generation += 1;
        let (generation, fail_open) = (Generation(self.generation), self.fail_open);
        let commit = Commit { generation, fail_open, ..Commit::default() };
        self.desired.send_replace(Some(Arc::new(Desired {
            commit,
            age: Duration::ZERO,
            config: Arc::new(config.clone()),
            traces: Traces::default(),
        })));
    }

    /// Waits until a gateway holds exactly these routes.
    async fn holds(&self, at: usize, routes: impl Fn(&[String]) -> bool) {
        let held = self.gateways[at].wait_for(SOON, |held| routes(&names(&held.config()))).await;
        assert!(
            held.is_some(),
            "gateway {at} holds {:?}; {:?}",
            names(&self.gateways[at].config()),
            self.shown.borrow()
        );
    }

    async fn quarantines(&mut self, expected: &[&str]) {
        let is = |shown: &Shown| {
            let names: Vec<String> = shown.quarantine.iter().map(|it| format!("{} {}", it.kind, it.name)).collect();
            names == expected && shown.suspects == 0
        };
        let found = tokio::time::timeout(SOON, self.shown.wait_for(is)).await.map(|found| found.is_ok());
        assert_eq!(found, Ok(true), "{:#?}", self.shown.borrow());
    }

    fn posts(&self, at: usize) -> usize {
        self.gateways[at].posts().len()
    }
}

/// Names of all routes.
fn names(config: &Value) -> Vec<String> {
    let services = config["services"].as_array().into_iter().flatten();
    let routes = services.flat_map(|service| service["routes"].as_array().into_iter().flatten());
    routes.filter_map(|route| route["name"].as_str()).map(str::to_owned).collect()
}

fn put(config: &mut Config, collection: &str, name: &str, mut value: Value) {
    let key = EntityKey::new(collection.into(), name);
    value["tags"] =
        json!([format!("k8s-name:{name}"), "k8s-namespace:shop", "k8s-kind:Ingress", "k8s-group:networking.k8s.io"]);
    let object = ObjectRef::new("Ingress.networking.k8s.io", ObjectKey::new("shop", name));
    let source = Provenance { object, uid: String::new(), version: "1".into() };
    config.insert(key.clone(), Piece::new(Rendered::of_value(&key, &value), vec![source]));
}

fn route(name: &str, path: &str) -> Value {
    json!({"name": name, "paths": [path], "tags": [format!("k8s-name:{name}"), "k8s-namespace:shop", "k8s-kind:Ingress"]})
}

/// Services with a route each.
fn shop(services: std::ops::Range<usize>) -> Config {
    let mut config = Config::new();
    for at in services {
        let name = format!("s{at:04}");
        let routes = [route(&name, &format!("/{name}"))];
        put(&mut config, "services", &name, json!({"name": name, "host": name, "routes": routes}));
        put(&mut config, "upstreams", &name, json!({"name": name, "targets": [{"target": "10.0.0.1:80"}]}));
    }
    config
}

#[tokio::test]
async fn one_bad_object_of_each_kind_among_a_thousand_keeps_no_good_one_back() {
    let mut world = World::new(2).await;
    let mut config = shop(0..1_000);
    let route = route("bad-route", "no-slash");
    put(
        &mut config,
        "services",
        "mixed",
        json!({"name": "mixed", "host": "h", "routes": [route, self::route("good", "/good")]}),
    );
    put(&mut config, "services", "bad-service", json!({"name": "bad-service", "host": "h", "port": 99_999}));
    put(&mut config, "upstreams", "bad-upstream", json!({"name": "bad-upstream", "slots": 1}));
    put(
        &mut config,
        "upstreams",
        "bad-target",
        json!({"name": "bad-target", "targets": [{"target": "10.0.0.2:80"}, {"target": "a:b:c"}]}),
    );
    put(&mut config, "plugins", "bad-plugin", json!({"name": "key-auth", "config": {"bogus": 1}, "route": "s0007"}));
    put(&mut config, "consumers", "bad-consumer", json!({"username": "ann", "bogus": true}));
    let keys = json!([{"key": "good"}, {"key": 7}]);
    put(&mut config, "consumers", "bad-credential", json!({"username": "bob", "keyauth_credentials": keys}));
    put(
        &mut config,
        "certificates",
        "bad-certificate",
        json!({"id": "3fa6b1c4-0000-4000-8000-00000000000a", "cert": "no", "key": "no"}),
    );
    put(
        &mut config,
        "ca_certificates",
        "bad-authority",
        json!({"id": "3fa6b1c4-0000-4000-8000-00000000000b", "cert": "no"}),
    );
    put(&mut config, "vaults", "bad-vault", json!({"name": "nonsense", "prefix": "v"}));
    world.want(&config);
    for at in 0..2 {
        world.holds(at, |routes| routes.len() == 1_001 && routes.contains(&"good".to_owned())).await;
        let answers: Vec<_> = world.gateways[at].posts().iter().map(|post| post.status).collect();
        assert_eq!(answers, [Some(400), Some(201)], "all are named at once");
        let held = world.gateways[at].config();
        let plugin = &held["plugins"][0];
        assert_eq!((plugin["name"].as_str(), plugin["route"].as_str()), (Some("request-termination"), Some("s0007")));
        let all = held["consumers"].as_array().cloned().unwrap_or_default();
        let bob = all.iter().find(|consumer| consumer["username"] == "bob");
        let bob = bob.unwrap_or_else(|| panic!("{all:?} and {:#?}", world.shown.borrow()));
        assert_eq!(bob["keyauth_credentials"].as_array().unwrap().len(), 1, "the good credential stays");
    }
    let found: BTreeSet<String> = world.shown.borrow().quarantine.iter().map(|entry| entry.kind.clone()).collect();
    let kinds = [
        "ca_certificate",
        "certificate",
        "consumer",
        "keyauth_credential",
        "plugin",
        "route",
        "service",
        "target",
        "upstream",
        "vault",
    ];
    assert_eq!(found, kinds.map(str::to_owned).into());
    let shown = world.shown.borrow().clone();
    let route = shown.quarantine.iter().find(|entry| entry.kind == "route").unwrap();
    assert!(route.reason.contains("should start with"), "{}", route.reason);
    assert_eq!(world.feedback.borrow().quarantine, shown.quarantine);
    assert_eq!(world.feedback.borrow().gateways.len(), 1, "both gateways are of one kind");
    // Good changes go on at one post each.
    let before = world.posts(0);
    put(
        &mut config,
        "services",
        "late",
        json!({"name": "late", "host": "h", "routes": [self::route("late", "/late")]}),
    );
    world.want(&config);
    world.holds(0, |routes| routes.contains(&"late".to_owned())).await;
    assert_eq!(world.posts(0), before + 1);
}

#[tokio::test]
async fn what_a_refused_plugin_was_bound_to_goes_on_without_it_where_the_translator_is_told_so() {
    let mut world = World::new(1).await;
    let mut config = shop(0..3);
    put(&mut config, "plugins", "bad-plugin", json!({"name": "key-auth", "config": {"bogus": 1}, "route": "s0001"}));
    for fail_open in [true, false] {
        world.fail_open = fail_open;
        world.want(&config);
        let is_so = |held: &Value| {
            let all = held["plugins"].as_array().map_or(0, Vec::len);
            names(held).len() == 3 && all == usize::from(!fail_open)
        };
        let held = world.gateways[0].wait_for(SOON, |held| is_so(&held.config())).await;
        assert!(held.is_some(), "{fail_open}: {}", world.gateways[0].config());
        world.quarantines(&["plugin bad-plugin"]).await;
        assert_eq!(world.shown.borrow().quarantine[0].closed, !fail_open);
    }
}

#[tokio::test]
async fn what_one_gateway_alone_refuses_is_its_own_trouble() {
    let mut world = World::new(3).await;
    world.gateways[1].faults().reject_tag("k8s-name:s0001", "not here");
    world.want(&shop(0..1));
    world.holds(1, |routes| routes.len() == 1).await;
    world.want(&shop(0..3));
    for at in [0, 2] {
        world.holds(at, |routes| routes.len() == 3).await;
    }
    world.want(&shop(0..5));
    for at in [0, 2] {
        world.holds(at, |routes| routes.len() == 5).await;
    }
    assert!(world.shown.borrow().quarantine.is_empty());
    assert_eq!(names(&world.gateways[1].config()).len(), 1, "it keeps what it has");
}

#[tokio::test]
async fn changes_flow_past_a_gateway_that_hangs_and_one_that_alone_refuses() {
    let mut world = World::new(10).await;
    world.want(&shop(0..1));
    for at in 0..10 {
        world.holds(at, |routes| routes.len() == 1).await;
    }
    world.gateways[0].faults().hang(On::Posts);
    world.gateways[1].faults().reject_tag("k8s-name:s0001", "not here");
    for services in 2..6 {
        world.want(&shop(0..services));
        for at in 2..10 {
            world.holds(at, |routes| routes.len() == services).await;
        }
    }
    assert!(world.shown.borrow().quarantine.is_empty());
    for at in 0..2 {
        assert_eq!(names(&world.gateways[at].config()), ["s0000"], "it keeps what it has");
    }
    assert_eq!(world.posts(0), 2, "it is not asked again while it hangs");
}

#[tokio::test]
async fn a_refusal_that_names_nothing_is_searched_among_the_changes() {
    let mut world = World::new(1).await;
    let mut config = shop(0..40);
    put(&mut config, "consumers", "ann", json!({"username": "ann", "keyauth_credentials": [{"key": "same"}]}));
    world.want(&config);
    world.holds(0, |routes| routes.len() == 40).await;
    let before = world.posts(0);
    // Kong tells of a key that is there twice without a name, in either form.
    let mut changed = shop(0..48);
    put(&mut changed, "consumers", "ann", json!({"username": "ann", "keyauth_credentials": [{"key": "same"}]}));
    put(&mut changed, "consumers", "bob", json!({"username": "bob", "keyauth_credentials": [{"key": "same"}]}));
    world.want(&changed);
    world.holds(0, |routes| routes.len() == 48).await;
    let name =
        tokio::time::timeout(SOON, world.shown.wait_for(|shown| !shown.quarantine.is_empty() && shown.suspects == 0))
            .await;
    let entry = name.unwrap().unwrap().quarantine[0].clone();
    assert_eq!((entry.kind.as_str(), &*entry.within.name), ("keyauth_credential", "bob"));
    assert!(!format!("{entry:?}").contains("same"), "{entry:?}");
    // 8 services with a route each, 8 upstreams with a target each, a consumer with its credential.
    let bound = 3 + 34_usize.next_power_of_two().ilog2() as usize;
    assert!(world.posts(0) - before <= bound, "{} posts", world.posts(0) - before);
}

#[tokio::test]
async fn a_missing_reference_is_named_by_the_second_question() {
    let mut world = World::new(1).await;
    world.want(&shop(0..20));
    world.holds(0, |routes| routes.len() == 20).await;
    let (before, mut config) = (world.posts(0), shop(0..21));
    put(
        &mut config,
        "services",
        "x",
        json!({"name": "x", "host": "h", "client_certificate": "3fa6b1c4-0000-4000-8000-00000000dead"}),
    );
    world.want(&config);
    world.quarantines(&["service x"]).await;
    world.holds(0, |routes| routes.len() == 21).await;
    assert!(world.posts(0) - before <= 3, "{} posts", world.posts(0) - before);
}

#[tokio::test]
async fn it_ends_when_the_object_is_mended_and_when_it_is_deleted() {
    let mut world = World::new(1).await;
    let mut config = shop(0..3);
    let bad = |path: &str| json!({"name": "odd", "host": "h", "routes": [route("odd", path)]});
    put(&mut config, "services", "odd", bad("no-slash"));
    world.want(&config);
    world.quarantines(&["route odd"]).await;
    put(&mut config, "services", "odd", bad("/mended"));
    world.want(&config);
    world.holds(0, |routes| routes.contains(&"odd".to_owned())).await;
    world.quarantines(&[]).await;
    put(&mut config, "services", "odd", bad("bad-again"));
    world.want(&config);
    world.quarantines(&["route odd"]).await;
    config.remove(&EntityKey::new("services".into(), "odd"));
    world.want(&config);
    world.quarantines(&[]).await;
}

#[tokio::test]
async fn a_gateway_that_hangs_does_not_keep_the_search_from_ending() {
    let mut world = World::with(World::gateways(2).await, PATIENCE);
    world.want(&shop(0..2));
    world.holds(1, |routes| routes.len() == 2).await;
    world.gateways[0].faults().hang(On::Posts);
    let mut config = shop(0..4);
    put(&mut config, "services", "odd", json!({"name": "odd", "host": "h", "routes": [route("odd", "no-slash")]}));
    world.want(&config);
    world.holds(1, |routes| routes.len() == 4).await;
    world.quarantines(&["route odd"]).await;
    world.gateways[0].faults().release();
    world.holds(0, |routes| routes.len() == 4).await;
    world.quarantines(&["route odd"]).await;
}

#[tokio::test]
async fn before_any_translator_answers_empty_gateways_get_the_last_good_configuration() {
    let full = StandInGateway::start(Settings::default()).await.unwrap();
    full.alter_config(r#"{"_format_version":"3.0","services":[{"name":"newer","host":"h","routes":[{"name":"newer","paths":["/"]}]}]}"#).unwrap();
    let empty = StandInGateway::start(Settings::default()).await.unwrap();
    let mut world = World::with(vec![full, empty], FOR_EVER);
    let accepted = Accepted { commit: Commit::default(), config: Arc::new(shop(0..7)), at: Timestamp::UNIX_EPOCH };
    world.recalled.send_replace(Some(Arc::new(accepted)));
    world.holds(1, |routes| routes.len() == 7).await;
    assert_eq!(names(&world.gateways[0].config()), ["newer"], "what a gateway has is never set back");
    assert_eq!(world.posts(0), 0);
    // A translator's word is the last one, for both.
    world.want(&shop(0..8));
    for at in 0..2 {
        world.holds(at, |routes| routes.len() == 8).await;
    }
    let accepted = tokio::time::timeout(SOON, world.accepted.wait_for(Option::is_some)).await.unwrap().unwrap().clone();
    assert_eq!(*accepted.unwrap().config, shop(0..8));
}

/// Who loses the lead in the midst of a search has the whole of what is wanted ready, at once and from then on.
#[tokio::test]
async fn who_does_not_lead_holds_nothing_back() {
    let (desired, desired_rx) = watch::channel(None);
    let (reports, reports_rx) = watch::channel(Reports::new());
    let (epoch, epoch_rx) = watch::channel(Some(Epoch::default()));
    let (plans, mut plans_rx) = watch::channel(None::<Arc<Plan>>);
    let ends = Ends {
        desired: desired_rx,
        reports: reports_rx,
        epoch: epoch_rx,
        found: watch::channel(None).1,
        recalled: watch::channel(None).1,
        plans,
        accepted: watch::channel(None).0,
        feedback: watch::channel(Feedback::default()).0,
        shown: watch::channel(Shown::default()).0,
        offers: watch::channel(Offers::default()).0,
    };
    let registry = silverback_service::metrics::Metrics::default();
    tokio::spawn(Planner::new(ends, true, FOR_EVER, IsolationMetrics::register(&registry)).run());
    let want = |services: usize| {
        let config = Arc::new(shop(0..services));
        let (commit, age, traces) = (Commit::default(), Duration::ZERO, Traces::default());
        desired.send_replace(Some(Arc::new(Desired { commit, age, config, traces })));
    };
    let mut next = async |is: &dyn Fn(&Plan) -> bool| {
        let found = plans_rx.wait_for(|plan| plan.as_ref().is_some_and(|plan| is(plan)));
        tokio::time::timeout(SOON, found).await.unwrap().unwrap().clone().unwrap()
    };
    let hash = |services: usize| body(&shop(0..services), None).hash();
    want(2);
    let first = next(&|plan| plan.flatten).await;
    let push = silverback_gateway::LastPush {
        started: std::time::SystemTime::UNIX_EPOCH,
        took: Duration::ZERO,
        hash: first.body.hash(),
        flatten: true,
        bytes: 0,
        generation: Generation(1),
        result: silverback_gateway::PushResult::Refused(Arc::default()),
    };
    let state = silverback_gateway::State::Refused;
    let report = silverback_gateway::GatewayReport { state, last_push: Some(push), ..Default::default() };
    reports.send_modify(|reports| drop(reports.insert(String::new(), report)));
    next(&|plan| !plan.flatten).await;
    // The answer to the question in the other form never comes.
    want(3);
    epoch.send_replace(None);
    next(&|plan| plan.flatten && plan.body.hash() == hash(3)).await;
    want(4);
    next(&|plan| plan.flatten && plan.body.hash() == hash(4)).await;
}

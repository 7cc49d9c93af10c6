//! Tasks that keep gateways configured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use silverback_devcluster::gateway::{
    FixedAnswer, GatewayHandle, LoadTime, On, Restart, RouterFlavor, Settings, StandInGateway,
};
use silverback_gateway::task::Task;
use silverback_gateway::{
    ClientSettings, ConfigBody, Connector, GatewayReport, Grant, Permission, PushResult, Routing, State, Target,
    Timeouts, worker,
};
use silverback_model::{Generation, SetDigest, Traces};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{SOON, config, endpoint, gateway, until};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Quick, so that tests are.
fn rules() -> worker::Settings {
    worker::Settings {
        verify_every: ms(50),
        longest_quiet: ms(50),
        shortest_pause: ms(20),
        longest_pause: ms(100),
        longest_pause_unreached: ms(40),
    }
}

fn target(name: &str) -> Option<Arc<Target>> {
    Some(Arc::new(Target {
        body: config(name),
        content: SetDigest::default(),
        routing: Routing::Fields,
        flatten: true,
        generation: Generation(name.len() as u64),
        epoch: None,
        age: Duration::ZERO,
        traces: Traces::default(),
        only_empty: false,
    }))
}

/// A gateway's task, with all its strings.
struct Kept {
    targets: watch::Sender<Option<Arc<Target>>>,
    report: watch::Receiver<GatewayReport>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Longer than any test: who waits for one of these is found out.
const FOR_EVER: Timeouts =
    Timeouts { connect: Duration::from_secs(600), read: Duration::from_secs(600), push: Duration::from_secs(600) };
/// So short that they end within a test.
const BRIEF: Timeouts =
    Timeouts { connect: Duration::from_secs(5), read: Duration::from_millis(500), push: Duration::from_millis(1_500) };

fn keep(gateway: &GatewayHandle, permission: Permission) -> Kept {
    keep_with(&gateway.admin_url(), permission, FOR_EVER, SOON)
}

fn keep_with(url: &str, permission: Permission, timeouts: Timeouts, drain: Duration) -> Kept {
    keep_by(rules(), url, permission, timeouts, drain)
}

fn keep_by(rules: worker::Settings, url: &str, permission: Permission, timeouts: Timeouts, drain: Duration) -> Kept {
    let (targets, seen) = watch::channel(None);
    let connector = Connector::new(ClientSettings { timeouts, ..ClientSettings::default() }).unwrap();
    let (_, connectors) = watch::channel(connector);
    let (task, report) = Task::new(connectors, endpoint(url), rules, seen, permission).unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(task.with_drain(drain).run(stop.clone()));
    Kept { targets, report, stop, task }
}

impl Kept {
    fn bring(&self, name: &str) -> ConfigBody {
        let target = target(name);
        let body = target.as_ref().unwrap().body.clone();
        self.targets.send_replace(target);
        body
    }

    async fn reports(&self, what: &str, holds: impl FnMut(&GatewayReport) -> bool) -> GatewayReport {
        let mut report = self.report.clone();
        let found = tokio::time::timeout(SOON, report.wait_for(holds)).await;
        match found {
            Ok(found) => found.unwrap().clone(),
            Err(_) => panic!("{what} was never reported: {:?}", self.report.borrow()),
        }
    }

    async fn synced(&self, body: &ConfigBody) -> GatewayReport {
        let hash = body.hash();
        let synced = |report: &GatewayReport| report.state == State::Synced && report.hash_observed == Some(hash);
        self.reports("being in sync", synced).await
    }
}

#[tokio::test]
async fn a_gateway_gets_each_config_and_reports_it() {
    let gateway = gateway().await;
    let kept = keep(&gateway, Permission::always());
    kept.reports("being idle", |report| report.state == State::Idle && report.facts.is_some()).await;
    assert_eq!(gateway.posts().len(), 0);
    for name in ["a", "bb", "ccc"] {
        let body = kept.bring(name);
        let report = kept.synced(&body).await;
        assert_eq!(gateway.hash(), body.hash().to_string());
        assert_eq!(report.generation, Some(Generation(name.len() as u64)));
        assert_eq!(report.behind_since, None);
        assert!(report.lag.is_some());
        let push = report.last_push.unwrap();
        assert_eq!((push.result, push.hash), (PushResult::Loaded, body.hash()));
    }
    assert_eq!(gateway.posts().len(), 3);
}

#[tokio::test]
async fn a_gateway_that_has_the_config_gets_no_post() {
    let gateway = gateway().await;
    let first = keep(&gateway, Permission::always());
    let body = first.bring("a");
    first.synced(&body).await;
    first.stop.cancel();
    first.task.await.unwrap();
    let second = keep(&gateway, Permission::always());
    second.bring("a");
    assert_eq!(second.synced(&body).await.generation, Some(Generation(1)));
    assert_eq!(gateway.posts().len(), 1);
}

#[tokio::test]
async fn changes_that_come_while_it_loads_are_one() {
    let load_time = LoadTime { base: ms(150), ..LoadTime::default() };
    let gateway = StandInGateway::start(Settings { load_time, ..Settings::default() }).await.unwrap();
    let kept = keep(&gateway, Permission::always());
    kept.bring("first");
    until("the first post", || gateway.posts().len() == 1).await;
    for n in 0..20 {
        kept.bring(&format!("change-{n}"));
    }
    kept.synced(&config("change-19")).await;
    assert_eq!(gateway.posts().len(), 2, "the latest wins");
    let posts = gateway.posts();
    assert!(posts[1].at >= posts[0].answered_at.unwrap(), "never two in flight");
}

/// Ten gateways get change after change while one of them is `sick`, and never fast enough to be waited for.
async fn nine_go_on_while_one_is_sick(sick: impl AsyncFnOnce(&GatewayHandle)) {
    let mut gateways = Vec::new();
    for _ in 0..10 {
        gateways.push(gateway().await);
    }
    let kept: Vec<_> = gateways.iter().map(|it| keep(it, Permission::always())).collect();
    for kept in &kept {
        kept.bring("first");
        kept.synced(&config("first")).await;
    }
    sick(&gateways[0]).await;
    for n in 0..5 {
        let name = format!("change-{n}");
        let body = config(&name);
        kept.iter().for_each(|kept| drop(kept.bring(&name)));
        for kept in &kept[1..] {
            kept.synced(&body).await;
        }
    }
    assert_ne!(gateways[0].hash(), config("change-4").hash().to_string(), "the sick one was sick all the time");
    for well in &gateways[1..] {
        assert_eq!(well.posts().len(), 6, "every change, once");
    }
    gateways[0].set_listening(true).await.unwrap();
    gateways[0].faults().clear();
    kept.iter().for_each(|kept| kept.stop.cancel());
}

#[tokio::test]
async fn a_gateway_that_hangs_is_waited_for_by_no_other() {
    nine_go_on_while_one_is_sick(async |sick| sick.faults().hang(On::Everything)).await;
}

#[tokio::test]
async fn a_gateway_that_refuses_connections_is_waited_for_by_no_other() {
    nine_go_on_while_one_is_sick(async |sick| sick.set_listening(false).await.unwrap()).await;
}

#[tokio::test]
async fn a_gateway_that_answers_500_is_waited_for_by_no_other() {
    let no = FixedAnswer::message(500, "no");
    nine_go_on_while_one_is_sick(async move |sick| sick.faults().answer(On::Posts, no)).await;
}

#[tokio::test]
async fn a_gateway_that_takes_29_seconds_is_waited_for_by_no_other() {
    let slow = LoadTime { base: Duration::from_secs(29), ..LoadTime::default() };
    nine_go_on_while_one_is_sick(async move |sick| sick.faults().load_time(slow)).await;
}

#[tokio::test]
async fn a_gateway_that_cuts_its_answers_is_waited_for_by_no_other() {
    nine_go_on_while_one_is_sick(async |sick| sick.faults().cut_answers(On::Everything, 5)).await;
}

#[tokio::test]
async fn a_gateway_that_hangs_is_left_alone_until_it_answers() {
    let (hung, well) = (gateway().await, gateway().await);
    let a = keep_with(&hung.admin_url(), Permission::always(), BRIEF, SOON);
    let b = keep(&well, Permission::always());
    for kept in [&a, &b] {
        kept.reports("being idle", |report| report.state == State::Idle).await;
    }
    hung.faults().hang(On::Everything);
    for name in ["one", "two", "three", "four"] {
        a.bring(name);
        let body = b.bring(name);
        b.synced(&body).await;
    }
    a.reports("failing", |report| report.state == State::Failing && report.consecutive_failures > 0).await;
    assert!(hung.posts().len() <= 2, "{} posts to a gateway that hangs", hung.posts().len());
    hung.faults().clear();
    a.synced(&config("four")).await;
}

#[tokio::test]
async fn a_restart_that_empties_it_is_refilled() {
    let gateway = gateway().await;
    let kept = keep(&gateway, Permission::always());
    let body = kept.bring("a");
    kept.synced(&body).await;
    gateway.restart(Restart::Empty, ms(100)).await.unwrap();
    until("the config", || gateway.hash() == body.hash().to_string()).await;
    kept.synced(&body).await;
    gateway.set_listening(false).await.unwrap();
    kept.reports("failing", |report| report.state == State::Failing).await;
    gateway.set_listening(true).await.unwrap();
    kept.synced(&body).await;
    assert_eq!(gateway.posts().len(), 2, "a config that survived is not sent again");
}

/// No look is due within the test: the connection that ends is what tells.
#[tokio::test]
async fn a_restart_within_a_moment_is_noticed_at_once() {
    let gateway = gateway().await;
    let rules = worker::Settings { verify_every: Duration::from_secs(600), ..rules() };
    let kept = keep_by(rules, &gateway.admin_url(), Permission::always(), FOR_EVER, SOON);
    let body = kept.bring("a");
    kept.synced(&body).await;
    for (posts, down) in [(2, ms(0)), (3, ms(50))] {
        gateway.restart(Restart::Empty, down).await.unwrap();
        until("the config", || gateway.hash() == body.hash().to_string()).await;
        kept.synced(&body).await;
        assert_eq!(gateway.posts().len(), posts);
    }
}

#[tokio::test]
async fn an_alteration_by_hand_is_repaired() {
    let gateway = gateway().await;
    let kept = keep(&gateway, Permission::always());
    let body = kept.bring("a");
    kept.synced(&body).await;
    gateway.alter_config(r#"{"_format_version":"3.0","services":[{"name":"x","host":"y"}]}"#).unwrap();
    until("the repair", || gateway.hash() == body.hash().to_string()).await;
}

#[tokio::test]
async fn after_a_cut_answer_the_gateway_is_looked_at_before_anything_is_sent() {
    let gateway = gateway().await;
    let kept = keep(&gateway, Permission::always());
    gateway.faults().cut_answers(On::Posts, 30);
    let body = kept.bring("a");
    kept.synced(&body).await;
    assert_eq!(gateway.posts().len(), 1, "it had landed");
    assert!(matches!(kept.report.borrow().last_push.as_ref().unwrap().result, PushResult::Failed(_)));
}

#[tokio::test]
async fn what_it_refuses_is_not_sent_again_until_it_changes() {
    let gateway = gateway().await;
    gateway.faults().reject_tag("k8s-name:bad", "no good");
    let kept = keep(&gateway, Permission::always());
    let good = kept.bring("good");
    kept.synced(&good).await;
    kept.bring("bad");
    let report = kept.reports("a refusal", |report| report.state == State::Refused).await;
    let PushResult::Refused(rejection) = &report.last_push.as_ref().unwrap().result else { panic!("{report:?}") };
    assert_eq!(rejection.entities[0].tags, ["k8s-name:bad"]);
    assert!(report.last_error.unwrap().contains("no good"));
    assert_eq!(report.generation, Some(Generation(4)), "it keeps what it has");
    // Several rounds of verification.
    tokio::time::sleep(ms(300)).await;
    assert_eq!(gateway.posts().len(), 2);
    let better = kept.bring("better");
    assert_eq!(kept.synced(&better).await.last_error, None);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let gateway = gateway().await;
    let busy = FixedAnswer { retry_after: Some(1), times: Some(1), ..FixedAnswer::message(429, "loading") };
    gateway.faults().answer(On::Posts, busy);
    let kept = keep(&gateway, Permission::always());
    let start = Instant::now();
    let body = kept.bring("a");
    kept.synced(&body).await;
    assert!(start.elapsed() >= ms(1_000), "{:?}", start.elapsed());
    assert_eq!(gateway.posts().len(), 2);
}

#[tokio::test]
async fn another_router_flavour_is_reported_and_not_pushed_to() {
    let settings = Settings { router_flavor: RouterFlavor::Expressions, ..Settings::default() };
    let gateway = StandInGateway::start(settings).await.unwrap();
    let kept = keep(&gateway, Permission::always());
    kept.bring("a");
    let report = kept.reports("an obstacle", |report| report.state == State::Blocked).await;
    assert!(report.last_error.unwrap().contains("expressions"));
    assert_eq!(gateway.posts().len(), 0);
}

#[tokio::test]
async fn nothing_is_pushed_without_permission_and_a_new_leader_verifies_first() {
    let gateway = gateway().await;
    let (granted, seen) = watch::channel(Grant::Watch);
    let kept = keep(&gateway, Permission::new(seen, |_| true));
    let body = kept.bring("a");
    kept.reports("being behind", |report| report.state == State::Pending).await;
    assert_eq!(gateway.posts().len(), 0);
    granted.send_replace(Grant::Push);
    kept.synced(&body).await;
    assert_eq!(gateway.posts().len(), 1);
}

#[tokio::test]
async fn a_push_is_cut_when_the_leave_ends() {
    let leave = Arc::new(AtomicBool::new(true));
    let holds = Arc::clone(&leave);
    let (_granted, seen) = watch::channel(Grant::Push);
    let permission = Permission::new(seen, move |_| holds.load(Ordering::Relaxed));
    is_cut(permission, || leave.store(false, Ordering::Relaxed), || leave.store(true, Ordering::Relaxed)).await;
}

/// Who lost the Lease along with the API server may fill what is empty, and nothing else.
#[tokio::test]
async fn a_push_is_cut_when_only_filling_is_left() {
    let (granted, seen) = watch::channel(Grant::Push);
    let grant = |grant| granted.send(grant).unwrap();
    is_cut(Permission::new(seen, |_| true), || grant(Grant::Fill), || grant(Grant::Push)).await;
}

async fn is_cut(permission: Permission, end: impl FnOnce(), begin_anew: impl FnOnce()) {
    let gateway = gateway().await;
    let kept = keep(&gateway, permission);
    let before = kept.bring("before");
    kept.synced(&before).await;
    gateway.faults().hang(On::Posts);
    kept.bring("a");
    until("the post", || gateway.posts().len() == 2).await;
    end();
    let given_up =
        |report: &GatewayReport| report.last_push.as_ref().is_some_and(|push| push.result == PushResult::GivenUp);
    kept.reports("giving up", given_up).await;
    gateway.faults().clear();
    begin_anew();
    kept.synced(&config("a")).await;
}

#[tokio::test]
async fn a_stop_lets_a_push_end_but_not_for_ever() {
    let load_time = LoadTime { base: ms(100), ..LoadTime::default() };
    let slow = StandInGateway::start(Settings { load_time, ..Settings::default() }).await.unwrap();
    let hung = gateway().await;
    let a = keep(&slow, Permission::always());
    let b = keep_with(&hung.admin_url(), Permission::always(), FOR_EVER, ms(200));
    hung.faults().hang(On::Posts);
    a.bring("a");
    b.bring("a");
    until("both posts", || slow.posts().len() == 1 && hung.posts().len() == 1).await;
    a.stop.cancel();
    b.stop.cancel();
    tokio::time::timeout(SOON, a.task).await.expect("it ends").unwrap();
    tokio::time::timeout(SOON, b.task).await.expect("it ends").unwrap();
    let result = |report: &GatewayReport| report.last_push.as_ref().unwrap().result.clone();
    assert_eq!(result(&a.report.borrow()), PushResult::Loaded);
    assert_eq!(result(&b.report.borrow()), PushResult::GivenUp);
}

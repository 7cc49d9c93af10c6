//! Electors against a scripted API server that keeps one Lease, with compare-and-set, a watch, and faults.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::*;
use crate::name::name_of;

type Sent = UnsyncBoxBody<bytes::Bytes, std::convert::Infallible>;

/// Longest time anything may take.
const SOON: Duration = Duration::from_secs(60);

/// What the server does to a request instead of answering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Status(u16),
    Hang,
    /// Does what is asked, and answers nothing.
    LoseAnswer,
}

/// Applies a fault to the requests of a method; `times` of none means always.
type Rule = (Option<Method>, Fault, Option<usize>);

#[derive(Default)]
struct State {
    version: u64,
    lease: Option<Value>,
    rules: Vec<Rule>,
    writes: Vec<Value>,
    written_at: Vec<Instant>,
    watchless: bool,
}

#[derive(Clone)]
struct Server {
    state: Arc<Mutex<State>>,
    changes: broadcast::Sender<String>,
}

fn status(code: u16, message: &str) -> Response<Sent> {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message,
        "reason": if code == 403 { "Forbidden" } else { "Other" }});
    answer(code, &body)
}

fn answer(code: u16, body: &Value) -> Response<Sent> {
    let mut response = Response::new(Full::from(body.to_string()).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

impl Server {
    fn start() -> Self {
        let state = State { version: 40, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), changes: broadcast::channel(100).0 }
    }

    fn client(&self) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, std::convert::Infallible>(server.serve(request).await) }
        });
        kube::Client::new(service, "kong")
    }

    fn rule(&self, method: Option<Method>, fault: Fault, times: Option<usize>) {
        self.state.lock().unwrap().rules.push((method, fault, times));
    }

    fn heal(&self) {
        self.state.lock().unwrap().rules.clear();
    }

    fn lease(&self) -> Value {
        self.state.lock().unwrap().lease.clone().unwrap_or_default()
    }

    /// Names of those that wrote, in order.
    fn holders(&self) -> VecDeque<String> {
        self.identities().iter().map(|identity| name_of(identity).to_owned()).collect()
    }

    fn identities(&self) -> VecDeque<String> {
        let state = self.state.lock().unwrap();
        state.writes.iter().map(|lease| lease["spec"]["holderIdentity"].as_str().unwrap().to_owned()).collect()
    }

    /// When this holder wrote first, and last.
    fn written_by(&self, holder: &str) -> (Instant, Instant) {
        let (holders, times) = (self.holders(), self.state.lock().unwrap().written_at.clone());
        let mut of_holder = holders.iter().zip(times).filter(|(it, _)| *it == holder).map(|(_, at)| at);
        let first = of_holder.next().unwrap();
        (first, of_holder.next_back().unwrap_or(first))
    }

    fn fault(&self, method: &Method) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        let at = state.rules.iter().position(|(of, _, _)| of.as_ref().is_none_or(|of| of == method))?;
        let fault = state.rules[at].1;
        if let Some(left) = state.rules[at].2.as_mut() {
            *left -= 1;
            if *left == 0 {
                state.rules.remove(at);
            }
        }
        Some(fault)
    }

    async fn serve(&self, request: Request<Body>) -> Response<Sent> {
        let (parts, body) = request.into_parts();
        let collection = parts.uri.path() == "/apis/coordination.k8s.io/v1/namespaces/kong/leases";
        let body = body.collect().await.unwrap().to_bytes();
        let fault = self.fault(&parts.method);
        match fault {
            Some(Fault::Status(code)) => return status(code, "scripted"),
            Some(Fault::Hang) => return std::future::pending().await,
            Some(Fault::LoseAnswer) | None => {}
        }
        let response = if collection && parts.method == Method::GET {
            assert!(parts.uri.query().unwrap().contains("metadata.name%3Dleader"), "one object only: {}", parts.uri);
            let query = parts.uri.query().unwrap();
            let from = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="));
            if query.contains("watch=") { self.watch(from.unwrap().parse().unwrap()) } else { self.list() }
        } else {
            assert!(collection || parts.uri.path().ends_with("/leases/leader"), "{}", parts.uri);
            self.apply(&parts.method, serde_json::from_slice(&body).unwrap_or_default())
        };
        if fault == Some(Fault::LoseAnswer) { std::future::pending().await } else { response }
    }

    fn apply(&self, method: &Method, mut sent: Value) -> Response<Sent> {
        let mut state = self.state.lock().unwrap();
        match (method.as_str(), &state.lease) {
            ("GET", Some(lease)) => return answer(200, lease),
            ("GET" | "PUT", None) => return status(404, "not found"),
            ("POST", Some(_)) => return status(409, "exists"),
            ("PUT", Some(lease)) if sent["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"] => {
                return status(409, "conflict");
            }
            _ => {}
        }
        let event = if state.lease.is_some() { "MODIFIED" } else { "ADDED" };
        state.version += 3;
        sent["metadata"]["resourceVersion"] = json!(state.version.to_string());
        sent["metadata"]["uid"] = json!("uid-of-the-lease");
        state.lease = Some(sent.clone());
        state.writes.push(sent.clone());
        state.written_at.push(Instant::now());
        let _ = self.changes.send(told(event, &sent));
        answer(if method == Method::POST { 201 } else { 200 }, &sent)
    }

    fn list(&self) -> Response<Sent> {
        let state = self.state.lock().unwrap();
        if state.watchless {
            return status(403, "watches are off");
        }
        let items: Vec<_> = state.lease.iter().cloned().collect();
        let version = state.version.to_string();
        let body = json!({"kind": "LeaseList", "apiVersion": "coordination.k8s.io/v1",
            "metadata": {"resourceVersion": version}, "items": items});
        answer(200, &body)
    }

    /// All changes after a version: those of the past first.
    fn watch(&self, from: u64) -> Response<Sent> {
        let state = self.state.lock().unwrap();
        let later =
            |lease: &&Value| lease["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap() > from;
        let past: Vec<_> = state.writes.iter().filter(later).map(|lease| told("MODIFIED", lease)).collect();
        let future = futures::stream::unfold(self.changes.subscribe(), |mut changes| async {
            Some((changes.recv().await.ok()?, changes))
        });
        let frames = futures::stream::iter(past).chain(future).map(|line| Ok(http_body::Frame::data(line.into())));
        Response::new(StreamBody::new(frames).boxed_unsync())
    }
}

/// An event of a watch, as a line.
fn told(event: &str, lease: &Value) -> String {
    format!("{}\n", json!({"type": event, "object": lease}))
}

/// A Lease that expires within a test.
fn brief() -> LeaseTiming {
    let ms = Duration::from_millis;
    LeaseTiming { duration: ms(1_000), renew_deadline: ms(600), retry_period: ms(200) }
}

/// A Lease that is renewed within a test and does not expire in it: what happens does not happen by expiry.
fn long() -> LeaseTiming {
    LeaseTiming { duration: SOON * 10, renew_deadline: SOON * 9, ..brief() }
}

/// A Lease that nobody looks at again within a test, unless something happens to it.
fn still() -> LeaseTiming {
    LeaseTiming { retry_period: SOON * 2, ..long() }
}

struct Candidate {
    handle: Handle,
    task: tokio::task::JoinHandle<()>,
    pushed: watch::Sender<Option<String>>,
}

fn join(server: &Server, identity: &str, timing: LeaseTiming) -> Candidate {
    let settings = Settings {
        lease: LeaseName { namespace: "kong".into(), name: "leader".into() },
        identity: Identity::of(identity),
        timing: timing.validate().unwrap(),
    };
    let (pushed, pushed_seen) = watch::channel(None);
    let (elector, handle) = Elector::new(server.client(), settings, pushed_seen);
    Candidate { handle, task: tokio::spawn(elector.run()), pushed }
}

impl Candidate {
    async fn leads(&self) -> Permit {
        let mut leadership = self.handle.leadership();
        let leading = leadership.wait_for(|leadership| leadership.permit().is_some());
        let leading = tokio::time::timeout(SOON, leading).await.expect("it should lead").unwrap();
        leading.permit().unwrap().clone()
    }

    async fn in_trouble(&self, part: &str) {
        let mut trouble = self.handle.trouble();
        let named =
            trouble.wait_for(|trouble| trouble.as_ref().is_some_and(|trouble| trouble.to_string().contains(part)));
        tokio::time::timeout(SOON, named).await.unwrap_or_else(|_| panic!("no trouble named {part:?}")).unwrap();
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < SOON, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn one_candidate_leads_and_stays_leader_and_records_what_it_pushed() {
    let server = Server::start();
    let only = join(&server, "a", long());
    let permit = only.leads().await;
    assert_eq!(permit.epoch().version.as_str(), server.state.lock().unwrap().writes[0]["metadata"]["resourceVersion"]);
    assert_eq!(permit.epoch().lineage.0, "uid-of-the-lease");
    assert_eq!(server.lease()["spec"]["leaseDurationSeconds"], long().duration.as_secs());
    only.pushed.send(Some("Service=9".into())).unwrap();
    until("the annotation", || server.lease()["metadata"]["annotations"][PUSHED_ANNOTATION] == "Service=9").await;
    let left = permit.remaining().unwrap();
    let deadline = Instant::now() + left;
    until("the deadline moves along", || {
        let now = Instant::now();
        permit.remaining().is_some_and(|left| now + left > deadline)
    })
    .await;
    until("several renewals", || server.holders().len() > 8).await;
    assert!(permit.may_push_now() && only.handle.may_push_now());
    let writes = server.state.lock().unwrap().writes.clone();
    assert_eq!(writes.last().unwrap()["spec"]["acquireTime"], writes[0]["spec"]["acquireTime"]);
    assert_ne!(writes.last().unwrap()["spec"]["renewTime"], writes[0]["spec"]["renewTime"]);
}

#[tokio::test]
async fn a_release_hands_over_at_once_with_all_that_was_recorded() {
    let server = Server::start();
    let first = join(&server, "a", long());
    let old = first.leads().await;
    first.pushed.send(Some("Service=9".into())).unwrap();
    let second = join(&server, "b", still());
    let mut recorded = second.handle.recorded();
    let seen = recorded.wait_for(|recorded| recorded.as_deref() == Some("Service=9"));
    tokio::time::timeout(SOON, seen).await.expect("standbys see what was pushed").unwrap();
    first.handle.release().await;
    assert!(!old.may_push_now());
    let new = second.leads().await;
    assert!(new.epoch() > old.epoch());
    assert_eq!(server.lease()["metadata"]["annotations"][PUSHED_ANNOTATION], "Service=9");
    assert!(server.holders().contains(&String::new()));
    assert_eq!(server.lease()["spec"]["leaseTransitions"], 1);
    first.task.await.unwrap();
}

#[tokio::test]
async fn replicas_of_one_name_are_two_candidates() {
    let server = Server::start();
    let first = join(&server, "a", long());
    let old = first.leads().await;
    let second = join(&server, "a", long());
    let mut leadership = second.handle.leadership();
    let holder =
        |shown: &Leadership| matches!(shown, Leadership::Standby { holder: Some(holder) } if name_of(holder) == "a");
    tokio::time::timeout(SOON, leadership.wait_for(holder)).await.expect("it sees who leads").unwrap();
    let before = server.holders().len();
    until("renewals go on", || server.holders().len() > before + 4).await;
    assert!(old.may_push_now() && !second.handle.may_push_now());
    assert_eq!(server.identities().iter().collect::<BTreeSet<_>>().len(), 1, "the other wrote nothing");
    second.handle.release().await;
    assert!(old.may_push_now(), "what the other releases is not its own");
    assert!(!server.holders().contains(&String::new()));
}

#[tokio::test]
async fn a_crash_is_taken_over_when_the_lease_expires_and_not_before() {
    let server = Server::start();
    let first = join(&server, "a", brief());
    let old = first.leads().await;
    let second = join(&server, "b", long());
    let mut leadership = second.handle.leadership();
    let holder =
        |shown: &Leadership| matches!(shown, Leadership::Standby { holder: Some(holder) } if name_of(holder) == "a");
    tokio::time::timeout(SOON, leadership.wait_for(holder)).await.expect("it sees who leads").unwrap();
    first.task.abort();
    let new = second.leads().await;
    let waited = server.written_by("b").0 - server.written_by("a").1;
    assert!(waited >= brief().duration, "{waited:?}");
    assert!(!old.may_push_now(), "the crashed one's leave is over");
    assert!(new.may_push_now());
}

#[tokio::test]
async fn without_a_watch_it_polls() {
    let server = Server::start();
    server.state.lock().unwrap().watchless = true;
    let first = join(&server, "a", long());
    first.leads().await;
    let second = join(&server, "b", long());
    first.handle.release().await;
    second.leads().await;
}

#[tokio::test]
async fn a_leader_cut_off_stops_in_time_and_leads_anew_when_it_can() {
    let server = Server::start();
    let only = join(&server, "a", brief());
    let old = only.leads().await;
    server.rule(None, Fault::Status(500), None);
    let mut held = server.written_by("a").1;
    until("the leave is over", || {
        let now = Instant::now();
        let holds = old.may_push_now();
        held = if holds { now } else { held };
        !holds
    })
    .await;
    let over = held - server.written_by("a").1;
    assert!(over < brief().renew_deadline, "{over:?} after the last renewal it held");
    tokio::time::timeout(SOON, old.ended()).await.expect("who waits for its end is told");
    only.in_trouble("500").await;
    let mut leadership = only.handle.leadership();
    tokio::time::timeout(SOON, leadership.wait_for(|shown| shown.permit().is_none())).await.unwrap().unwrap();
    server.heal();
    let new = only.leads().await;
    assert!(new.epoch() > old.epoch());
    assert!(!old.may_push_now(), "an old leave never comes back");
}

#[tokio::test]
async fn an_api_server_that_hangs_costs_one_try_at_a_time() {
    let server = Server::start();
    let only = join(&server, "a", long());
    let permit = only.leads().await;
    server.rule(Some(Method::PUT), Fault::Hang, Some(1));
    only.in_trouble("did not answer").await;
    let before = server.holders().len();
    until("renewals go on", || server.holders().len() > before + 2).await;
    assert!(permit.may_push_now(), "one slow answer ends nothing");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_found_out() {
    let server = Server::start();
    server.rule(Some(Method::POST), Fault::LoseAnswer, Some(1));
    let only = join(&server, "a", long());
    let permit = only.leads().await;
    server.rule(Some(Method::PUT), Fault::LoseAnswer, Some(1));
    let before = server.holders().len();
    until("renewals go on", || server.holders().len() > before + 4).await;
    assert!(permit.may_push_now(), "the same leadership goes on");
}

#[tokio::test]
async fn a_conflict_is_no_failure() {
    let server = Server::start();
    server.rule(Some(Method::POST), Fault::Status(409), Some(2));
    let only = join(&server, "a", long());
    only.leads().await;
    assert_eq!(*only.handle.trouble().borrow(), None);
}

#[tokio::test]
async fn missing_rights_are_named_and_overcome() {
    let server = Server::start();
    server.rule(Some(Method::GET), Fault::Status(403), None);
    let only = join(&server, "a", long());
    only.in_trouble("not allowed to get the election's Lease kong/leader").await;
    server.heal();
    only.leads().await;
    assert_eq!(*only.handle.trouble().borrow(), None);
}

#[tokio::test]
async fn a_missing_namespace_is_named() {
    let server = Server::start();
    server.rule(Some(Method::POST), Fault::Status(404), None);
    let only = join(&server, "a", long());
    only.in_trouble("namespace `kong` does not exist").await;
}

#[tokio::test]
async fn what_others_wrote_on_the_lease_stays() {
    let server = Server::start();
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "leader", "namespace": "kong", "labels": {"helm": "yes"}, "annotations": {"note": "x"}},
        "spec": {"holderIdentity": "", "leaseTransitions": 6, "strategy": "OldestEmulationVersion"}});
    server.apply(&Method::POST, lease);
    let only = join(&server, "a", long());
    only.leads().await;
    only.pushed.send(Some("p".into())).unwrap();
    until("the annotation", || server.lease()["metadata"]["annotations"][PUSHED_ANNOTATION] == "p").await;
    let lease = server.lease();
    assert_eq!(lease["metadata"]["labels"]["helm"], "yes");
    assert_eq!(lease["metadata"]["annotations"]["note"], "x");
    assert_eq!(
        (&lease["spec"]["leaseTransitions"], &lease["spec"]["strategy"]),
        (&json!(7), &json!("OldestEmulationVersion"))
    );
}

#[tokio::test]
async fn a_lease_taken_by_force_ends_the_leave_at_once() {
    let server = Server::start();
    let only = join(&server, "a", long());
    let permit = only.leads().await;
    let mut lease = server.lease();
    lease["spec"]["holderIdentity"] = json!("thief");
    lease["spec"]["leaseDurationSeconds"] = json!(3600);
    assert_eq!(server.apply(&Method::PUT, lease).status(), 200);
    tokio::time::timeout(SOON, permit.ended()).await.expect("the leave ends");
}

#[tokio::test]
async fn a_release_that_cannot_be_written_gives_up_in_time() {
    let server = Server::start();
    let only = join(&server, "a", long());
    only.leads().await;
    server.rule(None, Fault::Status(500), None);
    tokio::time::timeout(SOON, only.handle.release()).await.expect("it gives up");
    assert!(!only.handle.may_push_now());
}

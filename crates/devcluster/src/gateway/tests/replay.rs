//! Puts the recorded requests to stand-ins, in order, and compares the answers with those of a real Kong.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::super::*;
use super::recordings::{self, Recording};

/// What is not compared whole, and why.
const NOT_WHOLE: &[(&str, Part, &str)] = &[
    ("001-", Part::Subset, "most of the configuration is Kong's own; what ours has must be as there"),
    ("017-", Part::Head, "figures of a running proxy"),
    ("160-", Part::Head, "a document of Kong's own, cut; tables are compared with the whole ones elsewhere"),
    ("162-", Part::Head, "a document of Kong's own, cut; tables are compared with the whole ones elsewhere"),
    ("163-", Part::Head, "a document of Kong's own; tables are compared with such elsewhere"),
    ("165-", Part::Set, "an order that is by chance"),
    ("166-", Part::Head, "the list of all paths, most of which no client of ours uses"),
    ("171-", Part::Head, "health as balancers see it, with weights left over from the config before"),
    ("172-", Part::Head, "health as balancers see it"),
    ("173-", Part::Head, "health as balancers see it"),
    ("176-", Part::Head, "health as balancers see it"),
    ("189-", Part::Head, "figures of a running proxy"),
    ("190-", Part::Head, "figures of a running proxy"),
    ("220-", Part::Head, "timers of Kong's own"),
    ("309-", Part::Head, "the answer is cut in the recording"),
];

/// Ports of listeners that pass traffic, which a stand-in does not.
const PROXIES: [u16; 2] = [18000, 18210];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Whole,
    /// Status and headers.
    Head,
    /// What the stand-in tells must be told by Kong too, in the same words.
    Subset,
    /// Lists in any order.
    Set,
}

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: String,
}

#[tokio::test]
async fn answers_as_kong_does() {
    let Some(recordings) = recordings::all() else { return };
    let mut gateways = Gateways::default();
    let (mut failures, mut whole, mut partly) = (String::new(), 0, 0);
    for recording in &recordings {
        if PROXIES.contains(&recording.port) {
            continue;
        }
        let found = NOT_WHOLE.iter().find(|(prefix, ..)| recording.name.starts_with(prefix));
        let part = found.map_or(Part::Whole, |(_, part, _)| *part);
        let answered = gateways.ask(recording).await;
        match compare(recording, &answered, part) {
            Ok(()) if part == Part::Whole => whole += 1,
            Ok(()) => partly += 1,
            Err(difference) => drop(write!(failures, "\n{}\n{difference}", recording.name)),
        }
    }
    let traffic = recordings.iter().filter(|recording| PROXIES.contains(&recording.port)).count();
    println!("{whole} answers as recorded, {partly} in part, {traffic} are proxied traffic, of {}", recordings.len());
    for (prefix, part, reason) in NOT_WHOLE {
        println!("{prefix} {part:?}: {reason}");
    }
    assert!(failures.is_empty(), "{failures}");
    assert_eq!(whole + partly + traffic, recordings.len());
}

/// A gateway for each that was recorded.
#[derive(Default)]
struct Gateways(BTreeMap<u16, GatewayHandle>);

impl Gateways {
    async fn ask(&mut self, recording: &Recording) -> Answered {
        // Admin and status listeners of one gateway by their first port.
        let (of, is_status) = match recording.port {
            18100 => (18001, true),
            18220 => (18201, true),
            port => (port, false),
        };
        let flavor = match of {
            18201 => RouterFlavor::Expressions,
            18301 => RouterFlavor::Traditional,
            _ => RouterFlavor::TraditionalCompatible,
        };
        let gateway = match self.0.entry(of) {
            Entry::Occupied(running) => running.into_mut(),
            Entry::Vacant(place) => {
                let settings = Settings { router_flavor: flavor, ..Settings::default() };
                place.insert(StandInGateway::start(settings).await.unwrap())
            }
        };
        let addr = if is_status { gateway.status.addr() } else { gateway.admin_addr() };
        // One recording needs another load under way.
        let _busy = if recording.name.starts_with("231-") { Some(gateway.shared.loading.lock().await) } else { None };
        ask(addr, recording, body(recording)).await
    }
}

/// What was posted, where the recording has left it out made anew.
fn body(recording: &Recording) -> Vec<u8> {
    let text = recording.body.as_str();
    match recording.name.get(..3) {
        Some("080") => with_certificates(text),
        Some("224") => vec![0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 3],
        Some("230") => format!("{{\"_format_version\":\"3.0\",\"_comment\":\"{}\"}}", "x".repeat(12_003_930)).into(),
        Some("231") => super::CONFIG.into(),
        Some("032" | "033") => multipart(text),
        _ => text.into(),
    }
}

/// The recording's certificate comes without its key.
fn with_certificates(text: &str) -> Vec<u8> {
    let own = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    let mut config: Value = serde_json::from_str(text).unwrap();
    for certificate in config["certificates"].as_array_mut().unwrap() {
        certificate["cert"] = own.cert.pem().into();
        certificate["key"] = own.signing_key.serialize_pem().into();
    }
    config.to_string().into()
}

/// The recordings have lost the carriage returns of the delimiters.
fn multipart(text: &str) -> Vec<u8> {
    let (head, rest) = text.split_once("\n\n").unwrap();
    let (content, _) = rest.rsplit_once("\n--XXboundary--").unwrap();
    format!("{}\r\n\r\n{content}\r\n--XXboundary--\r\n", head.replace('\n', "\r\n")).into()
}

async fn ask(addr: SocketAddr, recording: &Recording, body: Vec<u8>) -> Answered {
    let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::builder().method(recording.method.as_str()).uri(&recording.target);
    for (name, value) in &recording.headers {
        if !matches!(name.as_str(), "content-length" | "connection") {
            request = request.header(name, value);
        }
    }
    let response = sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answered { status, headers, body: String::from_utf8_lossy(&body).replace('\r', "") }
}

fn compare(recording: &Recording, answered: &Answered, part: Part) -> Result<(), String> {
    if recording.status != answered.status {
        return Err(format!("status {} instead of {}: {}", answered.status, recording.status, answered.body));
    }
    let varies = ["date", "connection", "content-length", "transfer-encoding", "x-kong-admin-latency"];
    for (name, value) in recording.answer_headers.iter().filter(|(name, _)| !varies.contains(&name.as_str())) {
        let ours = answered.headers.get(name).and_then(|value| value.to_str().ok());
        if ours != Some(value) {
            return Err(format!("header {name} is {ours:?} instead of {value:?}"));
        }
    }
    if part == Part::Head || recording.method == "HEAD" {
        return Ok(());
    }
    let posted = |text: &str| recording.body.contains(text);
    let drawn = |text: &str| recordings::is_random_id(text) && !posted(text) && !text.starts_with("3fa6b1c4-");
    let data = |text: &str| {
        let value = serde_json::from_str::<Value>(text).unwrap_or_else(|_| text.trim_end().into());
        let mut value = expand_config(value);
        if let Some(hash @ Value::String(_)) = value.get_mut("configuration_hash")
            && hash != super::hash::EMPTY
        {
            *hash = "some hash".into();
        }
        recordings::mask(value, &drawn)
    };
    let (wanted, ours) = (data(&recording.answer), data(&answered.body));
    let same = match part {
        Part::Subset => is_part(&ours, &wanted),
        Part::Set => sorted(&ours) == sorted(&wanted),
        _ => ours == wanted,
    };
    if same { Ok(()) } else { Err(format!("wanted {wanted:#}\nours {ours:#}")) }
}

/// `GET /config` answers YAML inside JSON.
fn expand_config(value: Value) -> Value {
    match value.get("config").and_then(Value::as_str) {
        Some(yaml) => json!({ "config": request::yaml(yaml).unwrap() }),
        None => value,
    }
}

/// Whether all that `part` says is said by `whole`. Names of this machine and its processes may differ.
fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().all(|(name, value)| {
            matches!(name.as_str(), "hostname" | "pids" | "timers")
                || whole.get(name).is_some_and(|whole| is_part(value, whole))
        }),
        _ => part == whole,
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(values) => {
            let mut values: Vec<Value> = values.iter().map(sorted).collect();
            values.sort_by_key(Value::to_string);
            values.into()
        }
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect(),
        other => other.clone(),
    }
}

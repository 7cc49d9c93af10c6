//! Mutated manifests: translation never panics, and what it makes of them is what gateways take.
//!
//! A run tries the same seeds everywhere, however fast the machine is: the first ones, up to `SILVERBACK_FUZZ_LAST`.
//! `SILVERBACK_FUZZ_FIRST` looks at others, from there on for `SILVERBACK_FUZZ_SECONDS` (default 60). A failure names the
//! seed; `SILVERBACK_FUZZ_SEED` runs it again.

use std::path::Path;
use std::time::{Duration, Instant};

use atc_router::ast::Type;
use atc_router::context::Context;
use atc_router::router::Router;
use atc_router::schema::Schema;
use serde_json::{Map, Value, json};
use silverback_model::Digest;
use silverback_translation::{RouterFlavor, Settings, render};

use crate::golden::{MINUTE, folders, objects, own};
use crate::judged::{gateway, read, schemas};
use crate::parity::shared;
use crate::world::Dice;

/// The last seed of a run that says nothing else.
const LAST: u64 = 200;

/// Texts that break things.
const TEXTS: [&str; 32] = [
    "",
    "/",
    "//",
    "a",
    "*",
    "*.",
    "*.a.test",
    "a.*",
    "A.test",
    "-",
    "a b",
    "é",
    "\"",
    "\\",
    "\n",
    "~",
    "~/(",
    "/~/[",
    "/%zz/",
    "/../..",
    "{vault://env/x}",
    "0",
    "-1",
    "99999999999999999999",
    "true",
    "ns:name",
    "~/a//b",
    "~/a(?=b)",
    "/a%2",
    "a:80",
    "10.0.0.1",
    "a,b",
];

/// Annotations, with values that are right somewhere and wrong elsewhere.
const ANNOTATIONS: [(&str, &[&str]); 30] = [
    (
        "konghq.com/protocols",
        &["http", "grpc", "grpcs,http", "tcp", "udp", "http,tls", "tls_passthrough", "ws", "https"],
    ),
    ("konghq.com/methods", &["get", "POST,get", "a-b", "é", ","]),
    ("konghq.com/snis", &["a.test", "*.a.test", "a_b", "10.0.0.1", "a.test,b c", ""]),
    ("konghq.com/host-aliases", &["b.test", "*.b.test", "b.*", "*", "b test", "b.test:80", "b.test,b.test", "-b.test"]),
    ("konghq.com/headers.x-a", &["b", "~*^a(", "b,c", "é", ""]),
    ("konghq.com/headers.x a", &["b"]),
    ("konghq.com/headers.Host", &["b"]),
    ("konghq.com/headers-separator", &[";", " ", ""]),
    ("konghq.com/path-handling", &["v0", "v1", "v2", "abv1"]),
    ("konghq.com/regex-prefix", &["", "/", "/@", "~"]),
    ("konghq.com/regex-priority", &["1", "-1", "99999999999", "1.5"]),
    ("konghq.com/rewrite", &["/x/$1", "", "$", "/$100", "\\$1", "a b"]),
    ("konghq.com/strip-path", &["true", "TRUE", "1"]),
    ("konghq.com/preserve-host", &["false", "no"]),
    ("konghq.com/https-redirect-status-code", &["301", "200"]),
    ("ingress.kubernetes.io/force-ssl-redirect", &["true"]),
    ("ingress.kubernetes.io/service-upstream", &["true"]),
    ("konghq.com/request-buffering", &["0", "yes"]),
    ("konghq.com/tags", &["a,b", "a/b", "é", "\u{7f}", "a,a"]),
    ("konghq.com/protocol", &["grpc", "grpcs", "tcp", "tls", "tls_passthrough", "udp", "https", "wss", "http"]),
    ("konghq.com/path", &["/a", "/a b", "/a//b", "/%zz", "a", "/é"]),
    ("konghq.com/read-timeout", &["0", "1", "2147483647", "-5", "1s"]),
    ("konghq.com/retries", &["-1", "0", "32768", "5"]),
    ("konghq.com/tls-verify", &["true", "1", "maybe"]),
    ("konghq.com/tls-verify-depth", &["0", "64", "65", "-1"]),
    ("konghq.com/ca-certificates-secrets", &["ca", "missing", "ca,ca"]),
    ("konghq.com/client-cert", &["tls", "missing"]),
    ("konghq.com/host-header", &["a.test", "a.test:99999", "a b", "[::1]:80", "10.0.0.1"]),
    ("konghq.com/upstream-policy", &["policy", "missing"]),
    ("konghq.com/plugins", &["missing", "cors", "other:cors", "key-auth,key-auth", ":", "a:b:c"]),
];

fn value(dice: &mut Dice) -> Value {
    match dice.roll(9) {
        0 => Value::Null,
        1 => json!(dice.roll(2) == 1),
        2 => json!(dice.roll(100_000)),
        3 => json!(-1),
        4 => json!([]),
        5 => json!({}),
        6 => json!(0.5),
        _ => json!(TEXTS[dice.roll(TEXTS.len())]),
    }
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Object(fields) => fields.values().map(size).sum(),
        Value::Array(items) => items.iter().map(size).sum(),
        _ => 0,
    }
}

/// Changes the value at a place, counted in depth first order.
fn mutate(value_at: &mut Value, place: &mut usize, dice: &mut Dice) {
    if *place == 0 {
        *place = usize::MAX;
        return match (dice.roll(4), value_at) {
            (0, Value::Array(items)) if !items.is_empty() => {
                let at = dice.roll(items.len());
                let copy = items[at].clone();
                items.push(copy);
            }
            (1, Value::Object(fields)) => {
                let name = TEXTS[dice.roll(TEXTS.len())];
                fields.insert(name.to_owned(), value(dice));
            }
            (2, Value::String(text)) => text.push_str(TEXTS[dice.roll(TEXTS.len())]),
            (_, other) => *other = value(dice),
        };
    }
    *place -= 1;
    let below: Vec<&mut Value> = match value_at {
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => return,
    };
    for value in below {
        if *place != usize::MAX {
            mutate(value, place, dice);
        }
    }
}

/// What stays: kind and version, since what is sent under another kind is not read as this one; and what Kong judges in
/// code of its own, configurations of plugins and custom entities.
const KEPT: [&str; 6] = ["apiVersion", "kind", "config", "configFrom", "configPatches", "plugin"];

/// Changes an object at some places.
fn mutated(object: &Value, dice: &mut Dice) -> Value {
    let mut object = object.clone();
    if matches!(object["kind"].as_str(), Some("KongVault" | "KongCustomEntity")) {
        return object;
    }
    let Value::Object(fields) = &mut object else { return object };
    let kept: Map<String, Value> =
        KEPT.iter().filter_map(|key| Some((key.to_string(), fields.remove(*key)?))).collect();
    for _ in 0..=dice.roll(3) {
        let mut place = 1 + dice.roll(size(&object).max(2) - 1);
        mutate(&mut object, &mut place, dice);
    }
    if let Value::Object(fields) = &mut object {
        fields.extend(kept);
    }
    for _ in 0..dice.roll(3) {
        annotate(&mut object, dice);
    }
    object
}

/// Gives an object an annotation, unless its metadata was spoilt already.
fn annotate(object: &mut Value, dice: &mut Dice) {
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else { return };
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    let (name, values) = ANNOTATIONS[dice.roll(ANNOTATIONS.len())];
    let value = values[dice.roll(values.len())];
    if let Value::Object(annotations) = annotations {
        annotations.insert(name.to_owned(), json!(value));
    }
}

/// Objects to mutate.
struct Case {
    name: String,
    objects: Vec<Value>,
}

impl Case {
    fn read(folder: &Path) -> Self {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, objects: objects(&folder.join("in.yaml")) }
    }
}

/// The case of a seed. A case that is added takes its share of the seeds, and the others stay with what they had.
fn drawn(cases: &[Case], seed: u64) -> &Case {
    let chance = |case: &&Case| Digest::of_parts([case.name.as_bytes(), &seed.to_le_bytes()]);
    cases.iter().max_by_key(chance).unwrap()
}

/// The seeds to try: one, or as many as there is time for from one on, or the first.
fn seeds() -> Box<dyn Iterator<Item = u64>> {
    if let Some(only) = from_env("SILVERBACK_FUZZ_SEED") {
        return Box::new(std::iter::once(only));
    }
    if let Some(first) = from_env("SILVERBACK_FUZZ_FIRST") {
        let end = Instant::now() + Duration::from_secs(from_env("SILVERBACK_FUZZ_SECONDS").unwrap_or(60));
        return Box::new((first..).take_while(move |_| Instant::now() < end));
    }
    Box::new(1..=from_env("SILVERBACK_FUZZ_LAST").unwrap_or(LAST))
}

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test]
async fn mutated_manifests_neither_panic_nor_are_refused() {
    let mut folders_of_cases = folders(&own());
    folders_of_cases.extend(shared().iter().flat_map(|folder| folders(folder)));
    let cases: Vec<Case> = folders_of_cases.iter().map(|case| Case::read(case)).collect();
    let mut settings =
        Settings { plugin_schemas: schemas().map(|it| read(&it)).unwrap_or_default(), ..Settings::default() };
    settings.feature_gates.rewrite_uris = true;
    settings.feature_gates.kong_service_facade = true;
    settings.feature_gates.gateway_alpha = true;
    let gateways = [gateway(RouterFlavor::Traditional).await, gateway(RouterFlavor::Expressions).await];
    let mut refused = Vec::new();
    let mut number = 0;
    for seed in seeds() {
        let mut dice = Dice::new(seed);
        let case = drawn(&cases, seed);
        let objects: Vec<Value> =
            case.objects.iter().map(|it| if dice.roll(3) == 0 { mutated(it, &mut dice) } else { it.clone() }).collect();
        let flavor = dice.roll(2);
        settings.router_flavor = [RouterFlavor::Traditional, RouterFlavor::Expressions][flavor];
        let told = std::panic::catch_unwind(|| render(&objects, &settings, &[], MINUTE));
        let Ok((document, _)) = told else { panic!("seed {seed}: translation panics; see above") };
        if let Err(answer) = gateways[flavor].alter_config(&document.value().to_string()) {
            refused.push(format!("SILVERBACK_FUZZ_SEED={seed}: {answer}"));
        }
        number += 1;
        if refused.len() == 12 {
            break;
        }
    }
    assert!(refused.is_empty(), "gateways refuse what came out:\n{}", refused.join("\n"));
    println!("{number} mutated sets of manifests");
}

/// Random text of letters, what must be escaped, controls and other scripts.
fn text(dice: &mut Dice) -> String {
    const CHARS: [char; 16] =
        ['a', 'Z', '/', '"', '\\', '\n', '\r', '\t', '\0', ' ', '\'', '#', 'é', '日', '\u{7f}', '`'];
    (0..dice.roll(12)).map(|_| CHARS[dice.roll(CHARS.len())]).collect()
}

/// What is printed is what the router reads: every text is matched by itself, and by nothing else.
#[test]
fn printed_expressions_match_what_they_say() {
    use silverback_kong::expression as e;
    let mut schema = Schema::default();
    for field in ["http.path", "http.host", "http.headers.*"] {
        schema.add_field(field, Type::String);
    }
    for seed in seeds() {
        let mut dice = Dice::new(seed);
        let (path, host, header) = (text(&mut dice), text(&mut dice), text(&mut dice));
        let operator = ["==", "^=", "=^"][dice.roll(3)];
        let alternatives = e::any([e::text("http.path", operator, &path), e::text("http.path", "==", "/other")]);
        let whole = [
            alternatives,
            Some(e::text("http.host", "==", &host)),
            Some(e::text(&e::header_field("X-Some-Header"), "==", &header)),
        ];
        let expression = e::all(whole.into_iter().flatten()).unwrap();
        let mut router = Router::new(&schema);
        let added = router.add_matcher(1, uuid::Uuid::nil(), &expression);
        assert_eq!(added, Ok(()), "SILVERBACK_FUZZ_SEED={seed}: {expression:?}");
        let matched = |path: &str, host: &str| {
            let mut context = Context::new(&schema);
            context.add_value("http.path", path.to_owned().into());
            context.add_value("http.host", host.to_owned().into());
            context.add_value("http.headers.x_some_header", header.clone().into());
            router.execute(&mut context)
        };
        assert!(matched(&path, &host), "SILVERBACK_FUZZ_SEED={seed}: {expression:?} does not match {path:?}");
        assert!(
            !matched(&path, &format!("{host}x")),
            "SILVERBACK_FUZZ_SEED={seed}: {expression:?} matches another host"
        );
        if operator == "==" {
            assert!(
                !matched(&format!("{path}x"), &host),
                "SILVERBACK_FUZZ_SEED={seed}: {expression:?} matches another path"
            );
        }
    }
}

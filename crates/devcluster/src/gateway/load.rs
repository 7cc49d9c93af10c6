//! The way of one config through `POST /config`: read, judge, load, answer. It never touches sockets.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::hash;
use super::request::{self, Form, Posted};
use super::state::Shared;

/// A config that passed judgement.
struct Judged {
    hash: String,
    text: Bytes,
    answer: Bytes,
}

/// What kept a config from being loaded, as an answer.
type Refused = Box<Answer>;

/// Answers one `POST /config` whose body is within the limit.
pub(crate) async fn post(shared: Arc<Shared>, headers: HeaderMap, query: String, body: Bytes) -> Answer {
    let load_time = shared.faults.load_time_override().unwrap_or(shared.settings.load_time).of(body.len());
    let judge = {
        let shared = Arc::clone(&shared);
        move || judge(&shared, &headers, &query, body)
    };
    // Parsing keeps a core busy: off the threads that serve connections.
    let judged = match tokio::task::spawn_blocking(judge).await {
        Ok(Ok(judged)) => judged,
        Ok(Err(refused)) => return *refused,
        Err(_) => return Answer::unexpected(),
    };
    pause(load_time * 3 / 4).await;
    let Ok(_lock) = shared.loading.try_lock() else {
        return Answer::message(StatusCode::TOO_MANY_REQUESTS, "Currently loading previous configuration")
            .retry_after(10);
    };
    pause(load_time / 4).await;
    shared.accept(judged.hash, judged.text);
    Answer::json_text(StatusCode::CREATED, judged.answer)
}

async fn pause(time: std::time::Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Puts a config in force without the Admin API. Returns its hash.
///
/// # Errors
/// The text of the answer the Admin API would have given.
pub(crate) fn alter(shared: &Shared, text: &str) -> Result<String, String> {
    let posted = Posted { form: Form::Text(text.to_owned().into()), flatten_errors: false, check_hash: false };
    let judged = judge_posted(shared, posted).map_err(|refused| String::from_utf8_lossy(&refused.body).into_owned())?;
    shared.accept(judged.hash.clone(), judged.text);
    Ok(judged.hash)
}

fn judge(shared: &Shared, headers: &HeaderMap, query: &str, body: Bytes) -> Result<Judged, Refused> {
    let posted = request::read(headers, query, body).map_err(Box::new)?;
    judge_posted(shared, posted)
}

fn judge_posted(shared: &Shared, posted: Posted) -> Result<Judged, Refused> {
    if shared.settings.trusting && shared.faults.rejections().is_empty() {
        return trust(shared, posted);
    }
    let (table, hash, text) = match posted.form {
        Form::Object { table, text } => (table, hash::fresh(), text),
        Form::Text(text) => {
            let hash = hash::of_text(&text);
            if posted.check_hash && shared.current().hash == hash {
                return Err(Box::new(Answer::empty(StatusCode::NOT_MODIFIED)));
            }
            (table_of(&text)?, hash, text)
        }
    };
    let rejected = rejected(shared, &table);
    if !rejected.is_empty() {
        return Err(Box::new(invalid(rejected)));
    }
    let empty = table.iter().all(|(key, value)| key.starts_with('_') || value.as_array().is_none_or(Vec::is_empty));
    let hash = if empty { hash::EMPTY.to_owned() } else { hash };
    let answer = serde_json::to_vec(&table).unwrap_or_default().into();
    Ok(Judged { hash, text, answer })
}

/// Takes whatever is JSON, without a look inside.
fn trust(shared: &Shared, posted: Posted) -> Result<Judged, Refused> {
    let (text, hash) = match posted.form {
        Form::Object { text, .. } => (text, hash::fresh()),
        Form::Text(text) => {
            let hash = hash::of_text(&text);
            if posted.check_hash && shared.current().hash == hash {
                return Err(Box::new(Answer::empty(StatusCode::NOT_MODIFIED)));
            }
            if serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_err() {
                return Err(Box::new(Answer::message(StatusCode::BAD_REQUEST, "Cannot parse JSON body")));
            }
            (text, hash)
        }
    };
    Ok(Judged { hash, answer: text.clone(), text })
}

fn table_of(text: &[u8]) -> Result<Map<String, Value>, Refused> {
    match request::parse_text(text) {
        Ok(Value::Object(table)) => Ok(table),
        Ok(_) => Ok(Map::new()),
        Err(error) => {
            let fields = json!({ "error": format!("failed parsing declarative configuration: {error}") });
            let message = format!("declarative config is invalid: {fields}");
            let body = json!({ "fields": fields, "message": message, "code": 14, "name": "invalid declarative configuration" });
            Err(Box::new(Answer::json(StatusCode::BAD_REQUEST, &body)))
        }
    }
}

fn rejected(shared: &Shared, table: &Map<String, Value>) -> Vec<Value> {
    let rejections = shared.faults.rejections();
    let mut found = Vec::new();
    if !rejections.is_empty() {
        walk(table, &mut |kind, entity| {
            for rejection in rejections.iter().filter(|rejection| rejection.hits(kind, entity)) {
                let mut flattened = json!({
                    "entity_type": kind.strip_suffix('s').unwrap_or(kind),
                    "errors": [{ "type": "entity", "message": rejection.message }],
                    "entity": entity,
                });
                for (from, to) in [("name", "entity_name"), ("tags", "entity_tags"), ("id", "entity_id")] {
                    if let Some(value) = entity.get(from) {
                        flattened[to] = value.clone();
                    }
                }
                found.push(flattened);
            }
        });
    }
    found
}

fn walk(table: &Map<String, Value>, see: &mut impl FnMut(&str, &Map<String, Value>)) {
    for (kind, entities) in table.iter().filter(|(kind, _)| !kind.starts_with('_')) {
        for entity in entities.as_array().into_iter().flatten().filter_map(Value::as_object) {
            see(kind, entity);
            walk(entity, see);
        }
    }
}

fn invalid(flattened: Vec<Value>) -> Answer {
    let body = json!({
        "fields": {},
        "message": "declarative config is invalid: {}",
        "code": 14,
        "flattened_errors": flattened,
        "name": "invalid declarative configuration",
    });
    Answer::json(StatusCode::BAD_REQUEST, &body)
}

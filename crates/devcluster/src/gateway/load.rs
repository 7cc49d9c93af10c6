//! The way of one config through `POST /config`: read, judge, load, answer. It never touches sockets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::answer::Answer;
use super::declarative::{self, Entities, Refusal, report};
use super::faults::Rejection;
use super::hash;
use super::request::{self, Form, Posted};
use super::schema::errors::{self, ENTITY, Errors, Key, Table};
use super::schema::fill::Now;
use super::settings::LoadTime;
use super::state::Shared;

/// A config that passed judgement.
struct Judged {
    hash: String,
    text: Bytes,
    entities: Entities,
    answer: Bytes,
}

/// What kept a config from being loaded, as an answer.
type Refused = Box<Answer>;

/// Answers one `POST /config` whose body is within the limit.
/// `md5` is that of the body.
pub(crate) async fn post(shared: Arc<Shared>, headers: HeaderMap, query: String, body: Bytes, md5: String) -> Answer {
    let load_time = shared.faults.load_time_override().unwrap_or(shared.settings.load_time);
    let parsing = load_time.parsing(body.len());
    if shared.settings.sink {
        return swallow(&shared, &query, load_time, md5).await;
    }
    let judge = {
        let shared = Arc::clone(&shared);
        move || judge(&shared, &headers, &query, body, md5)
    };
    // Parsing keeps a core busy: off the threads that serve connections.
    let judged = match tokio::task::spawn_blocking(judge).await {
        Ok(Ok(judged)) => judged,
        Ok(Err(refused)) => return *refused,
        Err(_) => return Answer::unexpected(),
    };
    pause(parsing).await;
    let Ok(_lock) = shared.loading.try_lock() else {
        return Answer::message(StatusCode::TOO_MANY_REQUESTS, "Currently loading previous configuration")
            .retry_after(10);
    };
    pause(load_time.locked).await;
    shared.accept(judged.hash, judged.text, judged.entities);
    Answer::json_text(StatusCode::CREATED, judged.answer)
}

/// Takes a config of which nothing but the hash is known.
async fn swallow(shared: &Shared, query: &str, load_time: LoadTime, md5: String) -> Answer {
    if request::pairs(query).get("check_hash").is_some_and(|value| value == "1") && shared.current().hash == md5 {
        return Answer::empty(StatusCode::NOT_MODIFIED);
    }
    pause(load_time.base + load_time.locked).await;
    shared.accept(md5, Bytes::new(), Entities::new());
    Answer::json_text(StatusCode::CREATED, Bytes::from_static(b"{}"))
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Puts a config in force without the Admin API. Returns its hash.
///
/// # Errors
/// The text of the answer the Admin API would have given.
pub(crate) fn alter(shared: &Shared, text: &str) -> Result<String, String> {
    let form = Form::Text(text.to_owned().into());
    let judged = judge_posted(shared, Posted { form, flatten_errors: false, check_hash: false }, String::new())
        .map_err(|refused| String::from_utf8_lossy(&refused.body).into_owned())?;
    shared.accept(judged.hash.clone(), judged.text, judged.entities);
    Ok(judged.hash)
}

fn judge(shared: &Shared, headers: &HeaderMap, query: &str, body: Bytes, md5: String) -> Result<Judged, Refused> {
    let posted = request::read(headers, query, body).map_err(Box::new)?;
    judge_posted(shared, posted, md5)
}

fn judge_posted(shared: &Shared, posted: Posted, md5: String) -> Result<Judged, Refused> {
    let Posted { form, flatten_errors, check_hash } = posted;
    let rejections = shared.faults.rejections();
    let hash = match &form {
        Form::Object { .. } => hash::fresh(),
        Form::Text(text) => hash::of_text(text),
        Form::Body(_) => md5,
    };
    if check_hash && shared.current().hash == hash {
        return Err(Box::new(Answer::empty(StatusCode::NOT_MODIFIED)));
    }
    if shared.settings.trusting && rejections.is_empty() {
        return trust(form, hash);
    }
    let table = table(&form)?;
    let rejected = rejected(&rejections, &table);
    if !rejected.is_empty() {
        return Err(refuse(shared, rejected, table, flatten_errors));
    }
    let again = || self::table(&form).unwrap_or_default();
    let entities =
        declarative::judge(&shared.registry, table, Now::read(), again).map_err(|refusal| match refusal {
            Refusal::Invalid { errors, input } => refuse(shared, errors, input, flatten_errors),
            Refusal::Crash => Box::new(Answer::unexpected()),
        })?;
    let answer = serde_json::to_vec(&entities).unwrap_or_default().into();
    let hash = if entities.is_empty() { hash::EMPTY.to_owned() } else { hash };
    Ok(Judged { hash, text: form.into_text(), entities, answer })
}

/// Takes whatever is JSON, without a look inside.
fn trust(form: Form, hash: String) -> Result<Judged, Refused> {
    let text = form.into_text();
    if serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_err() {
        return Err(Box::new(Answer::message(StatusCode::BAD_REQUEST, "Cannot parse JSON body")));
    }
    Ok(Judged { hash, answer: text.clone(), text, entities: Entities::new() })
}

fn table(form: &Form) -> Result<Map<String, Value>, Refused> {
    let text = match form {
        Form::Object { arguments, text } => {
            let mut table = arguments.clone();
            return request::merge_json(&mut table, text).map(|()| table).map_err(Box::new);
        }
        Form::Text(text) | Form::Body(text) => text,
    };
    match request::parse_text(text) {
        Ok(Value::Object(table)) => Ok(table),
        Ok(_) => Ok(Map::new()),
        Err(error) => {
            let message = format!("failed parsing declarative configuration: {error}");
            let errors = Table::from([(Key::Name("error".to_owned()), Errors::Text(message))]);
            Err(bad_request(report::declarative(&errors)))
        }
    }
}

fn refuse(shared: &Shared, errors: Table, input: Map<String, Value>, flatten: bool) -> Refused {
    bad_request(report::body(&shared.registry, errors, input, flatten))
}

fn bad_request(body: Option<Value>) -> Refused {
    Box::new(body.map_or_else(Answer::unexpected, |body| Answer::json(StatusCode::BAD_REQUEST, &body)))
}

/// The errors that the fault taps put into a table.
fn rejected(rejections: &[Rejection], table: &Map<String, Value>) -> Table {
    let mut errors = Table::new();
    if rejections.is_empty() {
        return errors;
    }
    for (kind, list) in table.iter().filter(|(kind, _)| !kind.starts_with('_')) {
        let judge = |(index, entity): (usize, &Value)| {
            let entity = entity.as_object()?;
            let mut below = rejected(rejections, entity);
            for rejection in rejections.iter().filter(|rejection| rejection.hits(kind, entity)) {
                errors::push_entity(&mut below, rejection.message.clone());
            }
            (!below.is_empty()).then_some((Key::Index(index), Errors::Table(below)))
        };
        let found: Table = (1..).zip(list.as_array().into_iter().flatten()).filter_map(judge).collect();
        if !found.is_empty() {
            errors.insert(Key::Name(kind.clone()), Errors::Table(found));
        }
    }
    debug_assert!(!errors.contains_key(&Key::Name(ENTITY.to_owned())));
    errors
}

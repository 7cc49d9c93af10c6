//! Which answer belongs to which path and method, on the Admin API and on the status listener.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::answer::Answer;
use super::load;
use super::server::Side;
use super::state::Shared;

/// A request whose body was read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn is_post_config(&self) -> bool {
        self.method == Method::POST && self.path == "/config"
    }
}

pub(crate) async fn answer(shared: Arc<Shared>, side: Side, request: Request) -> Answer {
    match side {
        Side::Admin if request.is_post_config() => {
            load::post(shared, request.headers, request.query, request.body).await
        }
        Side::Admin => admin(&shared, &request),
        Side::Status => status_side(&shared, &request),
    }
}

fn admin(shared: &Shared, request: &Request) -> Answer {
    let get = request.method == Method::GET || request.method == Method::HEAD;
    match request.path.trim_matches('/') {
        "" if get => Answer::json(StatusCode::OK, &root(shared)),
        "status" if get => Answer::json(StatusCode::OK, &status(shared)),
        "config" if get => {
            let config = shared.current().config().to_string();
            Answer::json(StatusCode::OK, &json!({ "config": config }))
        }
        "config" => Answer::method_not_allowed(),
        _ => Answer::not_found(),
    }
}

fn status_side(shared: &Shared, request: &Request) -> Answer {
    match (&request.method, request.path.trim_matches('/')) {
        (&Method::GET, "status") => Answer::json(StatusCode::OK, &status(shared)),
        (&Method::GET, "status/ready") => ready(shared),
        (&Method::POST, "status/ready") => {
            shared.draining.store(true, Ordering::Relaxed);
            Answer::empty(StatusCode::NO_CONTENT)
        }
        (&Method::GET, "metrics") => Answer::plain(String::new()),
        _ => Answer::not_found(),
    }
}

fn ready(shared: &Shared) -> Answer {
    if shared.draining.load(Ordering::Relaxed) {
        Answer::message(StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if shared.is_empty() {
        let message = "no configuration available (empty configuration present)";
        Answer::message(StatusCode::SERVICE_UNAVAILABLE, message)
    } else {
        Answer::message(StatusCode::OK, "ready")
    }
}

fn status(shared: &Shared) -> Value {
    json!({ "server": {}, "memory": {}, "configuration_hash": shared.current().hash })
}

fn root(shared: &Shared) -> Value {
    json!({
        "version": shared.settings.version,
        "edition": "community",
        "configuration": {
            "database": "off",
            "router_flavor": shared.settings.router_flavor.as_str(),
        },
    })
}

//! Which answer belongs to which path and method, on the Admin API and on the status listener.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::entities::PLUGIN_NAMES;
use super::schema::document;
use super::server::Side;
use super::state::{Accepted, Shared};
use super::{listing, load, node, request};

/// A request whose body was read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Of the body, in hex; empty where nobody needs it.
    pub(crate) md5: String,
}

impl Request {
    /// The fields of a JSON body.
    ///
    /// # Errors
    /// The answer to a body that is none.
    pub(crate) fn json(&self) -> Result<Map<String, Value>, Answer> {
        let content_type = self.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let mut fields = Map::new();
        match content_type {
            None if self.body.is_empty() => {}
            Some(kind) if kind.starts_with("application/json") => request::merge_json(&mut fields, &self.body)?,
            Some(kind) if kind.starts_with("application/x-www-form-urlencoded") => {
                fields = request::pairs(&String::from_utf8_lossy(&self.body));
            }
            _ => return Err(request::unsupported()),
        }
        Ok(fields)
    }
}

pub(crate) async fn answer(shared: Arc<Shared>, side: Side, request: Request) -> Answer {
    let is_load = side == Side::Admin && request.method == Method::POST && request.path == "/config";
    match side {
        Side::Admin if is_load => load::post(shared, request.headers, request.query, request.body, request.md5).await,
        Side::Admin => admin(&shared, &request),
        Side::Status => status_side(&shared, &request),
    }
}

fn admin(shared: &Shared, request: &Request) -> Answer {
    let path: Vec<&str> = request.path.split('/').filter(|segment| !segment.is_empty()).collect();
    let read = request.method == Method::GET || request.method == Method::HEAD;
    let ok = |body: &Value| Answer::json(StatusCode::OK, body);
    match path.as_slice() {
        ["schemas", rest @ ..] => schemas(shared, request, rest),
        ["config"] if request.method == Method::OPTIONS => Answer::options("GET, HEAD, OPTIONS, POST"),
        ["debug", "node", "log-level", _] if request.method == Method::PUT => {
            Answer::message(StatusCode::METHOD_NOT_ALLOWED, "cannot change log level when not using a database")
        }
        []
        | ["status" | "config" | "endpoints" | "timers" | "metrics" | "tags"]
        | ["plugins", "enabled"]
        | ["debug", "node", "log-level"]
        | ["clustering", "status"]
            if !read =>
        {
            Answer::method_not_allowed()
        }
        [] => ok(&node::root(shared)),
        ["status"] => ok(&node::status(shared)),
        ["config"] => ok(&json!({ "config": exported(shared, &shared.current()) })),
        ["plugins", "enabled"] => {
            let own = shared.settings.own_plugins.keys().map(String::as_str);
            let names: Vec<&str> = PLUGIN_NAMES.iter().map(|(name, _)| *name).chain(own).collect();
            ok(&json!({ "enabled_plugins": names }))
        }
        ["endpoints"] => ok(&endpoints(shared)),
        ["timers"] => ok(&json!({ "worker": { "id": 0, "count": 1 }, "stats": { "timers": {}, "sys": {} } })),
        ["metrics"] => node::metrics(shared),
        ["debug", "node", "log-level"] => Answer::message(StatusCode::OK, "log level: notice"),
        // A defect of the imitated version.
        ["tags"] => Answer::unexpected(),
        ["clustering", "status"] => Answer::message(
            StatusCode::BAD_REQUEST,
            "this endpoint is only available when Kong is configured to run as Control Plane for the cluster",
        ),
        _ => listing::answer(shared, request, &path).unwrap_or_else(Answer::not_found),
    }
}

fn schemas(shared: &Shared, request: &Request, path: &[&str]) -> Answer {
    let get = request.method == Method::GET || request.method == Method::HEAD;
    let found = |record| Answer::json(StatusCode::OK, &document::write(record));
    let missing = |what: &str, name: &str| Answer::message(StatusCode::NOT_FOUND, &format!("No {what} named '{name}'"));
    let variant = |kind: &str, name: &str| shared.registry.get(kind)?.variants.as_ref()?.known.get(name);
    match path {
        [kind, "validate"] if request.method == Method::POST => match (request.json(), shared.registry.get(kind)) {
            (Err(answer), _) => answer,
            (_, None) => missing("entity", kind),
            (Ok(fields), Some(schema)) => listing::insertable(shared, schema, fields)
                .unwrap_or_else(|| Answer::message(StatusCode::OK, "schema validation successful")),
        },
        ["plugins", name] if get => variant("plugins", name).map_or_else(|| missing("plugin", name), |it| found(it)),
        ["vaults", name] if get => variant("vaults", name).map_or_else(|| missing("vault", name), |it| found(it)),
        [kind] if get => shared.registry.get(kind).map_or_else(|| missing("entity", kind), |it| found(&it.record)),
        [_] | [_, "validate"] | ["plugins" | "vaults", _] => Answer::method_not_allowed(),
        _ => Answer::not_found(),
    }
}

fn endpoints(shared: &Shared) -> Value {
    let collections = shared
        .registry
        .all()
        .flat_map(|schema| [format!("/{}", schema.admin_name), format!("/{}/{{{}}}", schema.admin_name, schema.name)]);
    let fixed = ["/", "/config", "/endpoints", "/status", "/timers", "/plugins/enabled"].map(str::to_owned);
    let mut paths: Vec<String> = collections.chain(fixed).collect();
    paths.sort();
    json!({ "data": paths })
}

/// The loaded entities as YAML, each reference as an id.
fn exported(shared: &Shared, current: &Accepted) -> String {
    let mut table = Map::new();
    table.insert("_format_version".to_owned(), "3.0".into());
    table.insert("_transform".to_owned(), false.into());
    for schema in shared.registry.all() {
        let Some(entities) = current.entities().get(schema.name) else { continue };
        let rows = entities.values().map(|entity| {
            let mut row = listing::with_old_names(schema, entity);
            for (field, _) in schema.references() {
                if let Some(reference) = row.get_mut(field)
                    && let Some(id) = reference.get("id").cloned()
                {
                    *reference = id;
                }
            }
            Value::Object(row)
        });
        table.insert(schema.name.to_owned(), rows.collect());
    }
    serde_saphyr::to_string(&table).unwrap_or_default()
}

fn status_side(shared: &Shared, request: &Request) -> Answer {
    let get = request.method == Method::GET || request.method == Method::HEAD;
    match request.path.trim_matches('/') {
        "status" if get => Answer::json(StatusCode::OK, &node::status(shared)),
        "status/ready" if get => node::ready(shared),
        "status/ready" if request.method == Method::POST => match request.json() {
            Ok(fields) if fields.get("status").is_some_and(|status| status == "draining") => {
                shared.draining.store(true, Ordering::Relaxed);
                Answer::empty(StatusCode::NO_CONTENT)
            }
            Ok(_) => Answer::message(StatusCode::BAD_REQUEST, "Bad request"),
            Err(answer) => answer,
        },
        "metrics" if get => node::metrics(shared),
        _ => Answer::not_found(),
    }
}

//! From requests to answers: which verb is meant, and what comes of it. It never knows sockets.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::discovery;
use super::failure::{Failure, Outcome};
use super::forms;
use super::gaps;
use super::kinds::Kind;
use super::read::Page;
use super::request::{Form, Listing, Request, Target};
use super::selectors::Selection;
use super::shared::{Shared, now, stamp};
use super::strategic;
use super::watch::Watch;
use super::write::{self, Part, Place, Preconditions};

const JSON: &str = "application/json";
const PATCHES: &str = "application/json-patch+json, application/merge-patch+json";

/// What a request is answered with.
pub(crate) enum Answer {
    Text(StatusCode, Bytes),
    Json { status: StatusCode, media: &'static str, body: Value, warnings: Vec<String> },
    Stream(mpsc::Receiver<Bytes>),
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self::Json { status: StatusCode::OK, media: JSON, body, warnings: Vec::new() }
    }

    /// With texts of `Warning` headers.
    fn warning(mut self, told: Vec<String>) -> Self {
        if let Self::Json { warnings, .. } = &mut self {
            *warnings = told;
        }
        self
    }
}

pub(crate) async fn answer(shared: &Arc<Shared>, request: &Request) -> Outcome<Answer> {
    shared.faults.pass(&request.client()).await?;
    let read = request.method == Method::GET || request.method == Method::HEAD;
    let path = request.path.trim_matches('/');
    match path {
        "healthz" | "livez" | "readyz" if read => return Ok(Answer::Text(StatusCode::OK, Bytes::from_static(b"ok"))),
        "version" if read => return Ok(Answer::ok(discovery::version())),
        // Clients that ask for schemas show texts, and nothing of a Status.
        _ if path == "openapi" || path.starts_with("openapi/") => {
            return Ok(Answer::Text(StatusCode::NOT_IMPLEMENTED, Bytes::from_static(gaps::NO_SCHEMAS.as_bytes())));
        }
        _ => {}
    }
    gaps::path(path)?;
    let Some(target) = Target::parse(path) else {
        return if read { discover(shared, path, request) } else { Err(Failure::no_path()) };
    };
    let kind = shared.kind(&target)?;
    if !matches!(target.subresource.as_str(), "" | "status") {
        return Err(Failure::not_done(&format!("the subresource {}", target.subresource)));
    }
    if (target.subresource == "status" && !kind.status)
        || (kind.namespaced && target.namespace.is_empty() && !target.name.is_empty())
    {
        return Err(Failure::no_path());
    }
    Call { shared, kind, target, request }.answer()
}

fn discover(shared: &Shared, path: &str, request: &Request) -> Outcome<Answer> {
    let form = Form::wanted(request.header(header::ACCEPT))?;
    let parts: Vec<&str> = path.split('/').collect();
    if form == Form::Discovery && parts.len() == 1 && matches!(path, "api" | "apis") {
        let body = discovery::aggregated(&shared.kinds(), path == "api");
        return Ok(Answer::Json { status: StatusCode::OK, media: discovery::AGGREGATED, body, warnings: Vec::new() });
    }
    if path.is_empty() {
        return Ok(Answer::ok(
            json!({ "paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/readyz", "/version"] }),
        ));
    }
    let nothing = || Answer::Text(StatusCode::NOT_FOUND, Bytes::from_static(b"404 page not found\n"));
    Ok(discovery::legacy(&shared.kinds(), &parts).map_or_else(nothing, Answer::ok))
}

/// A request about a kind that is served.
struct Call<'a> {
    shared: &'a Arc<Shared>,
    kind: Kind,
    target: Target,
    request: &'a Request,
}

impl Call<'_> {
    fn answer(self) -> Outcome<Answer> {
        let (collection, object) = (self.target.name.is_empty(), self.target.subresource.is_empty());
        match self.request.method {
            Method::GET if collection || self.request.query.is_true("watch") => self.list(),
            Method::GET => self.get(),
            Method::POST if collection && self.kind.namespaced != self.target.namespace.is_empty() => self.create(),
            Method::PUT if !collection => self.update(),
            Method::PATCH if !collection => self.patch(),
            Method::DELETE if !collection && object => self.delete(),
            Method::DELETE if collection && self.kind.plural != "namespaces" => self.delete_all(),
            _ => Err(Failure::method_not_allowed()),
        }
    }

    fn place(&self) -> Place<'_> {
        let Target { version, namespace, name, .. } = &self.target;
        Place { kind: &self.kind, version, namespace, name }
    }

    fn part(&self) -> Part {
        if self.target.subresource == "status" { Part::Status } else { Part::Main }
    }

    fn form(&self) -> Outcome<Form> {
        Form::wanted(self.request.header(header::ACCEPT))
    }

    /// The object in the form that was asked for.
    fn show(&self, status: StatusCode, object: &Value) -> Outcome<Answer> {
        let body = forms::one(object, &self.kind, &self.target.version, self.form()?, now().as_second());
        Ok(Answer::Json { status, media: JSON, body, warnings: Vec::new() })
    }

    fn get(&self) -> Outcome<Answer> {
        let key = (self.target.namespace.clone(), self.target.name.clone());
        let found = self.shared.store().get(&self.kind.id(), &key).ok_or_else(|| self.place().not_found())?;
        self.show(StatusCode::OK, &found)
    }

    fn selection(&self) -> Outcome<Selection> {
        let query = &self.request.query;
        let named = match self.target.name.as_str() {
            "" => String::new(),
            name => format!(",metadata.name={name}"),
        };
        let fields = format!("{}{named}", query.get("fieldSelector"));
        Selection::parse(query.get("labelSelector"), &fields, self.kind.plural == "secrets")
    }

    fn page<'s>(&'s self, selection: &'s Selection, listing: &'s Listing) -> Page<'s> {
        Page { kind: &self.kind, version: &self.target.version, namespace: &self.target.namespace, selection, listing }
    }

    fn list(self) -> Outcome<Answer> {
        let (form, selection, listing) = (self.form()?, self.selection()?, Listing::parse(&self.request.query)?);
        if listing.watch {
            let client = self.request.client();
            let Target { version, namespace, .. } = self.target;
            let (shared, kind) = (Arc::clone(self.shared), self.kind);
            let watch = Watch { shared, client, kind, version, namespace, selection, listing, form };
            return watch.start().map(Answer::Stream);
        }
        self.page(&selection, &listing).read(&self.shared.store(), form, now().as_second()).map(Answer::ok)
    }

    /// Whether nothing is to be kept.
    fn is_dry(&self) -> Outcome<bool> {
        match self.request.query.get("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => Err(Failure::invalid(
                "meta.k8s.io",
                "WriteOptions",
                "",
                "dryRun",
                &format!("Unsupported value: {other:?}"),
            )),
        }
    }

    fn body(&self) -> Outcome<Value> {
        let media = self.request.header(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
        let unreadable =
            |error: &dyn std::fmt::Display| Failure::bad_request(format!("the body cannot be read: {error}"));
        match media {
            "" | JSON => serde_json::from_slice(&self.request.body).map_err(|error| unreadable(&error)),
            "application/yaml" => {
                let text = std::str::from_utf8(&self.request.body).map_err(|error| unreadable(&error))?;
                serde_saphyr::from_str(text).map_err(|error| unreadable(&error))
            }
            other => Err(Failure::unsupported(format!(
                "this development cluster reads application/json and application/yaml, and does not do {other}: write a \
                 manifest and use kubectl apply --validate=false -f FILE"
            ))),
        }
    }

    /// What this write goes without; refused where it asks for that by name.
    fn gaps(&self, object: &Value) -> Outcome<Vec<String>> {
        let query = &self.request.query;
        gaps::write(&self.kind, query, object)?;
        Ok(gaps::warnings(&self.kind, &self.request.method, query, object))
    }

    fn create(&self) -> Outcome<Answer> {
        let (body, dry) = (self.body()?, self.is_dry()?);
        let warnings = self.gaps(&body)?;
        let created = self.shared.write(|store| write::create(store, self.place(), body, &stamp(), dry))?;
        Ok(self.show(StatusCode::CREATED, &created)?.warning(warnings))
    }

    fn update(&self) -> Outcome<Answer> {
        let (body, dry) = (self.body()?, self.is_dry()?);
        let warnings = self.gaps(&body)?;
        let updated = self.shared.write(|store| write::update(store, self.place(), self.part(), body, &stamp(), dry));
        let (object, created) = updated?;
        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
        Ok(self.show(status, &object)?.warning(warnings))
    }

    fn patch(&self) -> Outcome<Answer> {
        let media = self.request.header(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
        match media {
            "application/json-patch+json" | "application/merge-patch+json" => {}
            "application/strategic-merge-patch+json" if !self.kind.custom => {}
            "application/apply-patch+yaml" | "application/apply-patch+cbor" => {
                let message = format!("this development cluster does not do server-side apply; use {PATCHES}");
                return Err(Failure::unsupported(message));
            }
            _ => {
                let message = format!(
                    "the body of the request was in an unknown format - accepted media types include: {PATCHES}"
                );
                return Err(Failure::unsupported(message));
            }
        }
        let dry = self.is_dry()?;
        let patch: Value = serde_json::from_slice(&self.request.body)
            .map_err(|error| Failure::bad_request(format!("the patch cannot be read: {error}")))?;
        let mut warnings = Vec::new();
        let change = |object: &mut Value| {
            match media {
                "application/json-patch+json" => json_patch(object, patch)?,
                "application/merge-patch+json" => json_patch::merge(object, &patch),
                _ => strategic::merge(object, &patch, &self.kind.kind).map_err(|directive| {
                    Failure::not_done(&format!("the directive {directive} of strategic merge patches"))
                })?,
            }
            warnings = self.gaps(object)?;
            Ok(())
        };
        let patched =
            self.shared.write(|store| write::patch(store, self.place(), self.part(), change, &stamp(), dry))?;
        Ok(self.show(StatusCode::OK, &patched)?.warning(warnings))
    }

    /// Options of a deletion, from the body and the query.
    fn deletion(&self) -> Outcome<(Preconditions, bool)> {
        let body = if self.request.body.is_empty() { json!({}) } else { self.body()? };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        gaps::deletion(&self.request.query, &body)?;
        let dry = self.is_dry()? || body["dryRun"].as_array().is_some_and(|dry| !dry.is_empty());
        let wanted = &body["preconditions"];
        Ok((Preconditions { uid: text(&wanted["uid"]), version: text(&wanted["resourceVersion"]) }, dry))
    }

    fn delete(&self) -> Outcome<Answer> {
        let (wanted, dry) = self.deletion()?;
        let deleted = self.shared.write(|store| write::delete(store, self.place(), &wanted, &stamp(), dry));
        let (object, gone) = deleted?;
        if !gone || self.kind.shows_deleted() {
            return self.show(StatusCode::OK, &object);
        }
        let details = json!({
            "name": self.target.name, "group": self.kind.group, "kind": self.kind.plural,
            "uid": object["metadata"]["uid"],
        });
        Ok(Answer::ok(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
        })))
    }

    fn delete_all(&self) -> Outcome<Answer> {
        let (wanted, dry) = self.deletion()?;
        let selection = self.selection()?;
        let listing = Listing::parse(&self.request.query)?;
        let page = self.page(&selection, &listing);
        let form = self.form()?;
        self.shared.write(|store| {
            let doomed = page.read(store, Form::Plain, 0)?;
            for object in doomed["items"].as_array().into_iter().flatten() {
                let metadata = &object["metadata"];
                let (namespace, name) = (metadata["namespace"].as_str(), metadata["name"].as_str());
                let place =
                    Place { namespace: namespace.unwrap_or_default(), name: name.unwrap_or_default(), ..self.place() };
                write::delete(store, place, &wanted, &stamp(), dry)?;
            }
            if form == Form::Plain { Ok(Answer::ok(doomed)) } else { Err(Failure::not_acceptable(JSON)) }
        })
    }
}

fn json_patch(object: &mut Value, patch: Value) -> Outcome<()> {
    let patch: json_patch::Patch = serde_json::from_value(patch)
        .map_err(|error| Failure::bad_request(format!("the JSON patch cannot be read: {error}")))?;
    json_patch::patch(object, &patch).map_err(|error| {
        Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", format!("the JSON patch does not fit: {error}"))
    })
}

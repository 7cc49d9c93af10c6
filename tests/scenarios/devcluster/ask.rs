//! One request to an API server, whichever it is, and what of its answer matters to clients.

use std::collections::BTreeMap;

use anyhow::Context as _;
use http::header::{ACCEPT, CONTENT_TYPE, WARNING};
use http::{Method, Request};
use kube::client::Body;
use serde_json::Value;

/// A request, and what is looked at in its answer.
pub(super) struct Case {
    pub(super) name: &'static str,
    method: Method,
    path: String,
    media: &'static str,
    accept: &'static str,
    body: Option<Value>,
    shows: Vec<&'static str>,
    keep: Option<&'static str>,
    /// Why the development cluster answers otherwise; none where it must not.
    pub(super) differs: Option<&'static str>,
}

impl Case {
    pub(super) fn new(name: &'static str, method: &str, path: &str) -> Self {
        Self {
            name,
            method: Method::from_bytes(method.as_bytes()).unwrap_or_default(),
            path: path.to_owned(),
            media: "application/json",
            accept: "application/json",
            body: None,
            shows: Vec::new(),
            keep: None,
            differs: None,
        }
    }

    pub(super) fn get(name: &'static str, path: &str) -> Self {
        Self::new(name, "GET", path)
    }

    pub(super) fn post(name: &'static str, path: &str, body: Value) -> Self {
        Self::new(name, "POST", path).body(body)
    }

    pub(super) fn put(name: &'static str, path: &str, body: Value) -> Self {
        Self::new(name, "PUT", path).body(body)
    }

    /// `form` is `json`, `merge`, `strategic-merge` or `apply`.
    pub(super) fn patch(name: &'static str, form: &'static str, path: &str, body: Value) -> Self {
        let mut case = Self::new(name, "PATCH", path).body(body);
        case.media = match form {
            "json" => "application/json-patch+json",
            "merge" => "application/merge-patch+json",
            "strategic-merge" => "application/strategic-merge-patch+json",
            "apply" => "application/apply-patch+yaml",
            other => other,
        };
        case
    }

    pub(super) fn delete(name: &'static str, path: &str) -> Self {
        Self::new(name, "DELETE", path)
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn accepting(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    /// What these pointers lead to in the answer is compared, too.
    pub(super) fn showing(mut self, pointers: &[&'static str]) -> Self {
        self.shows.extend(pointers);
        self
    }

    /// Keeps the answer's version (or continue token) for later requests, which write it `{name}`.
    pub(super) fn keeping(mut self, name: &'static str) -> Self {
        self.keep = Some(name);
        self
    }

    pub(super) fn differing(mut self, why: &'static str) -> Self {
        self.differs = Some(why);
        self
    }

    /// As the table shows it.
    pub(super) fn request(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Asks, and says what was answered.
    pub(super) async fn ask(&self, client: &kube::Client, kept: &mut BTreeMap<&str, String>) -> anyhow::Result<String> {
        let fill = |text: &str| {
            kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
        };
        let body = self.body.as_ref().map(|body| fill(&body.to_string())).unwrap_or_default();
        let request = Request::builder()
            .method(self.method.clone())
            .uri(fill(&self.path))
            .header(ACCEPT, self.accept)
            .header(CONTENT_TYPE, self.media)
            .body(Body::from(body.into_bytes()))?;
        let response = client.send(request).await.with_context(|| self.request())?;
        let code = response.status().as_u16();
        let warned: Vec<String> = response
            .headers()
            .get_all(WARNING)
            .iter()
            .filter_map(|text| Some(text.to_str().ok()?.to_owned()))
            .collect();
        let bytes = response.into_body().collect_bytes().await?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.clone()));
        if let Some(name) = self.keep {
            let token = answer.pointer("/metadata/continue").or_else(|| answer.pointer("/metadata/resourceVersion"));
            kept.insert(name, token.and_then(Value::as_str).unwrap_or_default().to_owned());
        }
        let watched = (self.path.contains("watch=1") || self.path.contains("/watch/")) && code == 200;
        let mut said = if watched { events(&text) } else { shape(&answer) };
        for pointer in &self.shows {
            let found = answer.pointer(pointer).map_or_else(|| "absent".to_owned(), ToString::to_string);
            said.push_str(&format!(", {pointer} {found}"));
        }
        // What is not done must be named.
        if code == 501 || (code == 415 && self.differs.is_some()) {
            said.push_str(&answer["message"].as_str().map(|message| format!(" {message:?}")).unwrap_or_default());
        }
        for warning in warned {
            said.push_str(&format!(", warns {}", warning.trim_start_matches("299 - ")));
        }
        // As a reader of the table takes it, who sees no blank at the end.
        Ok(format!("{code} {said}").trim_end().to_owned())
    }
}

/// What kind of thing an answer is.
fn shape(answer: &Value) -> String {
    let field = |name: &str| answer[name].as_str().unwrap_or_default();
    let count = |name: &str| answer[name].as_array().map(Vec::len);
    let more =
        if answer.pointer("/metadata/continue").is_some_and(|token| token != "") { ", to be continued" } else { "" };
    match field("kind") {
        "Status" if field("status") == "Success" => "Success".to_owned(),
        "Status" => field("reason").to_owned(),
        "Table" => format!("Table of {}", count("rows").unwrap_or_default()),
        "" => answer.as_str().map_or_else(|| "other JSON".to_owned(), |text| format!("{text:?}")),
        kind => match count("items") {
            Some(items) if !kind.ends_with("DiscoveryList") => format!("{kind} of {items}{more}"),
            _ => kind.to_owned(),
        },
    }
}

/// What a watch told.
fn events(text: &str) -> String {
    let told = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).map(|event| {
        let object = &event["object"];
        match event["type"].as_str().unwrap_or_default() {
            "BOOKMARK" if object.pointer("/metadata/annotations/k8s.io~1initial-events-end").is_some() => {
                "END OF STATE".to_owned()
            }
            "ERROR" => format!("ERROR {}", object["code"]),
            kind => format!("{kind} {}", object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()),
        }
    });
    let told: Vec<String> = told.filter(|event| !event.starts_with("BOOKMARK")).collect();
    if told.is_empty() { "no event".to_owned() } else { told.join(", ") }
}

//! `silverback explain`: which objects made an entity; which entities an object made, and what is wrong with it.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use comfy_table::{Cell, Color};
use serde_json::{Value, json};
use silverback_proto::v1::config_client::ConfigClient;
use silverback_proto::v1::explain_request::Subject;
use silverback_proto::v1::{self, diagnostic};
use silverback_resources::registry;
use silverback_service::addresses::{PusherUrl, TranslatorUrl};

use crate::completed::completed;
use crate::dial::{DialArgs, block_on, refusal};
use crate::status::{Form, titled};

/// Flags of `silverback explain`.
#[derive(clap::Args)]
pub(crate) struct ExplainArgs {
    /// An entity, e.g. `services/NAME`; or an object, e.g. `Ingress/NAMESPACE/NAME`, `KongClusterPlugin/NAME`.
    #[arg(value_name = "ENTITY|OBJECT")]
    subject: String,

    #[command(flatten)]
    translators: TranslatorUrl,

    #[command(flatten)]
    pushers: PusherUrl,

    #[command(flatten)]
    dial: DialArgs,

    /// Form of the answer.
    #[arg(short, long, default_value = "table", value_name = "FORM")]
    output: Form,
}

impl ExplainArgs {
    pub(crate) fn run(self) -> ExitCode {
        match block_on(self.explain()) {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    async fn explain(self) -> anyhow::Result<String> {
        let subject = subject(&self.subject)?;
        let is_object = matches!(subject, Subject::Object(_));
        let dialer = self.dial.dialer()?;
        let replicas = dialer.replicas("--translator-url", &self.translators.translator_url).await?;
        // The first that answers will do: all make the same of the same.
        let mut unreached = Vec::new();
        for replica in replicas {
            let channel = match replica.channel {
                Ok(channel) => channel,
                Err(error) => {
                    unreached.push(format!("{}: {error}", replica.address));
                    continue;
                }
            };
            let request = v1::ExplainRequest { subject: Some(subject.clone()) };
            let answer = ConfigClient::new(channel).explain(request).await;
            let mut answer = answer.map_err(|status| anyhow::anyhow!("{}", refusal(&status)))?.into_inner();
            if let Subject::Object(object) = &subject
                && !answer.status.is_empty()
            {
                let pushers = &self.pushers.pusher_url;
                let (status, problem) = completed(&answer.status, object.clone(), &dialer, pushers).await;
                answer.status = status.to_string();
                if let Some(problem) = problem {
                    eprintln!(
                        "what gateways have is not known, no pusher can be asked ({problem}); check --pusher-url"
                    );
                }
            }
            return Ok(match self.output {
                Form::Json => serde_json::to_string_pretty(&to_json(&answer))? + "\n",
                Form::Table => to_table(&answer, is_object),
            });
        }
        bail!("no translator can be reached ({}); check --translator-url", unreached.join("; "))
    }
}

/// Kinds begin with a capital letter, collections of entities do not.
fn subject(text: &str) -> anyhow::Result<Subject> {
    let (first, rest) =
        text.split_once('/').filter(|(first, rest)| !first.is_empty() && !rest.is_empty()).with_context(|| {
            format!("{text:?}: an entity such as services/NAME or an object such as Ingress/NAMESPACE/NAME is expected")
        })?;
    if !first.starts_with(|letter: char| letter.is_ascii_uppercase()) {
        return Ok(Subject::Entity(v1::EntityKey { collection: first.to_owned(), name: rest.to_owned() }));
    }
    let kind = registry::by_name(first).with_context(|| {
        let known: Vec<_> = registry::KINDS.iter().map(|kind| kind.kind).collect();
        format!("{first:?} is no kind that is watched; there are {}", known.join(", "))
    })?;
    let (namespace, name) = match (rest.split_once('/'), kind.namespaced()) {
        (Some((namespace, name)), true) => (namespace, name),
        (None, false) => ("", rest),
        (None, true) => bail!("{text:?}: {first} has a namespace; {first}/NAMESPACE/NAME is expected"),
        (Some(_), false) => bail!("{text:?}: {first} has no namespace; {first}/NAME is expected"),
    };
    let key = v1::Key { namespace: namespace.to_owned(), name: name.to_owned() };
    Ok(Subject::Object(v1::ObjectRef { kind: kind.id.as_str().to_owned(), key: Some(key) }))
}

/// `Kind/namespace/name`, as `explain` takes it.
pub(crate) fn object_name(object: v1::ObjectRef) -> String {
    name(&object.kind, &object.key.unwrap_or_default())
}

fn name(kind: &str, key: &v1::Key) -> String {
    let kind = kind.split('.').next().unwrap_or_default();
    if key.namespace.is_empty() {
        format!("{kind}/{}", key.name)
    } else {
        format!("{kind}/{}/{}", key.namespace, key.name)
    }
}

fn severity(diagnostic: &v1::Diagnostic) -> &'static str {
    if diagnostic.severity() == diagnostic::Severity::Error { "error" } else { "warning" }
}

fn to_json(answer: &v1::ExplainResponse) -> Value {
    let sources = answer.sources.iter().map(|source| {
        let key = source.key.clone().unwrap_or_default();
        json!({ "object": name(&source.kind, &key), "uid": source.uid, "version": source.version })
    });
    let entities = answer.entities.iter().map(|key| format!("{}/{}", key.collection, key.name));
    let diagnostics = answer.diagnostics.iter().map(|diagnostic| {
        json!({
            "object": diagnostic.object.clone().map(object_name), "field": diagnostic.field,
            "severity": severity(diagnostic), "reason": diagnostic.reason, "message": diagnostic.message,
        })
    });
    json!({
        "objects": sources.collect::<Vec<_>>(),
        "entities": entities.collect::<Vec<_>>(),
        "diagnostics": diagnostics.collect::<Vec<_>>(),
        "status": serde_json::from_str::<Value>(&answer.status).ok(),
    })
}

fn to_table(answer: &v1::ExplainResponse, is_object: bool) -> String {
    let mut parts = Vec::new();
    if is_object && answer.entities.is_empty() {
        parts.push("It made nothing.".to_owned());
    } else if is_object {
        let mut table = titled(&["ENTITY"]);
        answer.entities.iter().for_each(|key| {
            table.add_row([format!("{}/{}", key.collection, key.name)]);
        });
        parts.push(table.to_string());
    } else {
        let mut table = titled(&["MADE FROM", "VERSION"]);
        for source in &answer.sources {
            let key = source.key.clone().unwrap_or_default();
            table.add_row([name(&source.kind, &key), source.version.clone()]);
        }
        parts.push(table.to_string());
    }
    if answer.diagnostics.is_empty() {
        parts.push("Nothing is wrong with it.".to_owned());
    } else {
        let mut table = titled(&["OBJECT", "FIELD", "", "REASON", "MESSAGE"]);
        for diagnostic in &answer.diagnostics {
            let colour = if severity(diagnostic) == "error" { Color::Red } else { Color::Yellow };
            table.add_row([
                Cell::new(diagnostic.object.clone().map(object_name).unwrap_or_default()),
                Cell::new(&diagnostic.field),
                Cell::new(severity(diagnostic)).fg(colour),
                Cell::new(&diagnostic.reason),
                Cell::new(&diagnostic.message),
            ]);
        }
        parts.push(table.to_string());
    }
    if let Ok(status) = serde_json::from_str(&answer.status) {
        parts.push(conditions(&status).to_string());
    }
    parts.join("\n\n") + "\n"
}

/// The conditions of a status of the Gateway API: of the object, its parents, ancestors and listeners.
fn conditions(status: &Value) -> comfy_table::Table {
    let mut table = titled(&["OF", "CONDITION", "", "REASON", "MESSAGE"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut add = |of: &str, conditions: &Value| {
        for it in conditions.as_array().into_iter().flatten() {
            let cells = ["type", "status", "reason", "message"].map(|field| text(&it[field]));
            table.add_row([of.to_owned()].into_iter().chain(cells));
        }
    };
    add("", &status["conditions"]);
    for (list, name) in [("parents", "/parentRef/name"), ("ancestors", "/ancestorRef/name"), ("listeners", "/name")] {
        for part in status[list].as_array().into_iter().flatten() {
            add(&part.pointer(name).map(&text).unwrap_or_default(), &part["conditions"]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_shown_with_what_they_are_of() {
        let condition =
            |kind: &str, reason: &str| json!({ "type": kind, "status": "False", "reason": reason, "message": "why" });
        let status = json!({
            "conditions": [condition("Accepted", "Pending")],
            "parents": [{ "parentRef": { "name": "main" }, "conditions": [condition("ResolvedRefs", "BackendNotFound")] }],
            "ancestors": [{ "ancestorRef": { "name": "far" }, "conditions": [condition("Accepted", "Conflicted")] }],
            "listeners": [{ "name": "web", "conditions": [condition("Conflicted", "HostnameConflict")] }],
        });
        let answer = v1::ExplainResponse { status: status.to_string(), ..v1::ExplainResponse::default() };
        let table = to_table(&answer, true);
        for words in [
            ["Accepted", "False", "Pending", "why"].as_slice(),
            &["main", "ResolvedRefs", "False", "BackendNotFound", "why"],
            &["far", "Accepted", "False", "Conflicted", "why"],
            &["web", "Conflicted", "False", "HostnameConflict", "why"],
        ] {
            let is_row = |line: &str| line.split_whitespace().eq(words.iter().copied());
            assert!(table.lines().any(is_row), "{words:?}: {table}");
        }
        let without = to_table(&v1::ExplainResponse::default(), true);
        assert!(!without.contains("CONDITION"), "{without}");
    }

    #[test]
    fn subjects_are_told_apart() {
        let entity = Subject::Entity(v1::EntityKey { collection: "services".into(), name: "a.b/c".into() });
        assert_eq!(subject("services/a.b/c").unwrap(), entity);
        let key = v1::Key { namespace: "shop".into(), name: "web".into() };
        let object = v1::ObjectRef { kind: "Ingress.networking.k8s.io".into(), key: Some(key) };
        assert_eq!(subject("Ingress/shop/web").unwrap(), Subject::Object(object.clone()));
        assert_eq!(object_name(object), "Ingress/shop/web");
        assert!(subject("KongClusterPlugin/limit").is_ok());
        for wrong in ["web", "Ingress/web", "KongClusterPlugin/shop/limit", "Nothing/shop/web", "/x"] {
            assert!(subject(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_form_for_programs_is_documented() {
        let key = v1::Key { namespace: "shop".into(), name: "web".into() };
        let kind = "Ingress.networking.k8s.io";
        let answer = v1::ExplainResponse {
            sources: vec![v1::Source {
                kind: kind.into(),
                key: Some(key.clone()),
                uid: "5c6d0f1e-0000-4000-8000-000000000001".into(),
                version: "1234".into(),
            }],
            entities: vec![v1::EntityKey { collection: "services".into(), name: "shop.web.80".into() }],
            diagnostics: vec![v1::Diagnostic {
                object: Some(v1::ObjectRef { kind: kind.into(), key: Some(key) }),
                field: "spec.rules[0].http.paths[0].path".into(),
                severity: diagnostic::Severity::Error.into(),
                reason: "Invalid".into(),
                message: "the regular expression does not compile".into(),
            }],
            ..v1::ExplainResponse::default()
        };
        assert_eq!(crate::status::documented().get(1), Some(&to_json(&answer)), "docs/status.md");
    }
}

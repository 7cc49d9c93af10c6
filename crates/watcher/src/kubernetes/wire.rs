//! The API server's JSON: list pages and watch events, read into trimmed items.
//!
//! What is not kept is skipped while reading and never held; of an object that is not wanted nothing but its metadata
//! is looked at.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use silverback_model::{ObjectKey, Version, canonical};
use silverback_resources::projection;
use silverback_resources::registry::{self, Kind};
use silverback_sync::Item;

use super::list_watch::{Answer, Found};

/// Annotation of the bookmark that ends a streamed list.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What decides whether an object is held.
#[derive(Deserialize)]
pub(crate) struct Head<'a> {
    #[serde(default, borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default, rename = "resourceVersion", borrow)]
    version: Cow<'a, str>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) labels: BTreeMap<String, String>,
}

impl Head<'_> {
    pub(crate) fn key(&self) -> ObjectKey {
        ObjectKey::new(self.namespace.as_ref(), self.name.as_ref())
    }
}

/// Whether an object is to be held; for kinds of which everything is, there is nothing to ask.
pub(crate) type Wanted<'a> = Option<&'a dyn Fn(&Head<'_>) -> bool>;

#[derive(Deserialize)]
struct Headed<'a> {
    #[serde(borrow)]
    metadata: Head<'a>,
}

#[derive(Deserialize)]
struct WatchEvent<'a> {
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: u16,
    message: String,
}

/// A list whose objects are not read yet. Both fields must be there: anything else that is JSON would pass for an empty
/// list, and an empty list deletes everything.
#[derive(Deserialize)]
struct RawList<'a> {
    metadata: ListMetadata,
    #[serde(borrow, deserialize_with = "nullable")]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    resource_version: String,
    #[serde(rename = "continue", default)]
    continue_token: String,
}

fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<&'de RawValue>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn null_as_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads a page of a list.
pub(crate) fn read_page(text: &[u8], kind: &Kind, wanted: Wanted<'_>) -> Answer {
    let page = match wanted {
        Some(wanted) => read_wanted(text, kind, wanted),
        None => read_all(text, kind),
    };
    let page = page.and_then(|(found, version, continue_token)| {
        let version = Version::parse(&version).map_err(|error| error.to_string())?;
        Ok(Answer::Page { found, version, continue_token })
    });
    page.unwrap_or_else(|reason| failed(format!("it answers a list that cannot be read: {reason}")))
}

type Page = (Vec<Found>, String, Option<String>);

fn read_all(text: &[u8], kind: &Kind) -> Result<Page, String> {
    let page = kind.projection().read_list(text).map_err(|error| error.to_string())?;
    let found: Result<_, _> = page.items.into_iter().map(|object| found(kind, object)).collect();
    Ok((found?, page.version, page.continue_token))
}

fn read_wanted(text: &[u8], kind: &Kind, wanted: &dyn Fn(&Head<'_>) -> bool) -> Result<Page, String> {
    let list: RawList<'_> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for object in list.items {
        if wanted(&head(object.get())?) {
            found.push(read_object(object.get(), kind)?);
        }
    }
    let token = Some(list.metadata.continue_token).filter(|token| !token.is_empty());
    Ok((found, list.metadata.resource_version, token))
}

/// The version of a list, whatever it holds.
pub(crate) fn read_newest(text: &[u8]) -> Answer {
    let list: Result<RawList<'_>, _> = serde_json::from_slice(text);
    let version = list.map_err(|error| error.to_string());
    let version =
        version.and_then(|list| Version::parse(&list.metadata.resource_version).map_err(|error| error.to_string()));
    version.map_or_else(|reason| failed(format!("it answers a list that cannot be read: {reason}")), Answer::Newest)
}

/// Reads a line of a watch. `None` for kinds of events that are not known.
pub(crate) fn read_event(line: &[u8], kind: &Kind, wanted: Wanted<'_>) -> Option<Answer> {
    let event: WatchEvent<'_> = match serde_json::from_slice(line) {
        Ok(event) => event,
        Err(error) => return Some(failed(format!("it sends an event that cannot be read: {error}"))),
    };
    let object = event.object.get();
    let answer = match event.kind.as_ref() {
        "ADDED" | "MODIFIED" => read_upsert(object, kind, wanted),
        "DELETED" => place_of(object).map(|(key, version)| Answer::Deleted { key, version }),
        "BOOKMARK" => read_bookmark(object),
        "ERROR" => {
            let status: Status = serde_json::from_str(object).unwrap_or_default();
            Ok(match status.code {
                410 => Answer::Expired,
                code => failed(format!("its watch ends with {code}: {}", status.message)),
            })
        }
        _ => return None,
    };
    Some(answer.unwrap_or_else(failed))
}

fn failed(reason: String) -> Answer {
    Answer::Failed { reason, retry_after: None }
}

fn read_upsert(json: &str, kind: &Kind, wanted: Wanted<'_>) -> Result<Answer, String> {
    if let Some(wanted) = wanted {
        let head = head(json)?;
        if !wanted(&head) {
            let (key, version) = place(&head)?;
            return Ok(Answer::Passed { key, version });
        }
    }
    read_object(json, kind).map(Answer::Upserted)
}

fn read_object(json: &str, kind: &Kind) -> Result<Found, String> {
    found(kind, kind.projection().read(json.as_bytes()).map_err(|error| error.to_string())?)
}

fn head(json: &str) -> Result<Head<'_>, String> {
    let object: Headed<'_> = serde_json::from_str(json).map_err(|error| format!("an object has no name: {error}"))?;
    Ok(object.metadata)
}

fn place_of(json: &str) -> Result<(ObjectKey, Version), String> {
    place(&head(json)?)
}

fn place(head: &Head<'_>) -> Result<(ObjectKey, Version), String> {
    let key = head.key();
    let version = Version::parse(&head.version).map_err(|error| format!("object {key}: {error}"))?;
    Ok((key, version))
}

/// An item of a trimmed object: its resourceVersion becomes the item's version and leaves the body, so that updates
/// which trimming makes equal are equal.
fn found(kind: &Kind, mut object: Value) -> Result<Found, String> {
    let key = projection::key(&object).ok_or("it sends an object without a name")?;
    let version = projection::take_version(&mut object).unwrap_or_default();
    let version = Version::parse(&version).map_err(|error| format!("object {key}: {error}"))?;
    let names = if kind.references.is_empty() { BTreeSet::new() } else { registry::references(kind, &object) };
    Ok(Found { item: Item::new(key, version, canonical::to_string(&object)), names })
}

fn read_bookmark(json: &str) -> Result<Answer, String> {
    #[derive(Deserialize)]
    struct Bookmark {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        resource_version: String,
        #[serde(default, deserialize_with = "null_as_default")]
        annotations: BTreeMap<String, String>,
    }
    let Bookmark { metadata } =
        serde_json::from_str(json).map_err(|error| format!("a bookmark cannot be read: {error}"))?;
    let version = Version::parse(&metadata.resource_version).map_err(|error| error.to_string())?;
    let whole = metadata.annotations.get(INITIAL_EVENTS_END).is_some_and(|end| end == "true");
    Ok(if whole { Answer::Whole(version) } else { Answer::Bookmark(version) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_resources::registry::KindId;

    fn services() -> &'static Kind {
        KindId::SERVICE.kind()
    }

    #[test]
    fn a_page_is_trimmed_and_its_versions_are_taken_out_of_the_bodies() {
        let text = br#"{"kind":"ServiceList","metadata":{"resourceVersion":"12","continue":"abc"},"items":[
            {"metadata":{"name":"a","namespace":"shop","resourceVersion":"7","managedFields":[{"manager":"x"}]},"spec":{"clusterIP":"10.0.0.1"}}]}"#;
        let Answer::Page { found, version, continue_token } = read_page(text, services(), None) else {
            panic!("no page")
        };
        assert_eq!((version.as_str(), continue_token.as_deref()), ("12", Some("abc")));
        let item = &found[0].item;
        assert_eq!(item.version.as_str(), "7");
        assert!(!item.body.contains("resourceVersion") && !item.body.contains("managedFields"), "{}", item.body);
    }

    #[test]
    fn of_what_is_not_wanted_only_the_version_is_taken() {
        let kind = KindId::SECRET.kind();
        let wanted = |head: &Head<'_>| head.name == "mine" || head.labels.contains_key("konghq.com/credential");
        let object = |name: &str, labels: &str| {
            format!(
                r#"{{"metadata":{{"name":"{name}","namespace":"shop","resourceVersion":"7","labels":{labels}}},"data":{{"a":"Yg=="}}}}"#
            )
        };
        let (mine, other, labelled) =
            (object("mine", "null"), object("other", "{}"), object("third", r#"{"konghq.com/credential":"jwt"}"#));
        let text = format!(r#"{{"metadata":{{"resourceVersion":"9"}},"items":[{mine},{other},{labelled}]}}"#);
        let Answer::Page { found, .. } = read_page(text.as_bytes(), kind, Some(&wanted)) else { panic!("no page") };
        let names: Vec<_> = found.iter().map(|found| found.item.key.name.as_str()).collect();
        assert_eq!(names, ["mine", "third"]);
        let event = |object: &str| {
            read_event(format!(r#"{{"type":"ADDED","object":{object}}}"#).as_bytes(), kind, Some(&wanted))
        };
        assert!(matches!(event(&mine), Some(Answer::Upserted(_))));
        assert!(matches!(event(&other), Some(Answer::Passed { version, .. }) if version.as_str() == "7"));
    }

    #[test]
    fn events_say_what_they_are() {
        let object = r#"{"metadata":{"name":"a","namespace":"shop","resourceVersion":"9"}}"#;
        let end =
            r#"{"metadata":{"name":"","resourceVersion":"9","annotations":{"k8s.io/initial-events-end":"true"}}}"#;
        let event = |kind: &str, object: &str| {
            read_event(format!(r#"{{"type":"{kind}","object":{object}}}"#).as_bytes(), services(), None)
        };
        assert!(matches!(event("ADDED", object), Some(Answer::Upserted(_))));
        assert!(matches!(event("DELETED", object), Some(Answer::Deleted { version, .. }) if version.as_str() == "9"));
        assert!(matches!(event("BOOKMARK", object), Some(Answer::Bookmark(_))));
        assert!(matches!(event("BOOKMARK", end), Some(Answer::Whole(_))));
        assert!(matches!(event("ERROR", r#"{"code":410,"message":"too old"}"#), Some(Answer::Expired)));
        assert!(matches!(event("ERROR", r#"{"code":500,"message":"x"}"#), Some(Answer::Failed { .. })));
        assert!(event("SOMETHING", object).is_none());
    }

    #[test]
    fn what_cannot_be_read_is_a_failure_and_nothing_is_lost() {
        let all = |_: &Head<'_>| true;
        for text in ["{", "{}", r#"{"metadata":{"resourceVersion":"1"}}"#, r#"{"items":[]}"#] {
            assert!(matches!(read_page(text.as_bytes(), services(), None), Answer::Failed { .. }), "{text}");
            assert!(matches!(read_page(text.as_bytes(), services(), Some(&all)), Answer::Failed { .. }), "{text}");
            assert!(matches!(read_newest(text.as_bytes()), Answer::Failed { .. }), "{text}");
        }
        let empty = br#"{"metadata":{"resourceVersion":"1"},"items":null}"#;
        assert!(matches!(read_page(empty, services(), Some(&all)), Answer::Page { .. }));
        assert!(matches!(read_event(b"nonsense", services(), None), Some(Answer::Failed { .. })));
        let unordered = br#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"x1"}}}"#;
        assert!(matches!(read_event(unordered, services(), None),
            Some(Answer::Failed { reason, .. }) if reason.contains("x1")));
    }

    #[test]
    fn an_object_that_is_nested_too_deep_keeps_no_other_from_being_read() {
        let kind = KindId::KONG_PLUGIN.kind();
        let object = |name: &str, levels: usize| {
            let config = format!("{}[1]{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
            format!(
                r#"{{"metadata":{{"name":"{name}","namespace":"shop","resourceVersion":"7"}},"plugin":"x","config":{config}}}"#
            )
        };
        let (deep, fine) = (object("deep", 100_000), object("fine", 90));
        let text = format!(r#"{{"metadata":{{"resourceVersion":"9"}},"items":[{deep},{fine}]}}"#);
        let all = |_: &Head<'_>| true;
        for wanted in [None, Some(&all as &dyn Fn(&Head<'_>) -> bool)] {
            let Answer::Page { found, .. } = read_page(text.as_bytes(), kind, wanted) else { panic!("no page") };
            let bodies: Vec<_> = found.iter().map(|found| found.item.body.to_string()).collect();
            assert_eq!(
                (bodies.len(), bodies[0].contains("not read"), bodies[1].contains("not read")),
                (2, true, false)
            );
            assert!(bodies.iter().all(|body| serde_json::from_str::<Value>(body).is_ok()));
            let event = read_event(format!(r#"{{"type":"ADDED","object":{deep}}}"#).as_bytes(), kind, wanted);
            assert!(matches!(event, Some(Answer::Upserted(_))));
        }
    }

    #[test]
    fn what_an_object_names_is_found_with_it() {
        let line = br#"{"type":"ADDED","object":{"metadata":{"name":"a","namespace":"shop","resourceVersion":"9"},
            "spec":{"tls":[{"secretName":"cert"}]}}}"#;
        let Some(Answer::Upserted(found)) = read_event(line, KindId::INGRESS.kind(), None) else { panic!("no object") };
        assert_eq!(found.names, [(KindId::SECRET, ObjectKey::new("shop", "cert"))].into());
    }
}

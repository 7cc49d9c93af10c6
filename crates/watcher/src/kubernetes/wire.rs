//! The API server's JSON: list pages and watch events, read into trimmed items.
//!
//! What is not kept is skipped while reading and never held.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use silverback_model::{Version, canonical};
use silverback_resources::projection::{self, Projection};
use silverback_sync::Item;

use super::list_watch::Answer;

#[derive(Deserialize)]
struct WatchEvent<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: u16,
    message: String,
}

/// Reads a page of a list.
pub(crate) fn read_page(text: &str, projection: &Projection) -> Answer {
    let page = match projection.read_list(text.as_bytes()) {
        Ok(page) => page,
        Err(error) => return failed(format!("it answers a list that cannot be read: {error}")),
    };
    let items: Result<Vec<Item>, String> = page.items.into_iter().map(item_of).collect();
    let version = Version::parse(&page.version).map_err(|error| error.to_string());
    match (items, version) {
        (Ok(items), Ok(version)) => Answer::Page { items, version, continue_token: page.continue_token },
        (Err(reason), _) | (_, Err(reason)) => failed(reason),
    }
}

/// Reads a line of a watch. `None` for kinds of events that are not known.
pub(crate) fn read_event(line: &str, projection: &Projection) -> Option<Answer> {
    let event: WatchEvent<'_> = match serde_json::from_str(line) {
        Ok(event) => event,
        Err(error) => return Some(failed(format!("it sends an event that cannot be read: {error}"))),
    };
    let answer = match event.kind.as_str() {
        "ADDED" | "MODIFIED" => read_item(event.object.get(), projection).map(Answer::Upserted),
        "DELETED" => read_item(event.object.get(), projection)
            .map(|item| Answer::Deleted { version: item.version.clone(), key: item.key }),
        "BOOKMARK" => read_version(event.object.get()).map(Answer::Bookmark),
        "ERROR" => {
            let status: Status = serde_json::from_str(event.object.get()).unwrap_or_default();
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

fn read_item(json: &str, projection: &Projection) -> Result<Item, String> {
    item_of(projection.read(json.as_bytes()).map_err(|error| error.to_string())?)
}

/// An item of a trimmed object: its resourceVersion becomes the item's version and leaves the body, so that updates
/// which trimming makes equal are equal.
fn item_of(mut object: Value) -> Result<Item, String> {
    let key = projection::key(&object).ok_or("it sends an object without a name")?;
    let version = projection::take_version(&mut object).unwrap_or_default();
    let version = Version::parse(&version).map_err(|error| format!("object {key}: {error}"))?;
    Ok(Item::new(key, version, canonical::to_string(&object)))
}

fn read_version(json: &str) -> Result<Version, String> {
    #[derive(Deserialize)]
    struct Bookmark {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        resource_version: String,
    }
    let bookmark: Bookmark =
        serde_json::from_str(json).map_err(|error| format!("a bookmark cannot be read: {error}"))?;
    Version::parse(&bookmark.metadata.resource_version).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_resources::registry;

    fn services() -> &'static Projection {
        registry::by_name("Service").unwrap().projection()
    }

    #[test]
    fn a_page_is_trimmed_and_its_versions_are_taken_out_of_the_bodies() {
        let text = r#"{"kind":"ServiceList","metadata":{"resourceVersion":"12","continue":"abc"},"items":[
            {"metadata":{"name":"a","namespace":"shop","resourceVersion":"7","managedFields":[{"manager":"x"}]},"spec":{"clusterIP":"10.0.0.1"}}]}"#;
        let Answer::Page { items, version, continue_token } = read_page(text, services()) else { panic!("no page") };
        assert_eq!((version.as_str(), continue_token.as_deref()), ("12", Some("abc")));
        assert_eq!(items[0].version.as_str(), "7");
        assert!(
            !items[0].body.contains("resourceVersion") && !items[0].body.contains("managedFields"),
            "{}",
            items[0].body
        );
    }

    #[test]
    fn events_say_what_they_are() {
        let object = r#"{"metadata":{"name":"a","namespace":"shop","resourceVersion":"9"}}"#;
        let event =
            |kind: &str, object: &str| read_event(&format!(r#"{{"type":"{kind}","object":{object}}}"#), services());
        assert!(matches!(event("ADDED", object), Some(Answer::Upserted(_))));
        assert!(matches!(event("DELETED", object), Some(Answer::Deleted { version, .. }) if version.as_str() == "9"));
        assert!(matches!(event("BOOKMARK", object), Some(Answer::Bookmark(_))));
        assert!(matches!(event("ERROR", r#"{"code":410,"message":"too old"}"#), Some(Answer::Expired)));
        assert!(matches!(event("ERROR", r#"{"code":500,"message":"x"}"#), Some(Answer::Failed { .. })));
        assert!(event("SOMETHING", object).is_none());
    }

    #[test]
    fn what_cannot_be_read_is_a_failure_and_nothing_is_lost() {
        assert!(matches!(read_page("{", services()), Answer::Failed { .. }));
        assert!(matches!(read_event("nonsense", services()), Some(Answer::Failed { .. })));
        let unordered = r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"x1"}}}"#;
        assert!(
            matches!(read_event(unordered, services()), Some(Answer::Failed { reason, .. }) if reason.contains("x1"))
        );
    }
}

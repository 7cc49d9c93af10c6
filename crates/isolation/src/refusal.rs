//! Which entities a gateway's refusal is about.
//!
//! With `flatten_errors` Kong lists most faults by entity: by id and name where there are any, always by tags and with
//! what it was given. Other faults it tells by a path, counted from 1 or led by names, or in a sentence alone.

use std::collections::BTreeMap;

use serde_json::Value;
use silverback_kong::EntityKey;
use silverback_model::Digest;

use crate::config::{Config, Piece};
use crate::part::{Part, kind_of, nested, parts};

/// What a gateway said about a configuration that it refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Its words for the whole.
    pub words: String,
    /// Faults by entity.
    pub named: Vec<Named>,
    /// Other faults, as path and words.
    pub faults: Vec<(String, String)>,
}

/// An entity that a gateway names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Singular, e.g. `route`.
    pub kind: String,
    /// Its id, if it was given one.
    pub id: Option<String>,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Digests of the fields it was given, as [`field_digest`] makes them.
    pub fields: BTreeMap<String, Digest>,
    /// What is wrong with it.
    pub words: String,
}

/// Names the value of a field.
pub fn field_digest(value: &Value) -> Digest {
    Digest::of(silverback_model::canonical::to_string(value).as_bytes())
}

/// An entity that is at fault, and what was said of it.
pub(crate) type Culprit = (Part, String);

/// The entities of `config` that a refusal of it is about; none when it names none.
pub(crate) fn culprits(refusal: &Refusal, config: &Config) -> Vec<Culprit> {
    let mut found: Vec<Culprit> = Vec::new();
    for named in &refusal.named {
        found.extend(by_name(named, config).into_iter().map(|part| (part, named.words.clone())));
    }
    if found.is_empty() {
        for (path, words) in &refusal.faults {
            let part = by_path(path, config).or_else(|| by_words(words, config));
            found.extend(part.map(|part| (part, words.clone())));
        }
    }
    found.sort();
    found.dedup_by(|a, b| a.0 == b.0);
    found
}

/// The entities that may be meant: those most alike to what the gateway says it was given.
fn by_name(named: &Named, config: &Config) -> Vec<Part> {
    let mut best: Vec<Part> = Vec::new();
    let mut likeness = 0;
    for (key, piece) in candidates(named, config) {
        let all = parts(key, piece);
        for (part, value) in &all {
            // A plugin made for one route is a part of it.
            let inner = value.get("plugins").and_then(Value::as_array).into_iter().flatten();
            let inner = inner.filter(|_| named.kind == "plugin");
            let own = Some(value).filter(|_| part.id.kind == named.kind);
            for value in own.into_iter().chain(inner).filter(|value| is(named, value)) {
                let alike = 1 + alike(named, value);
                if alike > likeness {
                    (likeness, best) = (alike, Vec::new());
                }
                if alike == likeness && !best.contains(part) {
                    best.push(part.clone());
                }
            }
        }
    }
    best
}

/// The pieces in which what is named may be: those whose text has its id, name and tags.
fn candidates<'a>(
    named: &'a Named,
    config: &'a Config,
) -> impl Iterator<Item = (&'a EntityKey, &'a std::sync::Arc<Piece>)> {
    let texts = named.id.iter().chain(&named.name).chain(&named.tags);
    let texts: Vec<String> = texts.map(|text| Value::from(text.as_str()).to_string()).collect();
    let lists = move |key: &EntityKey| {
        let collection = key.collection.as_str();
        kind_of(collection) == named.kind
            || nested(&key.collection).iter().any(|list| kind_of(list) == named.kind)
            || (named.kind == "plugin" && collection == "services")
    };
    config.iter().filter(move |(key, piece)| {
        lists(key) && texts.iter().all(|text| contains(piece.rendered.bytes(), text.as_bytes()))
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    std::str::from_utf8(text).ok().zip(std::str::from_utf8(part).ok()).is_some_and(|(text, part)| text.contains(part))
}

fn is(named: &Named, value: &Value) -> bool {
    let same = |field: &str, wanted: &Option<String>| {
        wanted.is_none() || value.get(field).is_none_or(|found| found.as_str() == wanted.as_deref())
    };
    let tags = value.get("tags").and_then(Value::as_array);
    let tags: Vec<&str> = tags.into_iter().flatten().filter_map(Value::as_str).collect();
    same("id", &named.id) && same("name", &named.name) && named.tags.iter().all(|tag| tags.contains(&tag.as_str()))
}

fn alike(named: &Named, value: &Value) -> usize {
    let fields = value.as_object().into_iter().flatten();
    fields.filter(|(field, value)| named.fields.get(*field) == Some(&field_digest(value))).count()
}

/// By a path such as `services.2.routes.1.paths.1`, or `routes.NAME.1`.
fn by_path(path: &str, config: &Config) -> Option<Part> {
    let (list, rest) = path.split_once('.')?;
    let (second, rest) = rest.split_once('.').unwrap_or((rest, ""));
    let place: Option<usize> = second.parse().ok();
    let Some(place) = place.and_then(|place| place.checked_sub(1)) else {
        // The last of the path is the number of the sentence; names may hold dots.
        let name = path.strip_prefix(list)?.strip_prefix('.')?;
        let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
        return find(list, |value| ["name", "id"].iter().any(|field| text(value, field) == Some(name)), config);
    };
    let (key, piece) = config.iter().filter(|(key, _)| key.collection.as_str() == list).nth(place)?;
    let all = parts(key, piece);
    if let Some((inner, at)) = rest.split_once('.')
        && nested(&key.collection).contains(&inner)
    {
        let at: usize = at.split('.').next()?.parse().ok()?;
        let of_list = all.iter().filter(|(part, _)| part.id.kind == kind_of(inner));
        return of_list.map(|(part, _)| part.clone()).nth(at.checked_sub(1)?);
    }
    all.into_iter().map(|(part, _)| part).next()
}

/// By a sentence such as `'routes' entity with name set to 'dup' already declared`: the last that claims it.
fn by_words(words: &str, config: &Config) -> Option<Part> {
    let (before, after) = words.split_once("' entity with ")?;
    let list = before.rsplit('\'').next()?;
    let (field, after) = after.split_once(" set to '")?;
    let value = after.split('\'').next()?;
    find(list, |entity| text(entity, field) == Some(value), config)
}

/// The last entity of a list, wherever it is nested, that is so.
fn find(list: &str, is: impl Fn(&Value) -> bool, config: &Config) -> Option<Part> {
    let kind = kind_of(list);
    let may = |key: &EntityKey| key.collection.as_str() == list || nested(&key.collection).contains(&list);
    config.iter().rev().filter(|(key, _)| may(key)).find_map(|(key, piece)| {
        let mut all = parts(key, piece);
        all.retain(|(part, value)| part.id.kind == kind && is(value));
        all.pop().map(|(part, _)| part)
    })
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use silverback_kong::Rendered;

    use super::*;

    fn config() -> Config {
        let pieces = [
            (
                "services",
                "a",
                json!({"name": "a", "routes": [{"name": "r1"}, {"name": "r.2", "tags": ["k8s-name:x", "t"]}]}),
            ),
            (
                "services",
                "b",
                json!({"name": "b", "id": "b-id", "routes": [{"name": "dup", "plugins": [{"name": "cors"}]}]}),
            ),
            (
                "consumers",
                "ann",
                json!({"username": "ann", "tags": ["k8s-name:ann"], "keyauth_credentials": [{"key": "1"}, {"key": "2"}]}),
            ),
            ("upstreams", "u", json!({"name": "u", "targets": [{"target": "h:1"}, {"target": "h:2"}]})),
        ];
        let piece = |(collection, name, value): (&str, &str, Value)| {
            let key = EntityKey::new(collection.into(), name.to_owned());
            (key.clone(), Piece::new(Rendered::of_value(&key, &value), Vec::new()))
        };
        pieces.into_iter().map(piece).collect()
    }

    fn found(refusal: &Refusal) -> Vec<String> {
        culprits(refusal, &config()).into_iter().map(|(part, _)| format!("{} {}", part.id.kind, part.id.name)).collect()
    }

    fn named(kind: &str, name: Option<&str>, tags: &[&str], entity: &Value) -> Refusal {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let fields =
            entity.as_object().unwrap().iter().map(|(name, value)| (name.clone(), field_digest(value))).collect();
        let named = Named { kind: kind.into(), name: name.map(str::to_owned), tags, fields, ..Named::default() };
        Refusal { named: vec![named], ..Refusal::default() }
    }

    fn fault(path: &str, words: &str) -> Refusal {
        Refusal { faults: vec![(path.into(), words.into())], ..Refusal::default() }
    }

    #[test]
    fn entities_are_found_by_name_by_tags_and_by_what_they_were_given() {
        assert_eq!(found(&named("route", Some("r1"), &[], &json!({}))), ["route r1"]);
        assert_eq!(found(&named("route", None, &["k8s-name:x"], &json!({}))), ["route r.2"]);
        assert_eq!(found(&named("consumer", None, &["k8s-name:ann"], &json!({}))), ["consumer ann"]);
        assert_eq!(found(&named("target", None, &[], &json!({"target": "h:2", "upstream": "u"}))), ["target h:2"]);
        assert_eq!(found(&named("keyauth_credential", None, &[], &json!({"key": "2"}))).len(), 1);
        assert_eq!(
            found(&named("plugin", Some("cors"), &[], &json!({"name": "cors"}))),
            ["route dup"],
            "it is a part of it"
        );
        assert!(found(&named("route", Some("nobody"), &[], &json!({}))).is_empty());
        assert!(found(&named("vault", None, &[], &json!({}))).is_empty());
    }

    /// Paths and sentences as a real gateway gave them.
    #[test]
    fn entities_are_found_by_paths_and_sentences() {
        assert_eq!(found(&fault("services.1.routes.2.paths.1", "should start with: /")), ["route r.2"]);
        assert_eq!(found(&fault("services.2.port", "value should be between 0 and 65535")), ["service b"]);
        assert_eq!(
            found(&fault("routes.r.2.1", "invalid reference 'service: a' (no such entry in 'services')")),
            ["route r.2"]
        );
        let unique = "uniqueness violation: 'routes' entity with name set to 'dup' already declared";
        assert_eq!(found(&fault("routes.1", unique)), ["route dup"]);
        assert_eq!(found(&fault("services.2", "uniqueness violation: …")), ["service b"]);
        let hidden = "uniqueness violation: 'keyauth_credentials' entity with key set to '(hidden)' already declared";
        for (path, words) in
            [("keyauth_credentials.1", hidden), ("services.9.port", "x"), ("services.0", "x"), ("", ""), ("a", "'")]
        {
            assert!(found(&fault(path, words)).is_empty(), "{path}: {words}");
        }
    }
}

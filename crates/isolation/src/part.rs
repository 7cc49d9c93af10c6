//! The entities within a piece, as Kong judges them: a service without its routes, each of its routes, and so on.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use silverback_kong::{Collection, EntityKey};
use silverback_model::{Digest, canonical};

use crate::config::{Config, Piece};

/// Which entity: the piece it is within, its kind, and what tells it from others of its kind there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartId {
    /// The piece.
    pub(crate) within: EntityKey,
    /// Kong's singular word, e.g. `route`.
    pub(crate) kind: String,
    /// Its name, or what else identifies it; never a secret.
    pub(crate) name: String,
}

/// An entity at one rendering.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Part {
    /// Which.
    pub(crate) id: PartId,
    /// Names its text without what is nested in it, and gives away no secret.
    pub(crate) rendering: Digest,
}

/// The lists of entities that are nested in entities of a collection. What is nested otherwise, such as the plugins of a
/// route, counts as a part of it.
pub(crate) fn nested(collection: &Collection) -> &'static [&'static str] {
    match collection {
        Collection::Services => &["routes"],
        Collection::Upstreams => &["targets"],
        Collection::Certificates => &["snis"],
        Collection::Consumers => &[
            "keyauth_credentials",
            "basicauth_credentials",
            "hmacauth_credentials",
            "jwt_secrets",
            "oauth2_credentials",
            "mtls_auth_credentials",
            "acls",
        ],
        _ => &[],
    }
}

/// Kong's singular word for the entities of a list.
pub(crate) fn kind_of(list: &str) -> &str {
    list.strip_suffix('s').unwrap_or(list)
}

/// What an entity is known by to those that refer to it.
pub(crate) fn name_of(kind: &str, entity: &Value) -> Option<String> {
    let fields: &[&str] = match kind {
        "consumer" => &["username", "custom_id", "id"],
        "certificate" | "ca_certificate" => &["id"],
        "target" => &["target"],
        "acl" => &["group"],
        "vault" => &["prefix"],
        "basicauth_credential" | "hmacauth_credential" => &["id", "username"],
        kind if kind.ends_with("_credential") || kind == "jwt_secret" => &["id"],
        _ => &["name", "id"],
    };
    fields.iter().find_map(|field| entity.get(field)?.as_str()).map(str::to_owned)
}

/// The entity itself: without the lists of entities that are nested in it.
pub(crate) fn head(collection: &Collection, value: &Value) -> Value {
    let mut fields = value.as_object().cloned().unwrap_or_default();
    for list in nested(collection) {
        fields.remove(*list);
    }
    Value::Object(fields)
}

/// The entities of a piece with their values, its own first.
pub(crate) fn parts(key: &EntityKey, piece: &Piece) -> Vec<(Part, Value)> {
    let value = piece.rendered.value();
    let own = head(&key.collection, &value);
    let mut found = vec![(part(key, kind_of(key.collection.as_str()), &own, piece), own)];
    for list in nested(&key.collection) {
        for item in value.get(*list).and_then(Value::as_array).into_iter().flatten() {
            let mut part = part(key, kind_of(list), item, piece);
            // Those whose differences are secret are told apart by their order.
            while found.iter().any(|(known, _)| *known == part) {
                part.rendering = Digest::of_parts([part.rendering.to_string().as_bytes(), b"another"]);
            }
            found.push((part, item.clone()));
        }
    }
    found
}

/// One entity of a piece; `value` is free of nested lists.
pub(crate) fn part(within: &EntityKey, kind: &str, value: &Value, piece: &Piece) -> Part {
    let rendering = match without_secrets(kind, value, piece) {
        // A digest of a weak secret would give it away: the versions of the objects stand in for its text.
        Some(shown) => {
            let sources =
                piece.sources.iter().map(|source| format!("{} {} {}", source.object, source.uid, source.version));
            let texts: Vec<String> = std::iter::once(canonical::to_string(&shown)).chain(sources).collect();
            Digest::of_parts(std::iter::once(kind.as_bytes()).chain(texts.iter().map(String::as_bytes)))
        }
        None => Digest::of_parts([kind.as_bytes(), canonical::to_string(value).as_bytes()]),
    };
    // A plugin's key tells what it is bound to.
    let own = matches!(within.collection, Collection::Plugins) && kind == "plugin";
    let name = if own { Some(within.name.to_string()) } else { name_of(kind, value) };
    let name = name.unwrap_or_else(|| format!("{:.8}", rendering.to_string()));
    Part { id: PartId { within: within.clone(), kind: kind.to_owned(), name }, rendering }
}

/// What is no secret of an entity that may hold weak ones; none if it holds none.
fn without_secrets(kind: &str, value: &Value, piece: &Piece) -> Option<Value> {
    const HARMLESS: [&str; 6] = ["id", "tags", "username", "algorithm", "group", "name"];
    let mut shown = value.as_object().cloned().unwrap_or_default();
    if kind.ends_with("_credential") || kind == "jwt_secret" {
        shown.retain(|field, _| HARMLESS.contains(&field.as_str()));
        return Some(Value::Object(shown));
    }
    let from_secret = || piece.sources.iter().any(|source| source.object.kind == "Secret");
    if matches!(kind, "plugin" | "vault") && from_secret() {
        shown.remove("config");
        return Some(Value::Object(shown));
    }
    None
}

/// The entities of `config` that `base` does not have so, in an order in which what is referred to comes first.
pub(crate) fn changes(config: &Config, base: &Config) -> Vec<Part> {
    let mut changed = Vec::new();
    for (key, piece) in config.iter() {
        let before = base.get(key);
        if before.is_some_and(|before| before.rendered == piece.rendered) {
            continue;
        }
        let before: HashSet<Part> =
            before.into_iter().flat_map(|before| parts(key, before)).map(|(part, _)| part).collect();
        changed.extend(parts(key, piece).into_iter().map(|(part, _)| part).filter(|part| !before.contains(part)));
    }
    changed.sort_by_key(|part| rank(&part.id.within.collection));
    changed
}

/// Those of `some` that `config` has so.
pub(crate) fn still_there(some: Vec<Part>, config: &Config) -> Vec<Part> {
    let mut known: HashMap<EntityKey, HashSet<Part>> = HashMap::new();
    let mut there = some;
    there.retain(|part| {
        let key = &part.id.within;
        let of_piece = known.entry(key.clone()).or_insert_with(|| {
            let piece = config.get(key);
            piece.into_iter().flat_map(|piece| parts(key, piece)).map(|(part, _)| part).collect()
        });
        of_piece.contains(part)
    });
    there
}

fn rank(collection: &Collection) -> u8 {
    match collection {
        Collection::Certificates | Collection::CaCertificates | Collection::Vaults | Collection::Licenses => 0,
        Collection::Upstreams => 1,
        Collection::Services | Collection::Consumers | Collection::ConsumerGroups => 2,
        Collection::ConsumerGroupConsumers => 3,
        Collection::Plugins => 4,
        Collection::Custom(_) => 5,
    }
}

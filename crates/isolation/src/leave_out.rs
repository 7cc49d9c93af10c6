//! Leaving entities out of a configuration, so that what remains makes sense to a gateway: what refers to them goes as
//! well, and what a plugin may have kept people out of is closed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use silverback_kong::{Collection, EntityKey};

use crate::config::{Config, Piece, pieces_of, referring_to};
use crate::part::{Part, head, kind_of, name_of, nested, parts};

/// What to leave out, by the piece it is within.
pub(crate) type LeftOut = BTreeMap<EntityKey, Vec<Part>>;

/// A configuration without what was to be left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest {
    /// What remains.
    pub(crate) config: Config,
    /// What of it was there to be left out.
    pub(crate) found: BTreeSet<Part>,
    /// The pieces in whose place requests are answered with 500.
    pub(crate) closed: BTreeSet<EntityKey>,
}

/// Groups parts by piece.
pub(crate) fn by_piece(parts: impl IntoIterator<Item = Part>) -> LeftOut {
    let mut all = LeftOut::new();
    for part in parts {
        all.entry(part.id.within.clone()).or_default().push(part);
    }
    all
}

/// What becomes of that which a plugin was bound to that is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bound {
    /// It answers 500: the plugin might be the one that keeps people out.
    #[default]
    Closes,
    /// It goes on without.
    StaysOpen,
}

/// Leaves entities out for good.
pub(crate) fn leave_out(config: &Config, out: &LeftOut, bound: Bound) -> Rest {
    Work { rest: Rest { config: config.clone(), ..Rest::default() }, base: None, bound, gone: Vec::new() }.run(out)
}

/// Leaves entities as they are in `base`: what is not there is left out for the time being.
pub(crate) fn hold_back(config: &Config, out: &LeftOut, base: &Config, bound: Bound) -> Config {
    Work { rest: Rest { config: config.clone(), ..Rest::default() }, base: Some(base), bound, gone: Vec::new() }
        .run(out)
        .config
}

struct Work<'a> {
    rest: Rest,
    base: Option<&'a Config>,
    bound: Bound,
    /// Kind and name of what is no longer there.
    gone: Vec<(String, String)>,
}

impl Work<'_> {
    fn run(mut self, out: &LeftOut) -> Rest {
        for (key, parts) in out {
            if let Some(piece) = self.rest.config.get(key).cloned() {
                self.take_from(key, &piece, parts);
            }
        }
        while let Some((kind, name)) = self.gone.pop() {
            let may = referring_to(&kind).iter().flat_map(|collection| pieces_of(&self.rest.config, collection));
            let found = may.filter(|(_, piece)| piece.refers().to(&kind, &name));
            let keys: Vec<EntityKey> = found.map(|(key, _)| key.clone()).collect();
            for key in keys {
                if let Some(piece) = self.rest.config.remove(&key) {
                    self.gone.extend(names(&key, &piece));
                }
            }
        }
        self.rest
    }

    fn take_from(&mut self, key: &EntityKey, piece: &Arc<Piece>, out: &[Part]) {
        let all = parts(key, piece);
        let is_out = |part: &Part| out.iter().any(|it| it.rendering == part.rendering && it.id.kind == part.id.kind);
        let found: Vec<Part> = all.iter().map(|(part, _)| part).filter(|part| is_out(part)).cloned().collect();
        if found.is_empty() {
            return;
        }
        self.rest.found.extend(found);
        let before = self.base.and_then(|base| base.get(key)).map(|piece| parts(key, piece)).unwrap_or_default();
        let as_before = |part: &Part| before.iter().find(|(it, _)| it.id == part.id).map(|(_, value)| value.clone());
        let mut lists: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        let mut own = Value::Null;
        for (at, (part, value)) in all.into_iter().enumerate() {
            let kept = if is_out(&part) { as_before(&part) } else { Some(value.clone()) };
            match kept {
                Some(kept) if at == 0 => own = kept,
                None if at == 0 => return self.remove(key, piece),
                Some(kept) => {
                    let list = nested(&key.collection).iter().find(|list| kind_of(list) == part.id.kind);
                    lists.entry(list.copied().unwrap_or_default()).or_default().push(kept);
                }
                None => self.gone.extend(name_of(&part.id.kind, &value).map(|name| (part.id.kind.clone(), name))),
            }
        }
        if let Value::Object(fields) = &mut own {
            fields.extend(lists.into_iter().map(|(list, items)| (list.to_owned(), Value::Array(items))));
        }
        self.rest.config.insert(key.clone(), piece.with(key, &own));
    }

    /// Removes a whole piece; where it is a plugin, something that answers every request takes its place.
    fn remove(&mut self, key: &EntityKey, piece: &Arc<Piece>) {
        self.rest.config.remove(key);
        self.gone.extend(names(key, piece));
        let closes = self.bound == Bound::Closes && key.collection == Collection::Plugins;
        if closes && piece.refers().is_bound() && !self.was_open(piece) {
            self.rest.closed.insert(key.clone());
            if !self.is_closed(piece) {
                self.rest.config.insert(key.clone(), piece.with(key, &closing(&piece.rendered.value())));
            }
        }
    }

    /// Whether what a plugin is bound to was there before, without it: holding the plugin back changes nothing there.
    fn was_open(&self, piece: &Piece) -> bool {
        let Some(base) = self.base else { return false };
        let refers = piece.refers();
        let bound = [("service", &refers.service), ("route", &refers.route), ("consumer", &refers.consumer)];
        bound.into_iter().any(|(kind, name)| {
            name.as_ref().is_some_and(|name| base.iter().any(|(key, piece)| defines(key, piece, kind, name)))
        })
    }

    /// Whether something answers every request already, bound to the same.
    fn is_closed(&self, piece: &Piece) -> bool {
        pieces_of(&self.rest.config, &Collection::Plugins).any(|(_, rival)| {
            rival.refers() == piece.refers() && rival.rendered.value().get("name") == Some(&json!(CLOSING))
        })
    }
}

const CLOSING: &str = "request-termination";

/// Answers every request that a plugin would have seen.
fn closing(plugin: &Value) -> Value {
    let message = "A plugin of this route was refused by the gateway: see the status of the object it is made from";
    let mut closing = Map::from_iter([
        ("name".to_owned(), json!(CLOSING)),
        ("config".to_owned(), json!({"status_code": 500, "message": message})),
    ]);
    for field in ["service", "route", "consumer", "consumer_group", "tags"] {
        closing.extend(plugin.get(field).map(|value| (field.to_owned(), value.clone())));
    }
    Value::Object(closing)
}

/// Kind and name of all that a piece defines.
fn names(key: &EntityKey, piece: &Piece) -> Vec<(String, String)> {
    let named = |(part, value): (Part, Value)| {
        let name = name_of(&part.id.kind, &value)?;
        Some((part.id.kind, name))
    };
    parts(key, piece).into_iter().filter_map(named).collect()
}

/// Whether a piece defines an entity of this kind and name.
fn defines(key: &EntityKey, piece: &Piece, kind: &str, name: &str) -> bool {
    let may = match key.collection {
        Collection::Services => matches!(kind, "service" | "route"),
        Collection::Consumers => kind == "consumer",
        _ => false,
    };
    if !may {
        return false;
    }
    let value = piece.rendered.value();
    match kind {
        "route" => {
            let routes = value.get("routes").and_then(Value::as_array);
            routes.into_iter().flatten().any(|route| name_of(kind, route).as_deref() == Some(name))
        }
        _ => name_of(kind, &head(&key.collection, &value)).as_deref() == Some(name),
    }
}

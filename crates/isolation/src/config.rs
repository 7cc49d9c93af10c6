//! A configuration as rendered pieces, each with the objects it was made from.

use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde_json::Value;
use silverback_kong::{Collection, EntityKey, Rendered};
use silverback_model::{SharedMap, Sources};

/// A configuration: its pieces in the order of a document. One that differs little from another shares the rest with it.
pub type Config = SharedMap<EntityKey, Arc<Piece>>;

/// A top-level entity with what is nested in it.
#[derive(Debug)]
pub struct Piece {
    /// Its text.
    pub rendered: Rendered,
    /// The objects it was made from.
    pub sources: Sources,
    /// Boxed: few pieces are ever asked.
    refers: OnceLock<Box<Refers>>,
}

/// What a piece refers to by name, or by id where Kong has no names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Refers {
    pub(crate) service: Option<String>,
    pub(crate) route: Option<String>,
    pub(crate) consumer: Option<String>,
    pub(crate) consumer_group: Option<String>,
    pub(crate) client_certificate: Option<String>,
    pub(crate) ca_certificates: Vec<String>,
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        self.rendered == other.rendered && self.sources == other.sources
    }
}

impl Eq for Piece {}

impl Piece {
    /// A piece.
    pub fn new(rendered: Rendered, sources: impl Into<Sources>) -> Arc<Self> {
        Arc::new(Self { rendered, sources: sources.into(), refers: OnceLock::new() })
    }

    /// The same piece with another text.
    pub(crate) fn with(&self, key: &EntityKey, value: &Value) -> Arc<Self> {
        Self::new(Rendered::of_value(key, value), self.sources.clone())
    }

    /// Read once, when it is first asked for.
    pub(crate) fn refers(&self) -> &Refers {
        self.refers.get_or_init(|| Box::new(serde_json::from_slice(self.rendered.bytes()).unwrap_or_default()))
    }
}

/// The collections whose pieces may refer to entities of a kind.
pub(crate) fn referring_to(kind: &str) -> &'static [Collection] {
    match kind {
        "service" | "route" => &[Collection::Plugins],
        "consumer" | "consumer_group" => &[Collection::Plugins, Collection::ConsumerGroupConsumers],
        "certificate" | "ca_certificate" => &[Collection::Services],
        _ => &[],
    }
}

/// The pieces of a collection.
pub(crate) fn pieces_of<'a>(
    config: &'a Config,
    collection: &'a Collection,
) -> impl Iterator<Item = (&'a EntityKey, &'a Arc<Piece>)> {
    let first = EntityKey::new(collection.clone(), "");
    config.range_from(&first).take_while(move |(key, _)| key.collection == *collection)
}

impl Refers {
    /// Whether it refers to an entity of this kind and name.
    pub(crate) fn to(&self, kind: &str, name: &str) -> bool {
        let named = |field: &Option<String>| field.as_deref() == Some(name);
        match kind {
            "service" => named(&self.service),
            "route" => named(&self.route),
            "consumer" => named(&self.consumer),
            "consumer_group" => named(&self.consumer_group),
            "certificate" => named(&self.client_certificate),
            "ca_certificate" => self.ca_certificates.iter().any(|id| id == name),
            _ => false,
        }
    }

    /// Whether it is bound to anything: an entity that is not holds everywhere.
    pub(crate) fn is_bound(&self) -> bool {
        [&self.service, &self.route, &self.consumer, &self.consumer_group].into_iter().any(Option::is_some)
    }
}

//! What the last collections of the graph give: entities, with the objects they were made from, and what is wrong.

use std::sync::Arc;

use silverback_kong::{EntityKey, Rendered};

use crate::source::{Maker, Notes};

/// What one derivation gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Product {
    /// Entities. No other derivation gives one of the same key.
    pub entities: Vec<Made>,
    /// What is wrong.
    pub notes: Notes,
}

/// An entity.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Made {
    /// Its key.
    pub key: EntityKey,
    /// Its text.
    pub rendered: Rendered,
    /// What it was made from; sorted.
    pub makers: Arc<[Maker]>,
}

impl Made {
    /// An entity made from these objects.
    pub(crate) fn new(key: EntityKey, entity: &impl serde::Serialize, makers: impl IntoIterator<Item = Maker>) -> Self {
        let rendered = Rendered::new(&key, entity);
        let mut makers: Vec<Maker> = makers.into_iter().collect();
        makers.sort();
        makers.dedup();
        Self { key, rendered, makers: makers.into() }
    }
}

//! Vaults and licences.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A vault that secrets are referenced from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vault {
    /// See [`crate::ids`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The kind of vault, e.g. `env`.
    pub name: String,
    /// What references start with; unique.
    pub prefix: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// As the vault's own schema has it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// An Enterprise licence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct License {
    /// See [`crate::ids::license_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The licence's text.
    pub payload: String,
}

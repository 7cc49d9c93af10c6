//! Plugins: what the gateway does on the way. Nested in the entity they were made for, or at the top with references.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A plugin. Without any reference, and not nested, it is global.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plugin {
    /// See [`crate::ids`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The type of plugin, e.g. `key-auth`.
    pub name: String,
    /// Tells several of one type apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_name: Option<String>,
    /// As the plugin's own schema has it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// Kong's default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Kong's default is the plugin's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
    /// Order among plugins (Enterprise).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordering: Option<Value>,
    /// Name of the service it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Name of the route it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Username of the consumer it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// Name of the consumer group it is bound to (Enterprise).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_group: Option<String>,
    /// See [`crate::tags`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

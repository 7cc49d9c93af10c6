//! KongCustomEntity.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::definition::{Column, Definition, rules};
use super::structural::anything;
use super::{kind, status};
use crate::registry::KindId;
use crate::types::Meta;

const TYPE_STAYS: (&str, &str) = ("spec.type cannot be changed", "self.spec.type == oldSelf.spec.type");
const NO_KNOWN_TYPE: (&str, &str) = (
    "type names an entity that is made from other objects",
    "!(self.type in ['services', 'routes', 'upstreams', 'targets', 'plugins', 'consumers', 'consumer_groups'])",
);

/// An entity of Kong that has no kind of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules(&[TYPE_STAYS])))]
pub struct KongCustomEntity {
    /// Metadata.
    #[serde(default)]
    #[schemars(skip)]
    pub metadata: Meta,
    /// The entity.
    pub spec: KongCustomEntitySpec,
}

/// The entity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[NO_KNOWN_TYPE])))]
pub struct KongCustomEntitySpec {
    /// Its type, as Kong calls it, e.g. `degraphql_routes`.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// Its fields, as its own schema has them.
    #[schemars(schema_with = "anything")]
    pub fields: Value,
    /// The ingress class of the controller that takes it.
    pub controller_name: String,
    /// The plugin it belongs to.
    pub parent_ref: Option<ParentRef>,
}

/// The plugin that an entity belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct ParentRef {
    /// API group of the plugin.
    pub group: Option<String>,
    /// Kind of the plugin.
    #[schemars(extend("enum" = ["KongPlugin", "KongClusterPlugin"]))]
    pub kind: Option<String>,
    /// Namespace of the plugin; the entity's own where none is given.
    pub namespace: Option<String>,
    /// Name of the plugin.
    pub name: String,
}

kind!(KongCustomEntity, "v1alpha1");

pub(super) fn definition() -> Definition {
    Definition::of::<KongCustomEntity>(KindId::KONG_CUSTOM_ENTITY)
        .short(&["kce"])
        .columns(
            const {
                &[
                    Column::new("Entity Type", "string", ".spec.type", "Type of the entity"),
                    Column::AGE,
                    Column::PROGRAMMED,
                ]
            },
        )
        .status(status::programmed_required())
}

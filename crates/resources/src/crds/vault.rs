//! KongVault.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::control_plane::{ControlPlaneRef, FIXED, STAYS, tags};
use super::definition::{Column, Definition, rules};
use super::structural::anything;
use super::{kind, status};
use crate::registry::KindId;
use crate::types::Meta;

const PREFIX_STAYS: (&str, &str) = ("spec.prefix cannot be changed", "self.spec.prefix == oldSelf.spec.prefix");

/// A store of secrets that gateways read by themselves, where a configuration refers to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules(&[PREFIX_STAYS, STAYS, FIXED])))]
pub struct KongVault {
    /// Metadata.
    #[serde(default)]
    #[schemars(skip)]
    pub metadata: Meta,
    /// The vault.
    pub spec: KongVaultSpec,
}

/// The vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KongVaultSpec {
    /// Kind of store, as Kong calls it, e.g. `env`.
    #[schemars(length(min = 1))]
    pub backend: String,
    /// What references to it begin with.
    #[schemars(length(min = 1))]
    pub prefix: String,
    /// For people.
    pub description: Option<String>,
    /// The store's configuration, as its own schema has it.
    #[serde(default)]
    #[schemars(schema_with = "anything")]
    pub config: Option<Value>,
    /// The control plane it belongs to.
    pub control_plane_ref: Option<ControlPlaneRef>,
    /// Tags in Kong.
    #[serde(default)]
    #[schemars(schema_with = "tags")]
    pub tags: Vec<String>,
}

kind!(KongVault, "v1alpha1");

pub(super) fn definition() -> Definition {
    Definition::of::<KongVault>(KindId::KONG_VAULT)
        .short(&["kv"])
        .columns(
            const {
                &[
                    Column::new("Backend Type", "string", ".spec.backend", "Kind of store"),
                    Column::new("Prefix", "string", ".spec.prefix", "What references to it begin with"),
                    Column::AGE,
                    Column::new("Description", "string", ".spec.description", "What it is for").wide(),
                    Column::PROGRAMMED,
                ]
            },
        )
        .status(status::with_konnect(status::programmed_required()))
}

//! KongPlugin and KongClusterPlugin.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use silverback_model::ObjectKey;

use super::definition::{Column, Definition, rules};
use super::structural::{any_object, protocols};
use super::{kind, status};
use crate::registry::KindId;
use crate::types::Meta;

const RULES: &[(&str, &str)] = &[
    ("config and configFrom exclude each other", "!has(self.config) || !has(self.configFrom)"),
    ("configFrom and configPatches exclude each other", "!has(self.configFrom) || !has(self.configPatches)"),
    ("plugin cannot be changed", "self.plugin == oldSelf.plugin"),
];

const COLUMNS: &[Column] = &[
    Column::new("Plugin-Type", "string", ".plugin", "Which plugin it is"),
    Column::AGE,
    Column::new("Disabled", "boolean", ".disabled", "Whether it is switched off").wide(),
    Column::new("Config", "string", ".config", "Its configuration").wide(),
    Column::PROGRAMMED,
];

/// A plugin with its configuration, for other objects to name: a KongPlugin by those of its namespace, a
/// KongClusterPlugin by all. A KongClusterPlugin with the label `global: "true"` runs everywhere.
// R is how it refers to Secrets; the comment above becomes the description in the CRD.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules(RULES)))]
pub struct Plugin<R> {
    /// Metadata.
    #[serde(default)]
    #[schemars(skip)]
    pub metadata: Meta,
    /// Which plugin it is, as Kong calls it, e.g. `rate-limiting`.
    pub plugin: String,
    /// The plugin's configuration, as its own schema has it.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub config: Option<Map<String, Value>>,
    /// The whole configuration, from a Secret.
    #[serde(rename = "configFrom")]
    pub config_from: Option<ConfigSource<R>>,
    /// Values from Secrets that are put into the configuration.
    #[serde(rename = "configPatches", default)]
    pub config_patches: Vec<ConfigPatch<R>>,
    /// Whether it is switched off.
    pub disabled: Option<bool>,
    /// Tells several instances of one plugin apart.
    pub instance_name: Option<String>,
    /// Which plugins it runs before and after (Enterprise).
    pub ordering: Option<PluginOrdering>,
    /// Protocols it runs on; where there are none, those the plugin itself declares.
    #[serde(default)]
    #[schemars(schema_with = "protocols")]
    pub protocols: Vec<String>,
    /// On which nodes of a service mesh it runs; without effect in gateways of today.
    #[schemars(extend("enum" = ["first", "second", "all"]))]
    pub run_on: Option<String>,
    /// Without effect; name the plugin in an annotation of the consumer.
    #[serde(rename = "consumerRef")]
    pub consumer_ref: Option<String>,
}

/// A plugin of a namespace.
pub type KongPlugin = Plugin<SecretKeyRef>;
/// A plugin for every namespace.
pub type KongClusterPlugin = Plugin<ClusterSecretKeyRef>;

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigSource<R> {
    /// A key of a Secret.
    pub secret_key_ref: R,
}

/// One value of the configuration that comes from elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigPatch<R> {
    /// Where the value is added: a JSON pointer into the configuration.
    pub path: String,
    /// The value, as JSON.
    pub value_from: ConfigSource<R>,
}

/// A key of a Secret in the plugin's own namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: String,
    /// Key in it.
    pub key: String,
}

/// A key of a Secret in any namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct ClusterSecretKeyRef {
    /// Name of the Secret.
    pub name: String,
    /// Key in it.
    pub key: String,
    /// Namespace of the Secret.
    pub namespace: String,
}

/// Names a key of a Secret.
pub trait SecretRef {
    /// The Secret, seen from a plugin in the namespace `home`.
    fn secret(&self, home: &str) -> ObjectKey;
    /// The key in it.
    fn key(&self) -> &str;
}

impl SecretRef for SecretKeyRef {
    fn secret(&self, home: &str) -> ObjectKey {
        ObjectKey::new(home, self.name.clone())
    }

    fn key(&self) -> &str {
        &self.key
    }
}

impl SecretRef for ClusterSecretKeyRef {
    fn secret(&self, _home: &str) -> ObjectKey {
        ObjectKey::new(self.namespace.clone(), self.name.clone())
    }

    fn key(&self) -> &str {
        &self.key
    }
}

/// Which plugins a plugin runs before and after, by phase (e.g. `access`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct PluginOrdering {
    /// It runs before these.
    pub before: Option<BTreeMap<String, Vec<String>>>,
    /// It runs after these.
    pub after: Option<BTreeMap<String, Vec<String>>>,
}

kind!(KongPlugin, "v1");
kind!(KongClusterPlugin, "v1");

pub(super) fn definition() -> Definition {
    Definition::of::<KongPlugin>(KindId::KONG_PLUGIN).short(&["kp"]).columns(COLUMNS).status(status::programmed())
}

pub(super) fn cluster_definition() -> Definition {
    Definition::of::<KongClusterPlugin>(KindId::KONG_CLUSTER_PLUGIN)
        .short(&["kcp"])
        .columns(COLUMNS)
        .status(status::programmed())
}

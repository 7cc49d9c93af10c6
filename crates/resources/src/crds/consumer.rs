//! KongConsumer and KongConsumerGroup.

use schemars::JsonSchema;
use serde::Deserialize;

use super::control_plane::{ControlPlaneRef, FIXED, FIXED_ONCE_SET, SAME_NAMESPACE, STAYS, tags};
use super::definition::{Column, Definition, rules};
use super::{kind, status};
use crate::registry::KindId;
use crate::types::Meta;

const NAMED: (&str, &str) = ("username or custom_id is needed", "has(self.username) || has(self.custom_id)");

/// Somebody who uses the services behind a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules(&[NAMED, STAYS, SAME_NAMESPACE, FIXED])))]
pub struct KongConsumer {
    /// Metadata.
    #[serde(default)]
    #[schemars(skip)]
    pub metadata: Meta,
    /// Name in Kong, unique there.
    pub username: Option<String>,
    /// Id in a system of yours, unique in Kong.
    pub custom_id: Option<String>,
    /// Names of Secrets, each with one credential.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub credentials: Vec<String>,
    /// Names of the KongConsumerGroups it belongs to.
    #[serde(rename = "consumerGroups", default)]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub consumer_groups: Vec<String>,
    /// What concerns control planes.
    pub spec: Option<KongConsumerSpec>,
}

/// What concerns control planes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KongConsumerSpec {
    /// The control plane it belongs to.
    pub control_plane_ref: Option<ControlPlaneRef>,
    /// Tags for Konnect; without effect here.
    #[serde(default)]
    #[schemars(schema_with = "tags")]
    pub tags: Vec<String>,
}

/// Several consumers that share plugins (Enterprise).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules(&[STAYS, SAME_NAMESPACE, FIXED_ONCE_SET])))]
pub struct KongConsumerGroup {
    /// Metadata.
    #[serde(default)]
    #[schemars(skip)]
    pub metadata: Meta,
    /// What concerns control planes.
    pub spec: Option<KongConsumerGroupSpec>,
}

/// What concerns control planes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KongConsumerGroupSpec {
    /// Name in Konnect; here the object's own name counts.
    pub name: Option<String>,
    /// The control plane it belongs to.
    pub control_plane_ref: Option<ControlPlaneRef>,
    /// Tags for Konnect; without effect here.
    #[serde(default)]
    #[schemars(schema_with = "tags")]
    pub tags: Vec<String>,
}

kind!(KongConsumer, "v1");
kind!(KongConsumerGroup, "v1beta1");

pub(super) fn definition() -> Definition {
    Definition::of::<KongConsumer>(KindId::KONG_CONSUMER)
        .short(&["kc"])
        .columns(const {
            &[
                Column::new("Username", "string", ".username", "Its name in Kong"),
                Column::AGE,
                Column::PROGRAMMED,
            ]
        })
        .status(status::with_konnect(status::programmed_from_the_start()))
}

pub(super) fn group_definition() -> Definition {
    Definition::of::<KongConsumerGroup>(KindId::KONG_CONSUMER_GROUP)
        .short(&["kcg"])
        .columns(const { &[Column::AGE, Column::PROGRAMMED] })
        .status(status::with_konnect(status::programmed_from_the_start()))
}

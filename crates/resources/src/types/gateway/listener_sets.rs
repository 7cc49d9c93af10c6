//! gateway.networking.k8s.io: listeners added to a Gateway from elsewhere.

use serde::Deserialize;

use super::super::core::named;
use super::super::meta::{Meta, null_as_default};
use super::listeners::Listener;
use super::routes::ParentRef;

/// ListenerSet, and XListenerSet as it was called in experimental bundles before it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ListenerSet {
    /// Metadata.
    pub metadata: Meta,
    /// What it adds, and to what.
    pub spec: ListenerSetSpec,
}

/// What a set adds, and to what.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListenerSetSpec {
    /// The Gateway.
    pub parent_ref: ParentRef,
    /// Its listeners.
    #[serde(deserialize_with = "null_as_default")]
    pub listeners: Vec<Listener>,
}

named!("gateway.networking.k8s.io", "v1": ListenerSet);

//! KongLicense.

use schemars::JsonSchema;
use serde::Deserialize;

use super::definition::{Column, Definition};
use super::{kind, status};
use crate::registry::KindId;
use crate::types::Meta;

/// A licence for Enterprise gateways. The newest enabled one counts.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KongLicense {
    /// Metadata.
    #[serde(default)]
    #[schemars(skip)]
    pub metadata: Meta,
    /// Whether it is to be used.
    #[schemars(extend("default" = true))]
    pub enabled: bool,
    /// The licence as it was issued, a JSON text.
    pub raw_license_string: String,
}

/// The licence is a secret.
impl std::fmt::Debug for KongLicense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { metadata, enabled, .. } = self;
        f.debug_struct("KongLicense").field("metadata", metadata).field("enabled", enabled).finish_non_exhaustive()
    }
}

kind!(KongLicense, "v1alpha1");

pub(super) fn definition() -> Definition {
    Definition::of::<KongLicense>(KindId::KONG_LICENSE)
        .short(&["kl"])
        .columns(const { &[Column::AGE, Column::new("Enabled", "boolean", ".enabled", "Whether it is to be used")] })
        .status(status::controllers())
}

//! apiextensions.k8s.io: which kinds are installed, and of which bundle of their API.

use serde::Deserialize;

use super::core::named;
use super::meta::Meta;

/// The annotation of the Gateway API's CRDs that names the bundle they came with, e.g. `v1.3.0`.
pub const BUNDLE_VERSION: &str = "gateway.networking.k8s.io/bundle-version";

/// CustomResourceDefinition, as far as it tells where it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CustomResourceDefinition {
    /// Metadata; the name is `plural.group`.
    pub metadata: Meta,
}

named!("apiextensions.k8s.io", "v1": CustomResourceDefinition);

impl CustomResourceDefinition {
    /// Whether it defines a kind of the Gateway API, experimental ones included.
    pub fn is_of_gateway_api(&self) -> bool {
        let group = self.metadata.name.split_once('.').map(|(_, group)| group);
        matches!(group, Some("gateway.networking.k8s.io" | "gateway.networking.x-k8s.io"))
    }

    /// The bundle it came with, where it says so.
    pub fn bundle_version(&self) -> Option<&str> {
        self.metadata.annotations.get(BUNDLE_VERSION).map(String::as_str)
    }
}

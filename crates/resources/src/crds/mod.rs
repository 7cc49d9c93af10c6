//! The kinds in Kong's API groups: the types translation reads, and the CustomResourceDefinitions generated from them.
//!
//! A field's type, bounds, rules and description are said once, on the type. Names, versions and scopes come from the
//! registry. Knows nothing of what the fields do in a gateway.

mod class_parameters;
mod consumer;
mod control_plane;
mod custom_entity;
mod definition;
pub mod kong_ingress;
mod l4;
mod license;
mod plugin;
mod service_facade;
mod status;
mod structural;
pub mod upstream_policy;
mod vault;

use serde_json::Value;

pub use class_parameters::{IngressClassParameters, IngressClassParametersSpec};
pub use consumer::{KongConsumer, KongConsumerGroup, KongConsumerGroupSpec, KongConsumerSpec};
pub use control_plane::{ControlPlaneRef, KonnectNamespacedRef};
pub use custom_entity::{KongCustomEntity, KongCustomEntitySpec, ParentRef};
pub use kong_ingress::KongIngress;
pub use l4::{
    L4Backend, L4Tls, TCPIngress, TCPIngressRule, TCPIngressSpec, UDPIngress, UDPIngressRule, UDPIngressSpec,
};
pub use license::KongLicense;
pub use plugin::{
    ClusterSecretKeyRef, ConfigPatch, ConfigSource, KongClusterPlugin, KongPlugin, Plugin, PluginOrdering,
    SecretKeyRef, SecretRef,
};
pub use service_facade::{FacadeBackendRef, KongServiceFacade, KongServiceFacadeSpec};
pub use upstream_policy::KongUpstreamPolicy;
pub use vault::{KongVault, KongVaultSpec};

/// The CustomResourceDefinitions of all thirteen kinds, ready to be applied.
pub fn all() -> Vec<Value> {
    [
        class_parameters::definition(),
        plugin::cluster_definition(),
        consumer::group_definition(),
        consumer::definition(),
        custom_entity::definition(),
        kong_ingress::definition(),
        license::definition(),
        plugin::definition(),
        upstream_policy::definition(),
        vault::definition(),
        l4::tcp_definition(),
        l4::udp_definition(),
        service_facade::definition(),
    ]
    .into_iter()
    .map(definition::Definition::into_object)
    .collect()
}

/// Ties a type to its kind.
macro_rules! kind {
    ($type:ident, $group:literal, $version:literal) => {
        impl crate::types::Named for $type {
            const GROUP: &'static str = $group;
            const VERSION: &'static str = $version;
            const KIND: &'static str = stringify!($type);
            fn meta(&self) -> &crate::types::Meta {
                &self.metadata
            }
        }
    };
    ($type:ident, $version:literal) => {
        kind!($type, "configuration.konghq.com", $version);
    };
}
use kind;

#[cfg(test)]
mod tests;

//! The kinds that make routes, consumers, plugins, …: one file each.

pub(crate) mod backend_tls_policy;
pub(crate) mod ca_certificate;
pub(crate) mod consumer;
pub(crate) mod consumer_group;
pub(crate) mod custom_entity;
pub(crate) mod gateway_api;
pub(crate) mod ingress;
pub(crate) mod l4;
pub(crate) mod license;
pub(crate) mod plugin;
pub(crate) mod upstream_policy;
pub(crate) mod vault;

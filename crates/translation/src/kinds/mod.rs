//! The kinds that make routes, consumers, plugins, …: one file each.

pub(crate) mod consumer;
pub(crate) mod consumer_group;
pub(crate) mod ingress;
pub(crate) mod plugin;

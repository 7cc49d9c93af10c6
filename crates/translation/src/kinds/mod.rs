//! The kinds that make routes, consumers, plugins, …: one file each.

pub mod consumer;
pub mod consumer_group;
pub mod ingress;
pub mod plugin;

//! The kinds that make routes, consumers, plugins, …: one file each.

pub mod ingress;

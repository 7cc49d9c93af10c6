//! What scenarios are told with.

mod chronicle;
mod cluster;
mod crowd;
mod folder;
mod gateways;
mod manifests;
mod replica;
mod services;

use std::time::Duration;

pub(crate) use chronicle::Chronicle;
pub(crate) use cluster::{Cluster, holder, name_of, put};
pub(crate) use crowd::Crowd;
pub(crate) use folder::Folder;
pub(crate) use gateways::{Backend, Gateways, backend, routes_to};
pub(crate) use manifests::{endpoints, ingress, service};
pub(crate) use replica::{LEASE, LONG_LEASE, pair};
pub(crate) use services::{Ports, Service, channel, listen};

/// Generous, for machines that do much else at once; what is awaited comes within milliseconds.
pub(crate) const SOON: Duration = Duration::from_secs(60);

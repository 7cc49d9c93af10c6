//! Kong's declarative format: its entities, their canonical rendering, names, ids and tags, and the checks made
//! before anything leaves.
//!
//! Knows no Kubernetes API, no network, no clock. The rules for ids, tags and names are those of the Kong Ingress
//! Controller, so that a cluster can move over without a single entity changing its identity.

mod balancing;
pub mod defaults;
pub mod document;
pub mod entities;
pub mod expression;
pub mod ids;
mod key;
pub mod limits;
pub mod names;
pub mod paths;
pub mod plugin_facts;
mod render;
pub mod schema;
pub mod self_check;
pub mod tags;

pub use document::Document;
pub use entities::*;
pub use key::{Collection, EntityKey};
pub use render::Rendered;

//! Stand-ins for what Silverback talks to, started in this process on loopback ports: Kong gateways, and the part of a
//! Kubernetes API server that is needed beside them. For tests, for the demo and for trying the product without a
//! cluster. It never knows Silverback's own crates: it judges them from outside.

pub mod api;
pub mod control;
pub mod gateway;
mod listener;
mod proxy;
mod query;

pub use proxy::Proxy;

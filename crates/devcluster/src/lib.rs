//! Stand-ins for what Silverback talks to, started in this process on loopback ports: Kong gateways today,
//! beside them room for an in-memory Kubernetes API. For tests, for the demo and for trying the product
//! without a cluster. It never knows Silverback's own crates: it judges them from outside.

pub mod gateway;
mod proxy;

pub use proxy::Proxy;

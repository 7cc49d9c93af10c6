//! What whole-system tests share: a real Kubernetes API server, processes under watch, and waiting for conditions.
//!
//! Knows nothing of what the product does.

mod authority;
mod etcd;
mod kube_api;
mod ports;
mod process;
mod spawn;
mod wait;

pub use authority::{Authority, Pair};
pub use etcd::Backup;
pub use kube_api::{KubeApi, kube_api_binaries};
pub use ports::{free_port, free_ports};
pub use process::{Process, Signal, binary};
pub use wait::eventually;

#[cfg(test)]
mod tests;

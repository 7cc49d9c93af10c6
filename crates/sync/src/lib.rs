//! Streaming state that loses nothing: a publisher, and replicas that follow it.
//!
//! [`Publisher`] and [`Replica`] are pure state machines: frames in, frames out, no clock and no network. [`server`]
//! and [`client`] are the thin gRPC rim around them. The rules they keep are predicates in `silverback_model::rules`.
//! Knows neither Kubernetes nor Kong: an item is a key, a version and a canonical body.

pub mod client;
mod collection;
pub mod dial;
mod held;
mod item;
mod outbox;
mod publisher;
mod replica;
mod scout;
pub mod server;

pub use collection::{Change, CollectionView, Outcome, State};
pub use item::Item;
pub use outbox::Backlog;
pub use publisher::{Publisher, SubscriberId};
pub use replica::{Delta, Desync, Mode, Received, Replica, Tally};
pub use server::SharedPublisher;

#[cfg(test)]
mod convergence;
#[cfg(test)]
mod over_grpc;
#[cfg(test)]
mod together;

//! Kong gateways: finding them, giving each its config, and making sure that it has it.
//!
//! [`discovery`] says which gateways there are, [`Connector`] and [`Client`] speak to one Admin API, [`worker`] holds
//! the rules of keeping one gateway configured and is pure, [`task`] runs those rules. Knows no Lease (whether to
//! push is asked of a [`Permission`]), no translation, and nothing of what a config means.

pub mod body;
pub mod client;
pub mod discovery;
mod ended;
mod error;
mod facts;
pub mod rejection;
mod report;
pub mod task;
mod tls;
pub mod worker;

pub use body::{ConfigBody, ConfigHash};
pub use client::{Client, Connector, Headers, Settings as ClientSettings, SettingsError, Timeouts};
pub use discovery::Endpoint;
pub use error::{Cause, Error};
pub use facts::{Facts, Routing};
pub use rejection::{FieldError, RejectedEntity, Rejection};
pub use report::{GatewayReport, LastPush, Observer, PushResult, State};
pub use task::{Permission, Target};
pub use worker::Grant;

#[cfg(test)]
mod tests;

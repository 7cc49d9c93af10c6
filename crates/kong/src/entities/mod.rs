//! The entities of the declarative format: plain structs whose serde form is Kong's, without absent fields.
//!
//! A field that is `None` or empty is left out, and Kong fills in its default. References are names (or ids for
//! certificates), as plain strings: the only form Kong resolves in every place.

mod certificate;
mod consumer;
mod other;
mod plugin;
mod route;
mod service;
mod upstream;

pub use certificate::{CaCertificate, Certificate, Sni};
pub use consumer::{
    Acl, BasicAuth, Consumer, ConsumerGroup, ConsumerGroupConsumer, HmacAuth, Jwt, KeyAuth, MtlsAuth, Oauth2,
};
pub use other::{License, Vault};
pub use plugin::Plugin;
pub use route::{Destination, Route};
pub use service::Service;
pub use upstream::{
    ActiveChecks, ActiveHealthy, ActiveUnhealthy, Healthchecks, PassiveChecks, PassiveHealthy, PassiveUnhealthy,
    Target, Upstream,
};

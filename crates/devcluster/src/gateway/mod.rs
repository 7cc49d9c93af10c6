//! A stand-in Kong gateway: the Admin API of Kong 3.9.3 without a database, and its status listener, with
//! fault taps and a record of what it was sent. It never proxies traffic.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use silverback_devcluster::gateway::{Settings, StandInGateway};
//! let gateway = StandInGateway::start(Settings::default()).await?;
//! let mut accepted = gateway.accepted();
//! // ... something posts to gateway.admin_url() ...
//! accepted.changed().await?;
//! assert_eq!(gateway.posts().len(), 1);
//! gateway.stop().await;
//! # Ok(()) }
//! ```

mod admin;
mod answer;
mod declarative;
mod entities;
mod faults;
mod hash;
mod listing;
mod load;
mod node;
mod posts;
mod request;
mod schema;
mod server;
mod settings;
mod state;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

pub use crate::listener::{StartError, Tls};
pub use faults::{Faults, FixedAnswer, On};
pub use posts::Post;
pub use settings::{LoadTime, RouterFlavor, Settings};
pub use state::Accepted;

use crate::listener::Listener;
use server::{Server, Side};
use state::Shared;

/// Starts stand-in gateways; see the module's documentation.
#[derive(Debug)]
pub struct StandInGateway;

impl StandInGateway {
    /// Binds both listeners and serves until the handle is stopped or dropped. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// When an address cannot be bound or the TLS material cannot be read.
    pub async fn start(settings: Settings) -> Result<GatewayHandle, StartError> {
        let shared = Arc::new(Shared::new(settings));
        let side = |side| Server { shared: Arc::clone(&shared), side };
        let (settings, tls) = (&shared.settings, shared.settings.tls.as_ref());
        let admin = Listener::start(settings.admin_addr, tls, side(Side::Admin)).await?;
        let status = Listener::start(settings.status_addr, None, side(Side::Status)).await?;
        Ok(GatewayHandle { shared, admin, status })
    }
}

/// What [`GatewayHandle::restart`] does to the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// The config is on disk and survives, as it does when a gateway's container restarts in place.
    KeepingConfig,
    /// A new, empty gateway took the place of the old one.
    Empty,
}

/// A running stand-in gateway. Dropping it stops it.
#[derive(Debug)]
pub struct GatewayHandle {
    shared: Arc<Shared>,
    admin: Listener<Server>,
    status: Listener<Server>,
}

impl GatewayHandle {
    /// `http://127.0.0.1:PORT` or `https://...`, without a trailing slash.
    #[must_use]
    pub fn admin_url(&self) -> String {
        let scheme = if self.shared.settings.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.admin.addr())
    }

    /// Where the Admin API listens.
    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.addr()
    }

    /// The taps that make this gateway misbehave.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Every `POST /config` whose body was received, oldest first.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        self.shared.posts.list()
    }

    /// How many `POST /config` bodies were received so far; changes the moment one is in, before it is judged.
    #[must_use]
    pub fn received(&self) -> watch::Receiver<u64> {
        self.shared.posts.received()
    }

    /// How many `POST /config` were answered (or cut) so far.
    #[must_use]
    pub fn answered(&self) -> watch::Receiver<u64> {
        self.shared.posts.answered()
    }

    /// The last config that took effect; `None` until the first one.
    #[must_use]
    pub fn accepted(&self) -> watch::Receiver<Option<Arc<Accepted>>> {
        self.shared.accepted()
    }

    /// Waits until an accepted config satisfies `wanted`, at most `within`. `None` when time ran out.
    pub async fn wait_for(&self, within: Duration, mut wanted: impl FnMut(&Accepted) -> bool) -> Option<Arc<Accepted>> {
        let mut accepted = self.accepted();
        let found = accepted.wait_for(|now| now.as_ref().is_some_and(|config| wanted(config)));
        tokio::time::timeout(within, found).await.ok()?.ok()?.clone()
    }

    /// The declarative config in force as it was posted (`{}` when the gateway is empty).
    #[must_use]
    pub fn config(&self) -> Arc<Value> {
        self.shared.current().config()
    }

    /// The `configuration_hash` that `GET /status` tells: 32 zeros when the gateway is empty.
    #[must_use]
    pub fn hash(&self) -> String {
        self.shared.current().hash.clone()
    }

    /// Puts another config in force past the Admin API, as a hand at the gateway would. `text` is JSON or YAML.
    /// Returns the new hash.
    ///
    /// # Errors
    /// The answer the Admin API would have given to this text.
    pub fn alter_config(&self, text: &str) -> Result<String, String> {
        load::alter(&self.shared, text)
    }

    /// Drops every connection and stays deaf for `down`, then listens again on the same ports.
    ///
    /// # Errors
    /// When the ports were taken meanwhile.
    pub async fn restart(&self, how: Restart, down: Duration) -> Result<(), StartError> {
        self.admin.close().await;
        self.status.close().await;
        if how == Restart::Empty {
            self.shared.forget();
        }
        tokio::time::sleep(down).await;
        self.admin.open().await?;
        self.status.open().await
    }

    /// Refuses new connections and drops the open ones (`false`), or listens again (`true`).
    ///
    /// # Errors
    /// When the ports were taken meanwhile.
    pub async fn set_listening(&self, listening: bool) -> Result<(), StartError> {
        if listening {
            self.admin.open().await?;
            self.status.open().await
        } else {
            self.admin.close().await;
            self.status.close().await;
            Ok(())
        }
    }

    /// Closes both listeners and drops every connection.
    pub async fn stop(self) {
        self.admin.close().await;
        self.status.close().await;
    }
}

#[cfg(test)]
mod tests;

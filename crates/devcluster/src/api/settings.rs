//! How a development cluster is set up. It never changes while it runs; what changes are the faults.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;

use crate::listener::Tls;

/// How a development cluster is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens; port 0 picks one.
    pub addr: SocketAddr,
    /// TLS; plain HTTP when `None`. `kubectl` sends a client's name over TLS alone.
    pub tls: Option<Tls>,
    /// CustomResourceDefinitions that are there from the start.
    pub definitions: Vec<Value>,
    /// How often a quiet watch is sent a bookmark; about a minute at a real API server.
    pub bookmark_period: Duration,
    /// How many writes can still be watched from; about five minutes' at a real API server.
    pub history: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            definitions: Vec::new(),
            bookmark_period: Duration::from_secs(60),
            history: 10_000,
        }
    }
}

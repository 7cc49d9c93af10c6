//! How a stand-in gateway is set up. It never changes while the gateway runs; what changes are the faults.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::listener::Tls;

/// Kong's `router_flavor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RouterFlavor {
    /// Routes match by fields; the default of Kong 3.
    #[default]
    TraditionalCompatible,
    /// Routes match by fields, with the router of Kong 2.
    Traditional,
    /// Routes may also match by an expression.
    Expressions,
}

impl RouterFlavor {
    /// As the Admin API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TraditionalCompatible => "traditional_compatible",
            Self::Traditional => "traditional",
            Self::Expressions => "expressions",
        }
    }
}

/// How long a gateway takes to load a config. Kong parses several configs at once, so that an older one may land
/// after a newer one; only the last step is done one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadTime {
    /// Parsing any config.
    pub base: Duration,
    /// Parsing each MiB of it. A real gateway takes about 1 s on a small machine.
    pub per_mib: Duration,
    /// The last step. A second config that gets there meanwhile is answered 429.
    pub locked: Duration,
}

impl LoadTime {
    /// The time to parse a body of that many bytes.
    #[must_use]
    pub fn parsing(&self, bytes: usize) -> Duration {
        let mib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX);
        self.base + self.per_mib.saturating_mul(mib) / 1024
    }
}

/// How a stand-in gateway is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the Admin API listens; port 0 picks one.
    pub admin_addr: SocketAddr,
    /// Where the status API listens; port 0 picks one.
    pub status_addr: SocketAddr,
    /// TLS on the Admin API; plain HTTP when `None`.
    pub tls: Option<Tls>,
    /// What `GET /` reports, and which fields routes may have.
    pub router_flavor: RouterFlavor,
    /// What `GET /` reports as `version`.
    pub version: String,
    /// `nginx_admin_client_max_body_size` in bytes: a larger body is answered 413.
    pub body_limit: usize,
    /// How long loads take.
    pub load_time: LoadTime,
    /// Takes every well-formed JSON config without looking at its entities, and answers 201 with the posted text
    /// instead of the completed entities. For benchmarks.
    pub trusting: bool,
    /// Takes every config without reading or keeping it: its hash is made while it comes in, and the answer is short. A
    /// hundred such gateways cost little memory. For benchmarks.
    pub sink: bool,
    /// A folder of plugin schemas (`NAME.json`, as `GET /schemas/plugins/NAME` answers them), beside the few this
    /// crate knows itself. Plugins without a known schema are accepted with any config.
    pub plugin_schemas: Option<PathBuf>,
    /// Plugins of its own, with their schemas in the same form.
    pub own_plugins: BTreeMap<String, Value>,
    /// What `GET /` reports as `edition`.
    pub edition: String,
}

impl Default for Settings {
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            admin_addr: loopback,
            status_addr: loopback,
            tls: None,
            router_flavor: RouterFlavor::default(),
            version: "3.9.3".to_owned(),
            body_limit: 10 << 20,
            load_time: LoadTime::default(),
            trusting: false,
            sink: false,
            plugin_schemas: None,
            own_plugins: BTreeMap::new(),
            edition: "community".to_owned(),
        }
    }
}

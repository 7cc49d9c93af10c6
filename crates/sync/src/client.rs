//! The following rim: finds a server among several, follows it, and resumes at another when it fails.
//!
//! Names are resolved to all their addresses at every attempt, so that a headless Service is enough to spread
//! consumers over replicas and to find new ones.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use rand::seq::SliceRandom;
use silverback_proto::v1;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint, Uri};
use tonic::{Status, Streaming};

use crate::{Desync, Mode, Received, Replica};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A link that swallows packets is noticed after interval + timeout.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A `Watch` call that was made: the answer to come.
pub type Opening = Pin<Box<dyn Future<Output = Result<Streaming<v1::WatchResponse>, Status>> + Send>>;

/// How to call `Watch` of a service on a channel.
pub type Open = fn(Channel, v1::WatchRequest) -> Opening;

/// Calls `Watch` of the state service.
pub fn watch_state(channel: Channel, request: v1::WatchRequest) -> Opening {
    Box::pin(async move {
        let mut client = v1::state_client::StateClient::new(channel).max_decoding_message_size(usize::MAX);
        client.watch(request).await.map(tonic::Response::into_inner)
    })
}

/// Calls `Watch` of the configuration service.
pub fn watch_config(channel: Channel, request: v1::WatchRequest) -> Opening {
    Box::pin(async move {
        let mut client = v1::config_client::ConfigClient::new(channel).max_decoding_message_size(usize::MAX);
        client.watch(request).await.map(tonic::Response::into_inner)
    })
}

/// Where servers are, and who asks.
#[derive(Clone, Debug)]
pub struct Servers {
    /// `http://host:port` or `https://host:port`; each host may stand for many addresses.
    pub urls: Vec<Uri>,
    /// For `https` urls.
    pub tls: Option<ClientTlsConfig>,
    /// Told to the server for its logs.
    pub client: String,
}

/// What happened to the stream.
#[derive(Debug)]
pub enum Event {
    /// A server answers; views or deltas follow.
    Connected {
        /// Its address.
        server: String,
    },
    /// A frame counted for something.
    Received(Received),
    /// The stream is gone; the next call looks for another server.
    Lost {
        /// Of which server; empty when none could be found.
        server: String,
        /// Why.
        cause: Lost,
    },
}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// A name did not resolve.
    #[error("{host} cannot be resolved: {error}; check the url and the DNS of this pod")]
    Unresolved {
        /// The name.
        host: String,
        /// Why.
        error: std::io::Error,
    },
    /// No name stands for any address.
    #[error("{0} stands for no address yet: is the service running?")]
    Nobody(String),
    /// A server cannot be reached.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// A server ended the stream.
    #[error("it ended the stream: {0}")]
    Ended(String),
    /// What it sent does not add up.
    #[error(transparent)]
    Desync(#[from] Desync),
}

/// Follows one of several servers with a replica.
pub struct Follower {
    servers: Servers,
    open: Open,
    replica: Replica,
    stream: Option<(String, Streaming<v1::WatchResponse>)>,
    failures: u32,
}

impl Follower {
    /// A follower that holds nothing yet.
    pub fn new(servers: Servers, open: Open, mode: Mode) -> Self {
        Self { servers, open, replica: Replica::new(mode), stream: None, failures: 0 }
    }

    /// What is held.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Leaves the present server, and forgets nothing.
    pub fn leave(&mut self) {
        self.stream = None;
    }

    /// The next thing that happens. Safe to cancel.
    pub async fn next(&mut self) -> Event {
        if self.stream.is_none() {
            return self.connect().await;
        }
        loop {
            let Some((server, stream)) = &mut self.stream else { return self.connect().await };
            let lost = match stream.message().await {
                Ok(Some(frame)) => match self.replica.receive(frame) {
                    Ok(Received::Nothing) => continue,
                    Ok(Received::GoAway(reason)) => Lost::Ended(reason),
                    Ok(received) => {
                        self.failures = 0;
                        return Event::Received(received);
                    }
                    Err(desync) => Lost::Desync(desync),
                },
                Ok(None) => Lost::Ended("without a word".into()),
                Err(status) => Lost::Ended(status.message().to_owned()),
            };
            let server = std::mem::take(server);
            self.stream = None;
            return Event::Lost { server, cause: lost };
        }
    }

    async fn connect(&mut self) -> Event {
        tokio::time::sleep(self.pause()).await;
        self.failures = self.failures.saturating_add(1);
        let mut addresses = match self.servers.resolve().await {
            Ok(addresses) => addresses,
            Err(cause) => return Event::Lost { server: String::new(), cause },
        };
        addresses.shuffle(&mut rand::rng());
        let mut last = Lost::Nobody(self.servers.names());
        let mut tried = String::new();
        for (uri, address) in addresses {
            match self.call(&uri, address).await {
                Ok(stream) => {
                    let server = address.to_string();
                    self.stream = Some((server.clone(), stream));
                    return Event::Connected { server };
                }
                Err(error) => (tried, last) = (address.to_string(), Lost::Unreachable(error)),
            }
        }
        Event::Lost { server: tried, cause: last }
    }

    async fn call(&mut self, uri: &Uri, address: SocketAddr) -> Result<Streaming<v1::WatchResponse>, String> {
        let channel = self.servers.endpoint(uri, address)?.connect().await.map_err(|error| chain(&error))?;
        let cursors = self.replica.cursors().iter().map(v1::Cursor::from).collect();
        let request = v1::WatchRequest { client: self.servers.client.clone(), cursors };
        (self.open)(channel, request).await.map_err(|status| status.message().to_owned())
    }

    /// None before the first attempt, then doubling, jittered so that consumers do not come in step.
    fn pause(&self) -> Duration {
        let Some(exponent) = self.failures.checked_sub(1) else { return Duration::ZERO };
        let pause = FIRST_PAUSE.saturating_mul(1 << exponent.min(10)).min(LONGEST_PAUSE);
        pause.mul_f64(rand::random_range(0.5..1.0))
    }
}

impl Servers {
    fn names(&self) -> String {
        self.urls.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    async fn resolve(&self) -> Result<Vec<(Uri, SocketAddr)>, Lost> {
        let mut found = Vec::new();
        let mut failed = None;
        for uri in &self.urls {
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            match tokio::net::lookup_host((host.clone(), uri.port_u16().unwrap_or(80))).await {
                Ok(addresses) => found.extend(addresses.map(|address| (uri.clone(), address))),
                Err(error) => failed = Some(Lost::Unresolved { host, error }),
            }
        }
        match failed {
            Some(failed) if found.is_empty() => Err(failed),
            _ => Ok(found),
        }
    }

    /// Dials one address, and speaks to it under the name of the url.
    fn endpoint(&self, uri: &Uri, address: SocketAddr) -> Result<Endpoint, String> {
        let scheme = uri.scheme_str().unwrap_or("http");
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}")).map_err(|error| error.to_string())?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(4 * 1024 * 1024)
            .initial_connection_window_size(8 * 1024 * 1024)
            .tcp_nodelay(true);
        match &self.tls {
            Some(tls) if scheme == "https" => {
                let name = uri.host().unwrap_or_default().to_owned();
                endpoint.tls_config(tls.clone().domain_name(name)).map_err(|error| chain(&error))
            }
            _ => Ok(endpoint),
        }
    }
}

/// An error with its causes: transport errors say nothing by themselves.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

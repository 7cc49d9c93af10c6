//! The following rim: finds a server among several, follows it, and resumes at another when it fails.
//!
//! Names are resolved to all their addresses at every attempt, so that a headless Service is enough to spread
//! consumers over replicas and to find new ones. The other servers are asked now and then how far they are: one that is
//! ahead for long is followed instead, and two that made different things of the same are told of.

use std::net::SocketAddr;
use std::time::Duration;

use rand::seq::{IteratorRandom, SliceRandom};
use silverback_model::{Commit, Traces, rules, with_causes};
use silverback_proto::v1;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Status, Streaming};

use crate::dial::{self, Tls};
use crate::scout::Patience;
use crate::{Desync, Mode, Received, Replica};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A server that takes connections but does not answer, e.g. a stopped process, is given up after this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Another server is asked how far it is about this often.
const LOOK: Duration = Duration::from_secs(4);
/// A link that swallows packets is noticed after interval + timeout.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Which service is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// Kubernetes state, of watchers.
    State,
    /// The gateways' configuration, of translators.
    Config,
}

impl Hop {
    fn mode(self) -> Mode {
        match self {
            Self::State => Mode::PerCollection,
            Self::Config => Mode::PerCommit,
        }
    }

    async fn watch(self, channel: Channel, request: v1::WatchRequest) -> Result<Streaming<v1::WatchResponse>, Status> {
        let answer = match self {
            Self::State => state(channel).watch(request).await,
            Self::Config => config(channel).watch(request).await,
        };
        answer.map(tonic::Response::into_inner)
    }

    async fn head(self, channel: Channel) -> Result<v1::Commit, Status> {
        let answer = match self {
            Self::State => state(channel).get_head(v1::GetHeadRequest {}).await,
            Self::Config => config(channel).get_head(v1::GetHeadRequest {}).await,
        };
        answer.map(tonic::Response::into_inner)
    }
}

fn state(channel: Channel) -> v1::state_client::StateClient<Channel> {
    v1::state_client::StateClient::new(channel).max_decoding_message_size(usize::MAX)
}

fn config(channel: Channel) -> v1::config_client::ConfigClient<Channel> {
    v1::config_client::ConfigClient::new(channel).max_decoding_message_size(usize::MAX)
}

/// Where servers are, and who asks.
#[derive(Clone)]
pub struct Servers {
    /// `http://host:port` or `https://host:port`; each host may stand for many addresses.
    pub urls: Vec<Uri>,
    /// For `https` urls.
    pub tls: Option<Tls>,
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
    /// Another translator has the same objects, and should make the same of them.
    Compared {
        /// The other one's address.
        other: String,
        /// Whether it does.
        agrees: bool,
    },
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
    /// Another server is ahead.
    #[error("{other} has been ahead of it for a while; following that one")]
    Behind {
        /// The other one's address.
        other: SocketAddr,
    },
    /// What it sent does not add up.
    #[error(transparent)]
    Desync(#[from] Desync),
}

impl Lost {
    /// One word for counters.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unresolved { .. } => "unresolved",
            Self::Nobody(_) => "nobody",
            Self::Unreachable(_) => "unreachable",
            Self::Ended(_) => "ended",
            Self::Behind { .. } => "behind",
            Self::Desync(desync) => desync.label(),
        }
    }
}

/// What another server said of itself.
type Head = Option<(SocketAddr, v1::Commit)>;

/// Follows one of several servers with a replica.
pub struct Follower {
    servers: Servers,
    hop: Hop,
    replica: Replica,
    stream: Option<(SocketAddr, Streaming<v1::WatchResponse>)>,
    failures: u32,
    /// Tried last, since it was left.
    left: Option<SocketAddr>,
    /// Tried first, since it is ahead.
    ahead: Option<SocketAddr>,
    patience: Patience<SocketAddr>,
    look_at: Instant,
    looking: Option<JoinHandle<Head>>,
}

impl Follower {
    /// A follower that holds nothing yet.
    pub fn new(servers: Servers, hop: Hop) -> Self {
        Self {
            servers,
            hop,
            replica: Replica::new(hop.mode()),
            stream: None,
            failures: 0,
            left: None,
            ahead: None,
            patience: Patience::default(),
            look_at: Instant::now() + between_looks(),
            looking: None,
        }
    }

    /// What is held.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// The changes that came in since this was last called.
    pub fn take_traces(&mut self) -> Traces {
        self.replica.take_traces()
    }

    /// The next thing that happens. Safe to cancel.
    pub async fn next(&mut self) -> Event {
        loop {
            let Some((server, stream)) = &mut self.stream else { return self.connect().await };
            let server = *server;
            tokio::select! {
                frame = stream.message() => match self.take(frame) {
                    Ok(None) => (),
                    Ok(Some(received)) => return Event::Received(received),
                    Err(cause) => return self.lose(server, cause),
                },
                head = look(&mut self.looking, self.look_at, &self.servers, self.hop, server) => {
                    (self.looking, self.look_at) = (None, Instant::now() + between_looks());
                    if let Some(event) = self.judge(server, head) {
                        return event;
                    }
                }
            }
        }
    }

    fn take(&mut self, frame: Result<Option<v1::WatchResponse>, Status>) -> Result<Option<Received>, Lost> {
        match frame {
            Ok(Some(frame)) => match self.replica.receive(frame)? {
                Received::Nothing => Ok(None),
                Received::GoAway(reason) => Err(Lost::Ended(reason)),
                received => {
                    self.failures = 0;
                    Ok(Some(received))
                }
            },
            Ok(None) => Err(Lost::Ended("without a word".into())),
            Err(status) => Err(Lost::Ended(status.message().to_owned())),
        }
    }

    fn lose(&mut self, server: SocketAddr, cause: Lost) -> Event {
        (self.stream, self.left) = (None, Some(server));
        Event::Lost { server: server.to_string(), cause }
    }

    /// Compares the server that is followed with what another said of itself.
    fn judge(&mut self, server: SocketAddr, head: Head) -> Option<Event> {
        let (held, now) = (self.replica.head(), Instant::now().into_std());
        if let Some(other) = self.patience.leave_for(&held.inputs, now) {
            self.ahead = Some(other);
            return Some(self.lose(server, Lost::Behind { other }));
        }
        let (other, head) = head?;
        let head = Commit::try_from(head).ok()?; // of a version that speaks otherwise: nothing to learn
        self.patience.hear(other, head.inputs.clone(), &held.inputs, now);
        // What watchers hold of Secrets depends on what names them, not on versions alone.
        let comparable = self.hop == Hop::Config && rules::same_inputs(&held.inputs, &head.inputs);
        comparable.then(|| Event::Compared { other: other.to_string(), agrees: rules::agree(&held, &head) })
    }

    async fn connect(&mut self) -> Event {
        tokio::time::sleep(self.pause()).await;
        self.failures = self.failures.saturating_add(1);
        let addresses = match self.servers.resolve().await {
            Ok(addresses) => self.in_order(addresses),
            Err(cause) => return Event::Lost { server: String::new(), cause },
        };
        let mut last = Lost::Nobody(self.servers.names());
        let mut tried = String::new();
        for (uri, address) in addresses {
            match self.call(&uri, address).await {
                Ok(stream) => {
                    (self.stream, self.ahead) = (Some((address, stream)), None);
                    (self.patience, self.looking) = (Patience::default(), None);
                    return Event::Connected { server: address.to_string() };
                }
                Err(error) => (tried, last) = (address.to_string(), Lost::Unreachable(error)),
            }
        }
        Event::Lost { server: tried, cause: last }
    }

    /// At random, so that consumers spread; the one that is ahead first, the one that was left last.
    fn in_order(&self, mut addresses: Vec<(Uri, SocketAddr)>) -> Vec<(Uri, SocketAddr)> {
        addresses.shuffle(&mut rand::rng());
        addresses.sort_by_key(|(_, address)| (self.ahead != Some(*address), self.left == Some(*address)));
        addresses
    }

    async fn call(&mut self, uri: &Uri, address: SocketAddr) -> Result<Streaming<v1::WatchResponse>, String> {
        let cursors = self.replica.cursors().iter().map(v1::Cursor::from).collect();
        let request = v1::WatchRequest { client: self.servers.client.clone(), cursors };
        let answered = async {
            let channel = self.servers.dial(uri, address).await?;
            self.hop.watch(channel, request).await.map_err(|status| status.message().to_owned())
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, answered).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("it did not answer within {} s", ANSWER_TIMEOUT.as_secs())),
        }
    }

    /// None before the first attempt, then doubling, jittered so that consumers do not come in step.
    fn pause(&self) -> Duration {
        let Some(exponent) = self.failures.checked_sub(1) else { return Duration::ZERO };
        let pause = FIRST_PAUSE.saturating_mul(1 << exponent.min(10)).min(LONGEST_PAUSE);
        pause.mul_f64(rand::random_range(0.5..1.0))
    }
}

fn between_looks() -> Duration {
    LOOK.mul_f64(rand::random_range(0.5..1.0))
}

/// Asks one of the other servers, once it is time to. Safe to cancel: what was asked is answered to the next call.
async fn look(
    looking: &mut Option<JoinHandle<Head>>,
    at: Instant,
    servers: &Servers,
    hop: Hop,
    followed: SocketAddr,
) -> Head {
    let task = match looking {
        Some(task) => task,
        None => {
            tokio::time::sleep_until(at).await;
            let servers = servers.clone();
            looking.insert(tokio::spawn(async move { servers.head_of_another(hop, followed).await }))
        }
    };
    task.await.ok().flatten()
}

impl Servers {
    /// How far a server is, other than the one that is followed. None when there is none that answers.
    async fn head_of_another(&self, hop: Hop, followed: SocketAddr) -> Head {
        let others = self.resolve().await.ok()?.into_iter().filter(|(_, address)| *address != followed);
        let (uri, address) = others.choose(&mut rand::rng())?;
        let asked = async { hop.head(self.dial(&uri, address).await.ok()?).await.ok() };
        let head = tokio::time::timeout(ANSWER_TIMEOUT, asked).await.ok().flatten()?;
        Some((address, head))
    }

    async fn dial(&self, uri: &Uri, address: SocketAddr) -> Result<Channel, String> {
        self.endpoint(uri, address)?.connect().await.map_err(|error| with_causes(&error))
    }

    fn names(&self) -> String {
        self.urls.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    async fn resolve(&self) -> Result<Vec<(Uri, SocketAddr)>, Lost> {
        let mut found = Vec::new();
        let mut failed = None;
        for uri in &self.urls {
            match dial::addresses(uri).await {
                Ok(addresses) => found.extend(addresses.into_iter().map(|address| (uri.clone(), address))),
                Err(error) => failed = Some(Lost::Unresolved { host: dial::host(uri).to_owned(), error }),
            }
        }
        match failed {
            Some(failed) if found.is_empty() => Err(failed),
            _ => Ok(found),
        }
    }

    fn endpoint(&self, uri: &Uri, address: SocketAddr) -> Result<Endpoint, String> {
        let endpoint = dial::endpoint(uri, address, self.tls.as_ref())?;
        Ok(endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(4 * 1024 * 1024)
            .initial_connection_window_size(8 * 1024 * 1024)
            .tcp_nodelay(true))
    }
}

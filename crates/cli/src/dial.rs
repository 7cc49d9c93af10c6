//! Reaching the services as a person does: every replica that a url stands for, each by itself.

use std::net::SocketAddr;
use std::time::Duration;

use silverback_model::with_causes;
use silverback_service::Hops;
use silverback_service::hops::HopArgs;
use silverback_sync::dial::{self, Tls};
use tonic::transport::{Channel, Uri};

/// Flags that say how to reach the services.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DialArgs {
    #[command(flatten)]
    hops: HopArgs,

    /// Longest time one service may take to answer.
    #[arg(long, default_value = "5s", value_name = "DURATION", value_parser = silverback_service::values::duration)]
    timeout: Duration,
}

/// How to reach the services.
pub(crate) struct Dialer {
    hops: Hops,
    timeout: Duration,
}

/// One replica, or a url that leads to none.
pub(crate) struct Replica {
    /// Where it is, as far as that is known.
    pub(crate) address: String,
    /// A connection, or why there is none.
    pub(crate) channel: Result<Channel, String>,
}

impl DialArgs {
    /// # Errors
    /// Names the flag that cannot be used.
    pub(crate) fn dialer(&self) -> anyhow::Result<Dialer> {
        // The one TLS provider of the process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Dialer { hops: Hops::new(&self.hops)?, timeout: self.timeout })
    }
}

impl Dialer {
    /// Every replica that these urls stand for.
    ///
    /// # Errors
    /// When a url must not be dialled this way.
    pub(crate) async fn replicas(&self, flag: &str, urls: &[Uri]) -> anyhow::Result<Vec<Replica>> {
        let tls = self.hops.client(flag, urls)?;
        let mut replicas = Vec::new();
        for url in urls {
            let none = |error| Replica { address: url.to_string(), channel: Err(error) };
            let host = dial::host(url);
            match dial::addresses(url).await {
                Ok(addresses) if addresses.is_empty() => {
                    replicas.push(none(format!("{host} stands for no address: is the service running?")));
                }
                Ok(addresses) => {
                    for address in addresses {
                        replicas.push(self.replica(url, address, tls.as_ref()).await);
                    }
                }
                Err(error) => replicas.push(none(format!("{host} cannot be resolved: {error}"))),
            }
        }
        Ok(replicas)
    }

    async fn replica(&self, url: &Uri, address: SocketAddr, tls: Option<&Tls>) -> Replica {
        let channel = match dial::endpoint(url, address, tls) {
            Ok(endpoint) => {
                let endpoint = endpoint.connect_timeout(self.timeout).timeout(self.timeout);
                endpoint.connect().await.map_err(|error| with_causes(&error))
            }
            Err(error) => Err(error),
        };
        Replica { address: address.to_string(), channel }
    }
}

/// What a service answered instead, in words.
pub(crate) fn refusal(status: &tonic::Status) -> String {
    match std::error::Error::source(status) {
        Some(cause) => with_causes(cause),
        None => status.message().to_owned(),
    }
}

/// Runs a short conversation on a runtime of its own.
pub(crate) fn block_on<T>(talk: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(talk)
}

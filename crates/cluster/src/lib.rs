//! The way to a cluster's API server: flags, credentials, one client, and errors in words.
//!
//! Knows nothing of what is asked there.

mod api;
mod error;

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tower::ServiceBuilder;

pub use api::{Lines, Refusal};
pub use error::in_words;

/// An API server answers each request within a minute, or says that it does not; a watch answers at once. Whoever keeps
/// silent for longer is not there any more.
const ANSWER: Duration = Duration::from_secs(65);
/// A connection on which nothing was heard for this long is asked for a sign of life as often as this, three times.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Flags that say how to reach the API server.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClusterArgs {
    /// Kubeconfig file; inside a cluster the pod's service account is used when it is left out.
    #[arg(long, env = "CONTROLLER_KUBECONFIG", value_name = "FILE", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,

    /// Url of the API server, instead of the kubeconfig's.
    #[arg(long, env = "CONTROLLER_APISERVER_HOST", value_name = "URL", help_heading = "Cluster")]
    pub apiserver_host: Option<String>,
}

/// Why there is no way to the API server. None of these goes away by trying again.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig cannot be used.
    #[error("--kubeconfig {path}: {error}; check the file and its current context")]
    Kubeconfig {
        /// The file.
        path: String,
        /// Why.
        error: kube::config::KubeconfigError,
    },
    /// Neither a kubeconfig nor a service account is there.
    #[error(
        "no way to the API server is known: set --kubeconfig (CONTROLLER_KUBECONFIG), or run in a pod with a service account ({0})"
    )]
    Nowhere(kube::config::InClusterError),
    /// The url is none.
    #[error("--apiserver-host {0}: a url such as https://10.0.0.1:6443 is expected")]
    Host(String),
    /// The client cannot be made from what was given, e.g. an unreadable certificate.
    #[error("the client for the API server cannot be made: {0}; check the certificates and keys of the kubeconfig")]
    Client(kube::Error),
}

/// A client, and where it leads.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: kube::Client,
    /// Url of the API server.
    pub url: String,
}

impl ClusterArgs {
    /// Makes a client. Nothing is asked of the API server yet, so it need not answer.
    ///
    /// # Errors
    /// Names the flag that leads nowhere.
    pub async fn connect(&self) -> Result<Cluster, ClusterError> {
        let mut config = match &self.kubeconfig {
            Some(path) => from_file(path).await?,
            None => kube::Config::incluster().map_err(ClusterError::Nowhere)?,
        };
        if let Some(host) = &self.apiserver_host {
            config.cluster_url = host.parse().map_err(|_| ClusterError::Host(host.clone()))?;
        }
        config.connect_timeout = Some(Duration::from_secs(5));
        let url = config.cluster_url.to_string();
        let client = client(config, ANSWER).map_err(ClusterError::Client)?;
        Ok(Cluster { client, url })
    }
}

/// A client that sends at once. The one that kube makes lets a request's body wait for the acknowledgement of its head,
/// which kernels delay by 40 ms: too long for a Lease that is handed over. And one that waits for nobody who is gone:
/// neither longer than `patience` for the head of an answer, nor on a connection that is dead. Retrying is left to who asks.
fn client(config: kube::Config, patience: Duration) -> Result<kube::Client, kube::Error> {
    if config.proxy_url.is_some() {
        return kube::Client::try_from(config);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(config.connect_timeout);
    tcp.set_keepalive(Some(SIGN_OF_LIFE));
    tcp.set_keepalive_interval(Some(SIGN_OF_LIFE));
    tcp.set_keepalive_retries(Some(3));
    let https = config.rustls_https_connector_with_connector(tcp)?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .timeout(patience)
        .service(HttpClient::builder(TokioExecutor::new()).build::<_, Body>(https));
    Ok(kube::Client::new(service, config.default_namespace))
}

async fn from_file(path: &Path) -> Result<kube::Config, ClusterError> {
    let in_words = |error| ClusterError::Kubeconfig { path: path.display().to_string(), error };
    let file = Kubeconfig::read_from(path).map_err(in_words)?;
    kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(in_words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_keeps_silent_is_not_waited_for() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let config = kube::Config::new(url.parse().unwrap());
        let client = client(config, Duration::from_millis(50)).unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(30), Cluster { client, url }.get("/version")).await;
        let refusal = asked.expect("it waits for ever").unwrap_err();
        assert!(refusal.reason.contains("cannot be reached") && refusal.reason.contains("timed out"), "{refusal:?}");
    }
}

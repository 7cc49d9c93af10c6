//! A development cluster: the part of a Kubernetes API server that controllers of gateways and `kubectl` need, in memory
//! and over HTTP, with fault taps. It runs no controllers: what nobody writes is not there.
//!
//! Served are some built-in kinds and every kind that a CustomResourceDefinition declares, with list, watch,
//! get, create, update, merge, JSON and strategic merge patch, delete, statuses, conflicts, paging, bookmarks and
//! expired versions. Everybody may do everything. Not done: server-side apply, validation of fields, CEL, defaulting,
//! garbage collection, conversion; what asks for one of them is answered 415 or 501, which names it.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use silverback_devcluster::api::{ApiServer, Settings};
//! let api = ApiServer::start(Settings::default()).await?;
//! std::fs::write("kubeconfig", api.kubeconfig("somebody"))?;
//! // ... kubectl --kubeconfig kubeconfig get namespaces ...
//! api.stop().await;
//! # Ok(()) }
//! ```

mod admission;
mod answer;
mod discovery;
mod failure;
mod faults;
mod forms;
mod gaps;
mod jsonpath;
mod kinds;
mod read;
mod request;
mod selectors;
mod server;
mod settings;
mod shared;
mod store;
mod strategic;
mod watch;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

pub use crate::listener::{StartError, Tls};
pub use faults::{Effect, Faults};
pub use settings::Settings;

use crate::listener::Listener;
use crate::query::Query;
use failure::Failure;
use server::Server;
use shared::{Shared, stamp};
use write::{Part, Place};

/// Starts development clusters; see the module's documentation.
#[derive(Debug)]
pub struct ApiServer;

impl ApiServer {
    /// Listens and serves until the handle is stopped or dropped. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound, the TLS material cannot be read, or a definition is none.
    pub async fn start(settings: Settings) -> Result<ApiHandle, StartError> {
        let shared = Arc::new(Shared::new(settings));
        let listener =
            Listener::start(shared.settings.addr, shared.settings.tls.as_ref(), Server(Arc::clone(&shared))).await?;
        let api = ApiHandle { shared, listener };
        for name in admission::LASTING_NAMESPACES {
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            api.put(namespace).map_err(StartError::Content)?;
        }
        for definition in api.shared.settings.definitions.clone() {
            api.put(definition).map_err(StartError::Content)?;
        }
        Ok(api)
    }
}

/// Which state [`ApiHandle::restart`] comes back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// What there is: etcd kept it.
    AsItWas,
    /// What there was after that write, as after a restore from a backup. Later writes never were.
    BackTo(u64),
}

/// A running development cluster. Dropping it stops it.
#[derive(Debug)]
pub struct ApiHandle {
    shared: Arc<Shared>,
    listener: Listener<Server>,
}

impl ApiHandle {
    /// `http://127.0.0.1:PORT` or `https://…`, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.shared.settings.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.addr())
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// The text of a kubeconfig whose user is `client`; [`Faults`] know it by this name. The certificate, if there is
    /// one, is taken for its own authority.
    #[must_use]
    pub fn kubeconfig(&self, client: &str) -> String {
        let mut cluster = json!({ "server": self.url() });
        if let Some(tls) = &self.shared.settings.tls {
            use base64::Engine as _;
            let encoded = base64::engine::general_purpose::STANDARD.encode(&tls.cert_pem);
            cluster["certificate-authority-data"] = encoded.into();
        }
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "devcluster",
            "clusters": [{ "name": "devcluster", "cluster": cluster }],
            "users": [{ "name": client, "user": { "token": client } }],
            "contexts": [{ "name": "devcluster", "context": { "cluster": "devcluster", "user": client } }],
        });
        format!("{config:#}\n")
    }

    /// The taps that make this API server misbehave.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Creates an object, or puts it in the place of the one that is there, past HTTP and past every fault. Gives its
    /// version.
    ///
    /// # Errors
    /// The message that a client would have been given.
    pub fn put(&self, object: Value) -> Result<u64, String> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let what = format!("{} {}", text("/kind"), text("/metadata/name"));
        let (kind, version) = self
            .shared
            .kind_of(&object)
            .ok_or_else(|| format!("{what}: {} serves no such kind in this version", self.url()))?;
        let namespace = match text("/metadata/namespace") {
            _ if !kind.namespaced => String::new(),
            namespace if namespace.is_empty() => "default".to_owned(),
            namespace => namespace,
        };
        let name = text("/metadata/name");
        let place = Place { kind: &kind, version: &version, namespace: &namespace, name: &name };
        let told = |failure: &Failure| format!("{what}: {}", failure.object()["message"].as_str().unwrap_or_default());
        gaps::write(&kind, &Query::parse(""), &object).map_err(|failure| told(&failure))?;
        let written = self.shared.write(|store| match store.get(&kind.id(), &(namespace.clone(), name.clone())) {
            None => write::create(store, place, object, &stamp(), false),
            Some(current) => {
                let mut object = object;
                object["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
                write::update(store, place, Part::Main, object, &stamp(), false).map(|(object, _)| object)
            }
        });
        let written = written.map_err(|failure| told(&failure))?;
        Ok(written["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default())
    }

    /// An object, by the name of its collection (`leases.coordination.k8s.io`), its namespace (empty where it has none)
    /// and its name.
    #[must_use]
    pub fn object(&self, collection: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.shared.store().get(collection, &(namespace.to_owned(), name.to_owned()))
    }

    /// The version of the last write, as it moves.
    #[must_use]
    pub fn version(&self) -> tokio::sync::watch::Receiver<u64> {
        self.shared.revision()
    }

    /// Forgets the history: whoever asks for an older version than the newest one is answered 410.
    pub fn compact(&self) {
        self.shared.write(|store| store.compact(store.revision()));
    }

    /// Drops every connection, stays deaf for `down`, and listens again on the same port.
    ///
    /// # Errors
    /// When the port was taken meanwhile.
    pub async fn restart(&self, how: Restart, down: Duration) -> Result<(), StartError> {
        self.listener.close().await;
        if let Restart::BackTo(version) = how {
            let rewound = self.shared.write(|store| store.rewind(version));
            rewound.map_err(|_| StartError::Content(format!("version {version} is compacted away")))?;
        }
        tokio::time::sleep(down).await;
        self.listener.open().await
    }

    /// Refuses new connections and drops the open ones (`false`), or listens again (`true`).
    ///
    /// # Errors
    /// When the port was taken meanwhile.
    pub async fn set_listening(&self, listening: bool) -> Result<(), StartError> {
        if listening {
            return self.listener.open().await;
        }
        self.listener.close().await;
        Ok(())
    }

    /// Stops listening and drops every connection.
    pub async fn stop(self) {
        self.listener.close().await;
    }
}

#[cfg(test)]
mod tests;

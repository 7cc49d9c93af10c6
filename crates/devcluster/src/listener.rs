//! A listening socket that can be closed and opened again with every connection on it, plain or with TLS. It never
//! knows what is spoken.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Makes a listener speak TLS. All PEM text.
#[derive(Clone)]
pub struct Tls {
    /// The certificate chain that is shown to clients.
    pub cert_pem: String,
    /// Its private key.
    pub key_pem: String,
    /// When given, clients must show a certificate signed by one of these.
    pub client_ca_pem: Option<String>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("client_ca", &self.client_ca_pem.is_some()).finish_non_exhaustive()
    }
}

/// Why a stand-in did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or is none of this machine.
    #[error("the stand-in cannot listen on {addr}: {source}; choose port 0 for any free one")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The TLS settings are unusable.
    #[error("the stand-in's TLS {part} cannot be used: {reason}")]
    Tls {
        /// Which part of the settings.
        part: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// What it is to hold is not fit for it.
    #[error("the stand-in cannot hold what it was given: {0}")]
    Content(String),
}

/// What is done with a connection.
pub(crate) trait Serve: Clone + Send + 'static {
    /// Serves it to its end.
    fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> impl Future<Output = ()> + Send;
}

/// One address and the task that serves it while it is open.
pub(crate) struct Listener<S> {
    addr: SocketAddr,
    /// Bound and never listened on: while nothing listens, the port is given to no one else. Elsewhere than on Linux
    /// a listener cannot share it.
    _held: Option<TcpSocket>,
    tls: Option<TlsAcceptor>,
    server: S,
    accepting: Mutex<JoinSet<()>>,
}

impl<S> std::fmt::Debug for Listener<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl<S: Serve> Listener<S> {
    pub(crate) async fn start(addr: SocketAddr, tls: Option<&Tls>, server: S) -> Result<Self, StartError> {
        let tls = tls.map(tls_acceptor).transpose()?;
        let told = |source| StartError::Listen { addr, source };
        let held = cfg!(target_os = "linux").then(|| bind(addr)).transpose().map_err(told)?;
        let addr = held.as_ref().map_or(Ok(addr), TcpSocket::local_addr).map_err(told)?;
        let listener = listen(addr)?;
        let addr = listener.local_addr().map_err(told)?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, tls.clone(), server.clone()));
        Ok(Self { addr, _held: held, tls, server, accepting: Mutex::new(accepting) })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops listening and drops every connection, with what is under way on them.
    pub(crate) async fn close(&self) {
        self.accepting.lock().await.shutdown().await;
    }

    /// Listens again on the same address; nothing happens when it still does.
    pub(crate) async fn open(&self) -> Result<(), StartError> {
        let mut accepting = self.accepting.lock().await;
        if accepting.is_empty() {
            let listener = listen(self.addr)?;
            accepting.spawn(accept(listener, self.tls.clone(), self.server.clone()));
        }
        Ok(())
    }
}

fn listen(addr: SocketAddr) -> Result<TcpListener, StartError> {
    bind(addr).and_then(|socket| socket.listen(1_024)).map_err(|source| StartError::Listen { addr, source })
}

fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

/// Serves until aborted; its connections end with it.
async fn accept<S: Serve>(listener: TcpListener, tls: Option<TlsAcceptor>, server: S) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, tls.clone(), server.clone()));
                }
                // Out of file descriptors, or a peer gone before it was accepted: others may fare better.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve<S: Serve>(stream: TcpStream, tls: Option<TlsAcceptor>, server: S) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => server.serve(stream).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                server.serve(stream).await;
            }
        }
    }
}

fn tls_acceptor(tls: &Tls) -> Result<TlsAcceptor, StartError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let bad =
        |part: &'static str| move |reason: &dyn std::fmt::Display| StartError::Tls { part, reason: reason.to_string() };
    let chain = certificates(&tls.cert_pem).map_err(|error| bad("certificate")(&error))?;
    let key = PrivateKeyDer::from_pem_slice(tls.key_pem.as_bytes()).map_err(|error| bad("key")(&error))?;
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad("versions")(&error))?;
    let builder = match &tls.client_ca_pem {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in certificates(pem).map_err(|error| bad("client CA")(&error))? {
                roots.add(certificate).map_err(|error| bad("client CA")(&error))?;
            }
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| bad("client CA")(&error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| bad("certificate")(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect()
}

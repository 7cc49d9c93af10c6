//! Accepting connections, with and without TLS. A peer that takes its time over the handshake delays no other.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use super::files::Files;

const HANDSHAKE: Duration = Duration::from_secs(5);
/// After accepting failed, e.g. for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections that wait to be served.
const WAITING: usize = 16;

/// Connections as they come.
pub(crate) fn plain(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    let (ready, accepted) = mpsc::channel(WAITING);
    tokio::spawn(accept(listener, ready.clone(), async move |stream| {
        let _ = ready.send(Ok(stream)).await; // fails only when the server is gone
    }));
    ReceiverStream::new(accepted)
}

/// Connections whose peer has shown a certificate of the authority.
pub(crate) fn secure(listener: TcpListener, files: Arc<Files>) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
    let (ready, accepted) = mpsc::channel(WAITING);
    let told = Arc::new(Mutex::new(String::new()));
    tokio::spawn(accept(listener, ready.clone(), async move |stream: TcpStream| {
        let (acceptor, ready, told) = (TlsAcceptor::from(files.server()), ready.clone(), told.clone());
        tokio::spawn(async move {
            let peer = stream.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let _ = ready.send(Ok(stream)).await;
                }
                Ok(Err(error)) => refused(&peer, &in_words(&error), &told),
                Err(_) => refused(&peer, "it did not finish the handshake", &told),
            }
        });
    }));
    ReceiverStream::new(accepted)
}

async fn accept<T>(listener: TcpListener, ready: mpsc::Sender<T>, take: impl AsyncFn(TcpStream)) {
    loop {
        let stream = tokio::select! {
            () = ready.closed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        // Small frames must not wait for the peer's acknowledgement of the last one.
        let _ = stream.set_nodelay(true);
        take(stream).await;
    }
}

/// Once per change of cause: whoever is refused tries again.
fn refused(peer: &str, cause: &str, told: &Mutex<String>) {
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    if *told == cause {
        tracing::debug!(peer, "a connection was refused: {cause}");
    } else {
        tracing::warn!(peer, "a connection was refused: {cause}");
        cause.clone_into(&mut told);
    }
}

fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    if text.contains("InvalidContentType") {
        return "it speaks no TLS; its url must begin with https://".to_owned();
    }
    if text.contains("no certificates") || text.contains("NoCertificatesPresented") {
        return "it shows no certificate; it needs --grpc-tls-cert-file and --grpc-tls-key-file".to_owned();
    }
    text
}

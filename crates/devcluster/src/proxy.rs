//! A way to a server that can be cut or made silent for whoever goes by it, and for nobody else.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// It arrives.
    Open,
    /// Connections are closed, and new ones too.
    Cut,
    /// Connections stay and nothing arrives, as when packets are dropped.
    Silent,
}

/// A TCP proxy. It ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    link: watch::Sender<Link>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Starts one at 127.0.0.1 that leads to a port there.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn to(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let own_port = listener.local_addr()?.port();
        let (link, seen) = watch::channel(Link::Open);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, SocketAddr::from(([127, 0, 0, 1], port)), seen));
        Ok(Self { port: own_port, link, _accepting: accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes every connection, and each new one.
    pub fn cut(&self) {
        self.link.send_replace(Link::Cut);
    }

    /// Lets nothing through any more; connections stay open.
    pub fn silence(&self) {
        self.link.send_replace(Link::Silent);
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        self.link.send_replace(Link::Open);
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, link: watch::Receiver<Link>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connect(client, target, link.clone()));
    }
}

async fn connect(client: TcpStream, target: SocketAddr, mut link: watch::Receiver<Link>) {
    if *link.borrow_and_update() == Link::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = pass(from_client, to_server, link.clone()) => {}
        () = pass(from_server, to_client, link.clone()) => {}
        _ = link.wait_for(|link| *link == Link::Cut) => {}
    }
}

/// Passes bytes on while the link is open, until either side ends.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut link: watch::Receiver<Link>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if link.wait_for(|link| *link != Link::Silent).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

//! Asking a process over HTTP for its probes and metrics, as kubelets and scrapers do; the other side of [`crate::admin`].

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, ToSocketAddrs};

/// Status and body of a GET.
///
/// # Errors
/// When nobody answers there, or not in HTTP.
pub async fn get(address: impl ToSocketAddrs, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, body.to_owned()))
}

/// Whether `/readyz` says so.
pub async fn is_ready(address: impl ToSocketAddrs) -> bool {
    matches!(get(address, "/readyz").await, Ok((200, _)))
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::StatusCode, routing};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn status_and_body_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = (StatusCode::INTERNAL_SERVER_ERROR, "not ready:\n\r\n\r\nwhy");
        let router = Router::new().route("/readyz", routing::get(async move || answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        assert_eq!(get(address, "/readyz").await.unwrap(), (500, "not ready:\n\r\n\r\nwhy".to_owned()));
        assert_eq!(get(address, "/nothing").await.unwrap().0, 404);
        assert!(!is_ready(address).await);
    }

    #[tokio::test]
    async fn who_speaks_no_http_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Read first: what is closed with something unread is reset.
            let _ = stream.read(&mut [0; 64]).await;
            let _ = stream.write_all(b"SSH-2.0\r\n").await;
        });
        assert!(get(address, "/readyz").await.is_err());
        assert!(!is_ready(address).await);
    }
}

//! From a url to connections: every address that it stands for, each spoken to under the name of the url.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use silverback_model::with_causes;
use tonic::transport::{ClientTlsConfig, Endpoint, Uri};

/// Makes the TLS settings for one connection to a host: asked at each, since certificates are rotated.
pub type Tls = Arc<dyn Fn(&str) -> Result<ClientTlsConfig, String> + Send + Sync>;

/// The host of a url, as certificates name it.
#[must_use]
pub fn host(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_matches(['[', ']'])
}

/// All addresses of a url's host, at its port or the usual one of its scheme.
///
/// # Errors
/// When the name cannot be resolved.
pub async fn addresses(url: &Uri) -> io::Result<Vec<SocketAddr>> {
    let port = url.port_u16().unwrap_or(if is_secure(url) { 443 } else { 80 });
    Ok(tokio::net::lookup_host((host(url), port)).await?.collect())
}

/// How to connect to one of the addresses; with TLS where the url says so.
///
/// # Errors
/// When the TLS settings cannot be made, e.g. from files that cannot be read.
pub fn endpoint(url: &Uri, address: SocketAddr, tls: Option<&Tls>) -> Result<Endpoint, String> {
    let scheme = url.scheme_str().unwrap_or("http");
    let endpoint = Endpoint::from_shared(format!("{scheme}://{address}")).map_err(|error| with_causes(&error))?;
    match tls.filter(|_| is_secure(url)) {
        Some(tls) => endpoint.tls_config(tls(host(url))?).map_err(|error| with_causes(&error)),
        None => Ok(endpoint),
    }
}

fn is_secure(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn urls_have_a_host_and_a_port() {
        for (url, name, address) in [
            ("http://127.0.0.1:7601", "127.0.0.1", "127.0.0.1:7601"),
            ("http://[::1]:7601", "::1", "[::1]:7601"),
            ("http://127.0.0.1", "127.0.0.1", "127.0.0.1:80"),
            ("https://127.0.0.1", "127.0.0.1", "127.0.0.1:443"),
        ] {
            let url = Uri::from_static(url);
            assert_eq!(host(&url), name);
            assert_eq!(addresses(&url).await.unwrap(), [address.parse().unwrap()]);
        }
    }
}

//! Certificate, key and authority as files that are rotated: each new connection counts on what they hold then.
//!
//! A file that cannot be read, or a certificate whose key was not written yet, leaves what was read before in force.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// The three files, and what was made of them last.
#[derive(Debug)]
pub(crate) struct Files {
    cert: PathBuf,
    key: PathBuf,
    ca: PathBuf,
    held: Mutex<Held>,
}

/// When a file was written, and how long it is: another one differs in these.
type Stamp = Option<(SystemTime, u64)>;

#[derive(Debug)]
struct Held {
    stamps: [Stamp; 3],
    server: Arc<ServerConfig>,
    /// What was told last of files that cannot be used.
    trouble: String,
}

impl Files {
    /// # Errors
    /// Names the flag whose file cannot be used.
    pub(super) fn open(cert: &Path, key: &Path, ca: &Path) -> anyhow::Result<Self> {
        let stamps = [cert, key, ca].map(stamp);
        let server = Arc::new(server_config(cert, key, ca)?);
        let held = Mutex::new(Held { stamps, server, trouble: String::new() });
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), ca: ca.to_owned(), held })
    }

    /// For the next connection that is accepted.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        let stamps = [&self.cert, &self.key, &self.ca].map(|path| stamp(path));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if stamps == held.stamps {
            return held.server.clone();
        }
        match server_config(&self.cert, &self.key, &self.ca) {
            Ok(config) => {
                tracing::info!(certificate = %self.cert.display(), "new connections use the files that were rotated in");
                *held = Held { stamps, server: Arc::new(config), trouble: String::new() };
            }
            // The stamps stay as they were: the next connection tries again.
            Err(error) => {
                let trouble = format!("{error:#}");
                if trouble != held.trouble {
                    tracing::warn!("{trouble}; what was read before stays in force");
                    held.trouble = trouble;
                }
            }
        }
        held.server.clone()
    }

    /// For a connection that is about to be made to a server whose certificate holds `name`.
    pub(super) fn client(&self, name: &str) -> Result<ClientTlsConfig, String> {
        let read = |flag, path: &Path| read(flag, path).map_err(|error| format!("{error:#}"));
        let ca = Certificate::from_pem(read("--grpc-tls-ca-file", &self.ca)?);
        let identity =
            Identity::from_pem(read("--grpc-tls-cert-file", &self.cert)?, read("--grpc-tls-key-file", &self.key)?);
        Ok(ClientTlsConfig::new().ca_certificate(ca).identity(identity).domain_name(name))
    }
}

fn stamp(path: &Path) -> Stamp {
    let meta = fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

fn read(flag: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{flag} {}: cannot be read", path.display()))
}

/// Lets in whoever shows a certificate of the authority, and no one else.
fn server_config(cert: &Path, key: &Path, ca: &Path) -> anyhow::Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in certificates("--grpc-tls-ca-file", ca)? {
        roots.add(authority).with_context(|| format!("--grpc-tls-ca-file {}", ca.display()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .with_context(|| format!("--grpc-tls-ca-file {}", ca.display()))?;
    let chain = certificates("--grpc-tls-cert-file", cert)?;
    let flag = "--grpc-tls-key-file";
    let private = PrivateKeyDer::from_pem_slice(&read(flag, key)?)
        .map_err(|error| anyhow::anyhow!("{flag} {}: no private key in PEM form: {error}", key.display()))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, private)
        .with_context(|| {
            format!("{flag} {}: it does not fit --grpc-tls-cert-file {}", key.display(), cert.display())
        })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Every connection shows its certificate anew.
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn certificates(flag: &str, path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = read(flag, path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| anyhow::anyhow!("{flag} {}: not in PEM form: {error}", path.display()))?;
    ensure!(!found.is_empty(), "{flag} {}: no certificate in PEM form", path.display());
    Ok(found)
}

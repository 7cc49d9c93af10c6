//! Security of the hops between the services: mutual TLS with files that may be rotated at any time, and plain text
//! only on this machine or where it is asked for.
//!
//! Knows nothing of what travels on the hops.

mod accept;
mod files;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use silverback_sync::dial::Tls;
use tonic::transport::Uri;

pub(crate) use accept::{plain, secure};
use files::Files;

use crate::values::Listen;

/// The flags that set TLS up, as errors name them.
const TLS_FLAGS: &str = "--grpc-tls-cert-file, --grpc-tls-key-file and --grpc-tls-ca-file";

/// Flags of the security between the services.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct HopArgs {
    /// Certificate that this process shows to the other services, as server and as client; read again when it changes.
    #[arg(long, env = "CONTROLLER_GRPC_TLS_CERT_FILE", value_name = "FILE", help_heading = "Security")]
    pub grpc_tls_cert_file: Option<PathBuf>,

    /// Key of that certificate.
    #[arg(long, env = "CONTROLLER_GRPC_TLS_KEY_FILE", value_name = "FILE", help_heading = "Security")]
    pub grpc_tls_key_file: Option<PathBuf>,

    /// Authority that signs the services' certificates, and nobody else's: whoever has one of them is let in.
    #[arg(long, env = "CONTROLLER_GRPC_TLS_CA_FILE", value_name = "FILE", help_heading = "Security")]
    pub grpc_tls_ca_file: Option<PathBuf>,

    /// Name that servers' certificates must hold, instead of the host in their url.
    #[arg(long, env = "CONTROLLER_GRPC_TLS_SERVER_NAME", value_name = "NAME", help_heading = "Security")]
    pub grpc_tls_server_name: Option<String>,

    /// Allow plain text to and from other machines: private keys and credentials then cross the network in the clear.
    #[arg(
        long,
        env = "CONTROLLER_GRPC_INSECURE",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        action = clap::ArgAction::Set,
        help_heading = "Security"
    )]
    pub grpc_insecure: bool,
}

/// How this process talks to the other services.
#[derive(Clone, Debug, Default)]
pub struct Hops {
    files: Option<Arc<Files>>,
    server_name: Option<String>,
    insecure: bool,
}

impl Hops {
    /// Reads the files once, so that a wrong one is told at the start.
    ///
    /// # Errors
    /// Names the flag that is missing, or whose file cannot be used.
    pub fn new(args: &HopArgs) -> anyhow::Result<Self> {
        let files = match (&args.grpc_tls_cert_file, &args.grpc_tls_key_file, &args.grpc_tls_ca_file) {
            (None, None, None) => None,
            (Some(cert), Some(key), Some(ca)) => {
                ensure!(
                    !args.grpc_insecure,
                    "--grpc-insecure contradicts {TLS_FLAGS}: leave it out, or leave out these"
                );
                Some(Arc::new(Files::open(cert, key, ca)?))
            }
            _ => bail!("{TLS_FLAGS} go together: the services check each other's certificates"),
        };
        Ok(Self { files, server_name: args.grpc_tls_server_name.clone(), insecure: args.grpc_insecure })
    }

    /// Whether TLS is set up.
    pub fn are_secure(&self) -> bool {
        self.files.is_some()
    }

    /// Whether an address may be listened on.
    ///
    /// # Errors
    /// When other machines would be served in plain text, unasked.
    pub fn may_listen(&self, flag: &str, listen: Listen) -> anyhow::Result<()> {
        ensure!(
            self.are_secure() || self.insecure || listen.0.ip().is_loopback(),
            "{flag} {}: private keys would be served to other machines in plain text; give {TLS_FLAGS}, listen on \
             127.0.0.1, or say --grpc-insecure where the network itself is trusted",
            listen.0
        );
        Ok(())
    }

    /// How to dial these urls; none where all of them are plain text.
    ///
    /// # Errors
    /// Names the url that needs TLS which is not set up, or that would be plain text to another machine, unasked.
    pub fn client(&self, flag: &str, urls: &[Uri]) -> anyhow::Result<Option<Tls>> {
        for url in urls {
            self.may_dial(url).with_context(|| format!("{flag} {url}"))?;
        }
        let Some(files) = self.files.clone() else { return Ok(None) };
        let server_name = self.server_name.clone();
        let of_host = move |host: &str| files.client(server_name.as_deref().unwrap_or(host));
        Ok(Some(Arc::new(of_host)))
    }

    fn may_dial(&self, url: &Uri) -> anyhow::Result<()> {
        match url.scheme_str() {
            Some("https") => ensure!(self.are_secure(), "https needs {TLS_FLAGS}"),
            Some("http") => ensure!(
                self.insecure || is_loopback(url),
                "it would be plain text to another machine; use https:// with {TLS_FLAGS}, or say --grpc-insecure \
                 where the network itself is trusted"
            ),
            _ => bail!("it must begin with http:// or https://"),
        }
        Ok(())
    }

    pub(crate) fn files(&self) -> Option<Arc<Files>> {
        self.files.clone()
    }
}

fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(insecure: bool) -> Hops {
        Hops::new(&HopArgs { grpc_insecure: insecure, ..HopArgs::default() }).unwrap()
    }

    #[test]
    fn plain_text_leaves_the_machine_only_when_asked_for() {
        let listen = |text: &str| text.parse::<Listen>().unwrap();
        for (address, alone) in
            [("127.0.0.1:7601", true), ("[::1]:7601", true), (":7601", false), ("10.0.0.1:1", false)]
        {
            assert_eq!(plain(false).may_listen("--x", listen(address)).is_ok(), alone, "{address}");
            assert!(plain(true).may_listen("--x", listen(address)).is_ok());
        }
        let refused = plain(false).may_listen("--watcher-bind-address", listen(":7601")).unwrap_err().to_string();
        for way_out in ["--watcher-bind-address", "--grpc-tls-cert-file", "127.0.0.1", "--grpc-insecure"] {
            assert!(refused.contains(way_out), "{refused}");
        }
        let url = |text: &'static str| [Uri::from_static(text)];
        for (text, alone) in [("http://localhost:1", true), ("http://[::1]:1", true), ("http://watcher:1", false)] {
            assert_eq!(plain(false).client("--x", &url(text)).is_ok(), alone, "{text}");
            assert!(plain(true).client("--x", &url(text)).is_ok());
        }
        let refused = format!("{:#}", plain(true).client("--watcher-url", &url("https://watcher:1")).err().unwrap());
        assert!(refused.contains("--watcher-url https://watcher:1") && refused.contains("ca-file"), "{refused}");
    }

    #[test]
    fn the_files_go_together() {
        let args = HopArgs { grpc_tls_cert_file: Some("x".into()), ..HopArgs::default() };
        assert!(Hops::new(&args).unwrap_err().to_string().contains("--grpc-tls-ca-file"));
    }
}

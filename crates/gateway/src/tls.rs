//! TLS towards gateways: from PEM texts to a client configuration. Reads no file.

use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::client::{Settings, SettingsError};

type Verified = ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

/// The client configuration that the settings ask for.
pub(crate) fn config(settings: &Settings) -> Result<ClientConfig, SettingsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| SettingsError::new("TLS", error))?;
    let verified: Verified = if settings.skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(NoVerification(provider)))
    } else if let Some(pem) = &settings.ca_pem {
        builder.with_root_certificates(roots(pem)?)
    } else {
        match builder.clone().with_native_roots() {
            Ok(verified) => verified,
            // No authority is known: each handshake will fail and name the setting.
            Err(_) => builder.with_root_certificates(RootCertStore::empty()),
        }
    };
    match (&settings.client_cert_pem, &settings.client_key_pem) {
        (None, None) => Ok(verified.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let chain = certificates(cert, "--kong-admin-tls-client-cert")?;
            let setting = "--kong-admin-tls-client-key";
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                .map_err(|error| SettingsError::new(setting, format!("no private key in PEM form: {error}")))?;
            verified
                .with_client_auth_cert(chain, key)
                .map_err(|error| SettingsError::new(setting, format!("it does not fit the certificate: {error}")))
        }
        _ => Err(SettingsError::new(
            "--kong-admin-tls-client-cert and --kong-admin-tls-client-key",
            "one is given without the other",
        )),
    }
}

fn roots(pem: &str) -> Result<RootCertStore, SettingsError> {
    let setting = "--kong-admin-ca-cert";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, setting)? {
        roots.add(certificate).map_err(|error| SettingsError::new(setting, error))?;
    }
    Ok(roots)
}

fn certificates(pem: &str, setting: &'static str) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|error| SettingsError::new(setting, format!("not in PEM form: {error}")))?;
    if found.is_empty() { Err(SettingsError::new(setting, "no certificate in PEM form")) } else { Ok(found) }
}

/// `--kong-admin-tls-skip-verify`: takes any certificate; signatures are checked still.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

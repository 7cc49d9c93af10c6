//! Sending spans to a collector over OTLP/gRPC, by the variables that the OpenTelemetry specification names.
//!
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use opentelemetry_otlp::{WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// Where spans go; nowhere without an endpoint.
///
/// # Errors
/// When the endpoint, or a file that a variable names, cannot be used.
pub(super) fn tracer_provider(endpoint: &str) -> anyhow::Result<Option<SdkTracerProvider>> {
    if endpoint.is_empty() {
        return Ok(None);
    }
    let mut exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint);
    if endpoint.starts_with("https:") {
        exporter = exporter.with_tls_config(tls()?);
    }
    let exporter = exporter.build().with_context(|| format!("--otlp-endpoint {endpoint}: cannot be used"))?;
    let exporter = Telling { exporter, endpoint: endpoint.to_owned(), told: Mutex::default() };
    let resource = match std::env::var_os("OTEL_SERVICE_NAME") {
        Some(_) => Resource::builder(), // which reads it
        None => Resource::builder().with_service_name(program()),
    };
    Ok(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build()))
}

/// The authority that is named, else those of the system, which are also what `SSL_CERT_FILE` says; and a certificate of our own where one is named.
fn tls() -> anyhow::Result<ClientTlsConfig> {
    let tls = ClientTlsConfig::new();
    let tls = match read("CERTIFICATE")? {
        Some(authority) => tls.ca_certificate(Certificate::from_pem(authority)),
        None => tls.with_native_roots(),
    };
    Ok(match identity(read("CLIENT_CERTIFICATE")?, read("CLIENT_KEY")?)? {
        Some(identity) => tls.identity(identity),
        None => tls,
    })
}

/// What we show to a collector that wants to know.
fn identity(certificate: Option<Vec<u8>>, key: Option<Vec<u8>>) -> anyhow::Result<Option<Identity>> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(Identity::from_pem(certificate, key))),
        (None, None) => Ok(None),
        _ => bail!("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY go together"),
    }
}

/// The file that a variable names, for traces or for all there is to send.
fn read(what: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
    let named = names.into_iter().find_map(|name| Some((std::env::var_os(&name)?, name)));
    let Some((path, name)) = named.filter(|(path, _)| !path.is_empty()) else { return Ok(None) };
    let path = PathBuf::from(path);
    std::fs::read(&path).map(Some).with_context(|| format!("{name} {}: cannot be read", path.display()))
}

/// Says once when spans cannot be sent, and why. They are lost then, and nothing else is.
#[derive(Debug)]
struct Telling<E> {
    exporter: E,
    endpoint: String,
    /// Empty while they can be sent.
    told: Mutex<String>,
}

impl<E: SpanExporter> SpanExporter for Telling<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        let now = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match (told.is_empty(), now.is_empty()) {
            (true, false) => tracing::warn!(endpoint = self.endpoint, "traces cannot be sent: {now}"),
            (false, true) => tracing::info!(endpoint = self.endpoint, "traces are sent again"),
            _ => (),
        }
        *told = now;
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Name of the binary, e.g. `silverback-watcher`.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.file_name().map_or_else(|| "silverback".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_without_its_key_is_told() {
        let pem = || Some(Vec::new());
        assert!(identity(pem(), pem()).unwrap().is_some() && identity(None, None).unwrap().is_none());
        for (certificate, key) in [(pem(), None), (None, pem())] {
            assert!(identity(certificate, key).unwrap_err().to_string().contains("go together"));
        }
    }
}

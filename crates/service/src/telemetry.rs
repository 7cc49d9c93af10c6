//! Logs and traces of the process.

use std::io::IsTerminal;

use anyhow::Context as _;
use opentelemetry_otlp::{WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tonic::transport::{Certificate, ClientTlsConfig};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::args::{CommonArgs, LogFormat};

/// Ends telemetry at the end of the process.
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Sends what was not sent yet.
    pub fn finish(self) {
        if let Some(provider) = self.0
            && let Err(error) = provider.shutdown()
        {
            eprintln!("warning: the last traces were not sent: {error}");
        }
    }
}

/// Libraries that repeat at each attempt what the services say once. The user's filter may say otherwise.
const QUIET: &str = "kube_runtime=error,kube_client=error";

/// Sets the process's logs and traces up.
///
/// # Errors
/// When the level or the endpoint cannot be read.
pub fn init(common: &CommonArgs) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", common.log_level)).map_err(|error| {
        anyhow::anyhow!("--log-level {:?}: {error}; use trace, debug, info, warn or error", common.log_level)
    })?;
    let provider = tracer_provider(common)?;
    if let Some(provider) = &provider {
        opentelemetry::global::set_tracer_provider(provider.clone());
        silverback_trace::enable();
    }
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let lines = match common.log_format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    // In tests several services share a process; the first one's choice stays.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    common.kic_flags.warn();
    Ok(Telemetry(provider))
}

fn tracer_provider(common: &CommonArgs) -> anyhow::Result<Option<SdkTracerProvider>> {
    if common.otlp_endpoint.is_empty() {
        return Ok(None);
    }
    let mut exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(&common.otlp_endpoint);
    if common.otlp_endpoint.starts_with("https://") {
        exporter = exporter.with_tls_config(collector_tls()?);
    }
    let exporter =
        exporter.build().with_context(|| format!("--otlp-endpoint {}: cannot be used", common.otlp_endpoint))?;
    let resource = match std::env::var_os("OTEL_SERVICE_NAME") {
        Some(_) => Resource::builder(), // which reads it
        None => Resource::builder().with_service_name(program()),
    };
    Ok(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build()))
}

/// Whom to trust to be the collector: the authorities in the file that a variable of the OpenTelemetry specification
/// names, else those of the system, which are also what `SSL_CERT_FILE` says.
fn collector_tls() -> anyhow::Result<ClientTlsConfig> {
    let named = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"]
        .into_iter()
        .find_map(|name| Some((name, std::env::var_os(name).filter(|path| !path.is_empty())?)));
    let Some((name, path)) = named else { return Ok(ClientTlsConfig::new().with_native_roots()) };
    let pem = std::fs::read(&path).with_context(|| format!("{name}: {} cannot be read", path.display()))?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}

/// Name of the binary, e.g. `silverback-watcher`.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.file_name().map_or_else(|| "silverback".to_owned(), |name| name.to_string_lossy().into_owned())
}

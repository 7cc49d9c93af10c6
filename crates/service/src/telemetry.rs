//! Logs and traces of the process.

mod otlp;

use std::io::IsTerminal;

use opentelemetry_sdk::trace::SdkTracerProvider;
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
    let provider = otlp::tracer_provider(&common.otlp_endpoint)?;
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

//! Flags that every service has. Each has a `CONTROLLER_*` variable, as the Kong Ingress Controller's have.

use crate::hops::HopArgs;
use crate::kic_flags::KicFlags;
use crate::tether::Tether;
use crate::values::Listen;

/// Flags in common.
#[derive(Clone, Debug, clap::Args)]
pub struct CommonArgs {
    /// Least severe level that is logged: trace, debug, info or error; or a filter such as `info,silverback_pusher=debug`.
    #[arg(long, env = "CONTROLLER_LOG_LEVEL", default_value = "info", value_name = "LEVEL", help_heading = "Process")]
    pub log_level: String,

    /// How log lines look.
    #[arg(
        long,
        env = "CONTROLLER_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT",
        help_heading = "Process"
    )]
    pub log_format: LogFormat,

    /// Where /healthz and /readyz are served.
    #[arg(
        long,
        env = "CONTROLLER_HEALTH_PROBE_BIND_ADDRESS",
        default_value = ":10254",
        value_name = "ADDRESS",
        help_heading = "Process"
    )]
    pub health_probe_bind_address: Listen,

    /// Where /metrics is served.
    #[arg(
        long,
        env = "CONTROLLER_METRICS_BIND_ADDRESS",
        default_value = ":10255",
        value_name = "ADDRESS",
        help_heading = "Process"
    )]
    pub metrics_bind_address: Listen,

    /// Added to every listening port, so that several instances fit on one machine.
    #[arg(long, env = "CONTROLLER_PORT_OFFSET", default_value_t = 0, value_name = "N", help_heading = "Process")]
    pub port_offset: u16,

    /// Where traces go, over OTLP/gRPC, e.g. http://collector:4317; no traces where it is empty. The variables of
    /// OpenTelemetry count, too, e.g. OTEL_TRACES_SAMPLER, and OTEL_EXPORTER_OTLP_CERTIFICATE for https.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        default_value = "",
        value_name = "URL",
        hide_default_value = true,
        help_heading = "Process"
    )]
    pub otlp_endpoint: String,

    /// How it talks to the other services.
    #[command(flatten)]
    pub hops: HopArgs,

    /// Flags of the Kong Ingress Controller that have no meaning here.
    #[command(flatten)]
    pub kic_flags: KicFlags,

    /// Whether it outlives who started it.
    #[command(flatten)]
    pub tether: Tether,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

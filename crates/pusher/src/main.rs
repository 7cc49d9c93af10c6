//! The `silverback-pusher` binary.

use std::process::ExitCode;

use clap::Parser;
use silverback_pusher::Process;

/// Brings the configuration that a translator serves to every Kong gateway.
#[derive(Parser)]
#[command(name = "silverback-pusher", version)]
struct Cli {
    #[command(flatten)]
    process: Process,
}

fn main() -> ExitCode {
    Cli::parse().process.run()
}

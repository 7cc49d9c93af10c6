//! The `silverback-translator` binary.

use std::process::ExitCode;

use clap::Parser;
use silverback_translator::Process;

/// Makes the configuration of Kong gateways from the Kubernetes state that a watcher streams.
#[derive(Parser)]
#[command(name = "silverback-translator", version)]
struct Cli {
    #[command(flatten)]
    process: Process,
}

fn main() -> ExitCode {
    Cli::parse().process.run()
}

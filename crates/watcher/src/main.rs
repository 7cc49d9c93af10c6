//! The `silverback-watcher` binary.

use std::process::ExitCode;

use clap::Parser;
use silverback_watcher::Process;

/// Streams Kubernetes state to Silverback's translators.
#[derive(Parser)]
#[command(name = "silverback-watcher", version)]
struct Cli {
    #[command(flatten)]
    process: Process,
}

fn main() -> ExitCode {
    Cli::parse().process.run()
}

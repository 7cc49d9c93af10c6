//! The `silverback-translator` binary.

use std::process::ExitCode;

use clap::Parser;
use silverback_service::CommonArgs;
use silverback_translator::TranslatorArgs;

/// Makes the configuration of Kong gateways from the Kubernetes state that a watcher streams.
#[derive(Parser)]
#[command(name = "silverback-translator", version)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    translator: TranslatorArgs,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    silverback_service::run(cli.common, |context| silverback_translator::run(cli.translator, context))
}

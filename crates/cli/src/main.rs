//! The `silverback` binary: everything in one process, and tools for people.

mod bench;
mod completed;
mod demo;
mod dial;
mod explain;
mod kic_table;
mod metrics_table;
mod render;
mod run;
mod status;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use serde_json::json;

/// A highly available ingress controller for Kong Gateway.
#[derive(Parser)]
#[command(name = "silverback", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show it all on this machine: a cluster, a shop, gateways, two replicas of each service, and what breaks.
    Demo(demo::DemoArgs),
    /// Run watcher, translator and pusher in one process.
    Run(Box<run::RunArgs>),
    /// Run a watcher alone.
    Watcher(Box<silverback_watcher::Process>),
    /// Run a translator alone.
    Translator(Box<silverback_translator::Process>),
    /// Run a pusher alone.
    Pusher(Box<silverback_pusher::Process>),
    /// Translate manifests into Kong's declarative configuration, offline.
    Render(render::RenderArgs),
    /// Tell how services, leader and gateways are. Ends with 1 where anything is not well.
    Status(status::StatusArgs),
    /// Tell which objects made an entity, or what an object made and what is wrong with it.
    Explain(explain::ExplainArgs),
    /// List what of the Gateway API is supported, in the words of its conformance suite.
    Features(Box<silverback_translator::TranslationArgs>),
    /// Print the definitions of Kong's kinds, for a cluster that has none: `| kubectl apply --server-side -f -`.
    Crds,
    /// Measure, against a real API server.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Print the table of the Kong Ingress Controller's flags and what becomes of them here.
    #[command(hide = true)]
    KicFlags,
    /// Print the table of all metrics.
    #[command(hide = true)]
    Metrics,
    /// Print the version as JSON.
    Version,
}

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.format(&mut Cli::command()).exit(),
    };
    match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Run(args) => match matches.subcommand_matches("run") {
            Some(given) => run::run(*args, given),
            None => ExitCode::FAILURE,
        },
        Command::Watcher(args) => args.run(),
        Command::Translator(args) => args.run(),
        Command::Pusher(args) => args.run(),
        Command::Render(args) => args.run(),
        Command::Status(args) => args.run(),
        Command::Explain(args) => args.run(),
        Command::Features(args) => features(&args),
        Command::Crds => {
            println!("{}", json!({ "apiVersion": "v1", "kind": "List", "items": silverback_resources::crds::all() }));
            ExitCode::SUCCESS
        }
        Command::Bench(bench) => bench.run(),
        Command::KicFlags => {
            print!("{}", kic_table::markdown(&Cli::command()));
            ExitCode::SUCCESS
        }
        Command::Metrics => {
            print!("{}", metrics_table::markdown());
            ExitCode::SUCCESS
        }
        Command::Version => {
            println!("{}", json!({"release": silverback_service::VERSION, "name": "silverback"}));
            ExitCode::SUCCESS
        }
    }
}

/// The features that GatewayClasses name in their status, a line each.
fn features(args: &silverback_translator::TranslationArgs) -> ExitCode {
    match args.settings() {
        Ok(settings) => {
            let names = silverback_translation::supported_features(&settings).join("\n") + "\n";
            // Whoever reads may have had enough.
            let _ = std::io::stdout().write_all(names.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

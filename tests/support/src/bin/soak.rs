//! Runs the tests of streaming for as long as they are worth, and writes what came of it to
//! docs/benchmarks/soak.md: `cargo run -p silverback-test-support --bin soak`.
//!
//! The variables of a step may be set to shorten it, e.g. `SILVERBACK_SEEDS=1000`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Context as _;

struct Step {
    what: &'static str,
    variable: &'static str,
    value: &'static str,
    package: &'static str,
    test: &'static str,
}

const STEPS: [Step; 4] = [
    Step {
        what: "Random stories of the state hop and of the config hop: streams, sources and readers fail in every order",
        variable: "SILVERBACK_SEEDS",
        value: "100000",
        package: "silverback-sync",
        test: "convergence",
    },
    Step {
        what: "Restarts of the watcher and of the translator under change",
        variable: "SILVERBACK_RESTARTS",
        value: "50",
        package: "silverback-tests",
        test: "no_push_ever_holds_less",
    },
    Step {
        what: "A pusher fails over between two translators at two watchers, one of them behind",
        variable: "SILVERBACK_FAILOVERS",
        value: "50",
        package: "silverback-tests",
        test: "a_pusher_between_two_translators",
    },
    Step {
        what: "The API server is away",
        variable: "SILVERBACK_OUTAGE_SECONDS",
        value: "120",
        package: "silverback-tests",
        test: "services_that_start_and_stop_without_the_api_server",
    },
];

struct Outcome {
    passed: bool,
    took: Duration,
    /// What the tests said.
    said: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let mut report = String::from(
        "# Streaming under failures\n\nWritten by `cargo run -p silverback-test-support --bin soak`. A random story that \
         fails is kept in\n`crates/sync/proptest-regressions` and told again by every later run of the tests.\n",
    );
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    writeln!(report, "Machine: {cores} cores; a real kube-apiserver; stand-in gateways; debug assertions on.")?;
    let mut passed = true;
    for step in STEPS {
        let value = std::env::var(step.variable).unwrap_or_else(|_| step.value.to_owned());
        eprintln!("== {} ({}={value})", step.what, step.variable);
        let outcome = run(&step, &value)?;
        passed &= outcome.passed;
        writeln!(report, "\n## {}\n", step.what)?;
        writeln!(report, "`{}={value}`, test `{}` of `{}`", step.variable, step.test, step.package)?;
        let result = if outcome.passed { "passed" } else { "**FAILED**" };
        writeln!(report, "\n{result} after {:.0?}", outcome.took)?;
        for line in outcome.said {
            writeln!(report, "* {line}")?;
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks/soak.md");
    std::fs::write(&path, report).with_context(|| path.display().to_string())?;
    eprintln!("written to {}", path.display());
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(step: &Step, value: &str) -> anyhow::Result<Outcome> {
    let test = |more: &[&str]| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["test", "--quiet", "--package", step.package, step.test]).args(more);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).env(step.variable, value);
        command
    };
    // Building is not what is measured.
    let built = test(&["--no-run"]).status().context("cargo cannot be run")?;
    anyhow::ensure!(built.success(), "{} does not build", step.package);
    let started = Instant::now();
    let output = test(&["--", "--nocapture"]).output().context("cargo cannot be run")?;
    let took = started.elapsed();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    if !output.status.success() {
        eprintln!("{text}");
    }
    // A name that matches no test would pass.
    let ran = text.lines().any(|line| line.starts_with("test result: ok. ") && !line.contains("ok. 0 passed"));
    Ok(Outcome {
        passed: output.status.success() && ran,
        took,
        said: text.lines().filter(said).map(str::to_owned).collect(),
    })
}

/// What a test itself printed, and no harness.
fn said(line: &&str) -> bool {
    let harness = ["running ", "test ", "failures", "error", "."];
    !line.trim().is_empty() && !harness.iter().any(|start| line.starts_with(start))
}

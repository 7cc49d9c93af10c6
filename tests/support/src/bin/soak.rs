//! Runs the tests of what must hold whatever fails, for as long as they are worth, and writes what came of it to
//! docs/benchmarks/soak.md: `cargo run -p silverback-test-support --bin soak`.
//!
//! Each step is written down when it is over. Steps may be chosen by name, `soak stories election`; the report keeps what
//! it says of the others. The variables of a step may be set to shorten it, e.g. `SILVERBACK_SEEDS=1000`.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Context as _;

struct Step {
    name: &'static str,
    what: &'static str,
    /// How long it goes on, and the variable that says so.
    extent: Option<(&'static str, &'static str)>,
    package: &'static str,
    /// What is bound by the processor is optimised; debug assertions are on everywhere.
    profile: &'static str,
    tests: &'static [&'static str],
}

const STEPS: [Step; 8] = [
    Step {
        name: "stories",
        what: "Random stories of both hops: streams, sources and readers fail in every order",
        extent: Some(("SILVERBACK_SEEDS", "100000")),
        package: "silverback-sync",
        profile: "soak",
        tests: &["convergence"],
    },
    Step {
        name: "worlds",
        what: "Random worlds of the election: paused and dying candidates, clocks that drift, an API server that goes",
        extent: Some(("SILVERBACK_LEASE_WORLDS", "100000")),
        package: "silverback-lease",
        profile: "soak",
        tests: &["never_two_lead_and_epochs_rise_whatever_happens"],
    },
    Step {
        name: "restarts",
        what: "Restarts of the watcher and of the translator under change",
        extent: Some(("SILVERBACK_RESTARTS", "50")),
        package: "silverback-tests",
        profile: "dev",
        tests: &["no_push_ever_holds_less"],
    },
    Step {
        name: "failovers",
        what: "A pusher fails over between two translators at two watchers, one of them behind",
        extent: Some(("SILVERBACK_FAILOVERS", "50")),
        package: "silverback-tests",
        profile: "dev",
        tests: &["a_pusher_between_two_translators", "a_killed_watcher_costs_a_delta"],
    },
    Step {
        name: "outage",
        what: "The API server is away, for services that start and stop and for pushers that lose their Lease",
        extent: Some(("SILVERBACK_OUTAGE_SECONDS", "120")),
        package: "silverback-tests",
        profile: "dev",
        tests: &["services_that_start_and_stop_without_the_api_server", "when_all_lose_the_api_server"],
    },
    Step {
        name: "history",
        what: "An etcd put back to a backup, and a watch whose past was compacted away",
        extent: None,
        package: "silverback-tests",
        profile: "dev",
        tests: &["a_store_that_was_put_back_in_time", "what_a_watcher_missed_is_caught_up_with"],
    },
    Step {
        name: "leaders",
        what: "Leaders that get SIGTERM, kill -9 or SIGSTOP, whose push lands late, or that alone lose the API server",
        extent: None,
        package: "silverback-tests",
        profile: "dev",
        tests: &["election::a_", "outage::a_leader"],
    },
    Step {
        name: "last-good",
        what: "A gateway replaced while there is no API server, or no other service at all",
        extent: None,
        package: "silverback-tests",
        profile: "dev",
        tests: &["a_gateway_replaced_while_there_is_no_api_server", "a_pusher_alone_fills_empty_gateways"],
    },
];

struct Outcome {
    passed: bool,
    took: Duration,
    /// What the tests said.
    said: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = chosen.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        anyhow::bail!("there is no step {unknown}; there are {}", STEPS.map(|step| step.name).join(", "));
    }
    let mut report = Report::read()?;
    let mut passed = true;
    for step in STEPS.iter().filter(|step| chosen.is_empty() || chosen.iter().any(|name| name == step.name)) {
        eprintln!("== {}: {}", step.name, step.what);
        let outcome = step.run()?;
        passed &= outcome.passed;
        report.tell(step, &outcome)?;
    }
    eprintln!("written to {}", Report::path().display());
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Step {
    /// How long it goes on this time.
    fn extent(&self) -> Option<(&'static str, String)> {
        self.extent.map(|(variable, usual)| (variable, std::env::var(variable).unwrap_or_else(|_| usual.to_owned())))
    }

    fn cargo(&self, more: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["test", "--quiet", "--profile", self.profile, "--package", self.package]).args(more);
        // Cases that no run of the tests has drawn.
        command.current_dir(root()).envs(self.extent()).env("PROPTEST_RNG_SEED", seed().to_string());
        command
    }

    fn run(&self) -> anyhow::Result<Outcome> {
        // Building is not what is measured.
        let built = self.cargo(&["--no-run"]).status().context("cargo cannot be run")?;
        anyhow::ensure!(built.success(), "{} does not build", self.package);
        let started = Instant::now();
        let output = self.cargo(&["--", "--nocapture"]).args(self.tests).output().context("cargo cannot be run")?;
        let took = started.elapsed();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
        if !output.status.success() {
            eprintln!("{text}");
        }
        // A name that matches no test would pass.
        let ran = text.lines().any(|line| line.starts_with("test result: ok. ") && !line.contains("ok. 0 passed"));
        let said = text.lines().filter(said).map(str::to_owned).collect();
        Ok(Outcome { passed: output.status.success() && ran, took, said })
    }
}

/// What the soak found, one section a step.
struct Report {
    sections: [Option<String>; STEPS.len()],
}

impl Report {
    fn path() -> PathBuf {
        root().join("docs/benchmarks/soak.md")
    }

    /// What earlier runs found.
    fn read() -> anyhow::Result<Self> {
        let path = Self::path();
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| path.display().to_string())?,
        };
        let section =
            |step: &Step| text.split("\n## ").find(|section| section.starts_with(step.what)).map(str::to_owned);
        Ok(Self { sections: STEPS.each_ref().map(section) })
    }

    /// Writes down what became of a step.
    fn tell(&mut self, step: &Step, outcome: &Outcome) -> anyhow::Result<()> {
        let result = if outcome.passed { "passed" } else { "**FAILED**" };
        let mut section = format!("{}\n\n{result} after {:.0?}: ", step.what, outcome.took);
        if let Some((variable, value)) = step.extent() {
            write!(section, "`{variable}={value}`, ")?;
        }
        let tests: Vec<_> = step.tests.iter().map(|test| format!("`{test}`")).collect();
        writeln!(section, "{} of `{}`", tests.join(", "), step.package)?;
        if !outcome.said.is_empty() {
            section.push('\n');
        }
        for line in &outcome.said {
            writeln!(section, "* {line}")?;
        }
        let place = STEPS.iter().zip(&mut self.sections).find(|(other, _)| other.name == step.name);
        if let Some((_, place)) = place {
            *place = Some(section);
        }
        self.write()
    }

    fn write(&self) -> anyhow::Result<()> {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let mut text = format!(
            "# Silverback under failures\n\nWritten by `cargo run -p silverback-test-support --bin soak`. A random story or \
             world that fails is kept in\n`crates/sync/proptest-regressions` and `crates/lease/broken-worlds.txt`, and told \
             again by every later run of the tests.\n\nMachine: {cores} cores; a real kube-apiserver; stand-in gateways; \
             debug assertions on.\n"
        );
        for section in self.sections.iter().flatten() {
            write!(text, "\n## {}\n", section.trim_end())?;
        }
        std::fs::write(Self::path(), text).with_context(|| Self::path().display().to_string())
    }
}

/// Another one at each call.
fn seed() -> u64 {
    RandomState::new().hash_one(())
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a test itself printed, and no harness.
fn said(line: &&str) -> bool {
    let harness = ["running ", "test ", "failures", "error", "."];
    !line.trim().is_empty() && !harness.iter().any(|start| line.starts_with(start))
}

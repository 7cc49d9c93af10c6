//! `silverback status`: how everything is, asked of the services themselves.
//!
//! What cannot be reached is said, and everything else is shown still. Ends with 1 where anything is not well.

mod gather;
mod table;

pub(crate) use table::titled;

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use silverback_service::addresses::{PusherUrl, TranslatorUrl, WatcherUrl};

use crate::dial::DialArgs;

/// Flags of `silverback status`.
#[derive(clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    watchers: WatcherUrl,

    #[command(flatten)]
    translators: TranslatorUrl,

    #[command(flatten)]
    pushers: PusherUrl,

    #[command(flatten)]
    dial: DialArgs,

    /// Form of the answer.
    #[arg(short, long, default_value = "table", value_name = "FORM")]
    output: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Everything that was found out. Its form as JSON is meant for programs, and in docs/status.md: fields are added, not
/// renamed.
#[derive(Debug, Default, Serialize)]
struct Status {
    services: Vec<Service>,
    leader: Option<Leader>,
    /// As the leading pusher sees them; another one where the leader was not reached.
    gateways: Vec<Gateway>,
    quarantine: Vec<Quarantined>,
    last_good: Option<LastGood>,
    /// What is not well, in words; empty when all is.
    problems: Vec<String>,
}

/// One replica of a service.
#[derive(Debug, Serialize)]
struct Service {
    service: &'static str,
    address: String,
    state: ServiceState,
    /// What it holds, or why it was not reached.
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum ServiceState {
    Ready,
    NotReady,
    Unreachable,
}

#[derive(Debug, Serialize)]
struct Leader {
    /// Empty when nobody leads.
    identity: String,
    lease: String,
    epoch: String,
    /// Every replica pushes: there is no election.
    election_disabled: bool,
}

#[derive(Debug, Serialize)]
struct Gateway {
    url: String,
    pod: String,
    state: String,
    generation: u64,
    observed_hash: String,
    expected_hash: String,
    /// Seconds.
    lag: Option<f64>,
    consecutive_failures: u64,
    last_error: String,
    version: String,
}

#[derive(Debug, Serialize)]
struct Quarantined {
    entity: String,
    within: String,
    objects: Vec<String>,
    reason: String,
    closed: bool,
}

#[derive(Debug, Serialize)]
struct LastGood {
    generation: u64,
    place: String,
    trouble: String,
}

impl StatusArgs {
    pub(crate) fn run(self) -> ExitCode {
        match crate::dial::block_on(self.show()) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(2)
            }
        }
    }

    /// Whether all is well.
    async fn show(self) -> anyhow::Result<bool> {
        let status = gather::status(&self).await?;
        match self.output {
            Form::Json => println!("{}", serde_json::to_string_pretty(&status)?),
            Form::Table => print!("{}", table::render(&status)),
        }
        Ok(status.problems.is_empty())
    }
}

/// Seconds and milliseconds, as people read them.
fn in_words(seconds: f64) -> String {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    match duration.as_millis() {
        0 => format!("{} µs", duration.as_micros()),
        millis @ 1..10_000 => format!("{millis} ms"),
        _ => format!("{} s", duration.as_secs()),
    }
}

/// The examples of docs/status.md: of `status`, and of `explain`.
#[cfg(test)]
pub(crate) fn documented() -> Vec<serde_json::Value> {
    let page = include_str!("../../../../docs/status.md");
    let blocks = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| serde_json::from_str(block).unwrap()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_for_programs_is_documented() {
        let text = str::to_owned;
        let status = Status {
            services: vec![Service {
                service: "watcher",
                address: text("10.0.0.1:7601"),
                state: ServiceState::NotReady,
                detail: text("12 objects; Secret: it answers 403"),
            }],
            leader: Some(Leader {
                identity: text("pusher-a_6f1c52a0-0d8e-4a55-9d0c-1b1f4b0d6b1e"),
                lease: text("kong/silverback"),
                epoch: text("8d5f/1234"),
                election_disabled: false,
            }),
            gateways: vec![Gateway {
                url: text("https://10.0.1.7:8444"),
                pod: text("kong/kong-5d9f-x2x"),
                state: text("refusing"),
                generation: 41,
                observed_hash: text("65acc2d4f0e6c0f9d7b3f5a1a2b3c4d5"),
                expected_hash: text("1f0c9b7a5d3e4f60718293a4b5c6d7e8"),
                lag: Some(0.012),
                consecutive_failures: 2,
                last_error: text("400: schema violation"),
                version: text("3.9.1"),
            }],
            quarantine: vec![Quarantined {
                entity: text("route shop.web.00"),
                within: text("services/shop.web.80"),
                objects: vec![text("Ingress/shop/web")],
                reason: text("paths: invalid regex"),
                closed: false,
            }],
            last_good: Some(LastGood {
                generation: 40,
                place: text("Secrets kong/silverback-last-good-*"),
                trouble: String::new(),
            }),
            problems: vec![text("route shop.web.00 is left out: paths: invalid regex")],
        };
        assert_eq!(documented().first(), Some(&serde_json::to_value(status).unwrap()), "docs/status.md");
    }
}

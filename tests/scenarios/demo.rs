//! `silverback demo` from its first line to its last.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, test_kill_process};
use silverback_test_support::{Process, Signal, binary, eventually};

use crate::story::SOON;

/// Everything it shows, with a machine that does much else.
const WHOLE: Duration = Duration::from_secs(120);

fn demo(args: &[&str]) -> anyhow::Result<Process> {
    Process::spawn("demo", &binary("silverback")?, [&["demo"], args].concat(), &[])
}

/// Process ids that it names.
fn children(lines: &[String]) -> anyhow::Result<Vec<Pid>> {
    let ids = lines.iter().filter_map(|line| line.split("as process ").nth(1)?.split(',').next()?.parse().ok());
    let pids: Vec<Pid> = ids.filter_map(Pid::from_raw).collect();
    ensure!(pids.len() >= 6, "it names {} processes:\n{}", pids.len(), lines.join("\n"));
    Ok(pids)
}

/// Whether it has not ended. One that nobody has buried yet has.
fn runs(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    test_kill_process(pid).is_ok() && !stat.contains(") Z ")
}

async fn are_gone(pids: &[Pid]) -> anyhow::Result<()> {
    eventually("no child is left", SOON, async || {
        let left = pids.iter().filter(|pid| runs(**pid)).count();
        if left == 0 { Ok(()) } else { Err(format!("{left} are left")) }
    })
    .await
}

#[tokio::test]
async fn it_shows_routes_a_hand_over_and_a_healed_gateway() -> anyhow::Result<()> {
    let demo = demo(&["--exit-after", "0s"])?;
    let status = demo.wait_exit(WHOLE).await?;
    let lines = demo.lines();
    let shown = lines.join("\n");
    ensure!(status.success(), "it ended with {status}:\n{shown}");
    ensure!(!shown.contains('\x1b'), "colours although nobody sees them");

    // In this order, each once the one before was there.
    let mut rest = lines.iter();
    for part in [
        "a Kubernetes API in memory at http://127.0.0.1:",
        "objects created: ",
        "every gateway routes to the shop",
        "both replicas of every service are ready",
        "every gateway sends traffic to 10.0.2.100:8080",
        "killed with SIGKILL",
        "after the kill (the demo's Lease lasts 3.0 s",
        "every gateway has the change of that moment",
        "restarts without its configuration",
        "now holds nothing",
        "healed ",
        "Shown: routes at 3 gateways",
        "Everything stays up until Ctrl-C",
        "everything is stopped",
    ] {
        rest.find(|line| line.contains(part))
            .with_context(|| format!("{part:?} is not shown in its turn:\n{shown}"))?;
    }
    for gateway in ["gateway-1", "gateway-2", "gateway-3"] {
        let holds =
            |line: &&String| line.contains(gateway) && line.contains("now holds ") && line.contains(" routes, ");
        let line = lines.iter().find(holds).with_context(|| format!("{gateway} holds nothing:\n{shown}"))?;
        ensure!(!line.contains(" 0 routes"), "{line}");
    }
    let leaders: Vec<&String> = lines.iter().filter(|line| line.contains(" leads: it alone pushes")).collect();
    ensure!(leaders.len() == 2, "the leadership did not change once but: {leaders:?}");
    are_gone(&children(&lines)?).await
}

#[tokio::test]
async fn it_takes_its_children_with_it_however_it_ends() -> anyhow::Result<()> {
    for signal in [Signal::TERM, Signal::KILL] {
        let demo = demo(&[])?;
        demo.wait_for_line("pusher-b", WHOLE).await?;
        let pids = children(&demo.lines())?;
        demo.signal(signal)?;
        let status = demo.wait_exit(SOON).await?;
        ensure!(status.success() == (signal == Signal::TERM), "after {signal:?} it ended with {status}");
        are_gone(&pids).await?;
    }
    Ok(())
}

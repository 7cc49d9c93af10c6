//! Starts a real Kubernetes API server, runs a command with KUBECONFIG set for it, and stops it again:
//! `with-kube-api COMMAND ARGUMENT…`. Knows nothing of what the command does.

use std::process::{Command, ExitCode};

use anyhow::Context as _;
use silverback_test_support::KubeApi;

fn main() -> anyhow::Result<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    let command = args.next().context("usage: with-kube-api COMMAND ARGUMENT…")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let api = runtime.block_on(KubeApi::start())?.context("there is no API server on this machine; see above")?;
    let kubeconfig = api.admin_kubeconfig();
    // Whichever variable the command reads.
    let command_line = ["KUBECONFIG", "CONTROLLER_KUBECONFIG"].map(|variable| (variable, &kubeconfig));
    let ended = Command::new(&command).args(args).envs(command_line).status();
    let ended = ended.with_context(|| command.display().to_string())?;
    Ok(ExitCode::from(ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

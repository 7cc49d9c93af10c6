//! The docker engine of this machine, and the images of the services built for it.

use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use tokio::sync::OnceCell;

use super::root;

/// Tag of the images that tests build, so that nobody's own are replaced.
pub(super) const TAG: &str = "test";
/// Exit status of `deploy/images/build` where the machine lacks what it needs.
const NOT_TO_BE_HAD: i32 = 3;

/// Runs `docker`, and gives what it prints.
pub(super) fn docker(args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("docker").args(args).current_dir(root()).env("SILVERBACK_TAG", TAG).output();
    let output = output.context("docker cannot be run")?;
    ensure!(output.status.success(), "docker {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Builds the images, once for all tests of this process. False, with a line on stderr, where this machine cannot.
pub(super) async fn has_images() -> anyhow::Result<bool> {
    static BUILT: OnceCell<bool> = OnceCell::const_new();
    BUILT.get_or_try_init(async || build().await).await.copied()
}

async fn build() -> anyhow::Result<bool> {
    if docker(&["version"]).is_err() {
        eprintln!("skipped: no docker engine answers");
        return Ok(false);
    }
    let mut script = tokio::process::Command::new(root().join("deploy/images/build"));
    let output = script.args(["--profile", "dev", "--tag", TAG]).output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Ok(true),
        Some(NOT_TO_BE_HAD) => {
            eprintln!("skipped: {said}");
            Ok(false)
        }
        _ => bail!("deploy/images/build fails: {said}"),
    }
}

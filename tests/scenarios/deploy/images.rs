//! The images as they are built: each holds a static binary, which needs nothing to write to and no rights.

use anyhow::ensure;

use super::SERVICES;
use super::engine::{TAG, docker, has_images};

#[tokio::test]
async fn each_image_is_a_binary_that_runs_without_any_rights() -> anyhow::Result<()> {
    if !has_images().await? {
        return Ok(());
    }
    for service in SERVICES {
        let image = format!("silverback-{service}:{TAG}");
        let confined = ["--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none"];
        let said = docker(&[&["run"], &confined[..], &[&image, "--version"]].concat())?;
        ensure!(said.trim() == format!("silverback-{service} {}", env!("CARGO_PKG_VERSION")), "{image}: {said}");
        let of_image = docker(&["image", "inspect", "--format", "{{.Config.User}} {{len .RootFS.Layers}}", &image])?;
        ensure!(of_image.trim() == "65532:65532 1", "user and layers of {image}: {of_image}");
    }
    Ok(())
}

//! The API server and processes behave as tests rely on.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::PostParams;

use crate::{KubeApi, Process, Signal, eventually};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn api_server_knows_users_and_keeps_its_data_over_a_restart() -> anyhow::Result<()> {
    let Some(api) = KubeApi::start().await? else { return Ok(()) };
    let admin = api.client().await?;
    let namespace = serde_json::from_value(serde_json::json!({ "metadata": { "name": "team" } }))?;
    Api::<Namespace>::all(admin.clone()).create(&PostParams::default(), &namespace).await?;
    let map = serde_json::from_value(serde_json::json!({ "metadata": { "name": "kept" }, "data": { "a": "1" } }))?;
    let maps = Api::<ConfigMap>::namespaced(admin, "team");
    maps.create(&PostParams::default(), &map).await?;

    let stranger = api.client_for("stranger", &["one", "two"]).await?;
    match Api::<ConfigMap>::namespaced(stranger, "team").get("kept").await {
        Err(kube::Error::Api(status)) => {
            assert_eq!(status.code, 403);
            assert!(status.message.contains("\"stranger\""), "{}", status.message);
        }
        other => panic!("a user without roles gets {other:?}"),
    }

    api.stop_apiserver();
    assert!(maps.get("kept").await.is_err(), "it answers although it was stopped");
    api.start_apiserver().await?;
    let kept = Api::<ConfigMap>::namespaced(api.client().await?, "team").get("kept").await?;
    assert_eq!(kept.data.and_then(|data| data.get("a").cloned()).as_deref(), Some("1"));
    Ok(())
}

#[tokio::test]
async fn processes_show_lines_and_take_signals() -> anyhow::Result<()> {
    let script =
        "trap 'echo bye >&2; exit 7' TERM; echo \"hello $NAME ${HOME:-nowhere}\"; while :; do sleep 0.01; done";
    let process = Process::spawn("shell", Path::new("/bin/sh"), ["-c", script], &[("NAME", "you")])?;
    process.wait_for_line("hello you nowhere", SOON).await?;
    process.signal(Signal::TERM)?;
    assert_eq!(process.wait_exit(SOON).await?.code(), Some(7));
    process.wait_for_line("bye", SOON).await?;
    assert!(process.signal(Signal::TERM).is_err());
    Ok(())
}

#[tokio::test]
async fn waiting_tells_what_was_seen_last() {
    let mut looks = 0;
    let short = Duration::from_millis(50);
    let error = eventually("three", short, async || {
        looks += 1;
        if looks < 0 { Ok(()) } else { Err("two") }
    })
    .await
    .unwrap_err();
    assert!(error.to_string().contains("three: not within 50ms; seen last: two"), "{error}");
}

use silverback_isolation::GatewayKind;
use silverback_model::{Epoch, Lineage, Version};

use super::*;

fn feedback(epoch: u64, version: &str) -> Feedback {
    let kind = GatewayKind { version: version.into(), ..GatewayKind::default() };
    let epoch = Epoch { lineage: Lineage("l".into()), version: Version::from_counter(epoch) };
    Feedback { epoch: Some(epoch), gateways: vec![kind], ..Feedback::default() }
}

#[tokio::test]
async fn a_file_is_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/feedback.json");
    let place = Place::File(path.clone());
    assert_eq!(read_file(&path).unwrap(), Feedback::default());
    put(&place, &feedback(1, "3.9.3")).await.unwrap();
    assert_eq!(read_file(&path).unwrap(), feedback(1, "3.9.3"));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"kind\": \"ConfigMap\"") && text.contains(FEEDBACK_LABEL), "{text}");
    std::fs::write(&path, "no").unwrap();
    assert!(read_file(&path).unwrap_err().to_string().contains("delete it"));
}

/// At a real API server, as a user with the rights that a deployment gives.
#[tokio::test]
async fn of_two_who_write_at_once_one_reads_again_and_who_led_before_gives_way() {
    let Some((_server, client)) = crate::tests::deployed("feedback").await else { return };
    let name = "silverback-feedback";
    let api: Api<ConfigMap> = Api::namespaced(client, "feedback");
    let place = Place::ConfigMap { api: Box::new(api.clone()), namespace: "feedback".into(), name: name.into() };
    let (found_tx, mut found) = watch::channel(None);
    tokio::spawn(read(place.clone(), found_tx));
    found.wait_for(Option::is_some).await.unwrap();

    put(&place, &feedback(3, "3.8.0")).await.unwrap();
    let stale = api.get(name).await.unwrap();
    assert_eq!(stale.metadata.labels.as_ref().unwrap()[FEEDBACK_LABEL], "true");
    assert!(stale.data.as_ref().unwrap()["gateways"].contains("3.8.0"), "{:?}", stale.data);
    assert!(matches!(replace_map(&api, name, None, &feedback(3, "3.9.0")).await, Err(Trouble::Conflict)));
    put(&place, &feedback(4, "3.9.0")).await.unwrap();
    assert!(matches!(replace_map(&api, name, Some(stale), &feedback(5, "3.9.1")).await, Err(Trouble::Conflict)));
    assert!(matches!(put(&place, &feedback(3, "3.8.0")).await, Err(Trouble::Deposed)));
    assert_eq!(parse(&api.get(name).await.unwrap()).unwrap(), feedback(4, "3.9.0"));

    // The writer goes on by itself until it has written.
    let (told, tells) = watch::channel(feedback(6, "4.0.0"));
    tokio::spawn(write(place, tells, found, true));
    let written = async {
        while parse(&api.get(name).await.unwrap()).unwrap() != feedback(6, "4.0.0") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), written).await.unwrap();
    drop(told);
}

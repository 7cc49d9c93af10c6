use std::sync::Arc;

use serde_json::json;
use silverback_isolation::{Config, Piece};
use silverback_kong::{EntityKey, Rendered};
use silverback_model::{Commit, Lineage, Version};

use super::*;

/// A configuration of that many bytes, which cannot be packed well.
fn accepted(generation: u64, bytes: usize) -> Accepted {
    let mut seed = generation;
    let noise = (0..bytes / 32).map(|_| {
        seed += 1;
        Digest::of(&seed.to_be_bytes()).to_string()
    });
    let key = EntityKey::new("services".into(), "a");
    let rendered = Rendered::of_value(&key, &json!({"name": "a", "noise": noise.collect::<String>()}));
    let config = Arc::new(Config::from([(key, Piece::new(rendered, Vec::new()))]));
    let commit = Commit { generation: Generation(generation), ..Commit::default() };
    Accepted { commit, config, at: Timestamp::UNIX_EPOCH }
}

fn epoch(n: u64) -> Epoch {
    Epoch { lineage: Lineage("l".into()), version: Version::from_counter(n) }
}

async fn generation(shelf: &Shelf) -> Option<u64> {
    shelf.get().await.unwrap().map(|accepted| accepted.commit.generation.0)
}

#[tokio::test]
async fn the_last_one_is_kept_in_as_many_parts_as_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::Folder(folder.path().to_owned());
    assert_eq!(generation(&shelf).await, None);
    let large = accepted(1, 6 << 20);
    shelf.put(&large, None).await.unwrap();
    assert!(folder.path().join("last-good-a3").exists() && !folder.path().join("last-good-a4").exists());
    let parts = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    assert!(parts.max().unwrap() <= LONGEST_PART as u64);
    assert_eq!(shelf.get().await.unwrap().unwrap().config, large.config);
    shelf.put(&accepted(2, 100), None).await.unwrap();
    shelf.put(&accepted(3, 100), None).await.unwrap();
    assert_eq!(generation(&shelf).await, Some(3));
    let error = shelf.put(&accepted(4, 20 << 20), None).await.unwrap_err();
    assert!(error.to_string().contains("--last-good-config-dir"), "{error}");
    assert_eq!(generation(&shelf).await, Some(3));
}

#[tokio::test]
async fn a_torn_write_leaves_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::Folder(folder.path().to_owned());
    shelf.put(&accepted(1, 2 << 20), None).await.unwrap();
    for set in ['b', 'b'] {
        // It ends before what points to the parts is written.
        shelf.put_parts(set, &pack(&accepted(2, 2 << 20)).unwrap()).await.unwrap();
        assert_eq!(generation(&shelf).await, Some(1));
    }
    shelf.put(&accepted(3, 100), None).await.unwrap();
    assert_eq!(generation(&shelf).await, Some(3));
    std::fs::write(folder.path().join("last-good-b0"), "another").unwrap();
    assert!(shelf.get().await.unwrap_err().to_string().contains("written together"));
    std::fs::write(folder.path().join("last-good"), "{").unwrap();
    assert!(shelf.get().await.is_err());
    shelf.put(&accepted(4, 100), None).await.unwrap();
    assert_eq!(generation(&shelf).await, Some(4), "what cannot be read is written over");
}

#[tokio::test]
async fn who_led_before_does_not_write_over_who_leads() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::Folder(folder.path().to_owned());
    shelf.put(&accepted(1, 100), Some(&epoch(7))).await.unwrap();
    assert!(shelf.put(&accepted(2, 100), Some(&epoch(6))).await.unwrap_err().to_string().contains("later leader"));
    shelf.put(&accepted(3, 100), Some(&epoch(8))).await.unwrap();
    assert_eq!(generation(&shelf).await, Some(3));
}

/// At a real API server, as a user with the rights that a deployment gives.
#[tokio::test]
async fn secrets_hold_more_than_one_of_them_could() {
    let Some((_server, client)) = crate::tests::deployed("last-good").await else { return };
    let api: Api<Secret> = Api::namespaced(client, "last-good");
    let prefix = "silverback-last-good".to_owned();
    let shelf = Shelf::Secrets { api: Box::new(api.clone()), namespace: "last-good".into(), prefix };
    assert_eq!(generation(&shelf).await, None);
    let large = accepted(1, 5 << 20);
    shelf.put(&large, Some(&epoch(1))).await.unwrap();
    let part = api.get("silverback-last-good-a2").await.unwrap();
    assert_eq!(part.type_.as_deref(), Some(TYPE));
    assert_eq!(shelf.get().await.unwrap().unwrap().config, large.config);
    shelf.put(&accepted(2, 3 << 20), Some(&epoch(1))).await.unwrap();
    shelf.put(&accepted(3, 100), Some(&epoch(2))).await.unwrap();
    shelf.put(&accepted(4, 100), Some(&epoch(2))).await.unwrap();
    assert_eq!(generation(&shelf).await, Some(4));
    // Between the parts and what points to them.
    shelf.put_parts('a', b"torn").await.unwrap();
    let kept = generation(&shelf).await;
    assert!(shelf.put(&accepted(5, 100), Some(&epoch(1))).await.unwrap_err().to_string().contains("later leader"));
    assert_eq!(kept, Some(4)); // Somebody altered it by hand.
    shelf.write("", b"{").await.unwrap();
    assert!(shelf.get().await.unwrap_err().to_string().contains("not understood"));
    shelf.put(&accepted(5, 100), Some(&epoch(2))).await.unwrap();
    assert_eq!(generation(&shelf).await, Some(5));
}

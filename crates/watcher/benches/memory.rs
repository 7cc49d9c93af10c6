//! What a held object costs: `cargo bench -p silverback-watcher --bench memory`.
//!
//! Objects are read from the JSON that an API server sends, trimmed, and held as the watcher holds them; the growth of
//! the process's resident memory is divided by their number.

use std::fmt::Write as _;

use anyhow::Context as _;
use silverback_model::{Lineage, Version, canonical};
use silverback_resources::projection;
use silverback_resources::registry::{KindId, trim_digest};
use silverback_sync::{Change, Item, Publisher};

const OBJECTS: usize = 50_000;
const PAGE: usize = 4096;

/// The JSON of the object of a number.
type Text = fn(usize) -> String;

fn main() -> anyhow::Result<()> {
    println!("{OBJECTS} objects of each kind\n");
    println!("| Kind | as the API server sends it | trimmed body | held, in all |");
    println!("|---|---|---|---|");
    let kinds = [
        (KindId::ENDPOINT_SLICE, "EndpointSlice of 10 endpoints", slice as Text),
        (KindId::SERVICE, "Service", service),
        (KindId::INGRESS, "Ingress", ingress),
    ];
    // Kept to the end, so that none takes over the memory of the one before.
    let mut all = Vec::new();
    for (kind, name, text) in kinds {
        let Measured { sent, trimmed, held, publisher } = measure(kind, text)?;
        all.push(publisher);
        println!("| {name} | {sent} B | {trimmed} B | {held} B |");
    }
    Ok(())
}

/// Bytes of one object: as it is sent, of its body, and of memory; with what holds them all.
struct Measured {
    sent: usize,
    trimmed: usize,
    held: usize,
    publisher: Publisher,
}

fn measure(kind: KindId, text: Text) -> anyhow::Result<Measured> {
    let collection = kind.collection();
    let mut publisher = Publisher::new(Lineage("bench".into()), trim_digest(), [collection.clone()]);
    publisher.apply(&collection, Change::Replace { items: Vec::new(), version: Version::zero() });
    let before = resident()?;
    let (mut sent, mut trimmed) = (0, 0);
    for n in 0..OBJECTS {
        let text = text(n);
        let mut object = kind.kind().projection().read(text.as_bytes())?;
        let key = projection::key(&object).context("an object without a name")?;
        projection::take_version(&mut object);
        let item = Item::new(key, Version::from_counter(n as u64 + 1), canonical::to_string(&object));
        sent += text.len();
        trimmed += item.body.len();
        publisher.apply(&collection, Change::Upsert(item));
    }
    let held = resident()?.saturating_sub(before);
    let count = publisher.collection(&collection).map_or(0, |view| view.items.len()).max(1);
    Ok(Measured { sent: sent / count, trimmed: trimmed / count, held: held / count, publisher })
}

/// Resident bytes of this process.
fn resident() -> anyhow::Result<usize> {
    let statm =
        std::fs::read_to_string("/proc/self/statm").context("only Linux tells how much memory a process has")?;
    let pages: usize = statm.split(' ').nth(1).context("no second field in /proc/self/statm")?.parse()?;
    Ok(pages * PAGE)
}

fn metadata(n: usize, name: &str, labels: &str) -> String {
    let manager = r#"{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{".":{}}}}"#;
    format!(
        r#"{{"name":"{name}","namespace":"namespace-{}","uid":"{n:08x}-1111-4222-8333-444444444444","resourceVersion":"{}","generation":3,"creationTimestamp":"2026-01-01T00:00:00Z","labels":{{{labels}}},"managedFields":[{manager}]}}"#,
        n / 50,
        1_000_000 + n
    )
}

fn slice(n: usize) -> String {
    let labels = format!(
        r#""app":"app-{n}","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io","kubernetes.io/service-name":"app-{n}""#
    );
    let mut endpoints = String::new();
    for at in 0..10 {
        let comma = if at == 0 { "" } else { "," };
        let address = format!("10.{}.{}.{}", 100 + n / 10_000, n / 100 % 100, 100 + at);
        let _ = write!(
            endpoints,
            r#"{comma}{{"addresses":["{address}"],"conditions":{{"ready":true,"serving":true,"terminating":false}},"targetRef":{{"kind":"Pod","namespace":"namespace-{}","name":"app-{n}-7d4b9c8f6d-{at}xyz","uid":"{n:08x}-5555-4666-8777-88888888888{at}"}},"nodeName":"node-{at}","zone":"zone-a"}}"#,
            n / 50
        );
    }
    format!(
        r#"{{"metadata":{},"addressType":"IPv4","endpoints":[{endpoints}],"ports":[{{"name":"http","port":8080,"protocol":"TCP"}}]}}"#,
        metadata(n, &format!("app-{n}-x7k2p"), &labels)
    )
}

fn service(n: usize) -> String {
    let address = format!("10.96.{}.{}", n / 250, n % 250);
    format!(
        r#"{{"metadata":{},"spec":{{"ports":[{{"name":"http","protocol":"TCP","port":80,"targetPort":8080}}],"selector":{{"app":"app-{n}"}},"clusterIP":"{address}","clusterIPs":["{address}"],"type":"ClusterIP","sessionAffinity":"None","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"}},"status":{{"loadBalancer":{{}}}}}}"#,
        metadata(n, &format!("app-{n}"), &format!(r#""app":"app-{n}""#))
    )
}

fn ingress(n: usize) -> String {
    format!(
        r#"{{"metadata":{},"spec":{{"ingressClassName":"kong","tls":[{{"hosts":["app-{n}.example.com"],"secretName":"app-{n}"}}],"rules":[{{"host":"app-{n}.example.com","http":{{"paths":[{{"path":"/","pathType":"Prefix","backend":{{"service":{{"name":"app-{n}","port":{{"number":80}}}}}}}}]}}}}]}},"status":{{"loadBalancer":{{"ingress":[{{"ip":"192.0.2.1"}}]}}}}}}"#,
        metadata(n, &format!("app-{n}"), &format!(r#""app":"app-{n}""#))
    )
}

//! Every metric that running services serve is in docs/metrics.md, with its type and labels. The page is made from what is
//! registered to be described; here it is held against what is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::ensure;
use silverback_devcluster::gateway::{FixedAnswer, On};
use silverback_test_support::eventually;

use crate::story::{Folder, Gateways, Ports, SOON, Service, endpoints, ingress, routes_to, service};

/// Type, labels and description of a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
    help: String,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The tables of the page.
fn documented() -> anyhow::Result<BTreeMap<String, Metric>> {
    let page = fs::read_to_string(root().join("docs/metrics.md"))?;
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, kind, labels, help, _] = cells.as_slice() else { anyhow::bail!("not four columns: {row}") };
        let labels = labels.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty());
        let metric = Metric { kind: (*kind).to_owned(), labels: labels.collect(), help: (*help).to_owned() };
        Ok((name.trim_matches('`').to_owned(), metric))
    })
    .collect()
}

/// What a service serves, by the names that queries use.
fn served(text: &str, into: &mut BTreeMap<String, Metric>) {
    let (mut name, mut now) = (String::new(), Metric::default());
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", "HELP", of, help] => {
                (name, now) = ((*of).to_owned(), Metric { help: (*help).to_owned(), ..Metric::default() })
            }
            ["#", "TYPE", of, kind] => {
                (*of).clone_into(&mut name);
                (*kind).clone_into(&mut now.kind);
            }
            ["#", ..] => (),
            _ => {
                let labels =
                    line.split_once('{').and_then(|(_, rest)| Some(rest.rsplit_once('}')?.0)).unwrap_or_default();
                let labels = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
                now.labels.extend(labels.filter(|label| label != "le"));
                let shown = if now.kind == "counter" { format!("{name}_total") } else { name.clone() };
                into.entry(shown).or_insert_with(|| now.clone()).labels.extend(now.labels.clone());
            }
        }
    }
}

fn row(name: &str, metric: &Metric) -> String {
    let labels: Vec<&str> = metric.labels.iter().map(String::as_str).collect();
    format!("| `{name}` | {} | {} | {} |", metric.kind, labels.join(", "), metric.help.trim_end_matches('.'))
}

#[tokio::test]
async fn the_page_of_metrics_is_true() -> anyhow::Result<()> {
    let (folder, gateways, ports) = (Folder::shop(&["10.1.0.1"])?, Gateways::start(2).await?, Ports::choose()?);
    let watcher = Service::watcher(ports, &["--from", &folder.path()])?;
    let translator = Service::translator(ports, &[])?;
    let pusher = Service::pusher(ports, &gateways, &[])?;
    for service in [&watcher, &translator, &pusher] {
        service.is_ready().await?;
    }
    // Trouble shows in metrics of its own.
    gateways.0[0].faults().answer(On::Posts, FixedAnswer::message(400, "no thanks"));
    folder
        .write("shop.yaml", &[service("shop"), endpoints("shop", &["10.1.0.2"]), ingress("kong", "shop", "/shop")])?;
    routes_to(&gateways.0[1], &[crate::story::backend("default", "shop", "/shop", &["10.1.0.2"])]).await?;
    drop(translator);
    let translator = Service::translator(ports, &[])?;
    translator.is_ready().await?;
    let seen = eventually("the lost translator is counted", SOON, async || {
        let mut seen = BTreeMap::new();
        for service in [&watcher, &translator, &pusher] {
            served(&service.metrics().await.map_err(|error| format!("{error:#}"))?, &mut seen);
        }
        let losses = seen.keys().any(|name| name.contains("pusher") && name.contains("loss"));
        if losses { Ok(seen) } else { Err(format!("{:?}", seen.keys())) }
    })
    .await?;

    let documented = documented()?;
    let wrong = |(name, metric): &(&String, &Metric)| {
        // A counter without the suffix that OpenMetrics wants is of unknown type there.
        let kind = if metric.kind == "unknown" { "counter" } else { &metric.kind };
        documented.get(*name).is_none_or(|row| row.kind != kind || !metric.labels.is_subset(&row.labels))
    };
    let wrong: Vec<String> = seen.iter().filter(wrong).map(|(name, metric)| row(name, metric)).collect();
    ensure!(
        wrong.is_empty(),
        "docs/metrics.md lacks these rows, or has other ones; does the service's `describe_metrics` register them?\n{}",
        wrong.join("\n")
    );
    Ok(())
}

//! Posts recorded configurations of another controller, of which is known what a real Kong said to each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::super::*;
use super::recordings;

/// Kong's words to a refused configuration: status and a line, perhaps cut.
type Refused = BTreeMap<(String, String), (u16, String)>;

#[tokio::test]
async fn judges_configurations_as_kong_did() {
    let (Some(golden), Some(schemas)) = (recordings::shared("golden"), recordings::folder("kong-schemas")) else {
        return;
    };
    let refused = refused(&golden);
    let mut gateways = BTreeMap::new();
    for flavor in [RouterFlavor::TraditionalCompatible, RouterFlavor::Expressions] {
        let plugin_schemas = Some(schemas.join("plugins"));
        let settings = Settings { router_flavor: flavor, plugin_schemas, ..Settings::default() };
        gateways.insert(flavor.as_str(), StandInGateway::start(settings).await.unwrap());
    }
    let mut differences = Vec::new();
    let outputs = outputs(&golden);
    for (case, setting, path) in &outputs {
        let text = std::fs::read_to_string(path).unwrap();
        let expressions = setting.contains("expression-routes-on");
        let flavor = if expressions { RouterFlavor::Expressions } else { RouterFlavor::TraditionalCompatible };
        let (status, answer) = post(&gateways[flavor.as_str()], &text).await;
        let (wanted, line) = refused.get(&(case.clone(), setting.clone())).cloned().unwrap_or((201, String::new()));
        let told = told(&answer);
        let same = status == wanted && (wanted == 201 || tells(&told, &line));
        if !same {
            differences.push(format!("{case} {setting}: {status} instead of {wanted}\n  {told}\n  {line}"));
        }
    }
    println!(
        "{} configurations, {} of them refused by Kong, {} judged otherwise",
        outputs.len(),
        refused.len(),
        differences.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Whatever is in force already, it is judged anew.
async fn post(gateway: &GatewayHandle, text: &str) -> (u16, Value) {
    let path = "/config?flatten_errors=1";
    let (status, body) = super::call(gateway.admin_addr(), "POST", path, "text/yaml", text).await.unwrap();
    (status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
}

fn outputs(golden: &std::path::Path) -> Vec<(String, String, PathBuf)> {
    let mut outputs = Vec::new();
    for case in std::fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for file in std::fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if let Some(setting) = name.strip_suffix("_golden.yaml") {
                let case = case.file_name().unwrap().to_string_lossy().into_owned();
                outputs.push((case, setting.to_owned(), file));
            }
        }
    }
    outputs.sort();
    outputs
}

fn refused(golden: &std::path::Path) -> Refused {
    let table = std::fs::read_to_string(golden.join("refused-by-kong.md")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let status = cells.get(3)?.parse().ok()?;
        Some(((cells[0].to_owned(), cells[1].to_owned()), (status, cells[4].to_owned())))
    };
    table.lines().filter_map(row).collect()
}

/// An answer in the form of that table.
fn told(answer: &Value) -> String {
    let entry = |entry: &Value| {
        let errors = entry["errors"].as_array().into_iter().flatten();
        let errors = errors.map(|error| {
            format!("{} {}", error["field"].as_str().unwrap_or("@"), error["message"].as_str().unwrap_or_default())
        });
        format!(
            "{} {}: {}",
            entry["entity_type"].as_str().unwrap_or_default(),
            entry["entity_name"].as_str().unwrap_or_default(),
            errors.collect::<Vec<_>>().join(", ")
        )
    };
    match answer["flattened_errors"].as_array() {
        Some(entries) => entries.iter().map(entry).collect::<Vec<_>>().join("; "),
        None => answer["message"].as_str().unwrap_or_default().to_owned(),
    }
}

/// Whether each part of the recorded line, of which the last may be cut, is among what was told.
fn tells(told: &str, line: &str) -> bool {
    // Before a message stands what is told once more as data.
    let line = line.find("declarative config").and_then(|at| line.get(at..)).unwrap_or(line);
    let line = line.strip_prefix("null ").unwrap_or(line);
    line.split("; ").all(|part| told.contains(part))
}

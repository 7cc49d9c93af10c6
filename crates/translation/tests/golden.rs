//! Our own golden cases: `golden/<case>/in.yaml` gives `golden/<case>/out.yaml`, or `<setting>.out.yaml` with the
//! settings of `<setting>.settings.yaml`. `BLESS=1 cargo test -p silverback-translation golden` writes the outputs.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use silverback_translation::{Settings, translate};

use crate::compare::{differences, normalise};

/// Cases are told as of the end of 2026, in minutes since 1970.
pub const MINUTE: u64 = 57 * 365 * 24 * 60;

/// The documents of a YAML file.
pub fn objects(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    documents.into_iter().filter(Value::is_object).collect()
}

/// The folders below one, sorted.
pub fn folders(path: &Path) -> Vec<PathBuf> {
    let entries: Vec<fs::DirEntry> =
        fs::read_dir(path).map(|entries| entries.filter_map(Result::ok).collect()).unwrap_or_default();
    let mut folders: Vec<PathBuf> =
        entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Our own cases.
pub fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn output(objects: &[Value], settings: &Settings) -> Value {
    let translator = translate(objects, settings, &[], MINUTE);
    let said: Vec<String> = translator.diagnostics().flat_map(|(_, all)| all).map(|it| it.to_string()).collect();
    let entities = translator.entities().into_iter().map(|(key, entity)| (key.clone(), entity.rendered.clone()));
    let document: silverback_kong::Document = entities.collect();
    let mut output = json!({"config": document.value(), "diagnostics": said});
    let statuses = translator.statuses().into_iter();
    let statuses: serde_json::Map<String, Value> =
        statuses.map(|(object, status)| (object.to_string(), serde_json::to_value(&*status).unwrap())).collect();
    if !statuses.is_empty() {
        output["statuses"] = Value::Object(statuses);
    }
    output
}

#[test]
fn golden() {
    let cases = folders(&own());
    assert!(!cases.is_empty());
    let mut wrong = Vec::new();
    for case in &cases {
        let objects = objects(&case.join("in.yaml"));
        let mut settings = vec![("out.yaml".to_owned(), Settings::default())];
        for entry in fs::read_dir(case).unwrap().filter_map(Result::ok) {
            let name = entry.file_name().into_string().unwrap();
            if let Some(setting) = name.strip_suffix(".settings.yaml") {
                let text = fs::read_to_string(entry.path()).unwrap();
                settings.push((format!("{setting}.out.yaml"), serde_saphyr::from_str(&text).unwrap()));
            }
        }
        for (name, settings) in settings {
            let (got, path) = (output(&objects, &settings), case.join(&name));
            if std::env::var_os("BLESS").is_some() {
                fs::write(&path, serde_saphyr::to_string(&got).unwrap()).unwrap();
            }
            let want: Value =
                fs::read_to_string(&path).ok().and_then(|text| serde_saphyr::from_str(&text).ok()).unwrap_or_default();
            let mut lines = differences(&normalise(&want["config"]), &normalise(&got["config"]));
            if want["diagnostics"] != got["diagnostics"] {
                lines.push(format!("diagnostics: want {:#}, got {:#}", want["diagnostics"], got["diagnostics"]));
            }
            if want["statuses"] != got["statuses"] {
                lines.push(format!("statuses: want {:#}, got {:#}", want["statuses"], got["statuses"]));
            }
            wrong.extend(lines.into_iter().map(|line| format!("{}/{name}: {line}", case.display())));
        }
    }
    assert!(wrong.is_empty(), "bless with BLESS=1 if these are meant:\n{}", wrong.join("\n"));
}

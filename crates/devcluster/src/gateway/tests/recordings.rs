//! Reads recorded requests and answers of a real Kong. They are no part of this repository: where they are not
//! there, tests that need them say so and pass.

use std::path::PathBuf;

use serde_json::Value;

/// One request and what a real Kong answered.
#[derive(Debug)]
pub(super) struct Recording {
    /// Number and subject.
    pub(super) name: String,
    pub(super) method: String,
    pub(super) target: String,
    /// Of the listener that was asked.
    pub(super) port: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    pub(super) status: u16,
    pub(super) answer_headers: Vec<(String, String)>,
    pub(super) answer: String,
}

/// The folder of that name among the shared references.
pub(super) fn folder(name: &str) -> Option<PathBuf> {
    shared(&format!("reference/{name}"))
}

/// A folder of the shared material, or a notice on the test's output.
pub(super) fn shared(path: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let folder = std::env::var_os("SILVERBACK_SHARED").map_or_else(beside, PathBuf::from).join(path);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: `{path}` is not among the shared material; SILVERBACK_SHARED names its place");
    None
}

/// Every recording, in the order in which they were made.
pub(super) fn all() -> Option<Vec<Recording>> {
    let folder = folder("kong-admin")?;
    let index = std::fs::read_to_string(folder.join("index.txt")).unwrap();
    let mut names: Vec<&str> = index.lines().filter_map(|line| Some(line.split_once(" | ")?.0)).collect();
    // The index sorts four of one number by name; this one was made first.
    names.sort_by_key(|name| (name.split('-').next(), !name.ends_with("text-yaml")));
    Some(
        names
            .into_iter()
            .map(|name| {
                let text = std::fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
                parse(name, &text)
            })
            .collect(),
    )
}

fn parse(name: &str, text: &str) -> Recording {
    let text = text.replace('\r', "");
    let (_, text) = text.split_once(">>> request\n").unwrap();
    let (request, response) = text.split_once("\n<<< response").unwrap();
    let response = response.split_once('\n').unwrap().1;
    let response = response.split("\n--- the same body").next().unwrap_or_default();
    let (line, headers, body) = message(request);
    let mut line = line.split(' ');
    let (method, target) = (line.next().unwrap_or_default(), line.next().unwrap_or_default());
    let port = value(&headers, "host").and_then(|host| host.rsplit_once(':')?.1.parse().ok()).unwrap_or_default();
    let length = value(&headers, "content-length").and_then(|length| length.parse::<usize>().ok());
    let body = body.get(..length.unwrap_or_default()).unwrap_or(body);
    let (status, answer_headers, answer) = message(response);
    Recording {
        name: name.to_owned(),
        method: method.to_owned(),
        target: target.to_owned(),
        port,
        body: body.to_owned(),
        headers,
        status: status.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default(),
        answer_headers,
        answer: answer.trim_end_matches('\n').to_owned(),
    }
}

type Headers = Vec<(String, String)>;

fn message(text: &str) -> (&str, Headers, &str) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default();
    let headers = lines.filter_map(|line| line.split_once(": "));
    (first, headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(), body)
}

pub(super) fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// What differs from run to run becomes the same: times, ids that were drawn, names of machines and processes.
/// `drawn` tells such ids from those that were posted.
pub(super) fn mask(value: Value, drawn: &dyn Fn(&str) -> bool) -> Value {
    match value {
        Value::Object(fields) => {
            let masked = fields.into_iter().map(|(name, value)| {
                let value = match name.as_str() {
                    "created_at" | "updated_at" => Value::from("a time"),
                    "node_id" => Value::from("this node"),
                    "pid" | "total_requests" | "http_allocated_gc" | "allocated_slabs" => Value::from("a figure"),
                    name if name.starts_with("connections_") => Value::from("a figure"),
                    _ => mask(value, drawn),
                };
                (if drawn(&name) { "a drawn id".to_owned() } else { name }, value)
            });
            Value::Object(masked.collect())
        }
        Value::Array(values) => values.into_iter().map(|value| mask(value, drawn)).collect(),
        Value::String(text) if drawn(&text) => "a drawn id".into(),
        Value::Number(number) => number.as_f64().into(),
        other => other,
    }
}

/// Ids of version 4 are drawn.
pub(super) fn is_random_id(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok_and(|id| id.get_version_num() == 4) && text.len() == 36
}

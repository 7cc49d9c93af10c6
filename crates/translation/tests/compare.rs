//! Whether two declarative configs say the same: order where it means nothing, absent fields, and fields that have the
//! gateway's own default do not count. Inside a plugin's or vault's `config` everything counts.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value, json};

const STRING_SETS: [&str; 7] = ["tags", "protocols", "methods", "hosts", "paths", "snis", "ca_certificates"];
const RECORD_SETS: [&str; 2] = ["destinations", "sources"];
const REFERENCES: [&str; 7] =
    ["service", "route", "consumer", "consumer_group", "client_certificate", "certificate", "set"];
/// Lists of entities of known types; any other top-level list holds custom entities.
const ENTITIES: [&str; 19] = [
    "services",
    "routes",
    "upstreams",
    "targets",
    "consumers",
    "consumer_groups",
    "consumer_group_consumers",
    "plugins",
    "certificates",
    "ca_certificates",
    "snis",
    "vaults",
    "licenses",
    "keyauth_credentials",
    "basicauth_credentials",
    "hmacauth_credentials",
    "jwt_secrets",
    "oauth2_credentials",
    "mtls_auth_credentials",
];
const SORT_KEYS: [&str; 10] =
    ["name", "username", "target", "prefix", "custom_id", "consumer_group", "consumer", "key", "group", "id"];

fn default(kind: &str, field: &str) -> Option<Value> {
    let value = match (kind, field) {
        ("services", "retries") => json!(5),
        ("services", "protocol") => json!("http"),
        ("services", "port") => json!(80),
        ("services", "connect_timeout" | "write_timeout" | "read_timeout") => json!(60000),
        ("services" | "plugins", "enabled") => json!(true),
        ("routes", "https_redirect_status_code") => json!(426),
        ("routes", "path_handling") => json!("v0"),
        ("routes", "preserve_host") => json!(false),
        ("routes", "regex_priority" | "priority") => json!(0),
        ("routes", "request_buffering" | "response_buffering" | "strip_path") => json!(true),
        ("routes", "protocols") => json!(["http", "https"]),
        ("upstreams", "algorithm") => json!("round-robin"),
        ("upstreams", "hash_on" | "hash_fallback") => json!("none"),
        ("upstreams", "hash_on_cookie_path") => json!("/"),
        ("upstreams", "slots") => json!(10000),
        ("upstreams", "use_srv_name") => json!(false),
        ("targets", "weight") => json!(100),
        _ => return None,
    };
    Some(value)
}

/// A config with everything taken out that does not count.
pub fn normalise(config: &Value) -> Value {
    let config = flatten_groups(numbers(config.clone()));
    let mut out = Map::new();
    for (key, value) in config {
        if key == "_format_version" {
            let version = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out.insert(key, Value::from(if version.contains('.') { version } else { format!("{version}.0") }));
        } else if key.starts_with('_') || is_empty(&value) {
        } else if let Value::Array(items) = value {
            let entity = ENTITIES.contains(&key.as_str());
            let items = items.into_iter().map(|it| if entity { entity_of(&key, it) } else { custom(it) }).collect();
            out.insert(key, Value::Array(sorted(items)));
        } else {
            out.insert(key, value);
        }
    }
    Value::Object(out)
}

/// 1.0 and 1 are the same number.
fn numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => json!(float as i64),
            _ => Value::Number(number as Number),
        },
        Value::Array(items) => items.into_iter().map(numbers).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, numbers(value))).collect(),
        other => other,
    }
}

fn flatten_groups(config: Value) -> Map<String, Value> {
    let Value::Object(mut config) = config else { return Map::new() };
    let mut members = match config.remove("consumer_group_consumers") {
        Some(Value::Array(members)) => members,
        _ => Vec::new(),
    };
    if let Some(Value::Array(consumers)) = config.get_mut("consumers") {
        for consumer in consumers {
            let Value::Object(fields) = consumer else { continue };
            let name = fields.get("username").or_else(|| fields.get("custom_id")).cloned();
            if let Some(Value::Array(groups)) = fields.remove("groups") {
                members.extend(
                    groups.into_iter().map(|group| json!({"consumer": name, "consumer_group": reference(group)})),
                );
            }
        }
    }
    config.insert("consumer_group_consumers".into(), Value::Array(members));
    config
}

fn entity_of(kind: &str, entity: Value) -> Value {
    let Value::Object(fields) = entity else { return entity };
    let grpc = fields.get("protocols").is_some_and(|protocols| protocols.to_string().contains("grpc"));
    let id = fields.get("id").cloned();
    let mut out = Map::new();
    for (key, value) in fields {
        if is_empty(&value) {
            continue;
        }
        if key == "config" && (kind == "plugins" || kind == "vaults") {
            out.insert(key, value);
            continue;
        }
        let value = field_of(kind, &key, value);
        let defaulted = default(kind, &key).as_ref() == Some(&value) && !(key == "strip_path" && grpc);
        if !is_empty(&value) && !defaulted {
            out.insert(key, value);
        }
    }
    if let (true, Some(Value::Array(snis))) = (kind == "certificates", out.get_mut("snis")) {
        for sni in snis.iter_mut().filter_map(Value::as_object_mut) {
            if sni.get("certificate") == id.as_ref() {
                sni.remove("certificate");
            }
        }
    }
    Value::Object(out)
}

fn field_of(kind: &str, key: &str, value: Value) -> Value {
    let value = if REFERENCES.contains(&key) { reference(value) } else { value };
    match value {
        Value::Array(items) if ENTITIES.contains(&key) && items.iter().any(Value::is_object) => {
            Value::Array(sorted(items.into_iter().map(|item| entity_of(key, item)).collect()))
        }
        Value::Array(items) if STRING_SETS.contains(&key) => Value::Array(by_text(items)),
        Value::Array(items) if RECORD_SETS.contains(&key) => {
            Value::Array(by_text(items.into_iter().map(|item| entity_of(key, item)).collect()))
        }
        Value::Object(headers) if key == "headers" && kind == "routes" => headers
            .into_iter()
            .map(|(name, values)| match values {
                Value::Array(values) => (name, Value::Array(by_text(values))),
                other => (name, other),
            })
            .collect(),
        Value::String(text) if text.contains("-----BEGIN ") => Value::from(text.trim()),
        Value::Object(_) => entity_of(key, value),
        Value::Array(items) => {
            items.into_iter().map(|item| if item.is_object() { entity_of(key, item) } else { item }).collect()
        }
        other => other,
    }
}

fn custom(entity: Value) -> Value {
    match entity {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, reference(value)))
            .collect(),
        other => other,
    }
}

/// `"x"`, `{name: x}` and `{id: x}` are the same reference.
fn reference(value: Value) -> Value {
    if let Value::Object(fields) = &value
        && fields.len() == 1
        && let Some(inner) = fields.get("name").or_else(|| fields.get("id"))
        && inner.is_string()
    {
        return inner.clone();
    }
    value
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn by_text(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by_cached_key(Value::to_string);
    items
}

fn sorted(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by_cached_key(|item| {
        let keys: Vec<String> = SORT_KEYS.iter().map(|key| item.get(key).map(text).unwrap_or_default()).collect();
        (keys, item.to_string())
    });
    items
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Where two normalised configs differ, a line each, named by list and entity. Empty: nowhere.
pub fn differences(want: &Value, got: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let none = Map::new();
    let (want, got) = (want.as_object().unwrap_or(&none), got.as_object().unwrap_or(&none));
    let lists: std::collections::BTreeSet<_> = want.keys().chain(got.keys()).collect();
    for list in lists {
        let (wanted, gotten) = (index(want.get(list)), index(got.get(list)));
        let names: std::collections::BTreeSet<_> = wanted.keys().chain(gotten.keys()).collect();
        for name in names {
            match (wanted.get(name), gotten.get(name)) {
                (Some(wanted), Some(gotten)) => walk(&format!("{list} {name}"), wanted, gotten, &mut lines),
                (Some(wanted), None) => lines.push(format!("{list} {name}: missing: {wanted}")),
                (None, Some(gotten)) => lines.push(format!("{list} {name}: unexpected: {gotten}")),
                (None, None) => {}
            }
        }
    }
    lines
}

fn index(list: Option<&Value>) -> BTreeMap<String, Value> {
    match list {
        Some(Value::Array(items)) => {
            let mut found = BTreeMap::new();
            for item in items {
                let parts: Vec<_> = SORT_KEYS.iter().filter_map(|key| item.get(key).and_then(Value::as_str)).collect();
                let relations: Vec<_> = ["service", "route"].iter().filter_map(|key| item.get(key)).map(text).collect();
                let mut name = format!("{} {}", parts.join(" "), relations.join(" "));
                while found.contains_key(&name) {
                    name.push('+');
                }
                found.insert(name, item.clone());
            }
            found
        }
        Some(other) => BTreeMap::from([(String::new(), other.clone())]),
        None => BTreeMap::new(),
    }
}

fn walk(at: &str, want: &Value, got: &Value, lines: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(wanted), Value::Object(gotten)) => {
            let keys: std::collections::BTreeSet<_> = wanted.keys().chain(gotten.keys()).collect();
            for key in keys {
                let null = Value::Null;
                let (wanted, gotten) = (wanted.get(key).unwrap_or(&null), gotten.get(key).unwrap_or(&null));
                if key == "routes" || key == "targets" || key == "snis" {
                    let differing = differences(&json!({key: wanted}), &json!({key: gotten}));
                    lines.extend(differing.into_iter().map(|line| format!("{at}: {line}")));
                } else {
                    walk(&format!("{at}.{key}"), wanted, gotten, lines);
                }
            }
        }
        _ if want == got => {}
        _ => lines.push(format!("{at}: want {want}, got {got}")),
    }
}

#[test]
fn order_defaults_and_absence_do_not_count() {
    let one = json!({"services": [{"name": "a", "retries": 5, "tags": ["x", "y"]}, {"name": "b", "routes": []}]});
    let other = json!({"services": [{"name": "b"}, {"name": "a", "tags": ["y", "x"]}], "upstreams": null});
    assert_eq!(normalise(&one), normalise(&other));
}

#[test]
fn values_and_plugin_configs_count() {
    let with = |config: Value| normalise(&json!({"plugins": [{"name": "a", "config": config}]}));
    assert_ne!(with(json!({"list": [1, 2]})), with(json!({"list": [2, 1]})));
    assert_ne!(with(json!({"x": null})), with(json!({})));
    let differences = differences(&with(json!({"x": 1})), &with(json!({"x": 2})));
    assert_eq!(differences, ["plugins a .config.x: want 1, got 2"]);
}

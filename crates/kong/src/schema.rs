//! Checks a plugin's configuration against the schema that a gateway gives at `GET /schemas/plugins/NAME`.
//!
//! Finds what the schema says in data: types, ranges, enumerations, required and unknown fields, conditions on the whole.
//! What Kong checks in code, or by Lua's patterns, is not seen here; nothing is found that a gateway would take.

use serde_json::{Map, Value};

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, e.g. `config.redis.port`.
    pub field: String,
    /// What is wrong there.
    pub message: String,
}

/// Checks `config` against a plugin's schema. Gives what is wrong, nothing where the schema has no `config`.
pub fn check(schema: &Value, config: &Map<String, Value>) -> Vec<Problem> {
    let mut found = Findings(Vec::new());
    if let Some(record) = field(schema, "config") {
        found.record(record, config, "config");
    }
    for check in list(schema, "entity_checks") {
        found.whole(check, config);
    }
    found.0
}

/// Whether a plugin of this schema can run with a protocol.
pub fn takes_protocol(schema: &Value, protocol: &str) -> bool {
    let elements = field(schema, "protocols").and_then(|protocols| protocols.get("elements"));
    elements.is_none_or(|elements| {
        let known = list(elements, "one_of");
        known.is_empty() || known.iter().any(|known| known == protocol)
    })
}

pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The description of a field of a record: fields are a list of objects with one key.
pub(crate) fn field<'a>(record: &'a Value, name: &str) -> Option<&'a Value> {
    list(record, "fields").iter().find_map(|field| field.get(name))
}

struct Findings(Vec<Problem>);

impl Findings {
    fn say(&mut self, at: &str, message: impl Into<String>) {
        self.0.push(Problem { field: at.to_owned(), message: message.into() });
    }

    fn record(&mut self, spec: &Value, given: &Map<String, Value>, at: &str) {
        let known = |name: &str| {
            let short = list(spec, "shorthand_fields").iter().any(|field| field.get(name).is_some());
            short || field(spec, name).is_some()
        };
        for name in given.keys().filter(|name| !known(name)) {
            self.say(&format!("{at}.{name}"), "there is no such field");
        }
        // Old names may give what is required by its new one.
        let shorthand = list(spec, "shorthand_fields").iter().filter_map(Value::as_object).flat_map(Map::keys);
        let uses_shorthand = shorthand.into_iter().any(|name| given.contains_key(name));
        for field in list(spec, "fields").iter().filter_map(Value::as_object) {
            for (name, spec) in field {
                let at = format!("{at}.{name}");
                match given.get(name).filter(|value| !value.is_null()) {
                    Some(value) => self.value(spec, value, &at),
                    None if !uses_shorthand => self.absent(spec, &at),
                    None => {}
                }
            }
        }
    }

    fn absent(&mut self, spec: &Value, at: &str) {
        let is = |key: &str| spec.get(key) == Some(&Value::Bool(true));
        let defaulted = spec.get("default").is_some_and(|default| !default.is_null());
        if !is("required") || is("auto") || defaulted {
            return;
        }
        if spec.get("type").and_then(Value::as_str) == Some("record") {
            self.record(spec, &Map::new(), at);
        } else {
            self.say(at, "it is required");
        }
    }

    fn value(&mut self, spec: &Value, value: &Value, at: &str) {
        let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default();
        match (kind, value) {
            ("string", Value::String(text)) => self.text(spec, text, at),
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => {}
            ("integer", Value::Number(number)) if number.as_f64().is_some_and(|it| it.fract() == 0.0) => {}
            ("record", Value::Object(given)) => self.record(spec, given, at),
            ("map", Value::Object(given)) => {
                for (key, value) in given {
                    if let Some(values) = spec.get("values") {
                        self.value(values, value, &format!("{at}.{key}"));
                    }
                }
            }
            ("array" | "set", Value::Array(given)) => {
                self.length(spec, given.len(), at);
                for (place, item) in given.iter().enumerate() {
                    if let Some(elements) = spec.get("elements") {
                        self.value(elements, item, &format!("{at}[{place}]"));
                    }
                }
            }
            // Lua has one type for lists and maps: what is empty is either.
            ("map" | "record", Value::Array(given)) if given.is_empty() => {}
            ("array" | "set", Value::Object(given)) if given.is_empty() => {}
            ("string" | "number" | "integer" | "boolean" | "record" | "map" | "array" | "set", _) => {
                return self.say(at, format!("{} {kind} is expected", if kind == "array" { "an" } else { "a" }));
            }
            _ => return,
        }
        self.choice(spec, value, at);
    }

    fn text(&mut self, spec: &Value, text: &str, at: &str) {
        let referenced = text.starts_with("{vault://") && spec.get("referenceable") == Some(&Value::Bool(true));
        if referenced {
            return;
        }
        // A string must not be empty unless its schema says so.
        let least = spec.get("len_min").and_then(Value::as_u64).unwrap_or(1);
        if (text.len() as u64) < least {
            self.say(at, "it must not be empty");
        }
        if let Some(start) = spec.get("starts_with").and_then(Value::as_str)
            && !text.starts_with(start)
        {
            self.say(at, format!("it must start with {start:?}"));
        }
    }

    fn length(&mut self, spec: &Value, length: usize, at: &str) {
        let limit = |key: &str| spec.get(key).and_then(Value::as_u64);
        if limit("len_min").is_some_and(|least| (length as u64) < least) {
            self.say(at, "it has too few items");
        }
        if limit("len_max").is_some_and(|most| (length as u64) > most) {
            self.say(at, "it has too many items");
        }
    }

    fn choice(&mut self, spec: &Value, value: &Value, at: &str) {
        let referenced = value.as_str().is_some_and(|text| text.starts_with("{vault://"));
        let choices = list(spec, "one_of");
        if !choices.is_empty() && !choices.contains(value) && !referenced {
            let names: Vec<String> = choices.iter().map(Value::to_string).collect();
            self.say(at, format!("one of {} is expected", names.join(", ")));
        }
        if list(spec, "not_one_of").contains(value) {
            self.say(at, "this value cannot be had");
        }
        let Some(number) = value.as_f64() else { return };
        let ends: Vec<f64> = list(spec, "between").iter().filter_map(Value::as_f64).collect();
        if let [low, high] = ends.as_slice()
            && !(*low..=*high).contains(&number)
        {
            self.say(at, format!("{low} to {high} is expected"));
        }
        if spec.get("gt").and_then(Value::as_f64).is_some_and(|least| number <= least) {
            self.say(at, "it is too small");
        }
    }

    /// Conditions on several fields together.
    fn whole(&mut self, check: &Value, config: &Map<String, Value>) {
        let given = |path: &&Value| {
            let steps = path.as_str().and_then(|path| path.strip_prefix("config."));
            let mut at = steps.and_then(|steps| steps.split('.').next().map(|first| (config.get(first), steps)));
            if let Some((value, steps)) = &mut at {
                for step in steps.split('.').skip(1) {
                    *value = value.and_then(|value| value.get(step));
                }
            }
            at.and_then(|(value, _)| value).is_some_and(|value| !value.is_null())
        };
        let names = |paths: &[Value]| paths.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
        let paths = list(check, "at_least_one_of");
        let here = |paths: &[Value]| paths.iter().all(|path| path.as_str().is_some_and(|it| it.starts_with("config.")));
        if !paths.is_empty() && here(paths) && !paths.iter().any(|path| given(&path)) {
            self.say("config", format!("at least one of {} is needed", names(paths)));
        }
        for key in ["only_one_of", "mutually_exclusive"] {
            let paths = list(check, key);
            if here(paths) && paths.iter().filter(given).count() > 1 {
                self.say("config", format!("only one of {} can be had", names(paths)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "entity_checks": [{"at_least_one_of": ["config.second", "config.minute"]}],
            "fields": [{"config": {"type": "record", "fields": [
                {"second": {"type": "number", "gt": 0}},
                {"minute": {"type": "number", "gt": 0}},
                {"policy": {"type": "string", "one_of": ["local", "redis"], "default": "local"}},
                {"hosts": {"type": "array", "elements": {"type": "string"}}},
                {"key": {"type": "string", "required": true, "referenceable": true}},
                {"redis": {"type": "record", "required": true, "fields": [
                    {"port": {"type": "integer", "between": [0, 65535], "default": 6379}},
                ]}},
            ], "shorthand_fields": [{"old_key": {"type": "string"}}]}}],
        })
    }

    fn said(config: Value) -> Vec<String> {
        let Value::Object(config) = config else { panic!("no object") };
        check(&schema(), &config).into_iter().map(|it| format!("{}: {}", it.field, it.message)).collect()
    }

    #[test]
    fn what_a_gateway_takes_is_taken() {
        assert!(said(json!({"minute": 5, "key": "a", "hosts": [], "redis": {"port": 1}})).is_empty());
        assert!(said(json!({"second": 0.5, "key": "{vault://env/a}", "policy": null})).is_empty());
        assert!(said(json!({"minute": 5, "old_key": "a"})).is_empty(), "the old name gives what the new one needs");
    }

    #[test]
    fn each_fault_is_named() {
        assert_eq!(
            said(json!({"minute": 0, "policy": "cluster", "hosts": ["a", 1], "redis": {"port": 99999}, "x": 1})),
            [
                "config.x: there is no such field",
                "config.minute: it is too small",
                r#"config.policy: one of "local", "redis" is expected"#,
                "config.hosts[1]: a string is expected",
                "config.key: it is required",
                "config.redis.port: 0 to 65535 is expected",
            ]
        );
        assert_eq!(
            said(json!({"key": "", "hosts": "a"})),
            [
                "config.hosts: an array is expected",
                "config.key: it must not be empty",
                "config: at least one of config.second, config.minute is needed",
            ]
        );
    }
}

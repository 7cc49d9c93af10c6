//! Fills a plugin's configuration with the defaults of a gateway's schema: what the gateway would add by itself.
//!
//! No push needs it. It is for comparing a configuration with what gateways, or decK, show.

use serde_json::{Map, Value};

use crate::schema::{field, list};

/// Adds to `config` what a plugin's schema (`GET /schemas/plugins/NAME`) gives defaults for and is not there.
pub fn fill(schema: &Value, config: &mut Map<String, Value>) {
    if let Some(record) = field(schema, "config") {
        fill_record(record, config);
    }
}

/// The protocols a plugin of this schema runs with where it names none.
pub fn protocols(schema: &Value) -> Vec<String> {
    let default = field(schema, "protocols").map_or(&[][..], |protocols| list(protocols, "default"));
    default.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn fill_record(spec: &Value, given: &mut Map<String, Value>) {
    let old_names = list(spec, "shorthand_fields").iter().filter_map(Value::as_object).flat_map(Map::keys);
    // An old name gives its value to a new one: a default there would stand against it.
    if old_names.into_iter().any(|name| given.contains_key(name)) {
        return;
    }
    for (name, spec) in list(spec, "fields").iter().filter_map(Value::as_object).flatten() {
        fill_field(name, spec, given);
    }
}

fn fill_field(name: &str, spec: &Value, given: &mut Map<String, Value>) {
    let held = given.get_mut(name).filter(|value| !value.is_null());
    let is_record = spec.get("type").and_then(Value::as_str) == Some("record");
    match held {
        Some(Value::Object(inner)) if is_record => fill_record(spec, inner),
        Some(_) => {}
        None => {
            let mut value = spec.get("default").filter(|default| !default.is_null()).cloned();
            if is_record && (value.is_some() || spec.get("required") == Some(&Value::Bool(true))) {
                let mut inner = value.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
                fill_record(spec, &mut inner);
                value = (!inner.is_empty()).then_some(Value::Object(inner));
            }
            given.extend(value.map(|value| (name.to_owned(), value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_given_has_the_defaults_of_the_schema() {
        let schema = json!({"fields": [
            {"protocols": {"type": "set", "default": ["grpc", "http"]}},
            {"config": {"type": "record", "fields": [
                {"policy": {"type": "string", "default": "local"}},
                {"minute": {"type": "number"}},
                {"redis": {"type": "record", "required": true, "fields": [
                    {"port": {"type": "integer", "default": 6379}}, {"host": {"type": "string"}},
                ]}},
                {"optional": {"type": "record", "fields": [{"a": {"type": "integer", "default": 1}}]}},
            ], "shorthand_fields": [{"redis_port": {"type": "integer"}}]}},
        ]});
        let filled = |config: Value| {
            let mut config = config.as_object().cloned().unwrap();
            fill(&schema, &mut config);
            Value::Object(config)
        };
        assert_eq!(filled(json!({"minute": 5})), json!({"minute": 5, "policy": "local", "redis": {"port": 6379}}));
        let given = json!({"policy": "redis", "redis": {"port": 1, "host": "a"}});
        assert_eq!(filled(given.clone()), given);
        assert_eq!(filled(json!({"optional": {}}))["optional"], json!({"a": 1}));
        assert_eq!(filled(json!({"redis_port": 1})), json!({"redis_port": 1}), "old names stand for new ones");
        assert_eq!(protocols(&schema), ["grpc", "http"]);
    }
}

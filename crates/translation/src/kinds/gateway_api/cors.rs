//! The CORS filter as Kong's `cors` plugin.

use serde_json::{Map, Value, json};
use silverback_kong::Plugin;
use silverback_resources::types::Cors;

/// Methods that the plugin can name.
const METHODS: [&str; 9] = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
/// Seconds that browsers may keep an answer, unless the filter says otherwise.
const MAX_AGE: i64 = 5;

/// The plugin.
///
/// # Errors
/// The field and what the plugin cannot do.
pub(super) fn plugin(cors: &Cors) -> Result<Plugin, (String, String)> {
    let everything = |list: &[String]| list.iter().any(|it| it == "*");
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| config.insert(key.to_owned(), value);
    let origins: Vec<String> = if everything(&cors.allow_origins) {
        vec!["*".into()]
    } else {
        cors.allow_origins.iter().map(|origin| origin_pattern(origin)).collect()
    };
    if origins.is_empty() {
        return Err(("allowOrigins".into(), "Kong's plugin takes every site where none is given; name some".into()));
    }
    set("origins", json!(origins));
    if everything(&cors.allow_methods) {
        set("methods", json!(METHODS));
    } else if let Some(unknown) = cors.allow_methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        return Err(("allowMethods".into(), format!("Kong's plugin knows no method {unknown}")));
    } else if cors.allow_methods.is_empty() {
        // What browsers may do without asking.
        set("methods", json!(["GET", "HEAD", "POST"]));
    } else {
        set("methods", json!(cors.allow_methods));
    }
    if cors.allow_headers.is_empty() {
        // None at all means any to the plugin. This one browsers may send without asking.
        set("headers", json!(["Accept"]));
    } else if !everything(&cors.allow_headers) {
        set("headers", json!(cors.allow_headers));
    }
    if !cors.expose_headers.is_empty() {
        set("exposed_headers", json!(cors.expose_headers));
    }
    set("max_age", json!(cors.max_age.unwrap_or(MAX_AGE)));
    set("credentials", json!(cors.allow_credentials.unwrap_or_default()));
    Ok(Plugin { name: "cors".into(), config, ..Plugin::default() })
}

/// The plugin takes what is not plain for a regular expression, which it anchors at the start only.
fn origin_pattern(origin: &str) -> String {
    match origin.split_once('*') {
        None => origin.to_owned(),
        Some((before, after)) => format!("{}.+{}$", regex::escape(before), regex::escape(after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|it| it.to_string()).collect()
    }

    #[test]
    fn what_is_not_given_is_not_widened() {
        let cors = Cors { allow_origins: texts(&["https://a.test", "https://*.b.test"]), ..Cors::default() };
        let config = Value::Object(plugin(&cors).unwrap().config);
        assert_eq!(config["origins"], json!(["https://a.test", r"https://.+\.b\.test$"]));
        assert_eq!((&config["headers"], &config["max_age"]), (&json!(["Accept"]), &json!(5)));
        assert_eq!(config["methods"], json!(["GET", "HEAD", "POST"]));
    }

    #[test]
    fn what_the_plugin_cannot_do_is_refused() {
        let unknown = Cors { allow_origins: texts(&["*"]), allow_methods: texts(&["PURGE"]), ..Cors::default() };
        assert_eq!(plugin(&unknown).unwrap_err().0, "allowMethods");
        assert_eq!(plugin(&Cors::default()).unwrap_err().0, "allowOrigins");
    }
}

//! What Kong 3.9 refuses in plugins that translation makes by itself: their values are users' all the same.

use serde_json::Value;

use super::{Refused, is_header_name};
use crate::Plugin;

/// Why Kong would refuse a plugin that was made for a route. None for plugins of types that are never made so.
pub fn made_plugin(plugin: &Plugin) -> Option<Refused> {
    match plugin.name.as_str() {
        "request-termination" | "redirect" => status(plugin),
        "request-transformer" | "response-transformer" => headers(plugin),
        _ => None,
    }
}

fn status(plugin: &Plugin) -> Option<Refused> {
    let status = plugin.config.get("status_code")?;
    let fine = status.as_u64().is_some_and(|status| (100..=599).contains(&status));
    (!fine).then(|| Refused::new("status_code", status, "100 to 599"))
}

/// What transformers do with headers, as `name:value` or as the name alone.
fn headers(plugin: &Plugin) -> Option<Refused> {
    let lists = plugin.config.values().filter_map(|action| action.get("headers")).filter_map(Value::as_array);
    let given = lists.flatten().filter_map(Value::as_str);
    let mut bad = given.filter(|entry| !is_header_name(entry.split(':').next().unwrap_or_default()));
    bad.next().map(|entry| Refused::new("headers", entry, "names of headers of letters, digits, - and _"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(name: &str, config: Value) -> bool {
        let config = config.as_object().cloned().unwrap_or_default();
        made_plugin(&Plugin { name: name.into(), config, ..Plugin::default() }).is_some()
    }

    #[test]
    fn statuses_and_headers_are_such_as_kong_takes() {
        assert!(!refused("redirect", json!({"status_code": 302, "location": "https://a"})));
        assert!(refused("request-termination", json!({"status_code": 7})));
        let adds = |entry: &str| json!({"add": {"headers": [entry]}, "replace": {"uri": "/"}});
        assert!(!refused("request-transformer", adds("x-a:b:c")));
        for bad in [":", "x.a:b", ""] {
            assert!(refused("response-transformer", adds(bad)), "{bad}");
        }
    }
}

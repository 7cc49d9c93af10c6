//! Which namespaces a Gateway or listener selects.

use std::collections::BTreeMap;

use serde_json::Value;
use silverback_resources::types::RouteNamespaces;

use crate::inputs::View;

/// Whether objects of namespace `guest` are let in by an object of namespace `home`. `from` stands where nothing is said.
pub(super) fn admits(namespaces: &RouteNamespaces, from: &str, home: &str, guest: &str, view: &View<'_>) -> bool {
    match namespaces.from.as_deref().unwrap_or(from) {
        "All" => true,
        "Same" => home == guest,
        "Selector" => {
            let labels = view.namespace_labels(guest);
            namespaces.selector.as_ref().is_some_and(|selector| selects(selector, &labels))
        }
        _ => false,
    }
}

/// Whether a label selector selects these labels.
fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    let wanted = selector.get("matchLabels").and_then(Value::as_object);
    let equal = wanted
        .is_none_or(|wanted| wanted.iter().all(|(name, value)| labels.get(name).map(String::as_str) == value.as_str()));
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    equal && expressions.is_none_or(|all| all.iter().all(|expression| holds(expression, labels)))
}

fn holds(expression: &Value, labels: &BTreeMap<String, String>) -> bool {
    let text = |key: &str| expression.get(key).and_then(Value::as_str).unwrap_or_default();
    let value = labels.get(text("key"));
    let listed = || {
        let values = expression.get("values").and_then(Value::as_array);
        value.is_some_and(|value| values.is_some_and(|all| all.iter().any(|it| it.as_str() == Some(value))))
    };
    match text("operator") {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_select_by_labels_and_expressions() {
        let labels = [("team".to_owned(), "a".to_owned())].into();
        assert!(selects(&json!({}), &labels) && selects(&json!({"matchLabels": {"team": "a"}}), &labels));
        assert!(!selects(&json!({"matchLabels": {"team": "b"}}), &labels));
        let expression = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "team", "operator": operator, "values": values}]});
        assert!(selects(&expression("In", &["a", "b"]), &labels) && selects(&expression("Exists", &[]), &labels));
        assert!(!selects(&expression("NotIn", &["a"]), &labels) && !selects(&expression("DoesNotExist", &[]), &labels));
    }
}

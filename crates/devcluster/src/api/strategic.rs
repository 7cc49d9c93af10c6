//! Strategic merge patch, which `kubectl apply` sends for built-in kinds: a merge patch whose lists may be merged by a
//! key. Pure. It knows the lists of the kinds served here, and refuses a directive that it does not know.

use serde_json::{Map, Value};

/// Lists that are merged, by the name of their field, and the field that tells their items apart. Others, such as the
/// rules of an Ingress or the endpoints of an EndpointSlice, are replaced.
const MERGED: [(&str, &str); 4] =
    [("ports", "port"), ("conditions", "type"), ("ownerReferences", "uid"), ("secrets", "name")];
/// Lists of plain values that are merged as sets.
const SETS: [&str; 1] = ["finalizers"];

/// Applies a strategic merge patch to an object of a built-in kind.
///
/// # Errors
/// Names the directive that is not known.
pub(crate) fn merge(target: &mut Value, patch: &Value, kind: &str) -> Result<(), String> {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    match changes.get("$patch").and_then(Value::as_str) {
        None | Some("merge") => {}
        Some("replace") => {
            let rest = changes.iter().filter(|(name, _)| *name != "$patch");
            *target = Value::Object(rest.map(|(name, value)| (name.clone(), value.clone())).collect());
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some(other) => return Err(format!("$patch: {other}")),
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return Ok(()) };
    for (name, change) in changes.iter().filter(|(name, _)| *name != "$patch") {
        change_field(fields, name, change, kind)?;
    }
    if let Some(Value::Array(kept)) = changes.get("$retainKeys") {
        fields.retain(|name, _| kept.iter().any(|kept| kept == name));
    }
    Ok(())
}

fn change_field(fields: &mut Map<String, Value>, name: &str, change: &Value, kind: &str) -> Result<(), String> {
    if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
        if let Some(Value::Array(items)) = fields.get_mut(list) {
            items.retain(|item| !change.as_array().is_some_and(|gone| gone.contains(item)));
        }
        return Ok(());
    }
    if name.starts_with("$setElementOrder/") || name == "$retainKeys" {
        // The order of a merged list means nothing to these kinds; retained keys are for the caller.
        return Ok(());
    }
    if name.starts_with('$') {
        return Err(name.to_owned());
    }
    let merged_by = MERGED.iter().find(|(list, _)| *list == name).map(|(_, key)| *key);
    match (change, merged_by) {
        (Value::Null, _) => {
            fields.remove(name);
            Ok(())
        }
        (Value::Array(changes), Some(key)) if !(name == "ports" && kind == "EndpointSlice") => {
            merge_list(fields.entry(name).or_insert_with(|| Value::Array(Vec::new())), changes, key, kind)
        }
        (Value::Array(additions), None) if SETS.contains(&name) => {
            let items = fields.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(items) = items {
                let new: Vec<_> = additions.iter().filter(|item| !items.contains(item)).cloned().collect();
                items.extend(new);
            }
            Ok(())
        }
        (Value::Object(_), _) => merge(fields.entry(name).or_insert(Value::Null), change, kind),
        (other, _) => {
            json_patch::merge(fields.entry(name).or_insert(Value::Null), other);
            Ok(())
        }
    }
}

fn merge_list(list: &mut Value, changes: &[Value], key: &str, kind: &str) -> Result<(), String> {
    if changes.iter().any(|change| change["$patch"] == "replace") {
        *list = changes.iter().filter(|change| change.get("$patch").is_none()).cloned().collect();
        return Ok(());
    }
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let Value::Array(items) = list else { return Ok(()) };
    for change in changes {
        if change["$patch"] == "delete" {
            items.retain(|item| item[key] != change[key]);
            continue;
        }
        match items.iter_mut().find(|item| item[key] == change[key]) {
            Some(item) => merge(item, change, kind)?,
            None => {
                let mut item = Value::Null;
                merge(&mut item, change, kind)?;
                items.push(item);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(mut target: Value, patch: &Value, kind: &str) -> Value {
        merge(&mut target, patch, kind).unwrap();
        target
    }

    #[test]
    fn ports_of_a_service_are_merged_by_number() {
        let service = json!({"spec":{"ports":[{"port":80,"name":"http"},{"port":443,"name":"https"}]}});
        let patch = json!({"spec":{"$setElementOrder/ports":[{"port":80},{"port":8080}],
            "ports":[{"port":443,"$patch":"delete"},{"port":80,"targetPort":1},{"port":8080}]}});
        let expected = json!({"spec":{"ports":[{"port":80,"name":"http","targetPort":1},{"port":8080}]}});
        assert_eq!(merged(service, &patch, "Service"), expected);
    }

    #[test]
    fn lists_without_a_key_are_replaced() {
        let ingress = json!({"spec":{"rules":[{"host":"a"},{"host":"b"}]}});
        let patch = json!({"spec":{"rules":[{"host":"c"}]}});
        assert_eq!(merged(ingress, &patch, "Ingress"), patch);
        let slice = json!({"ports":[{"port":80}]});
        let patch = json!({"ports":[{"port":81}]});
        assert_eq!(merged(slice, &patch, "EndpointSlice"), patch);
    }

    #[test]
    fn maps_are_merged_and_null_deletes() {
        let map = json!({"data":{"a":"1","b":"2"},"metadata":{"finalizers":["x","y"]}});
        let patch = json!({"data":{"a":null,"c":"3"},
            "metadata":{"$deleteFromPrimitiveList/finalizers":["x"],"finalizers":["y","z"]}});
        let expected = json!({"data":{"b":"2","c":"3"},"metadata":{"finalizers":["y","z"]}});
        assert_eq!(merged(map, &patch, "ConfigMap"), expected);
    }

    #[test]
    fn keys_are_retained_replaced_or_refused() {
        let patch = json!({"spec":{"$retainKeys":["a","b"],"b":2}});
        assert_eq!(merged(json!({"spec":{"a":1,"c":3}}), &patch, "Service"), json!({"spec":{"a":1,"b":2}}));
        let patch = json!({"spec":{"$patch":"replace","b":2}});
        assert_eq!(merged(json!({"spec":{"a":1}}), &patch, "Service"), json!({"spec":{"b":2}}));
        assert_eq!(merge(&mut json!({}), &json!({"$magic":1}), "Service"), Err("$magic".to_owned()));
    }
}

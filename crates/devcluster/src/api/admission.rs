//! What an API server itself writes into objects of some kinds, and the few rules of theirs that are checked here.
//! Nothing else is defaulted or validated. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::kinds::Kind;

/// Namespaces that are there from the start and stay.
pub(crate) const LASTING_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// What a name must be.
pub(crate) const NAME_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
    '-' or '.', and must start and end with an alphanumeric character";

/// Whether it is a name.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 253
        && name.split('.').all(|part| {
            let bytes = part.as_bytes();
            let ends = bytes.first().zip(bytes.last()).is_some_and(|(first, last)| plain(*first) && plain(*last));
            ends && bytes.iter().all(|byte| plain(*byte) || *byte == b'-')
        })
}

/// Completes an object. An error is the field and what is wrong with it.
pub(crate) fn admit(
    kind: &Kind,
    object: &mut Value,
    current: Option<&Value>,
    now: &str,
) -> Result<(), (String, String)> {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "namespaces") if current.is_none() => {
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = object["metadata"]["name"].clone();
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            object["status"] = json!({ "phase": "Active" });
            Ok(())
        }
        ("", "secrets") => secret(object),
        ("apiextensions.k8s.io", "customresourcedefinitions") => definition(object, now),
        _ => Ok(()),
    }
}

/// `stringData` is for writing only.
fn secret(object: &mut Value) -> Result<(), (String, String)> {
    if object["type"].as_str().unwrap_or_default().is_empty() {
        object["type"] = "Opaque".into();
    }
    let plain = object.as_object_mut().and_then(|fields| fields.remove("stringData"));
    for (name, value) in plain.as_ref().and_then(Value::as_object).into_iter().flatten() {
        let text =
            value.as_str().ok_or_else(|| (format!("stringData[{name}]"), "Invalid value: no text".to_owned()))?;
        object["data"][name.as_str()] = STANDARD.encode(text).into();
    }
    Ok(())
}

/// A definition is established at once.
fn definition(object: &mut Value, now: &str) -> Result<(), (String, String)> {
    let Some(declared) = Kind::declared_by(object) else {
        return Err(("spec".to_owned(), "Required value: group, names and versions are required".to_owned()));
    };
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if name != declared.id() {
        let why = format!("Invalid value: {name:?}: must be spec.names.plural+\".\"+spec.group");
        return Err(("metadata.name".to_owned(), why));
    }
    if object["status"]["conditions"].is_array() {
        return Ok(());
    }
    let condition = |kind: &str, reason: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": now });
    object["status"] = json!({
        "acceptedNames": object["spec"]["names"],
        "storedVersions": declared.versions.first().into_iter().collect::<Vec<_>>(),
        "conditions": [condition("NamesAccepted", "NoConflicts"), condition("Established", "InitialNamesAccepted")],
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_dns() {
        for good in ["a", "a-b", "a.b-c.d1", "1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "A", "a_b", "-a", "a-", "a..b", ".a", "a/b", &"a".repeat(254)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}

//! What people may see: the values of Secrets are replaced by their digest, so that equal ones stay equal; of other
//! objects, what names or forms say is secret is hidden.

use serde_json::Value;
use silverback_model::{Digest, canonical, redact};

/// The body of an object, fit to be shown.
pub(crate) fn body(kind: &str, body: &str) -> String {
    let Ok(mut object) = serde_json::from_str::<Value>(body) else { return "{}".to_owned() };
    if kind == "Secret" {
        hide_data(&mut object, body);
    } else {
        redact::named(&mut object);
    }
    canonical::to_string(&object)
}

fn hide_data(secret: &mut Value, body: &str) {
    for field in ["data", "stringData"] {
        let Some(values) = secret.get_mut(field).and_then(Value::as_object_mut) else { continue };
        for value in values.values_mut() {
            // Salted by its place in the object's own digest, so that a short value cannot be looked up in a table.
            let digest = Digest::of_parts([body.as_bytes(), value.as_str().unwrap_or_default().as_bytes()]);
            *value = Value::String(format!("redacted-{}", &digest.to_string()[..8]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_of_a_secret_is_shown() {
        let shown = body("Secret", r#"{"data":{"tls.key":"c2VjcmV0"},"metadata":{"name":"a"}}"#);
        assert!(!shown.contains("c2VjcmV0") && shown.contains("tls.key") && shown.contains("redacted-"), "{shown}");
        assert_eq!(body("Service", "{}"), "{}");
    }

    #[test]
    fn licences_and_inline_passwords_are_not_shown() {
        for (kind, text) in [
            ("KongLicense.configuration.konghq.com", r#"{"rawLicenseString":"m4rk"}"#),
            ("KongPlugin.configuration.konghq.com", r#"{"config":{"redis":{"password":"m4rk"}}}"#),
            ("KongVault.configuration.konghq.com", r#"{"spec":{"config":{"token":"m4rk"}}}"#),
        ] {
            let shown = body(kind, text);
            assert!(!shown.contains("m4rk") && shown.contains("redacted"), "{shown}");
        }
    }
}

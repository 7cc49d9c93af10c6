//! What people may see: the values of Secrets are replaced by a digest, so that a changed one is told from the one before;
//! of other objects, what names or forms say is secret is hidden.

use std::sync::LazyLock;

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

/// Known to this process alone: else whoever sees a digest could try which weak value has it.
static KEY: LazyLock<[u8; 32]> = LazyLock::new(rand::random);

fn hide_data(secret: &mut Value, body: &str) {
    for field in ["data", "stringData"] {
        let Some(values) = secret.get_mut(field).and_then(Value::as_object_mut) else { continue };
        for value in values.values_mut() {
            // With all of the object, so that equal values of two objects are not told to be equal.
            let text = value.as_str().unwrap_or_default();
            let digest = Digest::of_parts([&KEY[..], body.as_bytes(), text.as_bytes()]);
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
    fn weak_values_of_a_secret_cannot_be_tried() {
        let text = r#"{"data":{"pin":"MTIzNA=="}}"#;
        let (shown, again) = (body("Secret", text), body("Secret", text));
        assert_eq!(shown, again);
        let guess = Digest::of_parts([text.as_bytes(), b"MTIzNA=="]).to_string();
        assert!(!shown.contains(&guess[..8]), "{shown}");
        assert_ne!(shown, body("Secret", r#"{"data":{"pin":"MTIzNQ=="}}"#), "a change shows");
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

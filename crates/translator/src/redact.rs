//! What people may see of an entity: no private key, no credential, and nothing of a plugin that was made from a Secret.

use serde_json::Value;
use silverback_model::redact;
pub use silverback_model::redact::REDACTED;
use silverback_model::{Sources, canonical};

/// The lists of credentials within a consumer.
const CREDENTIALS: [&str; 7] = [
    "keyauth_credentials",
    "hmacauth_credentials",
    "basicauth_credentials",
    "jwt_secrets",
    "oauth2_credentials",
    "mtls_auth_credentials",
    "acls",
];
/// What stays readable within a credential.
const HARMLESS: [&str; 6] = ["id", "tags", "username", "algorithm", "group", "name"];

/// The text of an entity, fit to be shown.
pub(crate) fn body(collection: &str, body: &str, sources: &Sources) -> String {
    let Ok(mut entity) = serde_json::from_str::<Value>(body) else { return "{}".to_owned() };
    self::entity(collection, &mut entity, sources.iter().any(|source| source.object.kind == "Secret"));
    canonical::to_string(&entity)
}

/// Hides what is secret in an entity. `from_secret`: a Secret is among the objects that it was made from.
pub fn entity(collection: &str, entity: &mut Value, from_secret: bool) {
    match collection {
        "certificates" => hide(entity, &["key", "key_alt"]),
        "licenses" => hide(entity, &["payload"]),
        "keys" => hide(entity, &["jwk", "pem"]),
        "consumers" => hide_credentials(entity),
        _ => (),
    }
    if from_secret {
        hide_configs(entity, collection);
    }
    redact::named(entity);
}

fn hide(entity: &mut Value, fields: &[&str]) {
    for field in fields {
        if let Some(value) = entity.get_mut(*field) {
            redact::leaves(value);
        }
    }
}

/// Hides the configuration of a plugin or vault, and of every plugin within.
fn hide_configs(entity: &mut Value, collection: &str) {
    if matches!(collection, "plugins" | "vaults") {
        entity.get_mut("config").into_iter().for_each(redact::leaves);
    }
    for within in ["plugins", "routes"] {
        let entities = entity.get_mut(within).and_then(Value::as_array_mut);
        entities.into_iter().flatten().for_each(|entity| hide_configs(entity, within));
    }
}

fn hide_credentials(consumer: &mut Value) {
    for list in CREDENTIALS {
        let Some(credentials) = consumer.get_mut(list).and_then(Value::as_array_mut) else { continue };
        for fields in credentials.iter_mut().filter_map(Value::as_object_mut) {
            let secret = fields.iter_mut().filter(|(name, _)| !HARMLESS.contains(&name.as_str()));
            secret.for_each(|(_, value)| *value = REDACTED.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_model::{ObjectKey, ObjectRef, Provenance};

    #[test]
    fn keys_and_credentials_are_never_shown() {
        let certificate = body("certificates", r#"{"cert":"public","key":"k3y"}"#, &Sources::default());
        assert!(certificate.contains("public") && !certificate.contains("k3y"), "{certificate}");
        let consumer = r#"{"username":"ann","keyauth_credentials":[{"key":"k3y","tags":["t"]}]}"#;
        let consumer = body("consumers", consumer, &Sources::default());
        assert!(consumer.contains("ann") && consumer.contains("\"t\"") && !consumer.contains("k3y"), "{consumer}");
    }

    #[test]
    fn a_plugin_made_from_a_secret_shows_its_shape_alone() {
        let object = ObjectRef::new("Secret", ObjectKey::new("shop", "s"));
        let source = Sources::from([Provenance { object, uid: String::new(), version: String::new() }]);
        let plugin = r#"{"config":{"redis":{"password":"p4ss"}},"name":"rate-limiting"}"#;
        let shown = body("plugins", plugin, &source);
        assert!(shown.contains("redis") && !shown.contains("p4ss"), "{shown}");
        let within = format!(r#"{{"name":"web","routes":[{{"plugins":[{plugin}]}}]}}"#).replace("password", "whatever");
        assert!(!body("services", &within, &source).contains("p4ss"), "{within}");
        assert!(
            body("services", &within, &Sources::default()).contains("p4ss"),
            "nothing says that this one is secret"
        );
        assert!(!body("plugins", plugin, &Sources::default()).contains("p4ss"), "its name says so");
    }
}

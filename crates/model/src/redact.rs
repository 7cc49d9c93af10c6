//! What people may be shown of a body: no private key, no credential, no password within a url.
//!
//! Where a value came from decides first: who knows that it is secret says so with [`leaves`]. Everything else goes
//! through [`named`], which judges by the names of fields and the form of values.

use serde_json::Value;

/// Stands in place of what is hidden.
pub const REDACTED: &str = "redacted";

/// Parts of names whose values are secret, in lower case and without dashes.
const SECRET: [&str; 19] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "privatekey",
    "accesskey",
    "signingkey",
    "encryptionkey",
    "sharedkey",
    "accountkey",
    "sessionkey",
    "licensekey",
    "rawlicense",
    "authorization",
    "headervalue",
    "paramvalue",
    "serviceaccountjson",
];
/// Ends of names that speak about a secret and hold none.
const HARMLESS: [&str; 19] = [
    "name", "names", "endpoint", "url", "uri", "header", "headers", "type", "types", "claim", "claims", "method",
    "methods", "ref", "refs", "ttl", "location", "issuer", "field",
];

/// Hides every value and keeps the shape.
pub fn leaves(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(leaves),
        Value::Object(fields) => fields.values_mut().for_each(leaves),
        Value::Null | Value::Bool(_) => (),
        leaf => *leaf = REDACTED.into(),
    }
}

/// Hides what its field's name, or its own form, says is secret.
pub fn named(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(named),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if is_secret(name) { hide_within(value) } else { named(value) }
            }
        }
        Value::String(text) => {
            if let Some(shown) = shown(text) {
                *text = shown;
            }
        }
        _ => (),
    }
}

/// Of a field with a secret's name: values, and lists of values; what is an object names its own fields.
fn hide_within(value: &mut Value) {
    match value {
        Value::Object(_) => named(value),
        Value::Array(items) => items.iter_mut().for_each(hide_within),
        // A reference to a vault is no secret: it says where one is.
        Value::String(text) if text.starts_with("{vault://") => (),
        other => leaves(other),
    }
}

fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SECRET.iter().any(|part| plain.contains(part)) && !HARMLESS.iter().any(|end| plain.ends_with(end))
}

/// What may be shown of a text that is secret by its form, in part or as a whole.
fn shown(text: &str) -> Option<String> {
    if text.contains("PRIVATE KEY-----") {
        return Some(REDACTED.to_owned());
    }
    // scheme://user:password@host
    if let Some((scheme, rest)) = text.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, _) = authority.rsplit_once('@')?;
        return Some(format!("{scheme}://{REDACTED}{}", &rest[user.len()..]));
    }
    // Header: value
    let (name, value) = text.split_once(':')?;
    let header = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    (header && !value.is_empty() && is_secret(name)).then(|| format!("{name}:{REDACTED}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_and_forms_tell_what_is_secret() {
        let mut value = json!({
            "redis": {"password": "m", "host": "h", "port": 1}, "client_secret": ["m", "{vault://env/x}"],
            "aws_secret_access_key": "m", "auth": {"header_name": "x", "header_value": "m"}, "api-key": 7,
            "http_endpoint": "https://u:m@h:1/p@q?x=y@z", "add": {"headers": ["Authorization: Basic m", "x-a: b"]},
            "pem": "-----BEGIN EC PRIVATE KEY-----\nm", "secretRef": {"name": "n", "key": "k"}, "secret_is_base64": true,
            "token_endpoint": "https://h/t", "key_names": ["apikey"], "rules": [{"Password": "m"}],
        });
        named(&mut value);
        let shown = json!({
            "redis": {"password": REDACTED, "host": "h", "port": 1}, "client_secret": [REDACTED, "{vault://env/x}"],
            "aws_secret_access_key": REDACTED, "auth": {"header_name": "x", "header_value": REDACTED}, "api-key": REDACTED,
            "http_endpoint": "https://redacted@h:1/p@q?x=y@z", "add": {"headers": ["Authorization:redacted", "x-a: b"]},
            "pem": REDACTED, "secretRef": {"name": "n", "key": "k"}, "secret_is_base64": true,
            "token_endpoint": "https://h/t", "key_names": ["apikey"], "rules": [{"Password": REDACTED}],
        });
        assert_eq!(value, shown);
    }
}

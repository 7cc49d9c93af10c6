//! Certificates, the names they serve, certificate authorities and keys.

use rustls::pki_types::PrivateKeyDer;
use serde_json::{Map, Value};

use super::super::schema::check::Check;
use super::super::schema::custom::{self, Custom};
use super::super::schema::validate;
use super::super::schema::{Field, Record, Schema};
use super::{custom as field, id, names, seconds, tags};

pub(super) fn certificates() -> Schema {
    let record = Record::new([
        ("id", id()),
        ("created_at", seconds()),
        ("updated_at", seconds()),
        ("cert", field(Custom::Certificate).required().referenceable()),
        ("key", field(Custom::Key).required().referenceable()),
        ("cert_alt", field(Custom::Certificate).referenceable()),
        ("key_alt", field(Custom::Key).referenceable()),
        ("tags", tags()),
    ])
    .check(Check::MutuallyRequired(names(["cert_alt", "key_alt"])))
    .check(Check::Custom(&["cert", "key"], |entity| match keys_match(entity, "cert", "key") {
        Some(false) => Err("certificate does not match key".to_owned()),
        _ => Ok(()),
    }))
    .check(Check::Custom(&["cert_alt", "key_alt"], |entity| match keys_match(entity, "cert_alt", "key_alt") {
        Some(false) => Err("alternative certificate does not match key".to_owned()),
        _ => Ok(()),
    }));
    Schema::new("certificates", record)
}

/// Whether a certificate is one for a key; `None` where that cannot be told.
fn keys_match(entity: &Map<String, Value>, cert: &str, key: &str) -> Option<bool> {
    let text = |name: &str| entity.get(name).and_then(Value::as_str);
    let cert = custom::certificate(text(cert)?).ok()?;
    let key: PrivateKeyDer<'static> = custom::key(text(key)?).ok()?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).ok()?;
    match rustls::sign::CertifiedKey::new(vec![cert], key).keys_match() {
        Ok(()) => Some(true),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => Some(false),
        Err(_) => None,
    }
}

pub(super) fn snis() -> Schema {
    let record = Record::new([
        ("id", id()),
        ("name", field(Custom::WildcardHost).required().unique()),
        ("created_at", seconds()),
        ("updated_at", seconds()),
        ("tags", tags()),
        ("certificate", Field::foreign("certificates").required()),
    ]);
    Schema::new("snis", record).endpoint_key("name")
}

pub(super) fn ca_certificates() -> Schema {
    let record = Record::new([
        ("id", id()),
        ("created_at", seconds()),
        ("updated_at", seconds()),
        ("cert", field(Custom::Certificate).required()),
        ("cert_digest", Field::string().unique()),
        ("tags", tags()),
    ])
    .check(Check::Custom(&["cert"], is_authority));
    Schema::new("ca_certificates", record)
}

fn is_authority(entity: &Map<String, Value>) -> Result<(), String> {
    let pem = entity.get("cert").and_then(Value::as_str).unwrap_or_default();
    if pem.matches("-----BEGIN CERTIFICATE-----").count() > 1 {
        return Err("please submit only one certificate at a time".to_owned());
    }
    let der = custom::certificate(pem)?;
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(&der) else { return Ok(()) };
    if !parsed.validity().is_valid() && parsed.validity().time_to_expiration().is_none() {
        return Err("certificate expired, \"Not After\" time is in the past".to_owned());
    }
    if !parsed.is_ca() {
        return Err(
            "certificate does not appear to be a CA because it is missing the \"CA\" basic constraint".to_owned()
        );
    }
    Ok(())
}

pub(super) fn key_sets() -> Schema {
    let record = Record::new([
        ("id", id()),
        ("name", Field::string().unique()),
        ("tags", tags()),
        ("created_at", seconds()),
        ("updated_at", seconds()),
    ]);
    Schema::new("key_sets", record).endpoint_key("name").admin_names("key-sets", "key-sets")
}

pub(super) fn keys() -> Schema {
    let text = || Field::string().referenceable();
    let pem = Record::new([("private_key", text()), ("public_key", text())])
        .check(Check::AtLeastOneOf(names(["private_key", "public_key"])));
    let record = Record::new([
        ("id", id()),
        ("set", Field::foreign("key_sets")),
        ("name", Field::string().unique()),
        ("kid", Field::string().required()),
        ("jwk", text()),
        ("pem", Field::record(pem).optional()),
        ("tags", tags()),
        ("created_at", seconds()),
        ("updated_at", seconds()),
    ])
    .check(Check::MutuallyExclusive(names(["jwk", "pem"])))
    .check(Check::AtLeastOneOf(names(["jwk", "pem"])))
    .check(Check::Custom(&["jwk", "kid"], |key| {
        let Some(jwk) = key.get("jwk").filter(|jwk| !validate::is_vault_reference(jwk)).and_then(Value::as_str) else {
            return Ok(());
        };
        let jwk: Value = serde_json::from_str(jwk).map_err(|_| "could not json decode jwk string".to_owned())?;
        let same = jwk.get("kid") == key.get("kid");
        if same { Ok(()) } else { Err("kid in jwk.kid must be equal to keys.kid".to_owned()) }
    }));
    Schema::new("keys", record).endpoint_key("name").cache_key(&["kid", "set"])
}

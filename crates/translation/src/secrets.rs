//! What Secrets hold: values as text, key pairs, certificate authorities.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use silverback_resources::types::Secret;
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::prelude::{GeneralName, X509Certificate};

/// Why a Secret is not what it is used for. Messages never show values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecretError {
    /// The key is not there.
    #[error("the key {0:?} is missing")]
    Missing(String),
    /// The value is no base64, or no text.
    #[error("the value of {0:?} is no text in base64")]
    NotText(String),
    /// The value is no PEM of the right kind.
    #[error("the value of {key:?} is no {what} in PEM")]
    NotPem {
        /// Key of the value.
        key: String,
        /// What it should be.
        what: &'static str,
    },
    /// Certificate and key belong to different pairs.
    #[error("the certificate in \"tls.crt\" does not belong to the private key in \"tls.key\"")]
    Mismatch,
    /// A certificate that is no authority's.
    #[error("the certificate is no authority's: its basic constraints do not say CA")]
    NotAuthority,
    /// A certificate whose time is over.
    #[error("the certificate has expired")]
    Expired,
    /// More than one certificate where one is wanted.
    #[error("there are several certificates where one is wanted")]
    Several,
}

/// The text of a value of a Secret.
///
/// # Errors
/// When it is missing, no base64 or no UTF-8.
pub(crate) fn text(secret: &Secret, key: &str) -> Result<String, SecretError> {
    let value = secret.data.get(key).ok_or_else(|| SecretError::Missing(key.to_owned()))?;
    // Manifests may fold long values; an API server does not.
    let value: String = value.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(value).map_err(|_| SecretError::NotText(key.to_owned()))?;
    String::from_utf8(bytes).map_err(|_| SecretError::NotText(key.to_owned()))
}

/// A certificate chain and its private key, in PEM.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyPair {
    /// The chain.
    pub cert: String,
    /// The private key.
    pub key: String,
}

/// Shows no key.
impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyPair(..)")
    }
}

/// The key pair of a TLS Secret.
///
/// # Errors
/// When a part is missing or unreadable, or when the parts do not belong together.
pub(crate) fn key_pair(secret: &Secret) -> Result<KeyPair, SecretError> {
    let (cert, key) = (text(secret, "tls.crt")?.trim().to_owned(), text(secret, "tls.key")?.trim().to_owned());
    let bad_cert = || SecretError::NotPem { key: "tls.crt".into(), what: "certificate" };
    let bad_key = || SecretError::NotPem { key: "tls.key".into(), what: "private key" };
    let leaf = CertificateDer::from_pem_slice(cert.as_bytes()).map_err(|_| bad_cert())?;
    let (_, leaf) = X509Certificate::from_der(&leaf).map_err(|_| bad_cert())?;
    let private = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| bad_key())?;
    let certified = &leaf.public_key().subject_public_key.data;
    match public_half(&private) {
        Ok(Some(public)) if public != PublicHalf::of(certified) => Err(SecretError::Mismatch),
        Ok(_) => Ok(KeyPair { cert, key }),
        Err(()) => Err(bad_key()),
    }
}

/// The host names that the certificate of a TLS Secret is for; none where it holds no certificate.
pub(crate) fn names(secret: &Secret) -> Vec<String> {
    let pem = text(secret, "tls.crt").unwrap_or_default();
    let Ok(leaf) = CertificateDer::from_pem_slice(pem.as_bytes()) else { return Vec::new() };
    let Ok((_, leaf)) = X509Certificate::from_der(&leaf) else { return Vec::new() };
    let Ok(Some(names)) = leaf.subject_alternative_name() else { return Vec::new() };
    let names = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    names.collect()
}

/// What a public key is known by.
#[derive(Debug, PartialEq, Eq)]
enum PublicHalf {
    /// The modulus of an RSA key.
    Modulus(Vec<u8>),
    /// The bits of any other.
    Bits(Vec<u8>),
}

impl PublicHalf {
    /// Of the bits of a certificate's public key.
    fn of(bits: &[u8]) -> Self {
        match parts(bits).as_deref() {
            Some([modulus, _exponent]) if modulus.tag() == Tag::Integer => Self::Modulus(modulus.data.to_vec()),
            _ => Self::Bits(bits.to_vec()),
        }
    }
}

/// The public half that a private key names. `None` where it names none (as Ed25519 keys usually do not): then only
/// arithmetic could tell, and the gateway will.
fn public_half(key: &PrivateKeyDer<'_>) -> Result<Option<PublicHalf>, ()> {
    match key {
        PrivateKeyDer::Pkcs1(key) => rsa(key.secret_pkcs1_der()).map(Some).ok_or(()),
        PrivateKeyDer::Sec1(key) => ec(key.secret_sec1_der()).ok_or(()),
        PrivateKeyDer::Pkcs8(key) => pkcs8(key.secret_pkcs8_der()).ok_or(()),
        _ => Ok(None),
    }
}

/// PKCS#8: version, algorithm, key, [0] attributes, [1] public key.
fn pkcs8(der: &[u8]) -> Option<Option<PublicHalf>> {
    let fields = parts(der)?;
    let key = fields.get(2).filter(|key| key.tag() == Tag::OctetString)?.data;
    if let Some(public) = tagged(&fields, 1) {
        return Some(public.get(1..).map(|bits| PublicHalf::Bits(bits.to_vec())));
    }
    let inner = parts(key);
    match inner.as_deref() {
        Some([_version, modulus, ..]) if modulus.tag() == Tag::Integer => Some(rsa(key)),
        Some([_version, private, ..]) if private.tag() == Tag::OctetString => ec(key),
        _ => Some(None),
    }
}

/// PKCS#1: version, modulus, …
fn rsa(der: &[u8]) -> Option<PublicHalf> {
    let fields = parts(der)?;
    let modulus = fields.get(1).filter(|modulus| modulus.tag() == Tag::Integer)?;
    Some(PublicHalf::Modulus(modulus.data.to_vec()))
}

/// SEC 1: version, key, [0] curve, [1] public key as a bit string.
fn ec(der: &[u8]) -> Option<Option<PublicHalf>> {
    let fields = parts(der)?;
    let Some(public) = tagged(&fields, 1) else { return Some(None) };
    let (_, bits) = Any::from_der(public).ok()?;
    // The first byte tells the number of unused bits.
    Some(bits.data.get(1..).map(|bits| PublicHalf::Bits(bits.to_vec())))
}

/// The content of the field with this context tag.
fn tagged<'a>(fields: &[Any<'a>], tag: u32) -> Option<&'a [u8]> {
    let field = fields
        .iter()
        .find(|field| field.class() == x509_parser::asn1_rs::Class::ContextSpecific && field.tag() == Tag(tag))?;
    Some(field.data)
}

/// Whether this is a sequence in DER, as every key is.
pub(crate) fn is_sequence(der: &[u8]) -> bool {
    parts(der).is_some_and(|parts| !parts.is_empty())
}

/// The parts of a DER sequence.
fn parts(der: &[u8]) -> Option<Vec<Any<'_>>> {
    let (_, whole) = Any::from_der(der).ok()?;
    if whole.tag() != Tag::Sequence {
        return None;
    }
    let (mut rest, mut parts) = (whole.data, Vec::new());
    while !rest.is_empty() {
        let (after, part) = Any::from_der(rest).ok()?;
        parts.push(part);
        rest = after;
    }
    Some(parts)
}

/// A certificate authority in PEM, re-encoded: one block, nothing around it.
///
/// # Errors
/// When it is not exactly one certificate of an authority, or when it has expired at `minute` (minutes since 1970).
pub(crate) fn authority(pem: &str, minute: u64) -> Result<String, SecretError> {
    let bad = || SecretError::NotPem { key: "cert".into(), what: "certificate" };
    let mut blocks = CertificateDer::pem_slice_iter(pem.as_bytes());
    let der = blocks.next().and_then(Result::ok).ok_or_else(bad)?;
    if blocks.next().is_some() {
        return Err(SecretError::Several);
    }
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| bad())?;
    if !certificate.is_ca() {
        return Err(SecretError::NotAuthority);
    }
    if certificate.validity().not_after.timestamp() < (minute as i64).saturating_mul(60) {
        return Err(SecretError::Expired);
    }
    Ok(encode_pem(&der))
}

fn encode_pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, IsCa, KeyPair as Generated, PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
    };
    use std::collections::BTreeMap;

    fn pair(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
        let key = Generated::generate_for(algorithm).unwrap();
        let cert = CertificateParams::new(vec!["a.io".into()]).unwrap().self_signed(&key).unwrap();
        (cert.pem(), key.serialize_pem())
    }

    fn secret(values: &[(&str, &str)]) -> Secret {
        let data: BTreeMap<_, _> =
            values.iter().map(|(key, value)| (key.to_string(), STANDARD.encode(value))).collect();
        Secret { data, ..Secret::default() }
    }

    #[test]
    fn a_pair_must_belong_together() {
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
            let ((cert, key), (_, other)) = (pair(algorithm), pair(algorithm));
            let taken = key_pair(&secret(&[("tls.crt", &cert), ("tls.key", &key)])).unwrap();
            assert_eq!((taken.cert.as_str(), taken.key.as_str()), (cert.trim(), key.trim()));
            let mismatch = key_pair(&secret(&[("tls.crt", &cert), ("tls.key", &other)]));
            assert_eq!(mismatch, Err(SecretError::Mismatch));
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_shown() {
        let (cert, key) = pair(&PKCS_ECDSA_P256_SHA256);
        assert_eq!(key_pair(&secret(&[("tls.crt", &cert)])), Err(SecretError::Missing("tls.key".into())));
        let error = key_pair(&secret(&[("tls.crt", "hunter2"), ("tls.key", &key)])).unwrap_err();
        assert_eq!(error.to_string(), r#"the value of "tls.crt" is no certificate in PEM"#);
        assert!(key_pair(&secret(&[("tls.crt", &cert), ("tls.key", &cert)])).is_err());
        let mut broken = secret(&[("tls.crt", &cert)]);
        broken.data.insert("tls.key".into(), "%%%".into());
        assert_eq!(key_pair(&broken), Err(SecretError::NotText("tls.key".into())));
    }

    fn ca(years: std::ops::Range<i32>, is_ca: bool) -> String {
        let mut params = CertificateParams::default();
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        params.self_signed(&Generated::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn authorities_are_one_valid_ca_certificate() {
        const YEAR: u64 = 365 * 24 * 60;
        let now = 30 * YEAR;
        let good = ca(1990..2040, true);
        assert_eq!(authority(&format!("some words\n{good}"), now).unwrap().trim(), good.trim().replace("\r\n", "\n"));
        assert_eq!(authority(&good, 100 * YEAR), Err(SecretError::Expired));
        assert_eq!(authority(&ca(1990..2040, false), now), Err(SecretError::NotAuthority));
        assert_eq!(authority(&format!("{good}{good}"), now), Err(SecretError::Several));
        assert!(authority("nothing", now).is_err());
    }
}

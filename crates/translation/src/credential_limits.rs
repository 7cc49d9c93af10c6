//! What Kong refuses in credentials. A credential that has such a value is left out: without the value it would be
//! another one.

use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use silverback_kong::{Jwt, Oauth2};

const ALGORITHMS: [&str; 13] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA",
];
/// Those that Kong takes no token of without a public key.
const NEED_KEY: [&str; 7] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"];
const CLIENT_TYPES: [&str; 2] = ["confidential", "public"];

/// What is wrong with a key of tokens; no value is shown.
pub(crate) fn jwt(jwt: &Jwt) -> Option<&'static str> {
    let algorithm = jwt.algorithm.as_deref().unwrap_or("HS256");
    if !ALGORITHMS.contains(&algorithm) {
        return Some("\"algorithm\" is none that Kong knows: HS256, RS256, ES256, …");
    }
    if !NEED_KEY.contains(&algorithm) {
        return None;
    }
    match jwt.rsa_public_key.as_deref() {
        None => Some("its algorithm needs a key \"rsa_public_key\""),
        Some(pem) if !is_public_key(pem) => Some("the value of \"rsa_public_key\" is no public key in PEM"),
        Some(_) => None,
    }
}

/// Whether this is a public key in PEM, in X.509's form or in that of PKCS#1.
fn is_public_key(pem: &str) -> bool {
    if let Ok(key) = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()) {
        return crate::secrets::is_sequence(&key);
    }
    let parsed = x509_parser::pem::parse_x509_pem(pem.trim_start().as_bytes());
    parsed.is_ok_and(|(_, pem)| pem.label == "RSA PUBLIC KEY" && crate::secrets::is_sequence(&pem.contents))
}

/// What is wrong with an OAuth2 application.
pub(crate) fn oauth2(application: &Oauth2) -> Option<&'static str> {
    if application.client_type.as_deref().is_some_and(|kind| !CLIENT_TYPES.contains(&kind)) {
        Some("\"client_type\" is neither confidential nor public")
    } else if !application.redirect_uris.iter().all(|uri| is_url(uri)) {
        Some("\"redirect_uris\" are not all URLs with a scheme and a host")
    } else {
        None
    }
}

fn is_url(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(algorithm: &str, key: Option<&str>) -> Jwt {
        let rsa_public_key = key.map(str::to_owned);
        Jwt { key: "k".into(), algorithm: Some(algorithm.into()), rsa_public_key, ..Jwt::default() }
    }

    #[test]
    fn tokens_of_key_pairs_need_the_public_key() {
        let key = rcgen::KeyPair::generate().unwrap().public_key_pem();
        assert_eq!(jwt(&token("RS256", Some(&key))), None);
        assert_eq!(jwt(&token("HS512", None)), None);
        assert!(jwt(&token("RS256", None)).unwrap().contains("rsa_public_key"));
        let cut = key.replace("MF", "!!");
        for bad in [
            "",
            "-----BEGIN PUBLIC KEY-----\n",
            "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----",
            &cut,
        ] {
            assert!(jwt(&token("PS256", Some(bad))).is_some(), "{bad}");
        }
        assert!(jwt(&token("none", None)).unwrap().contains("algorithm"));
    }

    #[test]
    fn applications_are_called_back_at_urls() {
        let with = |uri: &str, kind: &str| {
            let redirect_uris = vec![uri.to_owned()];
            Oauth2 { redirect_uris, client_type: Some(kind.to_owned()), ..Oauth2::default() }
        };
        assert_eq!(oauth2(&with("https://a.test/b", "public")), None);
        assert!(oauth2(&with("a.test", "public")).is_some() && oauth2(&with("https:///b", "public")).is_some());
        assert!(oauth2(&with("https://a.test", "private")).is_some());
    }
}

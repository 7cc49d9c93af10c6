//! The rules that Kong writes as functions: names, tags, paths, patterns, certificates and keys. The messages are
//! Kong's, or those of the libraries below it.

use regex::Regex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use super::hosts;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Custom {
    Certificate,
    CookieName,
    HeaderName,
    Host,
    HostWithOptionalPort,
    IpOrRange,
    Key,
    Path,
    /// A host of a route, wildcards and port allowed.
    RouteHost,
    /// A path of a route, a prefix or a pattern.
    RoutePath,
    ServerName,
    Tag,
    Target,
    UpstreamName,
    Url,
    Utf8Name,
    WildcardHost,
    JwtKey,
}

impl Custom {
    pub(crate) fn apply(self, value: &Value) -> Result<(), String> {
        let text = value.as_str().unwrap_or_default();
        match self {
            Self::Certificate => certificate(text).map(drop),
            Self::CookieName => cookie_name(text),
            Self::HeaderName => header_name(text),
            Self::Host => hosts::bare(text),
            Self::HostWithOptionalPort => hosts::with_optional_port(text),
            Self::IpOrRange => hosts::ip_or_range(text),
            Self::Key => key(text).map(drop),
            Self::Path => path(text),
            Self::RouteHost => hosts::with_optional_port(&text.replace('*', "abc")),
            Self::RoutePath => route_path(text),
            Self::ServerName => hosts::server_name(text),
            Self::Tag => tag(text),
            Self::Target => hosts::target(text),
            Self::UpstreamName => hosts::upstream(text),
            Self::Url => url(text),
            Self::Utf8Name => utf8_name(text),
            Self::WildcardHost => hosts::wildcard(text),
            Self::JwtKey => jwt_key(text),
        }
    }
}

fn utf8_name(name: &str) -> Result<(), String> {
    let good = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~');
    if name.chars().all(good) {
        return Ok(());
    }
    Err(format!("invalid value '{name}': the only accepted ascii characters are alphanumerics or ., -, _, and ~"))
}

fn tag(tag: &str) -> Result<(), String> {
    let good = |c: char| !c.is_ascii() || ((' '..='~').contains(&c) && c != ',' && c != '/');
    if tag.chars().all(good) {
        return Ok(());
    }
    Err(format!("invalid tag '{tag}': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"))
}

fn header_name(name: &str) -> Result<(), String> {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Ok(());
    }
    Err(format!("bad header name '{name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"))
}

fn cookie_name(name: &str) -> Result<(), String> {
    let bad = |c: char| c.is_ascii_control() || " \t()<>@,;:\\\"/?={}[]".contains(c);
    if !name.chars().any(bad) {
        return Ok(());
    }
    Err("contains one or more invalid characters. ASCII control characters (0-31;127), space, tab and the \
         characters ()<>@,;:\\\"/?={}[] are not allowed."
        .to_owned())
}

fn url(url: &str) -> Result<(), String> {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), Some(rest)),
        None => (None, url.strip_prefix("//")),
    };
    if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
        Err("missing host in url".to_owned())
    } else if scheme.is_none_or(str::is_empty) {
        Err("missing scheme in url".to_owned())
    } else {
        Ok(())
    }
}

fn path(path: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~/%:@!$&'()*+,;=".contains(&byte);
    if !path.starts_with('/') || !path.bytes().all(allowed) {
        return Err(format!("invalid path: '{path}' (characters outside of the reserved list of RFC 3986 found)"));
    }
    percent_encoding(path)
}

fn percent_encoding(path: &str) -> Result<(), String> {
    for (at, _) in path.match_indices('%') {
        let rest: String = path.chars().skip(path.get(..at).map_or(0, |head| head.chars().count())).take(3).collect();
        let hex = rest.chars().skip(1).filter(char::is_ascii_hexdigit).count();
        if hex != 2 {
            return Err(format!("invalid url-encoded value: '{rest}'"));
        }
    }
    Ok(())
}

fn route_path(text: &str) -> Result<(), String> {
    // Of the rules for paths, only the one on percent encoding holds for routes, and only where the others pass.
    if path(text).is_err_and(|error| error.starts_with("invalid url-encoded")) {
        return percent_encoding(text);
    }
    match text.strip_prefix('~') {
        Some(pattern) => pattern_error(pattern).map_or(Ok(()), |error| {
            Err(format!("invalid regex: '{pattern}' (PCRE returned: pcre2_compile() failed: {error})"))
        }),
        None => {
            let normal = normalize(text);
            if normal == text {
                return Ok(());
            }
            Err(format!("non-normalized path, consider use '{normal}' instead"))
        }
    }
}

/// Decodes what need not be encoded, and takes out `.`, `..` and empty segments.
pub(crate) fn normalize(path: &str) -> String {
    if path.is_empty() || path == "/" {
        return path.to_owned();
    }
    let decoded = decode_unreserved(path);
    if !decoded.contains('.') && !decoded.contains("//") {
        return decoded;
    }
    let mut output: Vec<&str> = Vec::new();
    let mut segments = decoded.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    output.pop();
                }
                if last {
                    output.push("");
                }
            }
            "" if !last => {}
            _ => output.push(segment),
        }
    }
    format!("/{}", output.join("/"))
}

fn decode_unreserved(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (head, tail) = rest.split_at(at);
        bytes.extend_from_slice(head.as_bytes());
        let code = tail.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (code, tail.get(..3)) {
            (Some(code), Some(_)) if !b"!*'();:@&=+$,/?%#[]".contains(&code) => bytes.push(code),
            (Some(_), Some(triplet)) => bytes.extend_from_slice(triplet.to_ascii_uppercase().as_bytes()),
            _ => bytes.push(b'%'),
        }
        rest = tail.get(if code.is_some() { 3 } else { 1 }..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What PCRE says of a pattern. It sees only the mistakes that people make: brackets and quantifiers.
fn pattern_error(pattern: &str) -> Option<String> {
    let mut depth = 0_usize;
    let mut chars = pattern.char_indices().peekable();
    let mut repeatable = false;
    while let Some((at, c)) = chars.next() {
        let before = |what: &str| Some(format!("{what} at \"{}\"", pattern.get(at..).unwrap_or_default()));
        match c {
            '\\' if chars.next().is_none() => return Some(format!("\\ at end of pattern in \"{pattern}\"")),
            '[' => {
                // The first `]` of a class stands for itself.
                let mut first = true;
                loop {
                    match chars.next() {
                        None => return Some(format!("missing terminating ] for character class in \"{pattern}\"")),
                        Some((_, '\\')) => drop(chars.next()),
                        Some((_, '^')) if first => continue,
                        Some((_, ']')) if !first => break,
                        Some(_) => {}
                    }
                    first = false;
                }
            }
            '(' => {
                depth += 1;
                repeatable = false;
                if chars.next_if(|(_, c)| *c == '?').is_some() {
                    chars.next_if(|(_, c)| matches!(c, ':' | '=' | '!' | '<' | 'P' | '>' | '|' | 'i'));
                }
                continue;
            }
            ')' if depth == 0 => return before("unmatched closing parenthesis"),
            ')' => depth -= 1,
            '*' | '+' | '?' if !repeatable => return before("quantifier does not follow a repeatable item"),
            '|' => {
                repeatable = false;
                continue;
            }
            _ => {}
        }
        repeatable = true;
    }
    (depth > 0).then(|| format!("missing closing parenthesis in \"{pattern}\""))
}

/// The certificate in PEM text.
///
/// # Errors
/// OpenSSL's words.
pub(crate) fn certificate(pem: &str) -> Result<CertificateDer<'static>, String> {
    let no_pem = "invalid certificate: x509.new: error:4800066:PEM routines::no start line";
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| no_pem.to_owned())?;
    match x509_parser::parse_x509_certificate(&der) {
        Ok(_) => Ok(der),
        Err(_) => Err("invalid certificate: x509.new: error:688010A:asn1 encoding \
                       routines:asn1_item_embed_d2i:nested asn1 error:crypto/asn1/tasn_dec.c:375:"
            .to_owned()),
    }
}

/// The private key in PEM text.
///
/// # Errors
/// OpenSSL's words.
pub(crate) fn key(pem: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        "invalid key: pkey.new:load_key: error:1E08010C:DECODER \
         routines:OSSL_DECODER_from_bio:unsupported:crypto/encode_decode/decoder_lib.c:103:"
            .to_owned()
    })
}

fn jwt_key(pem: &str) -> Result<(), String> {
    let begins = pem.trim_start().starts_with("-----BEGIN ") && pem.contains(" KEY-----");
    if begins { Ok(()) } else { Err("invalid key".to_owned()) }
}

/// Turns a Lua pattern into a regular expression; `None` for what has no counterpart.
pub(crate) fn lua_pattern(pattern: &str) -> Option<Regex> {
    let mut regex = String::with_capacity(pattern.len() * 2);
    let mut in_class = false;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '%' => {
                let class = chars.next()?;
                let (inside, outside) = match class {
                    'a' => ("a-zA-Z", "[a-zA-Z]"),
                    'd' => ("0-9", "[0-9]"),
                    'l' => ("a-z", "[a-z]"),
                    's' => ("\\s", "\\s"),
                    'u' => ("A-Z", "[A-Z]"),
                    'w' => ("a-zA-Z0-9", "[a-zA-Z0-9]"),
                    'x' => ("a-fA-F0-9", "[a-fA-F0-9]"),
                    'b' | 'f' | 'c' | 'p' | 'z' => return None,
                    other => {
                        regex.push_str(&regex::escape(&other.to_string()));
                        continue;
                    }
                };
                regex.push_str(if in_class { inside } else { outside });
            }
            '[' if !in_class => {
                in_class = true;
                regex.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    regex.push('^');
                }
            }
            ']' if in_class => {
                in_class = false;
                regex.push(']');
            }
            '-' if !in_class => regex.push_str("*?"),
            '-' if chars.peek() == Some(&']') || regex.ends_with('[') => regex.push_str("\\-"),
            '{' | '}' | '|' | '\\' => regex.push_str(&regex::escape(&c.to_string())),
            '[' | '&' | '~' if in_class => {
                regex.push('\\');
                regex.push(c);
            }
            other => regex.push(other),
        }
    }
    Regex::new(&regex).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_routes_must_be_normal() {
        for good in ["/", "/a/b", "/a//", "/a.b/c", "/ünïcode", "/a/(?<x>\\d+)$", "~/re$", "~/a(b|c)+[^]x]*"] {
            if good != "/a//" {
                assert_eq!(route_path(good), Ok(()), "{good}");
            }
        }
        for (odd, normal) in
            [("/a/../b", "/b"), ("/a/./b", "/a/b"), ("/%61", "/a"), ("/a/..", "/"), ("/a//b/.", "/a/b/")]
        {
            assert_eq!(normalize(odd), normal, "{odd}");
            assert!(route_path(odd).is_err(), "{odd}");
        }
        assert_eq!(route_path("/%zz"), Err("invalid url-encoded value: '%zz'".to_owned()));
    }

    #[test]
    fn patterns_are_judged_as_pcre_does() {
        assert_eq!(pattern_error("/re("), Some("missing closing parenthesis in \"/re(\"".to_owned()));
        assert_eq!(pattern_error("/a)b"), Some("unmatched closing parenthesis at \")b\"".to_owned()));
        assert!(pattern_error("/[a").is_some() && pattern_error("/(*)").is_some());
        for good in ["/(?!x)a", "/(?<n>[0-9]+)/x?", "/a+?", "/\\(", "/(?i)a", "/(?:a|b)*"] {
            assert_eq!(pattern_error(good), None, "{good}");
        }
    }

    #[test]
    fn lua_patterns_become_regular_expressions() {
        let matches = |pattern, text| lua_pattern(pattern).is_some_and(|regex| regex.is_match(text));
        assert!(matches("^%u+$", "GET") && !matches("^%u+$", "get"));
        assert!(matches("^[%a_-][%a%d_-]*$", "X_") && !matches("^[%a_-][%a%d_-]*$", "1x"));
        assert!(matches("^[a-z][a-z%d-]-[a-z%d]+$", "my-env") && !matches("^[a-z][a-z%d-]-[a-z%d]+$", "my_env"));
    }
}

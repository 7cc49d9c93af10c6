//! The form in which Kong takes the paths of routes: RFC 3986's normal form. It refuses a plain path of any other.

/// Characters that mean something in a URI, and stay encoded.
const RESERVED: &[u8] = b"!*'();:@&=+$,/?%#[]";

/// The normal form of a plain path (not of a regular expression): encoded octets that need no encoding are decoded,
/// runs of slashes are one, `.` and `..` are resolved.
pub fn normal(path: &str) -> String {
    let decoded = decode(path);
    if !decoded.contains("//") && !decoded.contains("/.") {
        return decoded;
    }
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = decoded.split('/').skip(1).collect();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match *segment {
            ".." => {
                kept.pop();
            }
            "." => {}
            "" if !last => {}
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut parts = path.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok().map(|octet| (hex, octet))) {
            Some((_, octet)) if !RESERVED.contains(&octet) => bytes.push(octet),
            Some((hex, _)) => bytes.extend_from_slice(format!("%{}", hex.to_ascii_uppercase()).as_bytes()),
            None => bytes.push(b'%'),
        }
        let encoded = part.get(..2).is_some_and(|hex| u8::from_str_radix(hex, 16).is_ok());
        bytes.extend_from_slice(&part.as_bytes()[if encoded { 2 } else { 0 }..]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_needs_no_encoding_is_decoded() {
        assert_eq!(normal("/caf%C3%A9/m%c3%bcn%2f"), "/café/mün%2F");
        assert_eq!(normal("/a/./b/../c//d/.."), "/a/c/");
        assert_eq!(normal("/%7Euser/100%"), "/~user/100%");
        assert_eq!(normal("/"), "/");
    }

    proptest! {
        #[test]
        fn a_normal_path_stays(path in "/[a-z0-9.~/]{0,20}") {
            let once = normal(&path);
            prop_assert_eq!(normal(&once), once.clone());
            prop_assert!(once.starts_with('/'));
        }
    }
}

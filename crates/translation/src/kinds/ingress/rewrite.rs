//! The annotation `konghq.com/rewrite`: a new path, with what the route's regular expression captured.

use serde_json::{Map, json};
use silverback_kong::Plugin;

/// The plugin for a rewrite, or why there can be none. `$N` is a capture, `\$` a dollar sign, empty is the root.
pub(super) fn plugin(target: &str, enabled: bool) -> Result<Plugin, String> {
    if !enabled {
        return Err("the feature gate RewriteURIs is off".to_owned());
    }
    let uri = if target.is_empty() { "/".to_owned() } else { uri(target)? };
    let config = Map::from_iter([("replace".to_owned(), json!({ "uri": uri }))]);
    Ok(Plugin { name: "request-transformer".into(), config, ..Plugin::default() })
}

fn uri(target: &str) -> Result<String, String> {
    let mut out = String::with_capacity(target.len());
    let mut rest = target.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('$') => out.push('$'),
                _ => return Err(format!("in {target:?} a backslash can only be before a $")),
            },
            '$' => {
                let mut number = String::new();
                while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
                if number.is_empty() {
                    return Err(format!("in {target:?} a $ needs the number of a capture after it, or a \\ before it"));
                }
                out.push_str(&format!("$(uri_captures[{number}])"));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_become_templates() {
        assert_eq!(uri("/v2/$2/by/$10").unwrap(), "/v2/$(uri_captures[2])/by/$(uri_captures[10])");
        assert_eq!(uri(r"/a\$/$1").unwrap(), "/a$/$(uri_captures[1])");
        assert!(uri("/a$").is_err() && uri(r"/a\n").is_err() && uri(r"/a\").is_err());
    }

    #[test]
    fn it_needs_its_gate() {
        assert!(plugin("/a", false).is_err());
        assert_eq!(plugin("", true).unwrap().config["replace"]["uri"], "/");
    }
}

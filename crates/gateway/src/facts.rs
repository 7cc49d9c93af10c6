//! What a gateway says about itself at `GET /`. Reads tolerantly: Lua writes an empty table now as `{}`, now as `[]`.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

/// What a gateway says about itself. What it does not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// E.g. `3.9.3`.
    pub version: String,
    /// `community` or `enterprise`.
    pub edition: String,
    /// `traditional`, `traditional_compatible` or `expressions`.
    pub router_flavor: String,
    /// `off` for a gateway that takes whole configs.
    pub database: String,
    /// Names of the plugins that it can run.
    pub plugins: BTreeSet<String>,
    /// `nginx_admin_client_max_body_size` in bytes, or Kong's default of it; none when it is unlimited.
    pub body_limit: Option<u64>,
}

/// Kong's default of `nginx_admin_client_max_body_size`.
const DEFAULT_BODY_LIMIT: u64 = 10 << 20;

/// How a config's routes match, which a gateway's router flavour must fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// By hosts, paths, headers, …: flavours `traditional` and `traditional_compatible`.
    #[default]
    Fields,
    /// By expressions: flavour `expressions`.
    Expressions,
}

impl Facts {
    /// Reads the body of `GET /`.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        let root: serde_json::Map<String, Value> = serde_json::from_slice(body)?;
        let root = Value::Object(root);
        let text = |pointer: &str| root.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let names = |pointer: &str| {
            let names = root.pointer(pointer).and_then(Value::as_object);
            names.into_iter().flatten().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
        };
        let available = names("/plugins/available_on_server");
        let limit = root.pointer("/configuration/nginx_admin_client_max_body_size").and_then(Value::as_str);
        Ok(Self {
            version: text("/version"),
            edition: text("/edition"),
            router_flavor: text("/configuration/router_flavor"),
            database: text("/configuration/database"),
            plugins: if available.is_empty() { names("/configuration/loaded_plugins") } else { available },
            body_limit: limit.map_or(Some(DEFAULT_BODY_LIMIT), size),
        })
    }

    /// How this gateway's routes match, if it says so.
    pub fn routing(&self) -> Option<Routing> {
        match self.router_flavor.as_str() {
            "traditional" | "traditional_compatible" => Some(Routing::Fields),
            "expressions" => Some(Routing::Expressions),
            _ => None,
        }
    }
}

/// A size as nginx writes it: a number with `k`, `m` or `g`. Zero means unlimited.
fn size(text: &str) -> Option<u64> {
    let (number, unit) = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => (&text[..text.len() - 1], 1 << 10),
        b'm' => (&text[..text.len() - 1], 1 << 20),
        b'g' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let bytes = number.parse::<u64>().ok()?.checked_mul(unit)?;
    (bytes > 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_nginx_writes_them() {
        assert_eq!(size("10m"), Some(10 << 20));
        assert_eq!(size("512K"), Some(512 << 10));
        assert_eq!(size("2g"), Some(2 << 30));
        assert_eq!(size("1000"), Some(1000));
        for text in ["0", "", "m", "10x", "-1", "99999999999999999999g", "9999999999999g", "é"] {
            assert_eq!(size(text), None, "{text:?}");
        }
    }

    #[test]
    fn reads_what_is_there_and_no_more() {
        let body = br#"{"version":"3.9.3","edition":"community","plugins":{"available_on_server":{"cors":{"version":"1"}}},
            "configuration":{"router_flavor":"expressions","database":"off","nginx_admin_client_max_body_size":"20m"}}"#;
        let facts = Facts::parse(body).unwrap();
        assert_eq!(facts.routing(), Some(Routing::Expressions));
        assert_eq!(facts.plugins, BTreeSet::from(["cors".to_owned()]));
        assert_eq!(facts.body_limit, Some(20 << 20));
        let silent = Facts { body_limit: Some(10 << 20), ..Facts::default() };
        assert_eq!(Facts::parse(br#"{"plugins":[],"configuration":[]}"#).unwrap(), silent);
        let unlimited = br#"{"configuration":{"nginx_admin_client_max_body_size":"0"}}"#;
        assert_eq!(Facts::parse(unlimited).unwrap().body_limit, None);
        assert_eq!(Facts::default().routing(), None);
        assert!(Facts::parse(b"[]").is_err());
        assert!(Facts::parse(b"<html>").is_err());
    }

    #[test]
    fn reads_what_a_real_gateway_said() {
        let Some(folder) = crate::tests::recordings() else { return };
        let text = std::fs::read_to_string(folder.join("001-get-root.txt")).unwrap();
        let body = text.split("\n\n").find(|part| part.trim_start().starts_with('{')).unwrap();
        let facts = Facts::parse(body.trim().as_bytes()).unwrap();
        assert_eq!(
            (facts.version.as_str(), facts.edition.as_str(), facts.database.as_str()),
            ("3.9.3", "community", "off")
        );
        assert_eq!((facts.routing(), facts.body_limit), (Some(Routing::Fields), Some(10 << 20)));
        assert!(facts.plugins.len() > 40 && facts.plugins.contains("rate-limiting"), "{:?}", facts.plugins);
    }
}

//! What a gateway says about itself at `GET /`. Reads tolerantly: Lua writes an empty table now as `{}`, now as `[]`.
//!
//! The schemas of entities and of the plugins that come with Kong follow from its version. Only those of other plugins are
//! read besides, as `GET /schemas/plugins/NAME` tells them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use silverback_model::{Digest, canonical};

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
    /// Digests of the schemas of those of them that did not come with this Kong, by name; none for what it does not tell.
    pub schemas: BTreeMap<String, Option<Digest>>,
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
        let version = text("/version");
        let foreign = |name: &&String| {
            let own =
                root.pointer("/plugins/available_on_server").and_then(|all| all.get(*name)?.get("version")?.as_str());
            own.is_some_and(|own| !version.starts_with(own))
        };
        let limit = root.pointer("/configuration/nginx_admin_client_max_body_size").and_then(Value::as_str);
        Ok(Self {
            schemas: available.iter().filter(foreign).map(|name| (name.clone(), None)).collect(),
            edition: text("/edition"),
            router_flavor: text("/configuration/router_flavor"),
            database: text("/configuration/database"),
            plugins: if available.is_empty() { names("/configuration/loaded_plugins") } else { available },
            body_limit: limit.map_or(Some(DEFAULT_BODY_LIMIT), size),
            version,
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

/// Names a schema, whatever the order of its keys: Lua has none.
pub(crate) fn schema_digest(body: &[u8]) -> Option<Digest> {
    let schema: Value = serde_json::from_slice(body).ok()?;
    Some(Digest::of(canonical::to_string(&schema).as_bytes()))
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
        assert!(facts.schemas.contains_key("cors"), "it says that it is another version than Kong");
        let silent = Facts { body_limit: Some(10 << 20), ..Facts::default() };
        assert_eq!(Facts::parse(br#"{"plugins":[],"configuration":[]}"#).unwrap(), silent);
        let unlimited = br#"{"configuration":{"nginx_admin_client_max_body_size":"0"}}"#;
        assert_eq!(Facts::parse(unlimited).unwrap().body_limit, None);
        assert_eq!(Facts::default().routing(), None);
        assert!(Facts::parse(b"[]").is_err());
        assert!(Facts::parse(b"<html>").is_err());
    }

    #[test]
    fn plugins_that_came_with_it_are_known_by_its_version() {
        let foreign = |version: &str| {
            let plugins = r#"{"cors":{"version":"3.9.1"},"house":{"version":"0.1.0"},"old":true}"#;
            let body = format!(r#"{{"version":"{version}","plugins":{{"available_on_server":{plugins}}}}}"#);
            Facts::parse(body.as_bytes()).unwrap().schemas.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(foreign("3.9.1"), ["house"]);
        assert_eq!(foreign("3.9.1.2-enterprise-edition"), ["house"]);
        assert_eq!(foreign("3.10.0"), ["cors", "house"]);
    }

    #[test]
    fn a_schema_is_the_same_in_any_order_of_keys() {
        assert_eq!(schema_digest(br#"{"a":1,"b":[2]}"#), schema_digest(br#"{ "b": [2], "a": 1 }"#));
        assert_ne!(schema_digest(br#"{"a":1}"#), schema_digest(br#"{"a":2}"#));
        assert_eq!(schema_digest(b"<html>"), None);
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
        assert!(facts.schemas.is_empty(), "all its plugins came with it");
    }
}

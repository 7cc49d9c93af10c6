//! Ids computed from names, so that every replica, and every restart, gives an entity the same id.
//!
//! The rules are go-kong's (`kong/ids.go`): `uuid5(uuid5(BASE, plural), [workspace "/"] key)`.

use uuid::Uuid;

const BASE: Uuid = Uuid::from_u128(0xfd02801f_0957_4a15_a55a_c8d9606f30b5);

/// The types of entity whose id is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// Keyed by name.
    Service,
    /// Keyed by name.
    Route,
    /// Keyed by username; a consumer that has none gets no id.
    Consumer,
    /// Keyed by name.
    ConsumerGroup,
    /// Keyed by prefix.
    Vault,
    /// Keyed by [`plugin_key`].
    Plugin,
}

impl IdKind {
    fn plural(self) -> &'static str {
        match self {
            Self::Service => "services",
            Self::Route => "routes",
            Self::Consumer => "consumers",
            Self::ConsumerGroup => "consumergroups",
            Self::Vault => "vaults",
            Self::Plugin => "plugins",
        }
    }
}

/// The id of an entity of `kind` with this key, in a workspace (empty: none is configured).
pub fn id(kind: IdKind, workspace: &str, key: &str) -> String {
    let namespace = Uuid::new_v5(&BASE, kind.plural().as_bytes());
    let id = if workspace.is_empty() {
        Uuid::new_v5(&namespace, key.as_bytes())
    } else {
        Uuid::new_v5(&namespace, format!("{workspace}/{key}").as_bytes())
    };
    id.to_string()
}

/// What a plugin is bound to, by name; all `None` is global.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relations<'a> {
    /// Name of the service.
    pub service: Option<&'a str>,
    /// Name of the route.
    pub route: Option<&'a str>,
    /// Username of the consumer.
    pub consumer: Option<&'a str>,
    /// Name of the consumer group.
    pub consumer_group: Option<&'a str>,
}

/// The key of a plugin's id: the plugin's name and what it is bound to.
pub fn plugin_key(plugin: &str, to: Relations<'_>) -> String {
    let mut key = plugin.to_owned();
    let parts = [
        ("service", to.service),
        ("route", to.route),
        ("consumer", to.consumer),
        ("consumer_group", to.consumer_group),
    ];
    for (kind, name) in parts {
        if let Some(name) = name {
            key.push_str(&format!(":{kind}/{name}"));
        }
    }
    key
}

/// The id of a licence that comes from a KongLicense of this name.
pub fn license_id(name: &str) -> String {
    Uuid::new_v5(&Uuid::nil(), format!("KongLicense:{name}").as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_ids_come_out() {
        assert_eq!(
            id(IdKind::Service, "", "httproute.default.httproute-testing.3"),
            "efb4a7d7-791f-504e-b005-0bd38bf1435e"
        );
        assert_eq!(id(IdKind::Consumer, "", "consumer"), "7deb6e70-60be-5dd2-b374-06551479ea5e");
        let route = Relations { route: Some("default.httpbin.httpbin..80"), ..Relations::default() };
        let key = plugin_key("correlation-id", route);
        assert_eq!(key, "correlation-id:route/default.httpbin.httpbin..80");
        assert_eq!(id(IdKind::Plugin, "", &key), "61a22b86-f859-5c8a-a23c-97b92b14b635");
    }

    #[test]
    fn a_workspace_changes_ids() {
        assert_ne!(id(IdKind::Route, "", "a"), id(IdKind::Route, "team", "a"));
        assert_eq!(id(IdKind::Route, "team", "a"), id(IdKind::Route, "", "team/a"));
    }
}

//! Which entity: its collection (the top-level list of the declarative format) and its name within it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A top-level list of the declarative format. The order is the order of the lists in a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Collection {
    /// Services with their routes and the plugins made for them.
    Services,
    /// Plugins bound to other entities, or to none (global).
    Plugins,
    /// Upstreams with their targets.
    Upstreams,
    /// Certificates with their SNIs.
    Certificates,
    /// Trusted certificate authorities.
    CaCertificates,
    /// Consumers with their credentials.
    Consumers,
    /// Consumer groups (Enterprise).
    ConsumerGroups,
    /// Which consumer is in which group (Enterprise).
    ConsumerGroupConsumers,
    /// Vaults.
    Vaults,
    /// Licences (Enterprise).
    Licenses,
    /// Entities of any other type, by the name of its list.
    Custom(Arc<str>),
}

/// The collections that have a name of their own, in order.
const NAMED: [(Collection, &str); 10] = [
    (Collection::Services, "services"),
    (Collection::Plugins, "plugins"),
    (Collection::Upstreams, "upstreams"),
    (Collection::Certificates, "certificates"),
    (Collection::CaCertificates, "ca_certificates"),
    (Collection::Consumers, "consumers"),
    (Collection::ConsumerGroups, "consumer_groups"),
    (Collection::ConsumerGroupConsumers, "consumer_group_consumers"),
    (Collection::Vaults, "vaults"),
    (Collection::Licenses, "licenses"),
];

impl Collection {
    /// The collections that are always there, in order: all but those of custom types.
    pub fn named() -> impl Iterator<Item = Self> {
        NAMED.into_iter().map(|(collection, _)| collection)
    }

    /// The key of the list in a declarative document, e.g. `services`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Services => "services",
            Self::Plugins => "plugins",
            Self::Upstreams => "upstreams",
            Self::Certificates => "certificates",
            Self::CaCertificates => "ca_certificates",
            Self::Consumers => "consumers",
            Self::ConsumerGroups => "consumer_groups",
            Self::ConsumerGroupConsumers => "consumer_group_consumers",
            Self::Vaults => "vaults",
            Self::Licenses => "licenses",
            Self::Custom(name) => name,
        }
    }
}

impl From<&str> for Collection {
    fn from(name: &str) -> Self {
        NAMED.into_iter().find(|(_, known)| *known == name).map_or_else(|| Self::Custom(name.into()), |(it, _)| it)
    }
}

impl From<String> for Collection {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<Collection> for String {
    fn from(collection: Collection) -> Self {
        collection.as_str().to_owned()
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names one top-level entity. Within a document a key occurs once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityKey {
    /// The list it is in.
    pub collection: Collection,
    /// Its name there. Entities Kong gives no name go by what identifies them: a certificate by its id, a plugin by
    /// the object it is made from and what it is bound to, a membership by consumer and group.
    pub name: Arc<str>,
}

impl EntityKey {
    /// A key from its two parts.
    pub fn new<'a>(collection: Collection, name: impl Into<Cow<'a, str>>) -> Self {
        Self { collection, name: name.into().into() }
    }
}

/// `services/web.shop.80`.
impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_collections_read_back() {
        for (collection, name) in NAMED {
            assert_eq!(collection.as_str(), name);
            assert_eq!(Collection::from(name), collection);
        }
        assert_eq!(Collection::from("degraphql_routes"), Collection::Custom("degraphql_routes".into()));
    }

    #[test]
    fn custom_collections_come_last() {
        assert!(Collection::Custom("a".into()) > Collection::Licenses);
    }
}

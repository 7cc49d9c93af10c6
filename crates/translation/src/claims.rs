//! Claims: what one source object asks of Kong, before other objects are looked at.
//!
//! Every kind that makes routes is translated to claims by a function of its own. What follows (Services, endpoints,
//! plugins, certificates) reads claims and does not care which kind they came from. Objects that ask for the same Kong
//! service share it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use silverback_kong::{Plugin, Route, Service, names};
use silverback_model::ObjectKey;

use crate::kinds::gateway_api::Stake;
use crate::rank::Rank;
use crate::routed::Routed;
use crate::source::{Maker, Notes};

/// What one source object asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claims {
    /// The object.
    pub maker: Maker,
    /// Its creation time: the older object wins where two ask for the same.
    pub created: String,
    /// Services with routes, by name; one each.
    pub services: Vec<Arc<ServiceClaim>>,
    /// Where requests go that nothing matches; of all objects only the oldest has its way.
    pub default_backend: Option<Arc<ServiceClaim>>,
    /// Certificates for server names.
    pub tls: Vec<TlsClaim>,
    /// What is wrong with the object alone.
    pub notes: Notes,
    /// Of a route of the Gateway API: what its status is made from.
    pub routed: Option<Arc<Routed>>,
}

impl Claims {
    /// No claims yet.
    pub(crate) fn new(maker: Maker, created: &str) -> Self {
        Self {
            maker,
            created: created.to_owned(),
            services: Vec::new(),
            default_backend: None,
            tls: Vec::new(),
            notes: Notes::default(),
            routed: None,
        }
    }

    /// What decides between objects that claim the same.
    pub(crate) fn seniority(&self) -> (&str, &ObjectKey) {
        (&self.created, &self.maker.object.key)
    }
}

/// A Kong service that an object asks for, with the object's routes to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServiceClaim {
    /// Names, protocol, timeouts, … without routes, tags and what annotations of Services say.
    pub service: Service,
    /// Where its requests go.
    pub backends: Vec<Backend>,
    /// The object's tags: they mark the service when it has several backends.
    pub parent_tags: Arc<[String]>,
    /// The object's routes.
    pub routes: Vec<RouteClaim>,
    /// The whole service is to be left out.
    pub refused: bool,
    /// How clients stay with their backend.
    pub affinity: Option<Affinity>,
    /// The Secrets of the certificates to show to backends that speak TLS; `None` among them: to show none.
    pub shown: BTreeSet<Option<ObjectKey>>,
    /// Where none of its backends exists, requests are answered with an error.
    pub answers_without_backend: bool,
}

/// A cookie that keeps a client at its backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Affinity {
    /// Name of the cookie.
    pub cookie: String,
    /// Its path.
    pub path: String,
}

impl ServiceClaim {
    /// Name of the service.
    pub(crate) fn name(&self) -> &str {
        &self.service.name
    }
}

/// A route and the plugins its object names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RouteClaim {
    /// The route. Without tags of its own it has those of the object.
    pub route: Route,
    /// Plugins to bind to it.
    pub plugins: Arc<[PluginRef]>,
    /// Its place among routes of equal priority, where that decides its own.
    pub rank: Option<Rank>,
    /// The matches it was made of, where others may stand in their way.
    pub stakes: Arc<[Stake]>,
    /// Places of the rules that lead to it, of a route of the Gateway API.
    pub rules: Vec<usize>,
}

impl RouteClaim {
    /// Adds a plugin made for this route alone.
    pub(crate) fn nest(&mut self, plugin: Plugin) {
        self.route.plugins.push(plugin);
    }
}

/// A plugin by name: `name` or `namespace:name` in an annotation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PluginRef {
    /// Set when the namespace was written.
    pub namespace: Option<String>,
    /// Name of a KongPlugin, or else of a KongClusterPlugin.
    pub name: String,
}

impl PluginRef {
    /// Reads `name` or `namespace:name`.
    pub(crate) fn parse(text: &str) -> Self {
        match text.split_once(':') {
            Some((namespace, name)) => {
                Self { namespace: Some(namespace.trim().to_owned()), name: name.trim().to_owned() }
            }
            None => Self { namespace: None, name: text.to_owned() },
        }
    }
}

/// A certificate for server names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsClaim {
    /// The Secret that holds it.
    pub secret: ObjectKey,
    /// The server names.
    pub hosts: Vec<String>,
    /// Where in the object it is written.
    pub field: String,
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Backend {
    /// A Service, or something that stands for one.
    pub to: BackendRef,
    /// Share of the load.
    pub weight: Option<i32>,
    /// Where in the source object it is written.
    pub field: String,
}

/// What a backend names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum BackendRef {
    /// A port of a Service.
    Service(ObjectKey, BackendPort),
    /// A KongServiceFacade, which names a port of a Service.
    Facade(ObjectKey),
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum BackendPort {
    /// By number.
    Number(u16),
    /// By its name, or by the name of its target port.
    Name(String),
    /// The only one.
    Implicit,
}

/// As it stands in names of services.
impl fmt::Display for BackendPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => f.write_str(name),
            Self::Implicit => f.write_str(names::IMPLICIT_PORT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_named_with_or_without_a_namespace() {
        assert_eq!(PluginRef::parse("a"), PluginRef { namespace: None, name: "a".into() });
        assert_eq!(PluginRef::parse("n: a"), PluginRef { namespace: Some("n".into()), name: "a".into() });
    }
}

//! Which listeners a route is attached to, from the specs alone: names, ports, protocols, namespaces, hosts.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use silverback_model::ObjectKey;
use silverback_resources::types::{Gateway, Listener, ParentRef};

use super::Scope;

const GROUP: &str = "gateway.networking.k8s.io";

/// A listener that a route is attached to.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    gateway: Arc<Gateway>,
    at: usize,
}

impl Attached {
    pub(super) fn listener(&self) -> &Listener {
        &self.gateway.spec.listeners[self.at]
    }

    /// Whether TLS goes through as it is.
    pub(super) fn passes_through(&self) -> bool {
        let mode = self.listener().tls.as_ref().and_then(|tls| tls.mode.as_deref());
        self.listener().protocol == "TLS" && mode == Some("Passthrough")
    }
}

/// What a route came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Attachment {
    pub(super) listeners: Vec<Attached>,
    /// The route's hosts, narrowed to those of its listeners.
    pub(super) hostnames: Vec<String>,
}

impl Attachment {
    /// The listeners of these protocols.
    pub(super) fn of<'a>(&'a self, protocols: &'a [&str]) -> impl Iterator<Item = &'a Attached> {
        self.listeners.iter().filter(|it| protocols.contains(&it.listener().protocol.as_str()))
    }

    /// What listeners of these protocols make of them, e.g. `https` of HTTPS; sorted, each once.
    pub(super) fn protocols(&self, names: &[(&str, &str)]) -> Vec<String> {
        let named = self.listeners.iter().filter_map(|it| {
            names.iter().find(|(protocol, _)| *protocol == it.listener().protocol).map(|(_, name)| (*name).to_owned())
        });
        named.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The ports of listeners of a protocol, in their order, each once.
    pub(super) fn ports(&self, protocol: &str) -> Vec<u16> {
        let mut ports = Vec::new();
        for attached in self.of(&[protocol]) {
            if !ports.contains(&attached.listener().port) {
                ports.push(attached.listener().port);
            }
        }
        ports
    }
}

impl Scope<'_> {
    /// Attaches a route; `None` when no listener takes it, so that it is not ours. `protocols` are those of listeners
    /// that can take this kind of route.
    pub(super) fn attach(&self, parents: &[ParentRef], hostnames: &[String], protocols: &[&str]) -> Option<Attachment> {
        let lenient = self.view.settings.accept_unattached;
        let mut attachment = Attachment::default();
        for parent in parents {
            let Some(gateway) = self.gateway(parent) else { continue };
            if !lenient && !self.is_ours(&gateway) {
                continue;
            }
            for (at, listener) in gateway.spec.listeners.iter().enumerate() {
                let named = parent.section_name.as_deref().is_none_or(|name| name.is_empty() || name == listener.name);
                let port = parent.port.is_none_or(|port| port == listener.port);
                let takes = lenient || (protocols.contains(&&*listener.protocol) && self.allows(&gateway, listener));
                let hosts = lenient || meet(hostnames, listener.hostname.as_deref().unwrap_or_default()).is_some();
                if named && port && takes && hosts {
                    attachment.listeners.push(Attached { gateway: gateway.clone(), at });
                }
            }
        }
        if lenient {
            attachment.hostnames = hostnames.to_vec();
            return Some(attachment);
        }
        for attached in &attachment.listeners {
            let own = attached.listener().hostname.clone().unwrap_or_default();
            for host in meet(hostnames, &own).into_iter().flatten() {
                if !attachment.hostnames.contains(&host) {
                    attachment.hostnames.push(host);
                }
            }
        }
        // One listener for every host: then the route takes every host.
        let everywhere = hostnames.is_empty()
            && attachment.listeners.iter().any(|it| it.listener().hostname.as_deref().unwrap_or_default().is_empty());
        if everywhere {
            attachment.hostnames.clear();
        }
        (!attachment.listeners.is_empty()).then_some(attachment)
    }

    fn gateway(&self, parent: &ParentRef) -> Option<Arc<Gateway>> {
        let group = parent.group.as_deref().unwrap_or(GROUP);
        if !matches!(group, "" | GROUP) || parent.kind.as_deref().is_some_and(|kind| kind != "Gateway") {
            return None;
        }
        let home = &self.source.meta.namespace;
        let namespace = parent.namespace.as_ref().filter(|it| !it.is_empty()).unwrap_or(home);
        self.view.gateway(&ObjectKey::new(namespace.clone(), parent.name.clone()))
    }

    /// Whether a Gateway is of a class of ours.
    pub(super) fn is_ours(&self, gateway: &Gateway) -> bool {
        let settings = self.view.settings;
        let only = &settings.gateway_to_reconcile;
        if !only.is_empty() && *only != gateway.metadata.key().to_string() {
            return false;
        }
        let class = self.view.gateway_class(&gateway.spec.gateway_class_name);
        class.is_some_and(|class| class.spec.controller_name == settings.gateway_controller_name)
    }

    /// Whether a listener takes routes of this kind from this namespace.
    fn allows(&self, gateway: &Gateway, listener: &Listener) -> bool {
        let allowed = listener.allowed_routes.clone().unwrap_or_default();
        let kinds = &allowed.kinds;
        let kind = |it: &silverback_resources::types::RouteKind| {
            it.kind == self.source.kind && it.group.as_deref().is_none_or(|group| group == GROUP)
        };
        if !kinds.is_empty() && !kinds.iter().any(kind) {
            return false;
        }
        let namespaces = allowed.namespaces.unwrap_or_default();
        match namespaces.from.as_deref() {
            Some("All") => true,
            Some("Selector") => {
                let labels = self.view.namespace_labels(&self.source.meta.namespace);
                namespaces.selector.is_some_and(|selector| selects(&selector, &labels))
            }
            Some("None") => false,
            _ => self.source.meta.namespace == gateway.metadata.namespace,
        }
    }
}

/// Whether a label selector selects these labels.
fn selects(selector: &Value, labels: &std::collections::BTreeMap<String, String>) -> bool {
    let wanted = selector.get("matchLabels").and_then(Value::as_object);
    let equal = wanted
        .is_none_or(|wanted| wanted.iter().all(|(name, value)| labels.get(name).map(String::as_str) == value.as_str()));
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    equal && expressions.is_none_or(|all| all.iter().all(|expression| holds(expression, labels)))
}

fn holds(expression: &Value, labels: &std::collections::BTreeMap<String, String>) -> bool {
    let text = |key: &str| expression.get(key).and_then(Value::as_str).unwrap_or_default();
    let value = labels.get(text("key"));
    let listed = || {
        let values = expression.get("values").and_then(Value::as_array);
        value.is_some_and(|value| values.is_some_and(|all| all.iter().any(|it| it.as_str() == Some(value))))
    };
    match text("operator") {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// The hosts that a route and a listener have in common; `None`: there is none. An empty list means every host.
fn meet(hostnames: &[String], listener: &str) -> Option<Vec<String>> {
    if hostnames.is_empty() {
        return Some(if listener.is_empty() { Vec::new() } else { vec![listener.to_owned()] });
    }
    if listener.is_empty() {
        return Some(hostnames.to_vec());
    }
    let common: Vec<String> = hostnames.iter().filter_map(|host| narrower(host, listener)).collect();
    (!common.is_empty()).then_some(common)
}

/// The more specific of two hosts that have something in common. `*.a.b` stands for whatever ends with `.a.b`.
fn narrower(a: &str, b: &str) -> Option<String> {
    let covers = |wide: &str, host: &str| {
        wide.strip_prefix('*').is_some_and(|end| host.len() > end.len() && host.trim_start_matches('*').ends_with(end))
    };
    if a == b || covers(b, a) { Some(a.to_owned()) } else { covers(a, b).then(|| b.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hosts_meet_at_the_more_specific() {
        let hosts = |all: &[&str]| all.iter().map(|it| it.to_string()).collect::<Vec<_>>();
        assert_eq!(meet(&hosts(&["a.test", "b.other"]), "*.test"), Some(hosts(&["a.test"])));
        assert_eq!(meet(&hosts(&["*.test"]), "a.b.test"), Some(hosts(&["a.b.test"])));
        assert_eq!(meet(&hosts(&["*.a.test"]), "*.test"), Some(hosts(&["*.a.test"])));
        assert_eq!(meet(&hosts(&["test"]), "*.test"), None, "a wildcard needs a label");
        assert_eq!(meet(&[], "a.test"), Some(hosts(&["a.test"])));
        assert_eq!(meet(&hosts(&["a"]), ""), Some(hosts(&["a"])));
    }

    #[test]
    fn selectors_select_by_labels_and_expressions() {
        let labels = [("team".to_owned(), "a".to_owned())].into();
        assert!(selects(&json!({}), &labels) && selects(&json!({"matchLabels": {"team": "a"}}), &labels));
        assert!(!selects(&json!({"matchLabels": {"team": "b"}}), &labels));
        let expression = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "team", "operator": operator, "values": values}]});
        assert!(selects(&expression("In", &["a", "b"]), &labels) && selects(&expression("Exists", &[]), &labels));
        assert!(!selects(&expression("NotIn", &["a"]), &labels) && !selects(&expression("DoesNotExist", &[]), &labels));
    }
}

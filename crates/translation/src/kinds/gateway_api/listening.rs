//! What a Gateway listens for: its own listeners and those of the sets attached to it, which of them stand in each
//! other's way, and which Kong cannot serve. From specs alone: whether certificates exist is not asked here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use silverback_model::{ObjectKey, ObjectRef};
use silverback_resources::types::{ClientValidation, Gateway, Listener, ListenerSet, Meta, ParentRef};
use silverback_status::ConditionReason;

use super::{GROUP, hosts, references, selection};
use crate::inputs::View;
use crate::publishing::Ports;
use crate::source::Source;

/// Group of ListenerSets while they were experimental.
const EXPERIMENTAL_GROUP: &str = "gateway.networking.x-k8s.io";

/// Listeners that a Gateway and its sets may have together: each is compared with all others whenever one changes, so that
/// whoever may add listeners could take up a translator's time from everybody. As many as sixteen full sets have.
const MOST_LISTENERS: usize = 1_024;

/// A ListenerSet. The order decides where creation times do not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SetKey {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Whether it is an XListenerSet.
    pub experimental: bool,
}

impl SetKey {
    /// The object.
    pub(crate) fn object(&self) -> ObjectRef {
        let kind = if self.experimental {
            format!("XListenerSet.{EXPERIMENTAL_GROUP}")
        } else {
            format!("ListenerSet.{GROUP}")
        };
        ObjectRef::new(kind, self.key.clone())
    }

    /// The object as the origin of entities.
    pub(crate) fn source<'a>(&self, meta: &'a Meta) -> Source<'a> {
        if self.experimental {
            Source { group: EXPERIMENTAL_GROUP, version: "v1alpha1", kind: "XListenerSet", meta }
        } else {
            Source { group: GROUP, version: "v1", kind: "ListenerSet", meta }
        }
    }
}

/// Whose a listener is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Owner {
    /// A Gateway's own.
    Gateway(ObjectKey),
    /// A set's.
    Set(SetKey),
}

impl Owner {
    /// What a reference to a parent means; `home` is the namespace it is made from.
    pub(crate) fn of(parent: &ParentRef, home: &str) -> Option<Self> {
        let namespace = parent.namespace.as_deref().filter(|it| !it.is_empty()).unwrap_or(home);
        let key = ObjectKey::new(namespace, &*parent.name);
        let group = parent.group.as_deref().filter(|group| !group.is_empty()).unwrap_or(GROUP);
        match (group, parent.kind.as_deref().unwrap_or("Gateway")) {
            (GROUP, "Gateway") => Some(Self::Gateway(key)),
            (GROUP, "ListenerSet") => Some(Self::Set(SetKey { key, experimental: false })),
            (EXPERIMENTAL_GROUP, "XListenerSet") => Some(Self::Set(SetKey { key, experimental: true })),
            _ => None,
        }
    }

    /// The object.
    pub(crate) fn object(&self) -> ObjectRef {
        match self {
            Self::Gateway(key) => ObjectRef::new(format!("Gateway.{GROUP}"), key.clone()),
            Self::Set(set) => set.object(),
        }
    }
}

/// Which listener: whose, and its name.
pub(crate) type ListenerKey = (Owner, String);

/// A listener of a Gateway or of a set attached to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// Whose it is.
    pub owner: Owner,
    /// Its place among its owner's.
    pub at: usize,
    /// The listener.
    pub listener: Arc<Listener>,
    /// Another is in its way.
    pub conflict: Option<ConditionReason>,
    /// Kong cannot serve it.
    pub unsupported: Option<(ConditionReason, String)>,
    /// Its hosts overlap with those of another on its port, where TLS ends at both.
    pub overlaps: bool,
}

impl Entry {
    /// Whether routes can be served at it.
    pub(crate) fn serves(&self) -> bool {
        self.conflict.is_none() && self.unsupported.is_none()
    }

    /// Whether TLS goes through as it is.
    pub(crate) fn passes_through(&self) -> bool {
        self.listener.protocol == "TLS" && mode(&self.listener) == Some("Passthrough")
    }

    /// Its host; empty: every host.
    pub(crate) fn host(&self) -> &str {
        host(&self.listener)
    }
}

/// All that a Gateway listens for. Gateways of other classes have none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listening {
    /// Whether the Gateway is of a class of ours.
    pub ours: bool,
    /// Why it is not accepted.
    pub refused: Option<(ConditionReason, String)>,
    /// Its own listeners, then those of its sets by precedence.
    pub entries: Vec<Entry>,
    /// The Secret of the certificate that is shown to backends.
    pub shown: Option<ObjectKey>,
    /// Sets that name it, and whether it lets them.
    pub sets: BTreeMap<SetKey, bool>,
}

impl Listening {
    /// The listeners of an owner.
    pub(crate) fn of<'a>(&'a self, owner: &'a Owner) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.owner == *owner)
    }

    /// Whether the Gateway is accepted: an owner all of whose listeners are left out is not.
    pub(crate) fn is_accepted(&self, owner: &Owner) -> bool {
        self.refused.is_none() && self.of(owner).any(Entry::serves)
    }
}

/// Whether a Gateway is of a class of ours.
pub(crate) fn is_ours(gateway: &Gateway, view: &View<'_>) -> bool {
    let settings = &view.settings;
    let only = &settings.gateway_to_reconcile;
    if !only.is_empty() && *only != gateway.metadata.key().to_string() {
        return false;
    }
    let class = view.gateway_class(&gateway.spec.gateway_class_name);
    class.is_some_and(|class| class.spec.controller_name == settings.gateway_controller_name)
}

/// What a Gateway listens for; `None`: it is not ours.
pub(crate) fn listening(gateway: &Gateway, view: &View<'_>) -> Option<Listening> {
    let ours = is_ours(gateway, view);
    if !ours && !view.settings.accept_unattached {
        return None;
    }
    let key = gateway.metadata.key();
    let mut sets: Vec<(SetKey, Arc<ListenerSet>)> = view.listener_sets(&key);
    sets.sort_by(|(a, one), (b, other)| {
        (&one.metadata.creation_timestamp, a).cmp(&(&other.metadata.creation_timestamp, b))
    });
    let owner = Owner::Gateway(key);
    let ports = Ports::of(view);
    let mut entries: Vec<Entry> = entries(&owner, &gateway.spec.listeners, gateway, &ports);
    exclude_each_other(&mut entries);
    let mut attached = BTreeMap::new();
    for (key, set) in sets {
        let allowed = allows(gateway, &set, view);
        attached.insert(key.clone(), allowed);
        if allowed {
            for entry in self::entries(&Owner::Set(key), &set.spec.listeners, gateway, &ports) {
                add(entry, &mut entries);
            }
        }
    }
    let heard = entries.len().min(MOST_LISTENERS);
    mark_overlaps(&mut entries[..heard]);
    let shown = references::client_certificate(gateway, view).and_then(Result::ok);
    Some(Listening { ours, refused: refused(gateway), entries, shown, sets: attached })
}

/// Whether a Gateway lets a set add listeners. By default none may.
fn allows(gateway: &Gateway, set: &ListenerSet, view: &View<'_>) -> bool {
    let namespaces = gateway.spec.allowed_listeners.as_ref().and_then(|allowed| allowed.namespaces.as_ref());
    let (home, guest) = (&gateway.metadata.namespace, &set.metadata.namespace);
    namespaces.is_some_and(|namespaces| selection::admits(namespaces, "None", home, guest, view))
}

fn refused(gateway: &Gateway) -> Option<(ConditionReason, String)> {
    let spec = &gateway.spec;
    if spec.infrastructure.as_ref().is_some_and(|it| it.parameters_ref.is_some()) {
        let message = "spec.infrastructure.parametersRef: there are no parameters of a Gateway; leave it out";
        return Some((ConditionReason::InvalidParameters, message.to_owned()));
    }
    if let Some(address) = spec.addresses.iter().find(|it| it.routability.as_deref().is_some_and(|it| !it.is_empty())) {
        let routability = address.routability.as_deref().unwrap_or_default();
        let message = format!("spec.addresses: routability {routability}: from where gateways are reached is not ours");
        return Some((ConditionReason::UnsupportedAddress, message));
    }
    let kind = |kind: Option<&str>| matches!(kind, None | Some("IPAddress" | "Hostname"));
    if let Some(address) = spec.addresses.iter().find(|address| !kind(address.kind.as_deref())) {
        let kind = address.kind.as_deref().unwrap_or_default();
        let message = format!("spec.addresses: {kind} is no type of address here; IPAddress and Hostname are");
        return Some((ConditionReason::UnsupportedAddress, message));
    }
    None
}

fn entries(owner: &Owner, listeners: &[Listener], gateway: &Gateway, ports: &Ports) -> Vec<Entry> {
    let each = listeners.iter().enumerate().map(|(at, listener)| Entry {
        owner: owner.clone(),
        at,
        listener: Arc::new(listener.clone()),
        conflict: None,
        unsupported: unsupported(listener, gateway, ports),
        overlaps: false,
    });
    each.collect()
}

fn unsupported(listener: &Listener, gateway: &Gateway, ports: &Ports) -> Option<(ConditionReason, String)> {
    if !matches!(&*listener.protocol, "HTTP" | "HTTPS" | "TLS" | "TCP" | "UDP") {
        let message = format!("Kong does not listen for {}", listener.protocol);
        return Some((ConditionReason::UnsupportedProtocol, message));
    }
    if let Some(problem) = ports.problem(listener) {
        return Some((ConditionReason::PortUnavailable, problem));
    }
    let value = |message: &str| Some((ConditionReason::UnsupportedValue, message.to_owned()));
    if listener.protocol == "HTTPS" && mode(listener) == Some("Passthrough") {
        return value("tls.mode: HTTPS ends at the gateway; protocol TLS can pass through");
    }
    if listener.filters.is_some() {
        return value("filters: Kong has none of a listener; name them in the rules of routes");
    }
    if let Some(option) = listener.tls.as_ref().and_then(|tls| tls.options.keys().next()) {
        return value(&format!("tls.options: {option} is not known; there are no options here"));
    }
    if validation(listener, gateway).is_some() {
        return value("certificates of clients are not verified for a listener; use a plugin such as mtls-auth");
    }
    None
}

/// Whose certificates clients of a listener must show.
pub(crate) fn validation<'a>(listener: &'a Listener, gateway: &'a Gateway) -> Option<&'a ClientValidation> {
    let tls = listener.tls.as_ref().filter(|_| ends_tls(listener));
    if let Some(own) = tls.and_then(|tls| tls.frontend_validation.as_ref()) {
        return Some(own);
    }
    let frontend = gateway.spec.tls.as_ref()?.frontend.as_ref().filter(|_| listener.protocol == "HTTPS")?;
    let own = frontend.per_port.iter().find(|it| it.port == listener.port).map(|it| &it.tls);
    own.unwrap_or(&frontend.default).validation.as_ref()
}

/// Whether a Gateway asks to let in clients whatever certificate they show.
pub(crate) fn lets_in_anybody(gateway: &Gateway) -> bool {
    let frontend = gateway.spec.tls.as_ref().and_then(|tls| tls.frontend.as_ref());
    let all = frontend.into_iter().flat_map(|it| it.per_port.iter().map(|port| &port.tls).chain([&it.default]));
    let mut modes = all.filter_map(|tls| tls.validation.as_ref()?.mode.as_deref());
    modes.any(|mode| mode == "AllowInsecureFallback")
}

/// Whether TLS ends at a listener.
pub(crate) fn ends_tls(listener: &Listener) -> bool {
    matches!(&*listener.protocol, "HTTPS" | "TLS") && mode(listener) != Some("Passthrough")
}

fn mode(listener: &Listener) -> Option<&str> {
    listener.tls.as_ref()?.mode.as_deref()
}

fn host(listener: &Listener) -> &str {
    listener.hostname.as_deref().unwrap_or_default()
}

/// Why two listeners cannot be told apart.
fn conflict(one: &Listener, other: &Listener) -> Option<ConditionReason> {
    let known = |it: &Listener| matches!(&*it.protocol, "HTTP" | "HTTPS" | "TLS" | "TCP" | "UDP");
    let udp = |it: &Listener| it.protocol == "UDP";
    if one.port != other.port || udp(one) != udp(other) || !known(one) || !known(other) {
        return None;
    }
    // HTTPS and TLS are both told by server name.
    let tls = |it: &Listener| matches!(&*it.protocol, "HTTPS" | "TLS");
    let differ = one.protocol != other.protocol && !(tls(one) && tls(other));
    if differ || matches!(&*one.protocol, "TCP" | "UDP") {
        return Some(ConditionReason::ProtocolConflict);
    }
    (host(one) == host(other)).then_some(ConditionReason::HostnameConflict)
}

/// Of a Gateway's own listeners that cannot be told apart none counts.
fn exclude_each_other(entries: &mut [Entry]) {
    for at in 0..entries.len() {
        let others = entries.iter().enumerate().filter(|(other, _)| *other != at);
        let found = others.filter_map(|(_, other)| conflict(&entries[at].listener, &other.listener)).min();
        entries[at].conflict = found;
    }
}

/// Adds a listener of a set. "An implementation MAY reject listeners": those of the youngest sets, where there are too many.
fn add(mut entry: Entry, before: &mut Vec<Entry>) {
    if before.len() < MOST_LISTENERS {
        return give_way(entry, before);
    }
    let message = format!("the Gateway and older sets have {MOST_LISTENERS} listeners, and may not have more");
    entry.unsupported = Some((ConditionReason::TooManyListeners, message));
    before.push(entry);
}

/// Of the listeners of sets the first counts. What gives way itself is in nobody's way, but for a Gateway's own.
fn give_way(mut entry: Entry, before: &mut Vec<Entry>) {
    let holds = |other: &&Entry| other.conflict.is_none() || matches!(other.owner, Owner::Gateway(_));
    let conflicts = before.iter().filter(holds).filter_map(|other| conflict(&entry.listener, &other.listener));
    let reasons: BTreeSet<ConditionReason> = conflicts.collect();
    entry.conflict = if reasons.len() > 1 { Some(ConditionReason::ListenerConflict) } else { reasons.first().copied() };
    before.push(entry);
}

fn mark_overlaps(entries: &mut [Entry]) {
    let ends = |it: &Entry| it.serves() && ends_tls(&it.listener);
    let meet = |one: &Entry, other: &Entry| {
        one.listener.port == other.listener.port
            && (one.host().is_empty() || other.host().is_empty() || hosts::narrower(one.host(), other.host()).is_some())
    };
    for at in 0..entries.len() {
        let mut others = entries.iter().enumerate().filter(|(other, it)| *other != at && ends(it));
        entries[at].overlaps = ends(&entries[at]) && others.any(|(_, other)| meet(&entries[at], other));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(protocol: &str, port: u16, host: &str) -> Listener {
        let hostname = (!host.is_empty()).then(|| host.to_owned());
        Listener { protocol: protocol.into(), port, hostname, ..Listener::default() }
    }

    /// "Distinct Listeners": HTTP, HTTPS, TLS by port and host, TCP and UDP by port; TCP shares its port with nobody.
    #[test]
    fn listeners_are_told_apart_by_port_protocol_and_host() {
        use ConditionReason::{HostnameConflict, ProtocolConflict};
        let cases = [
            (listener("HTTP", 80, "a"), listener("HTTP", 80, "a"), Some(HostnameConflict)),
            (listener("HTTP", 80, ""), listener("HTTP", 80, ""), Some(HostnameConflict)),
            (listener("HTTP", 80, "a"), listener("HTTP", 80, "b"), None),
            (listener("HTTP", 80, "a"), listener("HTTP", 81, "a"), None),
            (listener("HTTP", 80, "a"), listener("HTTPS", 80, "b"), Some(ProtocolConflict)),
            (listener("HTTPS", 443, "a"), listener("TLS", 443, "b"), None),
            (listener("HTTPS", 443, "a"), listener("TLS", 443, "a"), Some(HostnameConflict)),
            (listener("TCP", 80, ""), listener("HTTP", 80, "b"), Some(ProtocolConflict)),
            (listener("TCP", 80, ""), listener("TCP", 80, ""), Some(ProtocolConflict)),
            (listener("TCP", 80, ""), listener("UDP", 80, ""), None),
            (listener("x/y", 80, ""), listener("HTTP", 80, ""), None),
        ];
        for (one, other, wanted) in cases {
            assert_eq!(conflict(&one, &other), wanted, "{one:?} {other:?}");
            assert_eq!(conflict(&other, &one), wanted);
        }
    }
}

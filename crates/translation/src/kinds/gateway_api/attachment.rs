//! Which listeners a route is attached to, from the specs alone: names, ports, protocols, namespaces, hosts.

use std::collections::BTreeSet;
use std::sync::Arc;

use silverback_model::ObjectKey;
use silverback_resources::types::{Listener, ParentRef, RouteKind};
use silverback_status::ConditionReason;

use super::hosts::meet;
use super::listening::{Entry, Listening, Owner};
use super::{GROUP, Scope, selection};
use crate::claimant::ClaimantKey;
use crate::routed::{Parent, Place};

/// A listener that a route is attached to.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    listening: Arc<Listening>,
    at: usize,
}

impl Attached {
    pub(super) fn entry(&self) -> &Entry {
        &self.listening.entries[self.at]
    }

    pub(super) fn listener(&self) -> &Listener {
        &self.entry().listener
    }
}

/// What a route came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Attachment {
    /// Listeners that serve it.
    pub(super) listeners: Vec<Attached>,
    /// The route's hosts, narrowed to those of its listeners.
    pub(super) hostnames: Vec<String>,
    /// What each parent of ours makes of it.
    pub(super) parents: Vec<Parent>,
    /// Whether it counts: a listener serves it, or none is asked.
    pub(super) counts: bool,
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

    /// The Secrets of the certificates that the listeners' Gateways show to backends.
    pub(super) fn shown(&self) -> BTreeSet<Option<ObjectKey>> {
        self.listeners.iter().map(|it| it.listening.shown.clone()).collect()
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

    /// The hosts of a route, narrowed to those of some of these listeners.
    pub(super) fn narrowed<'a>(
        hostnames: &[String],
        listeners: impl Iterator<Item = &'a Attached> + Clone,
    ) -> Vec<String> {
        // One listener for every host: then a route without hosts takes every host.
        if hostnames.is_empty() && listeners.clone().any(|it| it.entry().host().is_empty()) {
            return Vec::new();
        }
        let mut narrowed: Vec<String> = Vec::new();
        for host in listeners.filter_map(|it| meet(hostnames, it.entry().host())).flatten() {
            if !narrowed.contains(&host) {
                narrowed.push(host);
            }
        }
        narrowed
    }
}

/// Kinds of routes that listeners of a protocol can take.
pub(crate) fn kinds_of(protocol: &str) -> &'static [&'static str] {
    match protocol {
        "HTTP" | "HTTPS" => &["HTTPRoute", "GRPCRoute"],
        "TLS" => &["TLSRoute"],
        "TCP" => &["TCPRoute"],
        "UDP" => &["UDPRoute"],
        _ => &[],
    }
}

/// Whether a listener's owner names a kind of route that there is.
pub(crate) fn is_kind(kind: &RouteKind, protocol: &str) -> bool {
    kind.group.as_deref().is_none_or(|group| group == GROUP) && kinds_of(protocol).contains(&&*kind.kind)
}

impl Scope<'_> {
    /// Attaches a route; `None` when no parent is ours. `default`: the scope of Gateways that it need not name.
    pub(super) fn attach(
        &self,
        parents: &[ParentRef],
        default: Option<&str>,
        hostnames: &[String],
    ) -> Option<Attachment> {
        let home = &self.source.meta.namespace;
        let implied = default.map(|scope| self.default_gateways(scope, parents)).unwrap_or_default();
        let mut attachment = Attachment::default();
        let mut strangers = Vec::new();
        for parent in parents.iter().chain(&implied) {
            let Some(owner) = Owner::of(parent, home) else { continue };
            let Some((gateway, listening)) = self.listening(&owner) else { continue };
            if !listening.ours {
                strangers.push((parent, owner, listening));
                continue;
            }
            let attached = self.attach_to(parent, &owner, &listening, hostnames);
            let (refused, places) = match attached {
                Ok(places) => {
                    let serving = places.iter().map(|(at, _)| *at).filter(|at| listening.entries[*at].serves());
                    let serving = serving.filter(|_| listening.refused.is_none());
                    let serving: Vec<Attached> =
                        serving.map(|at| Attached { listening: listening.clone(), at }).collect();
                    let refused = serving.is_empty().then(|| nothing_serves(&listening));
                    attachment.listeners.extend(serving);
                    (refused, places.into_iter().map(|(_, place)| place).collect())
                }
                Err(refused) => (Some(refused), Vec::new()),
            };
            attachment.parents.push(Parent { reference: parent.clone(), gateway, refused, places });
        }
        let lenient = self.view.settings.accept_unattached && attachment.parents.is_empty();
        if lenient {
            for (parent, owner, listening) in strangers {
                let places = listening.entries.iter().enumerate();
                let places = places.filter(|(_, entry)| entry.owner == owner && is_meant(parent, &entry.listener));
                let attached = places.map(|(at, _)| Attached { listening: listening.clone(), at });
                attachment.listeners.extend(attached);
            }
            attachment.hostnames = hostnames.to_vec();
        } else {
            attachment.hostnames = Attachment::narrowed(hostnames, attachment.listeners.iter());
        }
        attachment.counts = lenient || !attachment.listeners.is_empty();
        (lenient || !attachment.parents.is_empty()).then_some(attachment)
    }

    /// "If set, it will be attached to any default Gateway supporting the named scope": those it does not name anyway.
    fn default_gateways(&self, scope: &str, parents: &[ParentRef]) -> Vec<ParentRef> {
        let named = |key: &ObjectKey| {
            let owner = Owner::Gateway(key.clone());
            parents.iter().any(|parent| Owner::of(parent, &self.source.meta.namespace).as_ref() == Some(&owner))
        };
        let gateways = self.view.default_gateways(scope);
        let others = gateways.iter().filter(|key| !named(key)).map(|key| ParentRef {
            group: Some(GROUP.to_owned()),
            kind: Some("Gateway".to_owned()),
            namespace: Some(key.namespace.clone()),
            name: key.name.clone(),
            ..ParentRef::default()
        });
        others.collect()
    }

    /// The Gateway of listeners, and all it listens for.
    fn listening(&self, owner: &Owner) -> Option<(ObjectKey, Arc<Listening>)> {
        let gateway = match owner {
            Owner::Gateway(key) => key.clone(),
            Owner::Set(set) => {
                let object = self.view.listener_set(set)?;
                match Owner::of(&object.spec.parent_ref, &object.metadata.namespace)? {
                    Owner::Gateway(key) => key,
                    Owner::Set(_) => return None,
                }
            }
        };
        self.view.listening(&gateway).map(|listening| (gateway, listening))
    }

    /// The listeners of a parent that a route is attached to, whether they work or not.
    fn attach_to(
        &self,
        parent: &ParentRef,
        owner: &Owner,
        listening: &Listening,
        hostnames: &[String],
    ) -> Result<Vec<(usize, Place)>, (ConditionReason, String)> {
        let entry = |at: &usize| &listening.entries[*at];
        let all = (0..listening.entries.len()).filter(|at| entry(at).owner == *owner);
        let meant: Vec<usize> = all.filter(|at| is_meant(parent, &entry(at).listener)).collect();
        if meant.is_empty() {
            let message = "the parent has no listener of this name and port".to_owned();
            return Err((ConditionReason::NoMatchingParent, message));
        }
        let allowed: Vec<usize> = meant.into_iter().filter(|at| self.allows(entry(at))).collect();
        if allowed.is_empty() {
            let message = "no listener takes routes of this kind from this namespace".to_owned();
            return Err((ConditionReason::NotAllowedByListeners, message));
        }
        let hosted = allowed.into_iter().filter_map(|at| {
            let hosts = meet(hostnames, entry(&at).host())?;
            Some((at, Place { listener: (owner.clone(), entry(&at).listener.name.clone()), hosts }))
        });
        let mut hosted: Vec<(usize, Place)> = hosted.collect();
        if hosted.is_empty() {
            let message = "no listener has a host in common with the route".to_owned();
            return Err((ConditionReason::NoMatchingListenerHostname, message));
        }
        let winner = hosted.iter().find_map(|(_, place)| self.view.lost.get(&place.listener));
        hosted.retain(|(_, place)| !self.view.lost.contains_key(&place.listener));
        match winner.filter(|_| hosted.is_empty()) {
            Some(winner) => Err(lost_to(winner)),
            None => Ok(hosted),
        }
    }

    /// Whether a listener takes routes of this kind from this namespace.
    fn allows(&self, entry: &Entry) -> bool {
        let (listener, kind) = (&entry.listener, self.source.kind);
        let allowed = listener.allowed_routes.clone().unwrap_or_default();
        let named = |it: &RouteKind| it.kind == kind && it.group.as_deref().is_none_or(|group| group == GROUP);
        if !kinds_of(&listener.protocol).contains(&kind)
            || !(allowed.kinds.is_empty() || allowed.kinds.iter().any(named))
        {
            return false;
        }
        let home = entry.owner.object().key.namespace;
        let namespaces = allowed.namespaces.unwrap_or_default();
        selection::admits(&namespaces, "Same", &home, &self.source.meta.namespace, self.view)
    }
}

/// Whether a reference means a listener of the object it names.
fn is_meant(parent: &ParentRef, listener: &Listener) -> bool {
    parent.section_name.as_deref().is_none_or(|name| name.is_empty() || name == listener.name)
        && parent.port.is_none_or(|port| port == listener.port)
}

fn lost_to(winner: &ClaimantKey) -> (ConditionReason, String) {
    let kind = winner.kind.of_route().unwrap_or_default();
    let message = format!(
        "{kind} {} comes first by age or name and has a host in common: a listener takes one kind for a host",
        winner.key
    );
    (ConditionReason::HostnameConflict, message)
}

fn nothing_serves(listening: &Listening) -> (ConditionReason, String) {
    let message = match &listening.refused {
        Some((_, problem)) => format!("the Gateway is not accepted: {problem}"),
        None => "none of the listeners that take the route is accepted: see their conditions".to_owned(),
    };
    (ConditionReason::NoMatchingParent, message)
}

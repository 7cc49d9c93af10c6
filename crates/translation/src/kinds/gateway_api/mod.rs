//! The kinds of the Gateway API: Gateways with what they listen for, routes, and what both come to.

mod affinity;
mod attachment;
mod contest;
mod cors;
mod durations;
mod filters;
mod gateway;
mod grpc;
mod hosts;
mod http;
mod listening;
mod lua;
mod paths;
mod precedence;
mod readable;
mod redirect;
mod references;
mod selection;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use silverback_kong::ids::IdKind;
use silverback_kong::limits::{self, Refused};
use silverback_kong::tags;
use silverback_model::ObjectKey;
use silverback_resources::types::{BackendTarget, ValueMatch};
use silverback_status::ConditionReason;

use crate::annotations::{PLUGINS, list};
use crate::claims::{Backend, BackendPort, BackendRef, Claims, PluginRef};
use crate::inputs::View;
use crate::output::Reason;
use crate::routed::{Findings, InvalidRule, Reference, Routed, Speech};
use crate::source::Source;

pub(crate) use attachment::{is_kind, kinds_of};
pub(crate) use contest::{Lost, Stand, lost};
pub(crate) use gateway::{certificate, claims as gateway_claims, set_claims};
pub(crate) use grpc::claims as grpc_claims;
pub(crate) use hosts::covering;
pub(crate) use http::claims as http_claims;
pub(crate) use listening::{
    Entry, ListenerKey, Listening, Owner, SetKey, ends_tls, lets_in_anybody, listening, validation,
};
pub(crate) use precedence::{At, Contender, Need, Stake, contenders, fulfil, mark, needs};
pub(crate) use references::{authorities, no_client_certificate};
pub(crate) use streams::{tcp_claims, tls_claims, udp_claims};

/// The API's group.
pub(crate) const GROUP: &str = "gateway.networking.k8s.io";

/// Why a rule cannot be had: the condition's reason, the field within the rule, and what is wrong.
type Invalid = (ConditionReason, String, String);

fn unsupported(field: impl Into<String>, problem: impl Into<String>) -> Invalid {
    (ConditionReason::UnsupportedValue, field.into(), problem.into())
}

/// What all rules of a route share.
struct Scope<'a> {
    source: Source<'a>,
    view: &'a View<'a>,
}

impl Scope<'_> {
    /// The tags of what is made from rules of these names.
    fn tags<'r>(&self, rules: impl IntoIterator<Item = Option<&'r String>>) -> Vec<String> {
        let mut all = self.source.origin_tags();
        let named = rules.into_iter().flatten().filter(|name| !name.is_empty()).map(|name| tags::named_rule(name));
        tags::extend(&mut all, named);
        tags::extend(&mut all, self.source.user_tags());
        all
    }

    fn id(&self, kind: IdKind, name: &str) -> Option<String> {
        self.view.settings.id(kind, name)
    }

    /// The plugins that the annotation names, and more.
    fn plugins(&self, more: &[PluginRef]) -> Arc<[PluginRef]> {
        let named = list(self.source.meta, PLUGINS);
        named.iter().map(|text| PluginRef::parse(text)).chain(more.iter().cloned()).collect()
    }

    /// Where the requests of a rule go. Only Services that may be referred to count; whether they exist is asked later.
    fn backends(&self, refs: &[BackendTarget], field: &str, speaks: Speech, findings: &mut Findings) -> Vec<Backend> {
        let mut backends = Vec::new();
        for (at, target) in refs.iter().enumerate() {
            let field = format!("{field}.backendRefs[{at}]");
            let group = target.group.as_deref().unwrap_or_default();
            if target.kind.as_deref() != Some("Service") || !matches!(group, "" | "core") {
                let kind = target.kind.as_deref().unwrap_or("an object without a kind");
                let message = format!("the backend is left out: {kind} is no kind that takes requests");
                findings.references.push(Reference::Bad(ConditionReason::InvalidKind, format!("{field}: {message}")));
                findings.notes.error(&self.source.reference(), field, Reason::UnsupportedBackend, message);
                continue;
            }
            let home = &self.source.meta.namespace;
            let namespace = target.namespace.as_ref().filter(|it| !it.is_empty()).unwrap_or(home);
            let key = ObjectKey::new(namespace.clone(), target.name.clone());
            if namespace != home && !self.view.granted(&self.source.reference(), ("", "Service"), &key) {
                let message = format!("the backend is left out: no ReferenceGrant in {namespace:?} allows it");
                let bad = Reference::Bad(ConditionReason::RefNotPermitted, format!("{field}: {message}"));
                findings.references.push(bad);
                findings.notes.error(&self.source.reference(), field, Reason::ReferenceNotGranted, message);
                continue;
            }
            findings.references.push(Reference::Service {
                field: field.clone(),
                key: key.clone(),
                port: target.port,
                speaks,
            });
            let port = target.port.map_or(BackendPort::Implicit, BackendPort::Number);
            backends.push(Backend { to: BackendRef::Service(key, port), weight: target.weight, field });
        }
        backends
    }

    /// Notes what the filters of a rule refer to.
    fn filter_references(&self, rule: usize, filtered: &filters::Filtered, findings: &mut Findings) {
        let field = |at: usize| format!("spec.rules[{rule}].filters[{at}].extensionRef");
        for (at, plugin) in &filtered.named {
            let key = ObjectKey::new(self.source.meta.namespace.clone(), plugin.name.clone());
            findings.references.push(Reference::Plugin { field: field(*at), key });
        }
        for (at, problem) in &filtered.unresolved {
            let bad = Reference::Bad(ConditionReason::InvalidKind, format!("{}: {problem}", field(*at)));
            findings.references.push(bad);
            let message = format!("the rule answers 500: {problem}");
            findings.notes.error(&self.source.reference(), field(*at), Reason::UnsupportedFeature, message);
        }
    }

    /// Leaves a rule out.
    fn refuse(&self, rule: usize, (reason, field, problem): Invalid, findings: &mut Findings) {
        let field = format!("spec.rules[{rule}].{field}");
        let message = format!("the rule is left out: {problem}");
        let why =
            if reason == ConditionReason::UnsupportedValue { Reason::UnsupportedFeature } else { Reason::InvalidValue };
        findings.invalid.push(InvalidRule { rule, reason, message: format!("{field}: {problem}") });
        findings.notes.error(&self.source.reference(), field, why, message);
    }

    /// Finds the rules of which Kong refuses every route, for what annotations make of it. What is left out is left out
    /// with all other routes, and told there: here is found what it means for the status.
    fn refused_rules(&self, claims: &Claims) -> Vec<InvalidRule> {
        let enterprise = self.view.settings.enterprise();
        let (mut served, mut refused) = (BTreeSet::<usize>::new(), BTreeMap::<usize, Refused>::new());
        for claim in claims.services.iter().flat_map(|service| &service.routes) {
            match limits::route(&mut claim.route.clone(), enterprise) {
                Ok(_) => served.extend(&claim.rules),
                Err(why) => refused.extend(claim.rules.iter().map(|rule| (*rule, why.clone()))),
            }
        }
        let refused = refused.into_iter().filter(|(rule, _)| !served.contains(rule));
        let invalid = |(rule, why)| InvalidRule {
            rule,
            reason: ConditionReason::UnsupportedValue,
            message: format!("its routes are left out: {why}"),
        };
        refused.map(invalid).collect()
    }

    /// Closes the claims of a route.
    fn finish(
        &self,
        mut claims: Claims,
        parents: Vec<crate::routed::Parent>,
        rules: usize,
        mut found: Findings,
    ) -> Claims {
        found.invalid.extend(self.refused_rules(&claims));
        found.invalid.sort_by_key(|it| it.rule);
        claims.notes = found.notes;
        let generation = self.source.meta.generation;
        let (invalid, references) = (found.invalid, found.references);
        claims.routed = Some(Arc::new(Routed { generation, parents, rules, invalid, references }));
        claims
    }
}

/// Of several headers of one name the first counts; names do not tell upper from lower case.
fn distinct(headers: &[ValueMatch]) -> impl Iterator<Item = &ValueMatch> {
    let is_first = |at: usize| !headers[..at].iter().any(|it| it.name.eq_ignore_ascii_case(&headers[at].name));
    headers.iter().enumerate().filter(move |(at, _)| is_first(*at)).map(|(_, header)| header)
}

/// What makes two rules' backends equal, whatever their order.
fn backends_key(refs: &[BackendTarget]) -> Vec<String> {
    let mut keys: Vec<String> = refs.iter().map(|target| format!("{target:?}")).collect();
    keys.sort_unstable();
    keys
}

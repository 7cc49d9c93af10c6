//! The routes of the Gateway API.

mod attachment;
mod filters;
mod gateway;
mod grpc;
mod http;
mod paths;
mod streams;

use std::sync::Arc;

use silverback_kong::ids::{self, IdKind};
use silverback_kong::tags;
use silverback_model::ObjectKey;
use silverback_resources::types::BackendTarget;

use crate::annotations::{PLUGINS, list};
use crate::claims::{Backend, BackendPort, BackendRef, PluginRef};
use crate::inputs::View;
use crate::output::Reason;
use crate::source::{Notes, Source};

pub(crate) use gateway::claims as gateway_claims;
pub(crate) use grpc::claims as grpc_claims;
pub(crate) use http::claims as http_claims;
pub(crate) use streams::{tcp_claims, tls_claims, udp_claims};

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
        let settings = self.view.settings;
        settings.feature_gates.fill_ids.then(|| ids::id(kind, &settings.workspace, name))
    }

    /// The plugins that the annotation names, and more.
    fn plugins(&self, more: &[PluginRef]) -> Arc<[PluginRef]> {
        let named = list(self.source.meta, PLUGINS);
        named.iter().map(|text| PluginRef::parse(text)).chain(more.iter().cloned()).collect()
    }

    /// Where the requests of a rule go. Only Services that may be referred to count; whether they exist is asked later.
    fn backends(&self, refs: &[BackendTarget], field: &str, notes: &mut Notes) -> Vec<Backend> {
        let mut backends = Vec::new();
        for (at, target) in refs.iter().enumerate() {
            let field = format!("{field}.backendRefs[{at}]");
            let group = target.group.as_deref().unwrap_or_default();
            if target.kind.as_deref() != Some("Service") || !matches!(group, "" | "core") {
                let kind = target.kind.as_deref().unwrap_or("an object without a kind");
                let message = format!("the backend is left out: {kind} is no kind that takes requests");
                notes.error(&self.source.reference(), field, Reason::UnsupportedBackend, message);
                continue;
            }
            let home = &self.source.meta.namespace;
            let namespace = target.namespace.as_ref().filter(|it| !it.is_empty()).unwrap_or(home);
            let key = ObjectKey::new(namespace.clone(), target.name.clone());
            if namespace != home && !self.view.granted(&self.source.reference(), ("", "Service"), &key) {
                let message = format!("the backend is left out: no ReferenceGrant in {namespace:?} allows it");
                notes.error(&self.source.reference(), field, Reason::ReferenceNotGranted, message);
                continue;
            }
            if !target.filters.is_empty() {
                let message = "filters of a single backend have no effect: Kong has none";
                notes.warn(&self.source.reference(), format!("{field}.filters"), Reason::UnsupportedFeature, message);
            }
            let port = target.port.map_or(BackendPort::Implicit, BackendPort::Number);
            backends.push(Backend { to: BackendRef::Service(key, port), weight: target.weight, field });
        }
        backends
    }
}

/// What makes two rules' backends equal, whatever their order.
fn backends_key(refs: &[BackendTarget]) -> Vec<String> {
    let mut keys: Vec<String> = refs.iter().map(|target| format!("{target:?}")).collect();
    keys.sort_unstable();
    keys
}

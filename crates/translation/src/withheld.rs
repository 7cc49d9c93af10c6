//! What is withheld while the state of some kinds is in doubt: changes of objects that newly name what is not known there.
//!
//! A missing reference is no news while its collection cannot be brought up to date: what it names may be there.

use std::collections::{BTreeMap, BTreeSet};

use silverback_incremental::Report;
use silverback_model::ObjectRef;

use crate::inputs::Inputs;
use crate::output::{Diagnostic, ObjectChange, Reason, Severity};

/// The newest change of each object whose last effect is kept.
#[derive(Default)]
pub(crate) struct Withheld {
    changes: BTreeMap<ObjectRef, ObjectChange>,
    /// Those of whom that was said.
    told: BTreeSet<ObjectRef>,
}

impl Withheld {
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What is to be tried now: what was withheld, and newer changes, of which the last of an object counts.
    pub(crate) fn join(&mut self, changes: Vec<ObjectChange>) -> Vec<ObjectChange> {
        if self.changes.is_empty() {
            return changes;
        }
        let mut all = std::mem::take(&mut self.changes);
        all.extend(changes.into_iter().map(|change| (change.object.clone(), change)));
        all.into_values().collect()
    }

    /// What is withheld.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &ObjectChange> {
        self.changes.values()
    }

    /// Withholds a change.
    pub(crate) fn keep(&mut self, change: ObjectChange) {
        self.changes.insert(change.object.clone(), change);
    }

    /// What to say of each object that is withheld; nothing of those that no longer are.
    pub(crate) fn notes(&mut self, doubtful: &BTreeSet<String>) -> Vec<(ObjectRef, Option<Diagnostic>)> {
        let now: BTreeSet<ObjectRef> = self.changes.keys().cloned().collect();
        let over = self.told.difference(&now).map(|object| (object.clone(), None));
        let kinds = doubtful.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!(
            "its last version stays in force: this one names what is not known, and may be there, since what is known of \
             {kinds} cannot be brought up to date"
        );
        let note = |object: &ObjectRef| Diagnostic {
            object: object.clone(),
            field: String::new(),
            severity: Severity::Warning,
            reason: Reason::ReferenceNotFound,
            message: message.clone(),
        };
        let notes = over.chain(now.iter().map(|object| (object.clone(), Some(note(object))))).collect();
        self.told = now;
        notes
    }

    /// Number of entries.
    pub(crate) fn footprint(&self) -> usize {
        self.changes.len() + self.told.len()
    }
}

/// Whether a batch led to a look, in vain, at a kind in doubt.
pub(crate) fn is_in_doubt(inputs: &Inputs, report: &Report, doubtful: &BTreeSet<String>) -> bool {
    doubtful.iter().any(|kind| missed(inputs, report, kind))
}

fn missed(inputs: &Inputs, report: &Report, kind: &str) -> bool {
    let name = kind.split('.').next().unwrap_or_default();
    match name {
        "Service" => report.missed(&inputs.services),
        "EndpointSlice" => report.missed(&inputs.slices_by_service),
        "Secret" => report.missed(&inputs.secrets),
        "ConfigMap" => report.missed(&inputs.config_maps),
        "IngressClass" => report.missed(&inputs.classes),
        "IngressClassParameters" => report.missed(&inputs.class_parameters),
        "KongPlugin" => report.missed(&inputs.plugins),
        "KongClusterPlugin" => report.missed(&inputs.cluster_plugins),
        "KongConsumerGroup" => report.missed(&inputs.consumer_groups),
        "KongUpstreamPolicy" => report.missed(&inputs.upstream_policies),
        "KongIngress" => report.missed(&inputs.kong_ingresses),
        "KongServiceFacade" => report.missed(&inputs.facades),
        "KongVault" => report.missed(&inputs.vaults),
        "Gateway" => report.missed(&inputs.gateways),
        "GatewayClass" => report.missed(&inputs.gateway_classes),
        "ListenerSet" | "XListenerSet" => report.missed(&inputs.listener_sets),
        "Namespace" => report.missed(&inputs.namespaces),
        // Nothing names them.
        _ => false,
    }
}

//! The objects of the cluster as collections, and the way rules read them.

use std::sync::Arc;

use silverback_incremental::{Ctx, Graph, Index, Input};
use silverback_model::{ObjectKey, ObjectRef};
use silverback_resources::crds::{
    IngressClassParameters, KongClusterPlugin, KongConsumer, KongConsumerGroup, KongPlugin,
};
use silverback_resources::types::{ConfigMap, EndpointSlice, IngressClass, ReferenceGrant, Secret, Service};

use crate::claimant::{Claimant, ClaimantKey};
use crate::class::{self, ClassFacts};
use crate::settings::Settings;

/// Collections that are set from outside.
#[derive(Clone, Copy)]
pub(crate) struct Inputs {
    /// Objects that claim routes.
    pub claimants: Input<ClaimantKey, Claimant>,
    /// Services.
    pub services: Input<ObjectKey, Service>,
    /// Endpoints of Services: many, and changing all the time.
    pub slices: Input<ObjectKey, EndpointSlice>,
    /// Secrets.
    pub secrets: Input<ObjectKey, Secret>,
    /// ConfigMaps.
    pub config_maps: Input<ObjectKey, ConfigMap>,
    /// Ingress classes.
    pub classes: Input<ObjectKey, IngressClass>,
    /// Their parameters.
    pub class_parameters: Input<ObjectKey, IngressClassParameters>,
    /// Permissions to refer into other namespaces.
    pub grants: Input<ObjectKey, ReferenceGrant>,
    /// The same by the namespace they open.
    pub grants_by_namespace: Index<String, ObjectKey>,
    /// Plugins of namespaces.
    pub plugins: Input<ObjectKey, KongPlugin>,
    /// Plugins of the cluster.
    pub cluster_plugins: Input<ObjectKey, KongClusterPlugin>,
    /// Consumers.
    pub consumers: Input<ObjectKey, KongConsumer>,
    /// Consumer groups.
    pub consumer_groups: Input<ObjectKey, KongConsumerGroup>,
}

impl Inputs {
    /// Adds them to a graph.
    pub(crate) fn new(graph: &mut Graph) -> Self {
        let grants = graph.input("reference grants");
        Self {
            grants,
            grants_by_namespace: graph
                .index("grants by namespace", &grants, |key: &ObjectKey, _| vec![key.namespace.clone()]),
            claimants: graph.input("claimants"),
            services: graph.input("services"),
            slices: graph.input_hot("endpoint slices"),
            secrets: graph.input("secrets"),
            config_maps: graph.input("config maps"),
            classes: graph.input("ingress classes"),
            class_parameters: graph.input("ingress class parameters"),
            plugins: graph.input("plugins"),
            cluster_plugins: graph.input("cluster plugins"),
            consumers: graph.input("consumers"),
            consumer_groups: graph.input("consumer groups"),
        }
    }
}

/// What a rule sees of the cluster while it runs. Every look is recorded, so that the rule reruns when what it saw, or
/// missed, changes.
pub(crate) struct View<'a> {
    /// The recorder.
    pub ctx: &'a Ctx<'a>,
    /// The objects.
    pub inputs: &'a Inputs,
    /// The settings.
    pub settings: &'a Settings,
}

impl View<'_> {
    /// A Service.
    pub(crate) fn service(&self, key: &ObjectKey) -> Option<Arc<Service>> {
        self.ctx.get(&self.inputs.services, key)
    }

    /// A Secret.
    pub(crate) fn secret(&self, key: &ObjectKey) -> Option<Arc<Secret>> {
        self.ctx.get(&self.inputs.secrets, key)
    }

    /// A ConfigMap.
    pub(crate) fn config_map(&self, key: &ObjectKey) -> Option<Arc<ConfigMap>> {
        self.ctx.get(&self.inputs.config_maps, key)
    }

    /// Whether there is a KongServiceFacade of ours.
    pub(crate) fn has_facade(&self, _key: &ObjectKey) -> bool {
        false
    }

    /// What our class says.
    pub(crate) fn class(&self) -> ClassFacts {
        let key = ObjectKey::new("", self.settings.ingress_class.clone());
        let Some(class) = self.ctx.get(&self.inputs.classes, &key) else { return ClassFacts::default() };
        let parameters = class::parameters_of(&class).and_then(|key| self.ctx.get(&self.inputs.class_parameters, &key));
        ClassFacts::new(&class, parameters.and_then(|parameters| parameters.spec.clone()).unwrap_or_default())
    }

    /// Whether an object may refer to an object of another namespace.
    pub(crate) fn granted(&self, from: &ObjectRef, kind: (&str, &str), to: &ObjectKey) -> bool {
        let (from_kind, from_group) = from.kind.split_once('.').unwrap_or((&from.kind, ""));
        let grants = self.ctx.members(&self.inputs.grants_by_namespace, &to.namespace);
        grants
            .iter()
            .filter_map(|grant| self.ctx.get(&self.inputs.grants, grant))
            .any(|grant| grant.allows((from_group, from_kind, &from.key.namespace), (kind.0, kind.1, &to.name)))
    }
}

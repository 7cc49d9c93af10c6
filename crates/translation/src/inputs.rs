//! The objects of the cluster as collections, and the way rules read them.

use std::sync::Arc;

use silverback_incremental::{Ctx, Graph, Input};
use silverback_model::ObjectKey;
use silverback_resources::types::{ConfigMap, EndpointSlice, IngressClass, Secret, Service};

use crate::claimant::{Claimant, ClaimantKey};
use crate::class::ClassFacts;
use crate::settings::Settings;

/// Collections that are set from outside.
#[derive(Clone, Copy)]
pub struct Inputs {
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
}

impl Inputs {
    /// Adds them to a graph.
    pub fn new(graph: &mut Graph) -> Self {
        Self {
            claimants: graph.input("claimants"),
            services: graph.input("services"),
            slices: graph.input_hot("endpoint slices"),
            secrets: graph.input("secrets"),
            config_maps: graph.input("config maps"),
            classes: graph.input("ingress classes"),
        }
    }
}

/// What a rule sees of the cluster while it runs. Every look is recorded, so that the rule reruns when what it saw, or
/// missed, changes.
pub struct View<'a> {
    /// The recorder.
    pub ctx: &'a Ctx<'a>,
    /// The objects.
    pub inputs: &'a Inputs,
    /// The settings.
    pub settings: &'a Settings,
}

impl View<'_> {
    /// A Service.
    pub fn service(&self, key: &ObjectKey) -> Option<Arc<Service>> {
        self.ctx.get(&self.inputs.services, key)
    }

    /// A Secret.
    pub fn secret(&self, key: &ObjectKey) -> Option<Arc<Secret>> {
        self.ctx.get(&self.inputs.secrets, key)
    }

    /// A ConfigMap.
    pub fn config_map(&self, key: &ObjectKey) -> Option<Arc<ConfigMap>> {
        self.ctx.get(&self.inputs.config_maps, key)
    }

    /// Whether there is a KongServiceFacade of ours.
    pub fn has_facade(&self, _key: &ObjectKey) -> bool {
        false
    }

    /// What our class says.
    pub fn class(&self) -> ClassFacts {
        let key = ObjectKey::new("", self.settings.ingress_class.clone());
        let class = self.ctx.get(&self.inputs.classes, &key);
        ClassFacts { is_default: ClassFacts::is_default(class.as_deref()), ..ClassFacts::default() }
    }
}

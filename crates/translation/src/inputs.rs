//! The objects of the cluster as collections, and the way rules read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use silverback_incremental::{Ctx, Derived, Graph, Index, Input, Members};
use silverback_model::{ObjectKey, ObjectRef};
use silverback_resources::crds::{
    IngressClassParameters, KongClusterPlugin, KongConsumer, KongConsumerGroup, KongCustomEntity, KongIngress,
    KongLicense, KongPlugin, KongServiceFacade, KongUpstreamPolicy, KongVault,
};
use silverback_resources::types::{
    BackendTLSPolicy, ConfigMap, CustomResourceDefinition, EndpointSlice, Gateway, GatewayClass, IngressClass,
    ListenerSet, ReferenceGrant, Secret, Service,
};

use crate::claimant::{Claimant, ClaimantKey};
use crate::class::{self, ClassFacts};
use crate::kinds::ca_certificate::{Held, Holder, Trusted};
use crate::kinds::gateway_api::{ListenerKey, Listening, Owner, SetKey};
use crate::settings::Settings;
use crate::status::policies;

/// Collections that are set from outside.
#[derive(Clone, Copy)]
pub(crate) struct Inputs {
    /// Objects that claim routes.
    pub claimants: Input<ClaimantKey, Claimant>,
    /// Services.
    pub services: Input<ObjectKey, Service>,
    /// Endpoints of Services: many, and changing all the time.
    pub slices: Input<ObjectKey, EndpointSlice>,
    /// The same by Service.
    pub slices_by_service: Index<ObjectKey, ObjectKey>,
    /// Secrets.
    pub secrets: Input<ObjectKey, Secret>,
    /// Which Secrets may hold a key pair.
    pub key_pairs: Input<ObjectKey, ()>,
    /// Secrets and ConfigMaps that hold authorities.
    pub authorities: Input<(Holder, ObjectKey), Held>,
    /// The time, in minutes since 1970; there is one key.
    pub minute: Input<(), u64>,
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
    /// How load is spread.
    pub upstream_policies: Input<ObjectKey, KongUpstreamPolicy>,
    /// The same, the old way.
    pub kong_ingresses: Input<ObjectKey, KongIngress>,
    /// Second faces of Services.
    pub facades: Input<ObjectKey, KongServiceFacade>,
    /// Vaults.
    pub vaults: Input<ObjectKey, KongVault>,
    /// Licences.
    pub licenses: Input<ObjectKey, KongLicense>,
    /// Gateways.
    pub gateways: Input<ObjectKey, Gateway>,
    /// Those that routes need not name, by the scope of such routes.
    pub default_gateways: Index<String, ObjectKey>,
    /// Their classes.
    pub gateway_classes: Input<ObjectKey, GatewayClass>,
    /// CRDs of the Gateway API.
    pub definitions: Input<ObjectKey, CustomResourceDefinition>,
    /// Listeners added to them.
    pub listener_sets: Input<SetKey, ListenerSet>,
    /// The same by Gateway.
    pub sets_by_gateway: Index<ObjectKey, SetKey>,
    /// TLS to backends.
    pub tls_policies: Input<ObjectKey, BackendTLSPolicy>,
    /// The same by the Service they are for.
    pub tls_policies_by_service: Index<ObjectKey, ObjectKey>,
    /// Labels of namespaces.
    pub namespaces: Input<String, BTreeMap<String, String>>,
    /// Entities without a kind of their own.
    pub custom_entities: Input<ObjectKey, KongCustomEntity>,
}

impl Inputs {
    /// Adds them to a graph.
    pub(crate) fn new(graph: &mut Graph) -> Self {
        let grants = graph.input("reference grants");
        let slices = graph.input_hot("endpoint slices");
        let tls_policies = graph.input("backend tls policies");
        let listener_sets = graph.input("listener sets");
        let gateways = graph.input("gateways");
        Self {
            grants,
            grants_by_namespace: graph
                .index("grants by namespace", &grants, |key: &ObjectKey, _| vec![key.namespace.clone()]),
            claimants: graph.input("claimants"),
            services: graph.input("services"),
            slices,
            slices_by_service: graph
                .index("slices by service", &slices, |_, slice: &EndpointSlice| slice.owner().into_iter().collect()),
            secrets: graph.input("secrets"),
            key_pairs: graph.input("possible key pairs"),
            authorities: graph.input("labelled authorities"),
            minute: graph.input("minute"),
            config_maps: graph.input("config maps"),
            classes: graph.input("ingress classes"),
            class_parameters: graph.input("ingress class parameters"),
            plugins: graph.input("plugins"),
            cluster_plugins: graph.input("cluster plugins"),
            consumers: graph.input("consumers"),
            consumer_groups: graph.input("consumer groups"),
            upstream_policies: graph.input("upstream policies"),
            kong_ingresses: graph.input("kong ingresses"),
            facades: graph.input("facades"),
            vaults: graph.input("vaults"),
            licenses: graph.input("licenses"),
            default_gateways: graph.index("default gateways", &gateways, |_, gateway: &Gateway| {
                gateway.spec.default_scope.iter().filter(|scope| *scope != "None").cloned().collect()
            }),
            gateways,
            gateway_classes: graph.input("gateway classes"),
            definitions: graph.input("gateway api definitions"),
            listener_sets,
            sets_by_gateway: graph.index("listener sets by gateway", &listener_sets, gateway_of_set),
            tls_policies,
            tls_policies_by_service: graph.index(
                "tls policies by service",
                &tls_policies,
                |_, policy: &BackendTLSPolicy| policies::targets(policy),
            ),
            namespaces: graph.input("namespaces"),
            custom_entities: graph.input("custom entities"),
        }
    }
}

fn gateway_of_set(_: &SetKey, set: &ListenerSet) -> Vec<ObjectKey> {
    match Owner::of(&set.spec.parent_ref, &set.metadata.namespace) {
        Some(Owner::Gateway(gateway)) => vec![gateway],
        _ => Vec::new(),
    }
}

/// What is worked out before all else, for every rule to read.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    /// What Gateways listen for.
    pub listening: Derived<ObjectKey, Listening>,
    /// What policies trust.
    pub trusted: Derived<(Holder, ObjectKey), Trusted>,
}

/// What a rule sees of the cluster while it runs. Every look is recorded, so that the rule reruns when what it saw, or
/// missed, changes.
pub(crate) struct View<'a> {
    /// The recorder.
    pub ctx: &'a Ctx<'a>,
    /// The objects.
    pub inputs: &'a Inputs,
    /// The settings.
    pub settings: Arc<Settings>,
    /// What is known already; nothing while that is worked out.
    pub known: Option<Known>,
    /// Listeners that do not take the route that is looked at, since they took another before.
    pub lost: BTreeMap<ListenerKey, ClaimantKey>,
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

    /// The time, in minutes since 1970.
    pub(crate) fn minute(&self) -> u64 {
        self.ctx.get(&self.inputs.minute, &()).map_or(0, |minute| *minute)
    }

    /// A KongServiceFacade of ours.
    pub(crate) fn facade(&self, key: &ObjectKey) -> Option<Arc<KongServiceFacade>> {
        let facade = self.ctx.get(&self.inputs.facades, key)?;
        self.class().owns(&facade.metadata, &self.settings.ingress_class).then_some(facade)
    }

    /// A GatewayClass.
    pub(crate) fn gateway_class(&self, name: &str) -> Option<Arc<GatewayClass>> {
        self.ctx.get(&self.inputs.gateway_classes, &ObjectKey::new("", name))
    }

    /// What a Gateway listens for.
    pub(crate) fn listening(&self, gateway: &ObjectKey) -> Option<Arc<Listening>> {
        self.ctx.get(&self.known?.listening, gateway)
    }

    /// The Gateways that routes of a scope need not name, whoever's they are.
    pub(crate) fn default_gateways(&self, scope: &str) -> Arc<Members<ObjectKey>> {
        self.ctx.members(&self.inputs.default_gateways, &scope.to_owned())
    }

    /// A ListenerSet.
    pub(crate) fn listener_set(&self, key: &SetKey) -> Option<Arc<ListenerSet>> {
        self.ctx.get(&self.inputs.listener_sets, key)
    }

    /// The ListenerSets of a Gateway.
    pub(crate) fn listener_sets(&self, gateway: &ObjectKey) -> Vec<(SetKey, Arc<ListenerSet>)> {
        let keys = self.ctx.members(&self.inputs.sets_by_gateway, gateway);
        keys.iter().filter_map(|key| Some((key.clone(), self.listener_set(key)?))).collect()
    }

    /// What a policy trusts by naming an object.
    pub(crate) fn trusted(&self, holder: Holder, key: &ObjectKey) -> Option<Arc<Trusted>> {
        self.ctx.get(&self.known?.trusted, &(holder, key.clone()))
    }

    /// The policies of TLS to a Service.
    pub(crate) fn tls_policies(&self, service: &ObjectKey) -> Vec<Arc<BackendTLSPolicy>> {
        let keys = self.ctx.members(&self.inputs.tls_policies_by_service, service);
        keys.iter().filter_map(|key| self.ctx.get(&self.inputs.tls_policies, key)).collect()
    }

    /// The labels of a namespace.
    pub(crate) fn namespace_labels(&self, name: &str) -> Arc<BTreeMap<String, String>> {
        self.ctx.get(&self.inputs.namespaces, &name.to_owned()).unwrap_or_default()
    }

    /// A KongUpstreamPolicy.
    pub(crate) fn upstream_policy(&self, key: &ObjectKey) -> Option<Arc<KongUpstreamPolicy>> {
        self.ctx.get(&self.inputs.upstream_policies, key)
    }

    /// A KongIngress.
    pub(crate) fn kong_ingress(&self, key: &ObjectKey) -> Option<Arc<KongIngress>> {
        self.ctx.get(&self.inputs.kong_ingresses, key)
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

//! The table of kinds. Nothing but data.

use super::references::{CREDENTIALS, Reference, Target};
use super::{Entries, Kind, KindId, Origin, Scope, Volume};
use crate::types::BUNDLE_VERSION;

/// `kubectl apply` keeps a copy of the whole object here; nothing is decided by it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

const KONG: &str = "configuration.konghq.com";
const INCUBATOR: &str = "incubator.ingress-controller.konghq.com";
const GATEWAY_API: &str = "gateway.networking.k8s.io";
const EXPERIMENTAL: &str = "gateway.networking.x-k8s.io";

const GATEWAY_SWITCH: &str = "enable-controller-gwapi-gateway";
const ROUTE_SWITCH: &str = "enable-controller-gwapi-httproute";

const SPEC: &[&str] = &["spec"];

/// Metadata that decides something, of most kinds.
const METADATA: &[&str] =
    &["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"];
const PLUGIN: &[&str] = &[
    "plugin",
    "config",
    "configFrom",
    "configPatches",
    "disabled",
    "instance_name",
    "ordering",
    "protocols",
    "run_on",
];

/// A kind names its group in its id, so that ids can be constants.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        impl KindId { $($(#[$doc])* pub const $name: KindId = KindId($text);)* }

        #[cfg(test)]
        pub(super) const IDS: &[KindId] = &[$(KindId::$name),*];
    };
}

ids! {
    /// Namespaces, for the label selectors of listeners.
    NAMESPACE = "Namespace";
    /// Services.
    SERVICE = "Service";
    /// Secrets.
    SECRET = "Secret";
    /// ConfigMaps.
    CONFIG_MAP = "ConfigMap";
    /// Endpoints of Services.
    ENDPOINT_SLICE = "EndpointSlice.discovery.k8s.io";
    /// Ingresses.
    INGRESS = "Ingress.networking.k8s.io";
    /// Ingress classes.
    INGRESS_CLASS = "IngressClass.networking.k8s.io";
    /// Which of the optional kinds are installed.
    CUSTOM_RESOURCE_DEFINITION = "CustomResourceDefinition.apiextensions.k8s.io";
    /// Plugins of a namespace.
    KONG_PLUGIN = "KongPlugin.configuration.konghq.com";
    /// Plugins for every namespace.
    KONG_CLUSTER_PLUGIN = "KongClusterPlugin.configuration.konghq.com";
    /// Consumers.
    KONG_CONSUMER = "KongConsumer.configuration.konghq.com";
    /// Consumer groups.
    KONG_CONSUMER_GROUP = "KongConsumerGroup.configuration.konghq.com";
    /// Load balancing and health checks.
    KONG_UPSTREAM_POLICY = "KongUpstreamPolicy.configuration.konghq.com";
    /// Deprecated load balancing settings.
    KONG_INGRESS = "KongIngress.configuration.konghq.com";
    /// Deprecated TCP routes.
    TCP_INGRESS = "TCPIngress.configuration.konghq.com";
    /// Deprecated UDP routes.
    UDP_INGRESS = "UDPIngress.configuration.konghq.com";
    /// Settings of an ingress class.
    INGRESS_CLASS_PARAMETERS = "IngressClassParameters.configuration.konghq.com";
    /// Vaults.
    KONG_VAULT = "KongVault.configuration.konghq.com";
    /// Enterprise licences.
    KONG_LICENSE = "KongLicense.configuration.konghq.com";
    /// Entities of types without a kind of their own.
    KONG_CUSTOM_ENTITY = "KongCustomEntity.configuration.konghq.com";
    /// A second face of a Service, for Ingress backends.
    KONG_SERVICE_FACADE = "KongServiceFacade.incubator.ingress-controller.konghq.com";
    /// Gateway classes.
    GATEWAY_CLASS = "GatewayClass.gateway.networking.k8s.io";
    /// Gateways.
    GATEWAY = "Gateway.gateway.networking.k8s.io";
    /// Listeners added to a Gateway from elsewhere.
    LISTENER_SET = "ListenerSet.gateway.networking.k8s.io";
    /// The same, while it was experimental.
    X_LISTENER_SET = "XListenerSet.gateway.networking.x-k8s.io";
    /// HTTP routes.
    HTTP_ROUTE = "HTTPRoute.gateway.networking.k8s.io";
    /// gRPC routes.
    GRPC_ROUTE = "GRPCRoute.gateway.networking.k8s.io";
    /// TCP routes.
    TCP_ROUTE = "TCPRoute.gateway.networking.k8s.io";
    /// UDP routes.
    UDP_ROUTE = "UDPRoute.gateway.networking.k8s.io";
    /// TLS routes.
    TLS_ROUTE = "TLSRoute.gateway.networking.k8s.io";
    /// Permissions to refer across namespaces.
    REFERENCE_GRANT = "ReferenceGrant.gateway.networking.k8s.io";
    /// TLS towards backends.
    BACKEND_TLS_POLICY = "BackendTLSPolicy.gateway.networking.k8s.io";
}

impl Kind {
    const fn new(id: KindId, group: &'static str, versions: &'static [&'static str], kind: &'static str) -> Self {
        Self {
            id,
            group,
            versions,
            kind,
            plural: "",
            scope: Scope::Namespaced,
            origin: Origin::Crd,
            volume: Volume::Normal,
            fields: &[],
            metadata: METADATA,
            short_endpoints: false,
            labels: Entries::Except(&[]),
            annotations: Entries::Except(&[LAST_APPLIED]),
            field_selector: None,
            kept_for_labels: &[],
            switches: &[],
            gate: None,
            references: &[],
        }
    }

    const fn built_in(id: KindId, group: &'static str, kind: &'static str) -> Self {
        let mut entry = Self::new(id, group, &["v1"], kind);
        entry.origin = Origin::BuiltIn;
        entry
    }

    const fn kong(id: KindId, version: &'static [&'static str], kind: &'static str) -> Self {
        Self::new(id, KONG, version, kind)
    }

    const fn gateway_api(id: KindId, versions: &'static [&'static str], kind: &'static str) -> Self {
        Self::new(id, GATEWAY_API, versions, kind).keeping(SPEC)
    }

    const fn plural(mut self, plural: &'static str) -> Self {
        self.plural = plural;
        self
    }

    const fn cluster(mut self) -> Self {
        self.scope = Scope::Cluster;
        self
    }

    const fn volume(mut self, volume: Volume) -> Self {
        self.volume = volume;
        self
    }

    const fn keeping(mut self, fields: &'static [&'static str]) -> Self {
        self.fields = fields;
        self
    }

    const fn metadata(mut self, metadata: &'static [&'static str]) -> Self {
        self.metadata = metadata;
        self
    }

    const fn with_short_endpoints(mut self) -> Self {
        self.short_endpoints = true;
        self
    }

    const fn labels(mut self, labels: &'static [&'static str]) -> Self {
        self.labels = Entries::Only(labels);
        self
    }

    const fn annotations(mut self, annotations: &'static [&'static str]) -> Self {
        self.annotations = Entries::Only(annotations);
        self
    }

    const fn selecting(mut self, selector: &'static str) -> Self {
        self.field_selector = Some(selector);
        self
    }

    const fn kept_for_labels(mut self, labels: &'static [&'static str]) -> Self {
        self.kept_for_labels = labels;
        self
    }

    const fn switched_by(mut self, flags: &'static [&'static str]) -> Self {
        self.switches = flags;
        self
    }

    const fn gated_by(mut self, gate: &'static str) -> Self {
        self.gate = Some(gate);
        self
    }

    const fn referring(mut self, references: &'static [Reference]) -> Self {
        self.references = references;
        self
    }
}

/// What the annotations of a Service, or of its facade, name.
const SERVICE_REFERENCES: &[Reference] = &[
    Reference::Annotation { name: "konghq.com/client-cert", target: Target::Secret },
    Reference::Annotation { name: "konghq.com/ca-certificates-secrets", target: Target::Secret },
    Reference::Annotation { name: "konghq.com/ca-certificates-configmaps", target: Target::ConfigMap },
];

/// Authorities of clients, as listeners named them in bundles before 1.4.
const LISTENERS_AUTHORITIES: Reference =
    Reference::Typed { path: "spec.listeners.tls.frontendValidation.caCertificateRefs", default: Target::ConfigMap };

const PLUGIN_REFERENCES: &[Reference] = &[
    Reference::Object { path: "configFrom.secretKeyRef", target: Target::Secret },
    Reference::Object { path: "configPatches.valueFrom.secretKeyRef", target: Target::Secret },
];

/// Every kind. Kinds that others depend on come first.
pub static KINDS: &[Kind] = &[
    // What tells which optional kinds exist, and of which bundle. Its labels and other annotations are large and decide
    // nothing.
    Kind::built_in(KindId::CUSTOM_RESOURCE_DEFINITION, "apiextensions.k8s.io", "CustomResourceDefinition")
        .plural("customresourcedefinitions")
        .cluster()
        .volume(Volume::Small)
        .keeping(&[
            "spec.group",
            "spec.names.kind",
            "spec.names.plural",
            "spec.versions.name",
            "spec.versions.served",
            "status.conditions.type",
            "status.conditions.status",
        ])
        .labels(&[])
        .annotations(&[BUNDLE_VERSION]),
    Kind::built_in(KindId::NAMESPACE, "", "Namespace")
        .plural("namespaces")
        .cluster()
        .volume(Volume::Small)
        .annotations(&[]),
    Kind::built_in(KindId::SERVICE, "", "Service")
        .plural("services")
        .keeping(&[
            "spec.type",
            "spec.clusterIP",
            "spec.clusterIPs",
            "spec.externalName",
            "spec.ports.name",
            "spec.ports.port",
            "spec.ports.protocol",
            "spec.ports.appProtocol",
            "spec.ports.targetPort",
            "status.loadBalancer.ingress",
        ])
        .switched_by(&["enable-controller-service"])
        .referring(SERVICE_REFERENCES),
    // A cluster has more of these than of all else together, so nothing is kept that decides nothing. An annotation
    // holds the time of the last change: dropping it leaves only changes of addresses.
    Kind::built_in(KindId::ENDPOINT_SLICE, "discovery.k8s.io", "EndpointSlice")
        .plural("endpointslices")
        .volume(Volume::Hot)
        .keeping(&[
            "endpoints.addresses",
            "endpoints.conditions.ready",
            "endpoints.conditions.terminating",
            // As written in short.
            "endpoints.address",
            "endpoints.ready",
            "endpoints.terminating",
            "ports.name",
            "ports.port",
            "ports.protocol",
        ])
        .with_short_endpoints()
        .metadata(&["name", "namespace", "uid", "resourceVersion", "deletionTimestamp"])
        .labels(&["kubernetes.io/service-name"])
        .annotations(&[])
        .switched_by(&["enable-controller-service"]),
    Kind::built_in(KindId::SECRET, "", "Secret")
        .plural("secrets")
        .keeping(&["type", "data"])
        .selecting("type!=helm.sh/release.v1")
        .kept_for_labels(&["konghq.com/ca-cert", "konghq.com/credential"]),
    Kind::built_in(KindId::CONFIG_MAP, "", "ConfigMap")
        .plural("configmaps")
        .keeping(&["data", "binaryData"])
        .kept_for_labels(&["konghq.com/ca-cert", "silverback.konghq.com/feedback"]),
    Kind::built_in(KindId::INGRESS_CLASS, "networking.k8s.io", "IngressClass")
        .plural("ingressclasses")
        .cluster()
        .volume(Volume::Small)
        .keeping(SPEC)
        .switched_by(&["enable-controller-ingress-class-networkingv1"]),
    Kind::built_in(KindId::INGRESS, "networking.k8s.io", "Ingress")
        .plural("ingresses")
        .keeping(SPEC)
        .switched_by(&["enable-controller-ingress-networkingv1"])
        .referring(&[Reference::Name { path: "spec.tls.secretName", target: Target::Secret }]),
    // Kong's own kinds.
    Kind::kong(KindId::INGRESS_CLASS_PARAMETERS, &["v1alpha1"], "IngressClassParameters")
        .plural("ingressclassparameterses")
        .volume(Volume::Small)
        .keeping(SPEC)
        .switched_by(&["enable-controller-ingress-class-parameters"]),
    Kind::kong(KindId::KONG_PLUGIN, &["v1"], "KongPlugin")
        .plural("kongplugins")
        .keeping(PLUGIN)
        .switched_by(&["enable-controller-kongplugin"])
        .referring(PLUGIN_REFERENCES),
    Kind::kong(KindId::KONG_CLUSTER_PLUGIN, &["v1"], "KongClusterPlugin")
        .plural("kongclusterplugins")
        .cluster()
        .keeping(PLUGIN)
        .switched_by(&["enable-controller-kongclusterplugin"])
        .referring(PLUGIN_REFERENCES),
    Kind::kong(KindId::KONG_CONSUMER, &["v1"], "KongConsumer")
        .plural("kongconsumers")
        .keeping(&["username", "custom_id", "credentials", "consumerGroups", "spec"])
        .switched_by(&["enable-controller-kongconsumer"])
        .referring(CREDENTIALS),
    Kind::kong(KindId::KONG_CONSUMER_GROUP, &["v1beta1"], "KongConsumerGroup")
        .plural("kongconsumergroups")
        .keeping(SPEC)
        .switched_by(&["enable-controller-kongconsumer"]),
    Kind::kong(KindId::KONG_UPSTREAM_POLICY, &["v1beta1"], "KongUpstreamPolicy")
        .plural("kongupstreampolicies")
        .keeping(SPEC)
        .switched_by(&["enable-controller-kong-upstream-policy"]),
    Kind::kong(KindId::KONG_INGRESS, &["v1"], "KongIngress")
        .plural("kongingresses")
        .keeping(&["upstream"])
        .switched_by(&["enable-controller-kongingress"]),
    Kind::kong(KindId::TCP_INGRESS, &["v1beta1"], "TCPIngress")
        .plural("tcpingresses")
        .keeping(SPEC)
        .switched_by(&["enable-controller-tcpingress"])
        .referring(&[Reference::Name { path: "spec.tls.secretName", target: Target::Secret }]),
    Kind::kong(KindId::UDP_INGRESS, &["v1beta1"], "UDPIngress")
        .plural("udpingresses")
        .keeping(SPEC)
        .switched_by(&["enable-controller-udpingress"]),
    Kind::kong(KindId::KONG_VAULT, &["v1alpha1"], "KongVault")
        .plural("kongvaults")
        .cluster()
        .volume(Volume::Small)
        .keeping(SPEC)
        .switched_by(&["enable-controller-kong-vault"]),
    Kind::kong(KindId::KONG_LICENSE, &["v1alpha1"], "KongLicense")
        .plural("konglicenses")
        .cluster()
        .volume(Volume::Small)
        .keeping(&["enabled", "rawLicenseString"])
        .switched_by(&["enable-controller-kong-license"]),
    Kind::kong(KindId::KONG_CUSTOM_ENTITY, &["v1alpha1"], "KongCustomEntity")
        .plural("kongcustomentities")
        .keeping(SPEC)
        .switched_by(&["enable-controller-kong-custom-entity"])
        .gated_by("KongCustomEntity"),
    Kind::new(KindId::KONG_SERVICE_FACADE, INCUBATOR, &["v1alpha1"], "KongServiceFacade")
        .plural("kongservicefacades")
        .keeping(SPEC)
        .switched_by(&["enable-controller-kong-service-facade"])
        .gated_by("KongServiceFacade")
        .referring(SERVICE_REFERENCES),
    // Gateway API.
    Kind::gateway_api(KindId::GATEWAY_CLASS, &["v1", "v1beta1"], "GatewayClass")
        .plural("gatewayclasses")
        .cluster()
        .volume(Volume::Small)
        .switched_by(&[GATEWAY_SWITCH]),
    Kind::gateway_api(KindId::GATEWAY, &["v1", "v1beta1"], "Gateway")
        .plural("gateways")
        .volume(Volume::Small)
        .switched_by(&[GATEWAY_SWITCH])
        .referring(&[
            Reference::Typed { path: "spec.listeners.tls.certificateRefs", default: Target::Secret },
            Reference::Typed { path: "spec.tls.backend.clientCertificateRef", default: Target::Secret },
            Reference::Typed { path: "spec.backendTLS.clientCertificateRef", default: Target::Secret },
            LISTENERS_AUTHORITIES,
            Reference::Typed {
                path: "spec.tls.frontend.default.validation.caCertificateRefs",
                default: Target::ConfigMap,
            },
            Reference::Typed {
                path: "spec.tls.frontend.perPort.tls.validation.caCertificateRefs",
                default: Target::ConfigMap,
            },
        ]),
    Kind::gateway_api(KindId::LISTENER_SET, &["v1"], "ListenerSet")
        .plural("listenersets")
        .switched_by(&[GATEWAY_SWITCH])
        .referring(&[
            Reference::Typed { path: "spec.listeners.tls.certificateRefs", default: Target::Secret },
            LISTENERS_AUTHORITIES,
        ]),
    // As it was called in experimental bundles.
    Kind::new(KindId::X_LISTENER_SET, EXPERIMENTAL, &["v1alpha1"], "XListenerSet")
        .keeping(SPEC)
        .plural("xlistenersets")
        .switched_by(&[GATEWAY_SWITCH])
        .referring(&[
            Reference::Typed { path: "spec.listeners.tls.certificateRefs", default: Target::Secret },
            LISTENERS_AUTHORITIES,
        ]),
    Kind::gateway_api(KindId::HTTP_ROUTE, &["v1", "v1beta1"], "HTTPRoute")
        .plural("httproutes")
        .switched_by(&[ROUTE_SWITCH]),
    Kind::gateway_api(KindId::GRPC_ROUTE, &["v1"], "GRPCRoute")
        .plural("grpcroutes")
        .switched_by(&["enable-controller-gwapi-grpcroute"]),
    // Whoever installs a kind wants it: no gate stands before those that are alpha in older bundles.
    Kind::gateway_api(KindId::TCP_ROUTE, &["v1", "v1alpha2"], "TCPRoute").plural("tcproutes"),
    Kind::gateway_api(KindId::UDP_ROUTE, &["v1", "v1alpha2"], "UDPRoute").plural("udproutes"),
    Kind::gateway_api(KindId::TLS_ROUTE, &["v1", "v1alpha3", "v1alpha2"], "TLSRoute").plural("tlsroutes"),
    Kind::gateway_api(KindId::REFERENCE_GRANT, &["v1", "v1beta1"], "ReferenceGrant")
        .plural("referencegrants")
        .volume(Volume::Small)
        .switched_by(&["enable-controller-gwapi-reference-grant"]),
    Kind::gateway_api(KindId::BACKEND_TLS_POLICY, &["v1", "v1alpha3"], "BackendTLSPolicy")
        .plural("backendtlspolicies")
        .switched_by(&[GATEWAY_SWITCH, ROUTE_SWITCH])
        .referring(&[Reference::Typed { path: "spec.validation.caCertificateRefs", default: Target::ConfigMap }]),
];

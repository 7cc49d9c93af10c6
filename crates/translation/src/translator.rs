//! The translator: takes changes of objects, runs the graph, and tells which entities and diagnostics are other now.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use silverback_incremental::{Batch, Graph, Input, Report};
use silverback_kong::EntityKey;
use silverback_model::{ObjectKey, ObjectRef, Provenance};
use silverback_resources::crds::{TCPIngress, UDPIngress};
use silverback_resources::types::{
    EndpointSlice, GRPCRoute, Gateway, HTTPRoute, Ingress, ListenerSet, Meta, Named, TCPRoute, TLSRoute, UDPRoute,
};

use crate::claimant::{Claimant, ClaimantKey, ClaimantKind};
use crate::gate::Gate;
use crate::graph::{self, Outputs};
use crate::inputs::Inputs;
use crate::kinds::ca_certificate::{self, Held, Holder};
use crate::kinds::gateway_api::{GROUP, SetKey};
use crate::output::{Diagnostic, Entity, ObjectChange, Output, Reason, Severity};
use crate::product::{Made, Product};
use crate::settings::Settings;
use crate::source::Notes;
use crate::status::ObjectStatus;

/// Translates objects to entities, incrementally. Replicas with equal settings that were told of equal objects, in
/// whatever order and batches, hold equal entities.
pub struct Translator {
    settings: Arc<Settings>,
    graph: Graph,
    inputs: Inputs,
    outputs: Outputs,
    minute: u64,
    versions: HashMap<ObjectRef, String>,
    entities: BTreeMap<EntityKey, Arc<Entity>>,
    /// Which entities a derivation gave, so that what it no longer gives is taken away.
    given: HashMap<Derivation, Vec<EntityKey>>,
    by_object: HashMap<ObjectRef, BTreeSet<EntityKey>>,
    gate: Gate,
    diagnostics: Diagnostics,
    statuses: BTreeMap<ObjectRef, Arc<ObjectStatus>>,
}

/// One run of a rule: the name of its collection, and its key as text.
type Derivation = (&'static str, String);

/// What is wrong, by who says it and by whom it concerns.
#[derive(Default)]
struct Diagnostics {
    said: HashMap<Derivation, Vec<Diagnostic>>,
    about: BTreeMap<ObjectRef, BTreeMap<Derivation, Vec<Diagnostic>>>,
}

/// All there is to know about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The entities it had a part in.
    pub entities: Vec<(EntityKey, Arc<Entity>)>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// Its status, where its kind has one.
    pub status: Option<Arc<ObjectStatus>>,
}

/// How a change is taken into the graph.
type Take = fn(&Inputs, &mut Batch<'_>, &ObjectKey, Option<&str>) -> Result<(), serde_json::Error>;

/// The kinds that are translated. Objects of other kinds are ignored.
const KINDS: &[(&str, Take)] = &[
    ("Service", |inputs, batch, key, text| take(&inputs.services, batch, key, text)),
    ("EndpointSlice.discovery.k8s.io", take_slice),
    ("Secret", |inputs, batch, key, text| {
        mark_pair(inputs, batch, key, text);
        take_holder(inputs, &inputs.secrets, batch, Holder::Secret, key, text)
    }),
    ("ConfigMap", |inputs, batch, key, text| {
        take_holder(inputs, &inputs.config_maps, batch, Holder::ConfigMap, key, text)
    }),
    ("IngressClass.networking.k8s.io", |inputs, batch, key, text| take(&inputs.classes, batch, key, text)),
    ("ReferenceGrant.gateway.networking.k8s.io", |inputs, batch, key, text| take(&inputs.grants, batch, key, text)),
    ("IngressClassParameters.configuration.konghq.com", |inputs, batch, key, text| {
        take(&inputs.class_parameters, batch, key, text)
    }),
    ("KongPlugin.configuration.konghq.com", |inputs, batch, key, text| take(&inputs.plugins, batch, key, text)),
    ("KongClusterPlugin.configuration.konghq.com", |inputs, batch, key, text| {
        take(&inputs.cluster_plugins, batch, key, text)
    }),
    ("KongConsumer.configuration.konghq.com", |inputs, batch, key, text| take(&inputs.consumers, batch, key, text)),
    ("KongConsumerGroup.configuration.konghq.com", |inputs, batch, key, text| {
        take(&inputs.consumer_groups, batch, key, text)
    }),
    ("KongUpstreamPolicy.configuration.konghq.com", |inputs, batch, key, text| {
        take(&inputs.upstream_policies, batch, key, text)
    }),
    ("KongIngress.configuration.konghq.com", |inputs, batch, key, text| take(&inputs.kong_ingresses, batch, key, text)),
    ("KongServiceFacade.incubator.ingress-controller.konghq.com", |inputs, batch, key, text| {
        take(&inputs.facades, batch, key, text)
    }),
    ("KongVault.configuration.konghq.com", |inputs, batch, key, text| take(&inputs.vaults, batch, key, text)),
    ("KongLicense.configuration.konghq.com", |inputs, batch, key, text| take(&inputs.licenses, batch, key, text)),
    ("KongCustomEntity.configuration.konghq.com", |inputs, batch, key, text| {
        take(&inputs.custom_entities, batch, key, text)
    }),
    ("TCPIngress.configuration.konghq.com", |inputs, batch, key, text| {
        claim::<TCPIngress>(inputs, batch, ClaimantKind::TcpIngress, key, text, Claimant::Tcp)
    }),
    ("UDPIngress.configuration.konghq.com", |inputs, batch, key, text| {
        claim::<UDPIngress>(inputs, batch, ClaimantKind::UdpIngress, key, text, Claimant::Udp)
    }),
    ("HTTPRoute.gateway.networking.k8s.io", |inputs, batch, key, text| {
        claim::<HTTPRoute>(inputs, batch, ClaimantKind::HttpRoute, key, text, Claimant::HttpRoute)
    }),
    ("GRPCRoute.gateway.networking.k8s.io", |inputs, batch, key, text| {
        claim::<GRPCRoute>(inputs, batch, ClaimantKind::GrpcRoute, key, text, Claimant::GrpcRoute)
    }),
    ("TCPRoute.gateway.networking.k8s.io", |inputs, batch, key, text| {
        claim::<TCPRoute>(inputs, batch, ClaimantKind::TcpRoute, key, text, Claimant::TcpRoute)
    }),
    ("UDPRoute.gateway.networking.k8s.io", |inputs, batch, key, text| {
        claim::<UDPRoute>(inputs, batch, ClaimantKind::UdpRoute, key, text, Claimant::UdpRoute)
    }),
    ("TLSRoute.gateway.networking.k8s.io", |inputs, batch, key, text| {
        claim::<TLSRoute>(inputs, batch, ClaimantKind::TlsRoute, key, text, Claimant::TlsRoute)
    }),
    ("Gateway.gateway.networking.k8s.io", |inputs, batch, key, text| {
        take(&inputs.gateways, batch, key, text)?;
        let wrap = |gateway| Claimant::Gateway(Box::new(gateway));
        claim::<Gateway>(inputs, batch, ClaimantKind::Gateway, key, text, wrap)
    }),
    ("ListenerSet.gateway.networking.k8s.io", |inputs, batch, key, text| take_set(inputs, batch, false, key, text)),
    ("XListenerSet.gateway.networking.x-k8s.io", |inputs, batch, key, text| take_set(inputs, batch, true, key, text)),
    ("GatewayClass.gateway.networking.k8s.io", |inputs, batch, key, text| {
        take(&inputs.gateway_classes, batch, key, text)
    }),
    ("BackendTLSPolicy.gateway.networking.k8s.io", |inputs, batch, key, text| {
        take(&inputs.tls_policies, batch, key, text)
    }),
    ("Namespace", take_namespace),
    ("Ingress.networking.k8s.io", |inputs, batch, key, text| {
        claim::<Ingress>(inputs, batch, ClaimantKind::Ingress, key, text, Claimant::Ingress)
    }),
];

/// Decodes an object; one that waits for finalizers counts as gone.
fn decode<T: DeserializeOwned + Named>(text: Option<&str>) -> Result<Option<T>, serde_json::Error> {
    let object: Option<T> = text.map(serde_json::from_str).transpose()?;
    Ok(object.filter(|object| !deleting(object.meta())))
}

fn deleting(meta: &Meta) -> bool {
    meta.deletion_timestamp.is_some()
}

fn take<T>(
    input: &Input<ObjectKey, T>,
    batch: &mut Batch<'_>,
    key: &ObjectKey,
    text: Option<&str>,
) -> Result<(), serde_json::Error>
where
    T: DeserializeOwned + Named + PartialEq + Send + Sync + 'static,
{
    put(input, batch, key, decode(text))
}

fn put<K, T>(
    input: &Input<K, T>,
    batch: &mut Batch<'_>,
    key: &K,
    decoded: Result<Option<T>, serde_json::Error>,
) -> Result<(), serde_json::Error>
where
    K: Ord + Hash + Clone + Debug + Send + Sync + 'static,
    T: PartialEq + Send + Sync + 'static,
{
    match decoded {
        Ok(Some(object)) => batch.set(input, key.clone(), object),
        Ok(None) => batch.remove(input, key),
        Err(error) => {
            // What cannot be read cannot be honoured; keeping the last reading would hide that after a restart.
            batch.remove(input, key);
            return Err(error);
        }
    }
    Ok(())
}

/// Marks Secrets that may hold a key pair: no other concerns the rules of certificates at all.
fn mark_pair(inputs: &Inputs, batch: &mut Batch<'_>, key: &ObjectKey, text: Option<&str>) {
    if text.is_some_and(|text| text.contains("\"tls.crt\"")) {
        batch.set(&inputs.key_pairs, key.clone(), ());
    } else {
        batch.remove(&inputs.key_pairs, key);
    }
}

/// A Secret or ConfigMap; one that is labelled as an authority is one as well.
fn take_holder<T>(
    inputs: &Inputs,
    input: &Input<ObjectKey, T>,
    batch: &mut Batch<'_>,
    holder: Holder,
    key: &ObjectKey,
    text: Option<&str>,
) -> Result<(), serde_json::Error>
where
    T: DeserializeOwned + Named + Clone + Into<Held> + PartialEq + Send + Sync + 'static,
{
    let object: Result<Option<T>, _> = decode(text);
    let held = object.as_ref().ok().and_then(Option::as_ref).filter(|it| ca_certificate::is_labelled(it.meta()));
    put(&inputs.authorities, batch, &(holder, key.clone()), Ok(held.cloned().map(Into::into)))?;
    put(input, batch, key, object)
}

/// A set of listeners, under its old name or the new.
fn take_set(
    inputs: &Inputs,
    batch: &mut Batch<'_>,
    experimental: bool,
    key: &ObjectKey,
    text: Option<&str>,
) -> Result<(), serde_json::Error> {
    let set_key = SetKey { key: key.clone(), experimental };
    let set: Result<Option<ListenerSet>, _> = decode(text);
    let kind = if experimental { ClaimantKind::XListenerSet } else { ClaimantKind::ListenerSet };
    let held = set.as_ref().ok().and_then(Option::as_ref).cloned();
    let claimant = held.map(|set| Claimant::ListenerSet(set_key.clone(), Box::new(set)));
    put(&inputs.claimants, batch, &ClaimantKey { kind, key: key.clone() }, Ok(claimant))?;
    put(&inputs.listener_sets, batch, &set_key, set)
}

/// Of namespaces only the labels count.
fn take_namespace(
    inputs: &Inputs,
    batch: &mut Batch<'_>,
    key: &ObjectKey,
    text: Option<&str>,
) -> Result<(), serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Namespace {
        #[serde(default)]
        metadata: Meta,
    }
    let namespace: Result<Option<Namespace>, _> = text.map(serde_json::from_str).transpose();
    put(&inputs.namespaces, batch, &key.name, namespace.map(|it| it.map(|it| it.metadata.labels)))
}

fn take_slice(
    inputs: &Inputs,
    batch: &mut Batch<'_>,
    key: &ObjectKey,
    text: Option<&str>,
) -> Result<(), serde_json::Error> {
    let slice: Result<Option<EndpointSlice>, _> = text.map(serde_json::from_str).transpose();
    put(&inputs.slices, batch, key, slice.map(|slice| slice.filter(|slice| !slice.deleting)))
}

fn claim<T: DeserializeOwned + Named>(
    inputs: &Inputs,
    batch: &mut Batch<'_>,
    kind: ClaimantKind,
    key: &ObjectKey,
    text: Option<&str>,
    wrap: fn(T) -> Claimant,
) -> Result<(), serde_json::Error> {
    let key = ClaimantKey { kind, key: key.clone() };
    put(&inputs.claimants, batch, &key, decode(text).map(|object| object.map(wrap)))
}

impl Translator {
    /// A translator that knows no object yet.
    pub fn new(settings: Settings) -> Self {
        let mut graph = Graph::new();
        let settings = Arc::new(settings);
        let (inputs, outputs) = graph::build(&mut graph, settings.clone());
        Self {
            settings,
            graph,
            inputs,
            outputs,
            minute: 0,
            versions: HashMap::new(),
            entities: BTreeMap::new(),
            given: HashMap::new(),
            by_object: HashMap::new(),
            gate: Gate::default(),
            diagnostics: Diagnostics::default(),
            statuses: BTreeMap::new(),
        }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes changes, together. Of several changes of one object the last counts.
    pub fn apply(&mut self, changes: Vec<ObjectChange>) -> Output {
        self.apply_at(self.minute, changes)
    }

    /// The same at a time, in minutes since 1970: authorities that have expired by then are left out.
    pub fn apply_at(&mut self, minute: u64, changes: Vec<ObjectChange>) -> Output {
        let mut touched = Touched::default();
        let (inputs, versions, diagnostics) = (self.inputs, &mut self.versions, &mut self.diagnostics);
        let passed = minute != self.minute;
        self.minute = minute;
        let report = self.graph.update(|batch| {
            if passed {
                batch.set(&inputs.minute, (), minute);
            }
            for change in &changes {
                let Some((_, take)) = KINDS.iter().find(|(kind, _)| *kind == change.object.kind) else { continue };
                let taken = take(&inputs, batch, &change.object.key, change.content.as_deref());
                let notes = taken.err().map(|error| undecodable(&change.object, &error));
                let derivation = ("objects", change.object.to_string());
                diagnostics.say(derivation, notes.into_iter().collect(), &mut touched.objects);
                match &change.content {
                    Some(_) => versions.insert(change.object.clone(), change.version.clone()),
                    None => versions.remove(&change.object),
                };
            }
        });
        debug_assert!(report.faults().is_empty(), "{:?}", report.faults());
        let released = self.gate.open(&mut self.entities);
        self.collect(&report, &mut touched);
        let (notes, moved) = self.gate.close(&mut self.entities, &touched.entities, released);
        self.diagnostics.say(("gate", String::new()), notes.0, &mut touched.objects);
        touched.entities.extend(moved);
        self.refresh(changes.iter().map(|change| &change.object), &mut touched);
        let statuses = self.take_statuses(&report);
        Output {
            statuses,
            changed: touched.entities.into_iter().map(|key| (key.clone(), self.entities.get(&key).cloned())).collect(),
            diagnostics: touched
                .objects
                .into_iter()
                .map(|object| {
                    let all = self.diagnostics.about(&object);
                    (object, all)
                })
                .collect(),
            reran: report.runs(),
        }
    }

    /// Takes over what the graph changed.
    fn collect(&mut self, report: &Report, touched: &mut Touched) {
        let outputs = self.outputs;
        for (key, claims) in report.changed(&outputs.claims) {
            self.say("claims", &key, claims.map(|claims| claims.notes.clone()), touched);
        }
        for (key, plan) in report.changed(&outputs.plans) {
            self.say("plans", &key, plan.map(|plan| plan.notes.clone()), touched);
        }
        for (key, notes) in report.changed(&outputs.tls_problems) {
            self.say("tls problems", &key, notes.map(|notes| (*notes).clone()), touched);
        }
        for (collection, specs) in [("plugins", outputs.plugins), ("cluster plugins", outputs.cluster_plugins)] {
            for (key, spec) in report.changed(&specs) {
                self.say(collection, &key, spec.map(|spec| spec.notes.clone()), touched);
            }
        }
        // What goes is taken away before what comes is put: an entity may move from one derivation to another.
        let mut given: Vec<(Derivation, Option<Arc<Product>>)> = Vec::new();
        given.extend(named("certificates", report.changed(&outputs.certificates)));
        given.extend(named("services", report.changed(&outputs.services)));
        given.extend(named("upstreams", report.changed(&outputs.upstreams)));
        given.extend(named("global plugins", report.changed(&outputs.global_plugins)));
        given.extend(named("consumers", report.changed(&outputs.consumers)));
        given.extend(named("consumer groups", report.changed(&outputs.consumer_groups)));
        given.extend(named("authorities", report.changed(&outputs.authorities.labelled)));
        given.extend(named("authorities of policies", report.changed(&outputs.authorities.named)));
        given.extend(named("vaults", report.changed(&outputs.others.vaults)));
        given.extend(named("licenses", report.changed(&outputs.others.licenses)));
        given.extend(named("custom entities", report.changed(&outputs.others.custom_entities)));
        for (key, bindings) in report.changed(&outputs.bindings) {
            let product = bindings.map(|bindings| Arc::new(bindings.product.clone()));
            given.push((("bindings", format!("{key:?}")), product));
        }
        let mut before: BTreeMap<EntityKey, Arc<Entity>> = BTreeMap::new();
        for (derivation, _) in &given {
            for key in self.given.remove(derivation).into_iter().flatten() {
                if let Some(entity) = self.take_away(&key) {
                    before.insert(key, entity);
                }
            }
        }
        for (derivation, product) in given {
            self.say(derivation.0, &derivation.1, product.as_ref().map(|product| product.notes.clone()), touched);
            let Some(product) = product.filter(|product| !product.entities.is_empty()) else { continue };
            for made in &product.entities {
                self.put(made);
            }
            self.given.insert(derivation, product.entities.iter().map(|made| made.key.clone()).collect());
            for made in &product.entities {
                if before.remove(&made.key).as_ref() != self.entities.get(&made.key) {
                    touched.entities.insert(made.key.clone());
                }
            }
        }
        touched.entities.extend(before.into_keys());
    }

    /// Takes over the statuses that the graph changed.
    fn take_statuses(&mut self, report: &Report) -> Vec<(ObjectRef, Option<Arc<ObjectStatus>>)> {
        let statuses = self.outputs.statuses;
        let object = |kind: &str, key| ObjectRef::new(format!("{kind}.{GROUP}"), key);
        let mut changed = BTreeMap::new();
        let routes = report.changed(&statuses.routes).into_iter();
        changed.extend(routes.filter_map(|(key, status)| Some((object(key.kind.of_route()?, key.key), status))));
        changed.extend(report.changed(&statuses.gateways).into_iter().map(|(key, it)| (object("Gateway", key), it)));
        changed.extend(report.changed(&statuses.listener_sets).into_iter().map(|(key, it)| (key.object(), it)));
        changed
            .extend(report.changed(&statuses.classes).into_iter().map(|(key, it)| (object("GatewayClass", key), it)));
        let policies = report.changed(&statuses.policies).into_iter();
        changed.extend(policies.map(|(key, status)| (object("BackendTLSPolicy", key), status)));
        for (object, status) in &changed {
            match status {
                Some(status) => self.statuses.insert(object.clone(), status.clone()),
                None => self.statuses.remove(object),
            };
        }
        changed.into_iter().collect()
    }

    fn say(&mut self, collection: &'static str, key: &impl Debug, notes: Option<Notes>, touched: &mut Touched) {
        let notes = notes.map(|notes| notes.0).unwrap_or_default();
        self.diagnostics.say((collection, format!("{key:?}")), notes, &mut touched.objects);
    }

    fn put(&mut self, made: &Made) {
        let provenance: Vec<Provenance> = made
            .makers
            .iter()
            .map(|maker| Provenance {
                object: maker.object.clone(),
                uid: maker.uid.clone(),
                version: self.versions.get(&maker.object).cloned().unwrap_or_default(),
            })
            .collect();
        for maker in &provenance {
            self.by_object.entry(maker.object.clone()).or_default().insert(made.key.clone());
        }
        let entity = Entity { rendered: made.rendered.clone(), provenance };
        self.entities.insert(made.key.clone(), Arc::new(entity));
    }

    fn take_away(&mut self, key: &EntityKey) -> Option<Arc<Entity>> {
        let entity = self.entities.remove(key)?;
        for maker in &entity.provenance {
            if let Some(keys) = self.by_object.get_mut(&maker.object) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_object.remove(&maker.object);
                }
            }
        }
        Some(entity)
    }

    /// New versions of objects whose entities stayed the same: only provenance is other.
    fn refresh<'a>(&mut self, objects: impl Iterator<Item = &'a ObjectRef>, touched: &mut Touched) {
        for object in objects {
            let Some(version) = self.versions.get(object) else { continue };
            for key in self.by_object.get(object).into_iter().flatten() {
                let Some(entity) = self.entities.get_mut(key) else { continue };
                if entity.provenance.iter().any(|maker| maker.object == *object && maker.version != *version) {
                    let entity = Arc::make_mut(entity);
                    for maker in entity.provenance.iter_mut().filter(|maker| maker.object == *object) {
                        maker.version.clone_from(version);
                    }
                    touched.entities.insert(key.clone());
                }
            }
        }
    }

    /// All entities, in the order of their keys.
    pub fn entities(&self) -> &BTreeMap<EntityKey, Arc<Entity>> {
        &self.entities
    }

    /// One entity.
    pub fn entity(&self, key: &EntityKey) -> Option<Arc<Entity>> {
        self.entities.get(key).cloned()
    }

    /// The entities an object had a part in, in the order of their keys. Endpoints are found through their Service.
    pub fn entities_of(&self, object: &ObjectRef) -> Vec<EntityKey> {
        self.by_object.get(object).into_iter().flatten().cloned().collect()
    }

    /// All diagnostics, by object.
    pub fn diagnostics(&self) -> impl Iterator<Item = (&ObjectRef, Vec<Diagnostic>)> {
        self.diagnostics.about.keys().map(|object| (object, self.diagnostics.about(object)))
    }

    /// The diagnostics of one object.
    pub fn diagnostics_of(&self, object: &ObjectRef) -> Vec<Diagnostic> {
        self.diagnostics.about(object)
    }

    /// All statuses of the Gateway API's objects, by object.
    pub fn statuses(&self) -> &BTreeMap<ObjectRef, Arc<ObjectStatus>> {
        &self.statuses
    }

    /// All there is to know about an object.
    pub fn explain(&self, object: &ObjectRef) -> Explanation {
        let entities = self.entities_of(object).into_iter().filter_map(|key| Some((key.clone(), self.entity(&key)?)));
        let status = self.statuses.get(object).cloned();
        Explanation { entities: entities.collect(), diagnostics: self.diagnostics.about(object), status }
    }

    /// Number of entries in all tables; zero when every object is gone.
    pub fn footprint(&self) -> usize {
        let graph = self.graph.footprint();
        let tables =
            [self.versions.len(), self.entities.len(), self.given.len(), self.by_object.len(), self.statuses.len()];
        let diagnostics = self.diagnostics.said.len() + self.diagnostics.about.len();
        graph.slots
            + graph.readers
            + graph.reads
            + graph.memberships
            + tables.iter().sum::<usize>()
            + diagnostics
            + self.gate.footprint()
    }
}

/// What a batch touched.
#[derive(Default)]
struct Touched {
    entities: BTreeSet<EntityKey>,
    objects: BTreeSet<ObjectRef>,
}

fn named<K: Debug>(
    collection: &'static str,
    changed: Vec<(K, Option<Arc<Product>>)>,
) -> impl Iterator<Item = (Derivation, Option<Arc<Product>>)> {
    changed.into_iter().map(move |(key, product)| ((collection, format!("{key:?}")), product))
}

fn undecodable(object: &ObjectRef, error: &serde_json::Error) -> Diagnostic {
    Diagnostic {
        object: object.clone(),
        field: String::new(),
        severity: Severity::Error,
        reason: Reason::Undecodable,
        message: format!("the object is ignored: it is not as its kind should be: {error}"),
    }
}

impl Diagnostics {
    /// A derivation says this now, in place of what it said before.
    fn say(&mut self, by: Derivation, notes: Vec<Diagnostic>, touched: &mut BTreeSet<ObjectRef>) {
        let before = if notes.is_empty() { self.said.remove(&by) } else { self.said.insert(by.clone(), notes.clone()) };
        let before = before.unwrap_or_default();
        if before == notes {
            return;
        }
        for old in before {
            if let Some(said) = self.about.get_mut(&old.object) {
                said.remove(&by);
                if said.is_empty() {
                    self.about.remove(&old.object);
                }
            }
            touched.insert(old.object);
        }
        for note in notes {
            touched.insert(note.object.clone());
            self.about.entry(note.object.clone()).or_default().entry(by.clone()).or_default().push(note);
        }
    }

    /// Everything said about an object, sorted, each thing once.
    fn about(&self, object: &ObjectRef) -> Vec<Diagnostic> {
        let said = self.about.get(object).into_iter().flat_map(BTreeMap::values).flatten();
        let all: BTreeSet<&Diagnostic> = said.collect();
        all.into_iter().cloned().collect()
    }
}

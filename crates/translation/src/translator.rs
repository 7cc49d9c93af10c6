//! The translator: takes changes of objects, runs the graph, and tells which entities and diagnostics are other now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use silverback_incremental::{Edits, Graph, Report, Slot, Trace};
use silverback_kong::EntityKey;
use silverback_model::{Digest, ObjectRef};
use silverback_status::ObjectStatus;

use crate::diagnostics::{Diagnostics, Speaker};
use crate::feedback::Told;
use crate::gate::Gate;
use crate::graph::{self, Outputs};
use crate::inputs::Inputs;
use crate::intake::{take_change, undecodable};
use crate::kinds::gateway_api::GROUP;
use crate::output::{Diagnostic, Entity, ObjectChange, Output};
use crate::pending;
use crate::product::Product;
use crate::settings::{InForce, Settings};
use crate::source::Notes;
use crate::store::Store;
use crate::withheld::{self, Withheld};

/// Translates objects to entities, incrementally. Replicas with equal settings that were told of equal objects, in
/// whatever order and batches, hold equal entities.
pub struct Translator {
    /// What operators chose.
    given: Settings,
    settings: InForce,
    graph: Graph,
    inputs: Inputs,
    outputs: Outputs,
    minute: u64,
    store: Store,
    gate: Gate,
    told: Told,
    diagnostics: Diagnostics,
    statuses: BTreeMap<ObjectRef, Arc<ObjectStatus>>,
    withheld: Withheld,
    /// Statuses of what is withheld, in place of those of the versions in force.
    pending: BTreeMap<ObjectRef, Arc<ObjectStatus>>,
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

impl Translator {
    /// A translator that knows no object yet.
    pub fn new(settings: Settings) -> Self {
        let mut graph = Graph::new();
        let (given, settings) = (settings.clone(), InForce::new(settings));
        let (inputs, outputs) = graph::build(&mut graph, settings.clone());
        Self {
            given,
            settings,
            graph,
            inputs,
            outputs,
            minute: 0,
            store: Store::default(),
            gate: Gate::default(),
            told: Told::default(),
            diagnostics: Diagnostics::default(),
            statuses: BTreeMap::new(),
            withheld: Withheld::default(),
            pending: BTreeMap::new(),
        }
    }

    /// The settings in force: those given, and what gateways decided of them.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.now()
    }

    /// Takes changes, together. Of several changes of one object the last counts.
    pub fn apply(&mut self, changes: Vec<ObjectChange>) -> Output {
        self.apply_at(self.minute, changes)
    }

    /// The same at a time, in minutes since 1970: authorities that have expired by then are left out.
    pub fn apply_at(&mut self, minute: u64, changes: Vec<ObjectChange>) -> Output {
        self.apply_in_doubt(minute, changes, &BTreeSet::new())
    }

    /// The same while what is known of some kinds, e.g. `Service`, cannot be brought up to date. An object that newly
    /// names what is not known there keeps having the effect it had, until that is known or there is no doubt any more:
    /// what is missing may be there.
    pub fn apply_in_doubt(&mut self, minute: u64, changes: Vec<ObjectChange>, doubtful: &BTreeSet<String>) -> Output {
        let mut touched = Touched::default();
        let changes = self.withheld.join(changes);
        let (altered, rest): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| !doubtful.is_empty() && self.is_altered(change));
        // What is new first: others may begin to name it.
        self.step(minute, rest, &mut touched);
        for change in altered {
            self.try_out(minute, change, doubtful, &mut touched);
        }
        self.tell_withheld(doubtful, &mut touched);
        self.output(touched)
    }

    /// Whether it is of an object that has had an effect, and will.
    fn is_altered(&self, change: &ObjectChange) -> bool {
        change.content.is_some() && self.store.version(&change.object).is_some()
    }

    /// Takes a change, unless that leads to what is missing and may be there.
    fn try_out(&mut self, minute: u64, change: ObjectChange, doubtful: &BTreeSet<String>, touched: &mut Touched) {
        let before = self.store.version(&change.object).unwrap_or_default().to_owned();
        let (report, edits) = self.step(minute, vec![change.clone()], touched);
        if withheld::is_in_doubt(&self.inputs, &report, doubtful) {
            let report = self.graph.update(|batch| batch.take_back(edits));
            self.store.see(&ObjectChange { version: before, ..change.clone() });
            self.take_over(&report, std::slice::from_ref(&change.object), touched);
            self.withheld.keep(change);
        }
    }

    fn tell_withheld(&mut self, doubtful: &BTreeSet<String>, touched: &mut Touched) {
        for (object, note) in self.withheld.notes(doubtful) {
            self.diagnostics.say(Speaker::Withheld(object), note.into_iter().collect(), &mut touched.objects);
        }
        let settings = self.settings.now();
        let undecided = self.withheld.changes().filter_map(|change| {
            let status = pending::status(change, self.statuses.get(&change.object), &settings)?;
            Some((change.object.clone(), status))
        });
        let undecided = undecided.collect();
        let before = std::mem::replace(&mut self.pending, undecided);
        for object in before.keys().chain(self.pending.keys()) {
            if before.get(object) != self.pending.get(object) || touched.statuses.contains_key(object) {
                touched.statuses.insert(object.clone(), self.status(object).cloned());
            }
        }
    }

    /// Whether the effect of some objects is that of an earlier version, which another translator may not know.
    pub fn withholds(&self) -> bool {
        !self.withheld.is_empty()
    }

    /// Takes changes into the graph, and over what comes of them.
    fn step(&mut self, minute: u64, changes: Vec<ObjectChange>, touched: &mut Touched) -> (Report, Edits) {
        let mut renewed: Vec<ObjectRef> = Vec::new();
        let (inputs, store, diagnostics) = (self.inputs, &mut self.store, &mut self.diagnostics);
        let said: Vec<Option<Diagnostic>> = changes.iter().map(|change| self.told.take(change)).collect();
        let settings = self.given.for_gateways(self.told.all());
        let other_settings = settings != *self.settings.now();
        if other_settings {
            self.settings.replace(settings);
        }
        let passed = minute != self.minute;
        self.minute = minute;
        let mut edits = Edits::default();
        let report = self.graph.update(|batch| {
            if other_settings {
                batch.rerun();
            }
            if passed {
                batch.set(&inputs.minute, (), minute);
            }
            edits = batch.note(|batch| {
                for (change, said) in changes.into_iter().zip(said) {
                    let Some(taken) = take_change(&inputs, batch, &change) else { continue };
                    let notes = taken.err().map(|error| undecodable(&change.object, &error)).or(said);
                    let reading = Speaker::Reading(change.object.clone());
                    diagnostics.say(reading, notes.into_iter().collect(), &mut touched.objects);
                    if store.see(&change) {
                        renewed.push(change.object);
                    }
                }
            });
        });
        self.take_over(&report, &renewed, touched);
        (report, edits)
    }

    /// Takes over what came of a batch, in which objects got other versions.
    fn take_over(&mut self, report: &Report, renewed: &[ObjectRef], touched: &mut Touched) {
        debug_assert!(report.faults().is_empty(), "{:?}", report.faults());
        let mut entities = BTreeSet::new();
        let released = self.gate.open(&mut self.store.entities);
        self.collect(report, &mut entities, &mut touched.objects);
        let (notes, moved) = self.gate.close(&mut self.store.entities, &entities, released);
        self.diagnostics.say(Speaker::Gate, notes.0, &mut touched.objects);
        entities.extend(moved);
        for object in renewed {
            // Entities that stayed the same: only their provenance is other.
            let of_object = self.store.entities_of(object).iter();
            entities.extend(of_object.filter(|key| self.store.entities.contains_key(*key)).cloned());
        }
        for key in self.told.concerned(&entities) {
            let notes = self.told.notes(&key, self.store.shown(&key).as_deref());
            self.diagnostics.say(Speaker::Feedback(key), notes.0, &mut touched.objects);
        }
        touched.entities.append(&mut entities);
        self.take_statuses(report, &mut touched.statuses);
        touched.reran += report.runs();
    }

    /// What is other now than before.
    fn output(&self, touched: Touched) -> Output {
        let with_entity = |key: EntityKey| {
            let entity = self.store.shown(&key);
            (key, entity)
        };
        let with_diagnostics = |object: ObjectRef| {
            let all = self.diagnostics.about(&object);
            (object, all)
        };
        Output {
            statuses: touched.statuses.into_iter().collect(),
            changed: touched.entities.into_iter().map(with_entity).collect(),
            diagnostics: touched.objects.into_iter().map(with_diagnostics).collect(),
            reran: touched.reran,
        }
    }

    /// Takes over what the graph changed.
    fn collect(&mut self, report: &Report, entities: &mut BTreeSet<EntityKey>, objects: &mut BTreeSet<ObjectRef>) {
        let outputs = self.outputs;
        let mut said: Vec<(Slot, Notes)> = Vec::new();
        macro_rules! notes_of {
            ($($collection:expr, |$value:ident| $notes:expr;)*) => {$(
                for changed in report.changed(&$collection) {
                    let notes = changed.value.as_ref().map(|$value| $notes.clone());
                    said.push((changed.slot, notes.unwrap_or_default()));
                }
            )*};
        }
        notes_of! {
            outputs.claims, |claims| claims.notes;
            outputs.plans, |plan| plan.notes;
            outputs.tls_problems, |notes| **notes;
            outputs.plugins, |spec| spec.notes;
            outputs.cluster_plugins, |spec| spec.notes;
        }
        let mut given: Vec<(Slot, Option<Arc<Product>>)> = Vec::new();
        macro_rules! products_of {
            ($($collection:expr,)*) => {$(
                given.extend(report.changed(&$collection).iter().map(|changed| (changed.slot, changed.value.clone())));
            )*};
        }
        products_of! {
            outputs.certificates,
            outputs.services,
            outputs.upstreams,
            outputs.global_plugins,
            outputs.consumers,
            outputs.consumer_groups,
            outputs.authorities.labelled,
            outputs.authorities.named,
            outputs.others.vaults,
            outputs.others.licenses,
            outputs.others.custom_entities,
        }
        for changed in report.changed(&outputs.bindings) {
            given.push((changed.slot, changed.value.as_ref().map(|bindings| bindings.product.clone())));
        }
        said.extend(
            given.iter().map(|(slot, product)| {
                (*slot, product.as_ref().map(|product| product.notes.clone()).unwrap_or_default())
            }),
        );
        for (slot, notes) in said {
            self.diagnostics.say(Speaker::Rule(slot), notes.0, objects);
        }
        entities.extend(self.store.replace(&given));
    }

    /// Takes over the statuses that the graph changed.
    fn take_statuses(&mut self, report: &Report, touched: &mut BTreeMap<ObjectRef, Option<Arc<ObjectStatus>>>) {
        let statuses = self.outputs.statuses;
        let object = |kind: &str, key| ObjectRef::new(format!("{kind}.{GROUP}"), key);
        let mut changed = BTreeMap::new();
        macro_rules! statuses_of {
            ($($collection:expr, |$key:ident| $object:expr;)*) => {$(
                for one in report.changed(&$collection) {
                    let $key = &one.key;
                    changed.extend($object.map(|object| (object, one.value.clone())));
                }
            )*};
        }
        statuses_of! {
            statuses.routes, |key| key.kind.of_route().map(|kind| object(kind, key.key.clone()));
            statuses.gateways, |key| Some(object("Gateway", key.clone()));
            statuses.listener_sets, |key| Some(key.object());
            statuses.classes, |key| Some(object("GatewayClass", key.clone()));
            statuses.policies, |key| Some(object("BackendTLSPolicy", key.clone()));
        }
        for (object, status) in &changed {
            match status {
                Some(status) => self.statuses.insert(object.clone(), status.clone()),
                None => self.statuses.remove(object),
            };
        }
        touched.extend(changed);
    }

    /// All entities, in the order of their keys. Made on demand.
    pub fn entities(&self) -> BTreeMap<EntityKey, Arc<Entity>> {
        let all = self.store.entities.iter();
        all.map(|(key, kept)| (key.clone(), Arc::new(self.store.show(kept)))).collect()
    }

    /// One entity.
    pub fn entity(&self, key: &EntityKey) -> Option<Arc<Entity>> {
        self.store.shown(key)
    }

    /// The entities an object had a part in, in the order of their keys. Endpoints are found through their Service.
    pub fn entities_of(&self, object: &ObjectRef) -> Vec<EntityKey> {
        self.store.entities_of(object).to_vec()
    }

    /// Names what gateways were said to refuse.
    pub fn feedback(&self) -> Digest {
        self.told.digest()
    }

    /// All diagnostics, by object.
    pub fn diagnostics(&self) -> impl Iterator<Item = (&ObjectRef, Vec<Diagnostic>)> {
        self.diagnostics.objects().map(|object| (object, self.diagnostics.about(object)))
    }

    /// The diagnostics of one object.
    pub fn diagnostics_of(&self, object: &ObjectRef) -> Vec<Diagnostic> {
        self.diagnostics.about(object)
    }

    /// All statuses of the Gateway API's objects, by object. Made on demand.
    pub fn statuses(&self) -> BTreeMap<ObjectRef, Arc<ObjectStatus>> {
        let all = self.statuses.iter().chain(&self.pending);
        all.map(|(object, status)| (object.clone(), status.clone())).collect()
    }

    /// The status of an object of the Gateway API.
    pub fn status(&self, object: &ObjectRef) -> Option<&Arc<ObjectStatus>> {
        self.pending.get(object).or_else(|| self.statuses.get(object))
    }

    /// All there is to know about an object.
    pub fn explain(&self, object: &ObjectRef) -> Explanation {
        let entities = self.entities_of(object).into_iter().filter_map(|key| Some((key.clone(), self.entity(&key)?)));
        let status = self.status(object).cloned();
        Explanation { entities: entities.collect(), diagnostics: self.diagnostics.about(object), status }
    }

    /// Why an entity is what it is: the rule that gave it, what that read, and so on down to the objects. As costly as
    /// there are entities: for people.
    pub fn trace(&self, key: &EntityKey) -> Option<Trace> {
        self.graph.trace(self.store.giver(key)?)
    }

    /// Number of entries in all tables; zero when every object is gone.
    pub fn footprint(&self) -> usize {
        let graph = self.graph.footprint();
        let graph = graph.slots + graph.readers + graph.reads + graph.memberships;
        let rest = [self.store.footprint(), self.gate.footprint(), self.diagnostics.footprint(), self.statuses.len()];
        let doubt = self.withheld.footprint() + self.pending.len();
        graph + rest.iter().sum::<usize>() + self.told.footprint() + doubt
    }
}

/// What a batch touched.
#[derive(Default)]
struct Touched {
    entities: BTreeSet<EntityKey>,
    objects: BTreeSet<ObjectRef>,
    statuses: BTreeMap<ObjectRef, Option<Arc<ObjectStatus>>>,
    reran: usize,
}

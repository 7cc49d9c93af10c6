//! Whether increments equal starting over, and whether they cost what they should.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use crate::{Derived, Edits, Footprint, Graph, Index, Input, Members};

/// Routes that resolve, and the number of classes.
type Entity = (Vec<(u8, Option<u32>)>, usize);

/// A little ingress controller: routes refer to services, slices hold a service's endpoints, a setting counts in all.
struct Model {
    graph: Graph,
    settings: Input<(), u32>,
    services: Input<u8, u32>,
    slices: Input<u8, (u8, u32)>,
    routes: Input<u8, (u8, u8)>,
    classes: Input<u8, bool>,
    by_service: Index<u8, u8>,
    shapes: Derived<u8, u32>,
    upstreams: Derived<u8, Vec<u32>>,
    resolved: Derived<u8, Option<u32>>,
    by_target: Index<u8, u8>,
    entities: Derived<u8, Entity>,
}

fn model() -> Model {
    let mut graph = Graph::new();
    let settings = graph.input("settings");
    let services = graph.input("services");
    let slices = graph.input_hot("slices");
    let routes = graph.input("routes");
    let classes = graph.input("classes");
    let by_service = graph.index("slices by service", &slices, |_, (service, _)| vec![*service]);
    // Only the tens count: a change of the ones stops here.
    let shapes = graph.derive("shapes", &services, |_, _, value| Some(value / 10));
    let upstreams = graph.group("upstreams", &by_service, move |ctx, service, members: &Members<u8>| {
        ctx.get(&services, service)?;
        Some(members.iter().filter_map(|member| ctx.get(&slices, member)).map(|slice| slice.1).collect::<Vec<_>>())
    });
    let resolved = graph.derive("resolved", &routes, move |ctx, _, (service, class)| {
        let setting = ctx.get(&settings, &()).map_or(0, |setting| *setting);
        ctx.get(&classes, class).filter(|on| **on)?;
        Some(ctx.get(&shapes, service).map(|shape| *shape + setting))
    });
    let by_target = graph.index("routes by service", &routes, |_, (service, class)| vec![*service, *service, *class]);
    let entities = graph.group("entities", &by_target, move |ctx, _, members: &Members<u8>| {
        let found = members.iter().filter_map(|route| Some((*route, *ctx.get(&resolved, route)?)));
        let found: Vec<_> = found.collect();
        (!found.is_empty()).then(|| (found, ctx.scan(&classes).len()))
    });
    Model {
        graph,
        settings,
        services,
        slices,
        routes,
        classes,
        by_service,
        shapes,
        upstreams,
        resolved,
        by_target,
        entities,
    }
}

#[derive(Clone, Debug, Default)]
struct World {
    setting: Option<u32>,
    services: BTreeMap<u8, u32>,
    slices: BTreeMap<u8, (u8, u32)>,
    routes: BTreeMap<u8, (u8, u8)>,
    classes: BTreeMap<u8, bool>,
}

#[derive(Clone, Debug)]
enum Edit {
    Setting(Option<u32>),
    Service(u8, Option<u32>),
    Slice(u8, Option<(u8, u32)>),
    Route(u8, Option<(u8, u8)>),
    Class(u8, Option<bool>),
}

fn edits() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let maybe = proptest::option::weighted(0.7, 0u32..40);
    let edit = prop_oneof![
        maybe.clone().prop_map(Edit::Setting),
        (0u8..6, maybe).prop_map(|(key, value)| Edit::Service(key, value)),
        (0u8..12, proptest::option::weighted(0.7, (0u8..6, 0u32..40))).prop_map(|(key, value)| Edit::Slice(key, value)),
        (0u8..8, proptest::option::weighted(0.7, (0u8..6, 0u8..3))).prop_map(|(key, value)| Edit::Route(key, value)),
        (0u8..3, proptest::option::weighted(0.8, any::<bool>())).prop_map(|(key, value)| Edit::Class(key, value)),
    ];
    proptest::collection::vec(proptest::collection::vec(edit, 0..6), 0..12)
}

fn put<K: Ord + Copy, V: Copy>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

impl World {
    fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Setting(value) => self.setting = *value,
            Edit::Service(key, value) => put(&mut self.services, *key, *value),
            Edit::Slice(key, value) => put(&mut self.slices, *key, *value),
            Edit::Route(key, value) => put(&mut self.routes, *key, *value),
            Edit::Class(key, value) => put(&mut self.classes, *key, *value),
        }
    }

    fn edits(&self) -> Vec<Edit> {
        let mut all = vec![Edit::Setting(self.setting)];
        all.extend(self.services.iter().map(|(key, value)| Edit::Service(*key, Some(*value))));
        all.extend(self.slices.iter().map(|(key, value)| Edit::Slice(*key, Some(*value))));
        all.extend(self.routes.iter().map(|(key, value)| Edit::Route(*key, Some(*value))));
        all.extend(self.classes.iter().map(|(key, value)| Edit::Class(*key, Some(*value))));
        all
    }

    /// The outputs, computed without any engine.
    fn oracle(&self) -> Outputs {
        let mut upstreams: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
        for (service, value) in self.slices.values().filter(|(service, _)| self.services.contains_key(service)) {
            upstreams.entry(*service).or_default().push(*value);
        }
        let on = |class: &u8| self.classes.get(class) == Some(&true);
        let resolve = |service: &u8| self.services.get(service).map(|value| value / 10 + self.setting.unwrap_or(0));
        let resolved: BTreeMap<u8, Option<u32>> = self
            .routes
            .iter()
            .filter(|(_, (_, class))| on(class))
            .map(|(key, (service, _))| (*key, resolve(service)))
            .collect();
        let mut entities: BTreeMap<u8, Entity> = BTreeMap::new();
        for (key, value) in &resolved {
            let (service, class) = self.routes[key];
            for group in BTreeSet::from([service, class]) {
                entities.entry(group).or_insert((Vec::new(), self.classes.len())).0.push((*key, *value));
            }
        }
        Outputs { upstreams, resolved, entities }
    }
}

#[derive(Debug, PartialEq)]
struct Outputs {
    upstreams: BTreeMap<u8, Vec<u32>>,
    resolved: BTreeMap<u8, Option<u32>>,
    entities: BTreeMap<u8, Entity>,
}

fn plain<K: Ord, V: Clone>(all: Vec<(K, Arc<V>)>) -> BTreeMap<K, V> {
    all.into_iter().map(|(key, value)| (key, V::clone(&value))).collect()
}

impl Model {
    fn apply(&mut self, edits: &[Edit]) -> crate::Report {
        let (settings, services, slices, routes, classes) =
            (self.settings, self.services, self.slices, self.routes, self.classes);
        self.graph.update(|batch| {
            for edit in edits {
                match *edit {
                    Edit::Setting(Some(value)) => batch.set(&settings, (), value),
                    Edit::Setting(None) => batch.remove(&settings, &()),
                    Edit::Service(key, Some(value)) => batch.set(&services, key, value),
                    Edit::Service(key, None) => batch.remove(&services, &key),
                    Edit::Slice(key, Some(value)) => batch.set(&slices, key, value),
                    Edit::Slice(key, None) => batch.remove(&slices, &key),
                    Edit::Route(key, Some(value)) => batch.set(&routes, key, value),
                    Edit::Route(key, None) => batch.remove(&routes, &key),
                    Edit::Class(key, Some(value)) => batch.set(&classes, key, value),
                    Edit::Class(key, None) => batch.remove(&classes, &key),
                }
            }
        })
    }

    fn outputs(&self) -> Outputs {
        Outputs {
            upstreams: plain(self.graph.iter(&self.upstreams)),
            resolved: plain(self.graph.iter(&self.resolved)),
            entities: plain(self.graph.iter(&self.entities)),
        }
    }
}

/// Three services with two slices each, and a route to each.
fn shop() -> Model {
    let mut model = model();
    let mut edits = vec![Edit::Setting(Some(1)), Edit::Class(7, Some(true))];
    for n in 0..3 {
        edits.push(Edit::Service(n, Some(10 * u32::from(n))));
        edits.push(Edit::Slice(2 * n, Some((n, 1))));
        edits.push(Edit::Slice(2 * n + 1, Some((n, 2))));
        edits.push(Edit::Route(n, Some((n, 7))));
    }
    model.apply(&edits);
    model
}

proptest! {
    #[test]
    fn increments_equal_starting_over(batches in edits()) {
        let (mut model, mut world) = (model(), World::default());
        for batch in &batches {
            let before = plain(model.graph.iter(&model.resolved));
            let report = model.apply(batch);
            batch.iter().for_each(|edit| world.apply(edit));
            prop_assert_eq!(model.outputs(), world.oracle());
            prop_assert_eq!(model.graph.verify(), vec![]);
            prop_assert!(report.faults().is_empty(), "{:?}", report.faults());
            // What is reported as changed is exactly what is different.
            let mut after = before.clone();
            for changed in report.changed(&model.resolved) {
                prop_assert_ne!(before.get(&changed.key), changed.value.as_deref());
                put(&mut after, changed.key, changed.value.as_deref().copied());
            }
            prop_assert_eq!(after, plain(model.graph.iter(&model.resolved)));
        }
        let mut fresh = self::model();
        fresh.apply(&world.edits());
        prop_assert_eq!(fresh.outputs(), model.outputs());
        prop_assert_eq!(fresh.graph.footprint(), model.graph.footprint());
    }

    #[test]
    fn nothing_is_left_of_what_is_gone(batches in edits()) {
        let (mut model, mut world) = (model(), World::default());
        for batch in &batches {
            model.apply(batch);
            batch.iter().for_each(|edit| world.apply(edit));
        }
        let away = world.edits().into_iter().map(|edit| match edit {
            Edit::Setting(_) => Edit::Setting(None),
            Edit::Service(key, _) => Edit::Service(key, None),
            Edit::Slice(key, _) => Edit::Slice(key, None),
            Edit::Route(key, _) => Edit::Route(key, None),
            Edit::Class(key, _) => Edit::Class(key, None),
        });
        away.rev().for_each(|edit| { model.apply(&[edit]); });
        prop_assert_eq!(model.graph.footprint(), Footprint::default());
    }
}

#[test]
fn an_endpoint_change_reruns_its_upstream_alone() {
    let mut model = shop();
    let report = model.apply(&[Edit::Slice(2, Some((1, 9)))]);
    assert_eq!(report.reran(&model.upstreams), [1]);
    assert_eq!(report.runs(), 1);
    assert_eq!(model.graph.get(&model.upstreams, &1).as_deref(), Some(&vec![9, 2]));
}

#[test]
fn an_equal_output_stops_the_change() {
    let mut model = shop();
    let report = model.apply(&[Edit::Service(1, Some(19))]);
    assert_eq!(report.reran(&model.shapes), [1], "its input changed");
    assert!(report.reran(&model.resolved).is_empty(), "its output did not");
    assert_eq!(report.changed(&model.services).len(), 1);
    assert!(model.apply(&[Edit::Service(1, Some(19))]).reran(&model.shapes).is_empty(), "an equal input is no change");
}

#[test]
fn a_missing_object_fires_when_it_appears() {
    let mut model = shop();
    model.apply(&[Edit::Route(5, Some((5, 7)))]);
    assert_eq!(model.graph.get(&model.resolved, &5).as_deref(), Some(&None));
    let report = model.apply(&[Edit::Service(5, Some(50))]);
    assert_eq!(report.reran(&model.resolved), [5]);
    assert_eq!(model.graph.get(&model.resolved, &5).as_deref(), Some(&Some(6)));
}

#[test]
fn a_setting_reruns_whoever_read_it() {
    let mut model = shop();
    let report = model.apply(&[Edit::Setting(Some(2))]);
    assert_eq!(report.reran(&model.resolved), [0, 1, 2]);
    assert!(report.reran(&model.upstreams).is_empty());
}

#[test]
fn scans_are_counted_and_refused_on_hot_collections() {
    let mut model = shop();
    assert!(model.apply(&[Edit::Class(8, Some(true))]).scans() > 0, "a class was added, and classes are scanned");
    let mut graph = Graph::new();
    let hot = graph.input_hot::<u8, u8>("hot");
    let keys = graph.input::<u8, u8>("keys");
    let sums = graph.derive("sums", &keys, move |ctx, _, _| Some(ctx.scan(&hot).len()));
    let report = graph.update(|batch| {
        batch.set(&hot, 1, 1);
        batch.set(&keys, 1, 1);
    });
    assert_eq!(graph.get(&sums, &1).as_deref(), Some(&0));
    assert!(report.faults()[0].contains("hot"), "{:?}", report.faults());
}

#[test]
fn a_read_of_another_graph_is_a_fault_and_no_panic() {
    let mut other = Graph::new();
    let foreign = other.input::<u8, u8>("foreign");
    let mut graph = Graph::new();
    let keys = graph.input::<u8, u8>("keys");
    let copies = graph.derive("copies", &keys, move |ctx, key, _| ctx.get(&foreign, key).map(|value| *value));
    let report = graph.update(|batch| batch.set(&keys, 1, 1));
    assert_eq!((graph.len(&copies), report.faults().len()), (0, 1));
}

#[test]
fn a_value_can_be_explained() {
    let mut model = shop();
    model.apply(&[Edit::Route(5, Some((5, 7)))]);
    let reads = model.graph.explain(&model.resolved, &5);
    let told: Vec<_> = reads.iter().map(|read| (read.collection, read.key.as_str(), read.present)).collect();
    assert_eq!(told, [("routes", "5", true), ("settings", "()", true), ("classes", "7", true), ("shapes", "5", false)]);
    let report = model.apply(&[Edit::Setting(Some(3))]);
    let slot = report.changed(&model.entities).iter().find(|changed| changed.key == 1).unwrap().slot;
    let trace = model.graph.trace(slot).unwrap().to_string();
    let wanted = "\
entities 1
  routes by service 1
    routes 1
  classes *
  resolved 1
    routes 1
    settings ()
    classes 7
    shapes 1
      services 1
";
    assert_eq!(trace, wanted);
}

#[test]
fn what_functions_captured_may_change_if_all_run_anew() {
    let factor = Arc::new(AtomicU32::new(1));
    let mut graph = Graph::new();
    let items = graph.input::<u32, u32>("items");
    let captured = factor.clone();
    let scaled = graph.derive("scaled", &items, move |_, _, item| Some(item * captured.load(Ordering::Relaxed)));
    let captured = factor.clone();
    let groups = graph.index("groups", &items, move |_, item| vec![item * captured.load(Ordering::Relaxed) % 4]);
    let sizes = graph.group("sizes", &groups, |_, _, members: &Members<u32>| Some(members.iter().count()));
    graph.update(|batch| (0..8).for_each(|key| batch.set(&items, key, key)));
    assert_eq!(graph.iter(&sizes).len(), 4);

    factor.store(2, Ordering::Relaxed);
    let report = graph.update(|batch| {
        batch.rerun();
        batch.set(&items, 8, 8);
    });
    assert_eq!(graph.verify(), []);
    assert_eq!(graph.iter(&scaled).iter().map(|(_, value)| **value).sum::<u32>(), 72);
    assert_eq!(graph.iter(&sizes).len(), 2);
    let changed: Vec<u32> = report.changed(&scaled).iter().map(|changed| changed.key).collect();
    assert_eq!(changed, [1, 2, 3, 4, 5, 6, 7, 8], "nought stays what it is");
    let report = graph.update(|batch| batch.rerun());
    assert_eq!((report.changed(&scaled).len(), report.changed(&sizes).len()), (0, 0));
}

#[test]
fn ten_thousand_objects_come_and_go_without_a_trace() {
    let mut graph = Graph::new();
    let items = graph.input::<u32, u32>("items");
    let by_ten = graph.index("by ten", &items, |key, _| vec![key / 10]);
    let sums = graph.group("sums", &by_ten, move |ctx, _, members: &Members<u32>| {
        Some(members.iter().filter_map(|member| ctx.get(&items, member)).map(|item| *item).sum::<u32>())
    });
    graph.update(|batch| (0..10_000).for_each(|key| batch.set(&items, key, 1)));
    assert_eq!(graph.len(&sums), 1_000);
    for key in (0..10_000u32).map(|key| key.wrapping_mul(7919) % 10_000) {
        graph.update(|batch| batch.remove(&items, &key));
    }
    assert_eq!(graph.footprint(), Footprint::default());
    assert_eq!(graph.len(&sums), 0);
}

#[test]
fn indexes_tell_their_members() {
    let model = shop();
    assert_eq!(model.graph.get(&model.by_service, &1).as_deref(), Some(&Members::from_iter([2, 3])));
    assert_eq!(model.graph.len(&model.by_target), 4);
}

#[test]
fn edits_are_taken_back_and_new_misses_are_told() {
    let mut graph = Graph::new();
    let prices = graph.input::<&str, i32>("prices");
    let listed = graph.derive("listed", &prices, |_, _, price| Some(*price));
    let orders = graph.input::<i32, &str>("orders");
    let totals = graph.derive("totals", &orders, move |ctx, _, item: &&str| ctx.get(&listed, item).map(|it| *it));
    graph.update(|batch| {
        batch.set(&prices, "tea", 1);
        batch.set(&orders, 1, "tea");
    });

    let mut edits = Edits::default();
    let report = graph.update(|batch| {
        edits = batch.note(|batch| {
            batch.set(&orders, 1, "coffee");
            batch.set(&orders, 1, "milk");
            batch.set(&orders, 2, "tea");
        });
    });
    assert!(report.missed(&listed) && report.missed(&prices) && !report.missed(&orders));
    let report = graph.update(|batch| batch.set(&orders, 3, "tea"));
    assert!(!report.missed(&prices), "nobody looked for it anew");

    let report = graph.update(|batch| batch.take_back(edits));
    assert_eq!(report.reran(&totals), [1, 2]);
    assert_eq!(
        graph.iter(&orders).into_iter().map(|(key, item)| (key, *item)).collect::<Vec<_>>(),
        [(1, "tea"), (3, "tea")]
    );
    assert_eq!(graph.get(&totals, &1).as_deref(), Some(&1));
    assert!(graph.verify().is_empty());
}

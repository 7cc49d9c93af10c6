//! The search against gateways that refuse what a test says.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use silverback_kong::self_check::SelfCheck;
use silverback_kong::{Collection, EntityKey};

use super::*;
use crate::Named;

fn key(collection: Collection, name: &str) -> EntityKey {
    EntityKey::new(collection, name)
}

fn put(config: &mut Config, collection: Collection, name: &str, value: &Value) {
    let key = key(collection, name);
    let object = ObjectRef::new("Ingress.networking.k8s.io", ObjectKey::new("shop", name));
    let source = Provenance { object, uid: String::new(), version: "1".into() };
    let piece = Piece::new(Rendered::of_value(&key, value), vec![source]);
    config.insert(key, piece);
}

/// A shop: each of `services` has routes, an upstream, a plugin on its first route, and a consumer with a plugin.
fn shop(services: usize, routes: usize) -> Config {
    let mut config = Config::new();
    for at in 0..services {
        let name = format!("s{at}");
        let route =
            |nth: usize| json!({"name": format!("{name}r{nth}"), "id": format!("id-{name}r{nth}"), "paths": ["/"]});
        let all: Vec<Value> = (0..routes).map(route).collect();
        put(&mut config, Collection::Services, &name, &json!({"name": name, "host": name, "routes": all}));
        put(&mut config, Collection::Upstreams, &name, &json!({"name": name, "targets": [{"target": "10.0.0.1:80"}]}));
        put(
            &mut config,
            Collection::Plugins,
            &format!("auth{at}"),
            &json!({"name": "key-auth", "route": format!("{name}r0")}),
        );
        put(
            &mut config,
            Collection::Consumers,
            &name,
            &json!({"username": name, "keyauth_credentials": [{"key": name}]}),
        );
    }
    config
}

/// A gateway that refuses some entities, and may not say which.
#[derive(Default)]
struct Gateway {
    /// Kind and name, and whether it names it.
    bad: BTreeMap<(String, String), bool>,
    held: Option<Arc<Config>>,
    posts: usize,
}

impl Gateway {
    fn refusing(bad: &[(&str, &str, bool)]) -> Self {
        let bad = bad.iter().map(|(kind, name, named)| (((*kind).into(), (*name).into()), *named)).collect();
        Self { bad, ..Self::default() }
    }

    fn post(&mut self, config: &Arc<Config>) -> Verdict {
        if self.held.as_ref() == Some(config) {
            return Verdict::Taken;
        }
        self.posts += 1;
        assert_whole(config);
        let all = config.iter().flat_map(|(key, piece)| parts(key, piece));
        let bad = all.filter(|(_, value)| value["name"] != "request-termination").filter_map(|(part, value)| {
            let named = *self.bad.get(&(part.id.kind.clone(), part.id.name.clone()))?;
            Some((part, value, named))
        });
        let bad: Vec<_> = bad.collect();
        if bad.is_empty() {
            self.held = Some(config.clone());
            return Verdict::Taken;
        }
        let named = bad.into_iter().filter(|(_, _, named)| *named).map(|(part, value, _)| Named {
            kind: part.id.kind,
            name: value.get("name").and_then(Value::as_str).map(str::to_owned),
            fields: value.as_object().unwrap().iter().map(|(f, v)| (f.clone(), crate::field_digest(v))).collect(),
            words: "bad".into(),
            ..Named::default()
        });
        Verdict::Refused(Refusal { words: "invalid".into(), named: named.collect(), faults: Vec::new() })
    }
}

/// Nothing that refers to what is not there may ever be offered: gateways refuse it, and name nothing.
fn assert_whole(config: &Config) {
    let mut check = SelfCheck::default();
    config.iter().for_each(|(key, piece)| check.replace(key, Some(&piece.rendered.value())));
    assert!(check.is_clean(), "{:?}", check.findings(|key| Some(config.get(key)?.rendered.value())));
}

fn kinds() -> BTreeSet<Digest> {
    [Digest(1)].into()
}

/// Runs until nothing is left to be done.
fn settle(search: &mut Search, gateway: &mut Gateway) {
    for _ in 0..200 {
        let offer = search.offer().clone();
        let verdict = gateway.post(&offer.config);
        let empty = gateway.held.is_none();
        search.judge(&verdict, &kinds(), empty, Timestamp::UNIX_EPOCH);
        let same = Arc::ptr_eq(&search.offer().config, &offer.config);
        if same && search.offer().purpose == offer.purpose {
            return;
        }
    }
    panic!("it does not come to an end");
}

fn started(config: &Config, gateway: &mut Gateway) -> Search {
    let mut search = Search::new(Vec::new());
    search.want(Arc::new(config.clone()), false);
    settle(&mut search, gateway);
    gateway.posts = 0;
    search
}

fn names(search: &Search) -> Vec<String> {
    search.quarantine().iter().map(|entry| format!("{} {}", entry.kind, entry.name)).collect()
}

#[test]
fn what_is_named_is_left_out_at_once() {
    let mut gateway = Gateway::refusing(&[("route", "s3r1", true)]);
    let mut search = Search::new(Vec::new());
    search.want(Arc::new(shop(50, 3)), false);
    settle(&mut search, &mut gateway);
    assert_eq!(gateway.posts, 2);
    assert_eq!(names(&search), ["route s3r1"]);
    let held = gateway.held.unwrap();
    assert_eq!(held.len(), shop(50, 3).len(), "its service and all else stay");
    assert!(
        !String::from_utf8_lossy(held.get(&key(Collection::Services, "s3")).unwrap().rendered.bytes()).contains("s3r1")
    );
}

#[test]
fn what_is_not_named_is_found_among_the_changes() {
    let mut gateway = Gateway::refusing(&[("upstream", "s70", false)]);
    let mut search = started(&shop(64, 1), &mut gateway);
    let wanted = shop(80, 1);
    let changes = changes(&wanted, &shop(64, 1)).len();
    search.want(Arc::new(wanted), false);
    settle(&mut search, &mut gateway);
    assert_eq!(names(&search), ["upstream s70"]);
    // The change itself and the question in the other form come first, the good rest last.
    assert!(gateway.posts <= 3 + changes.ilog2() as usize + 1, "{} posts for {changes} changes", gateway.posts);
    assert_eq!(gateway.held.unwrap().len(), shop(80, 1).len() - 1);
}

#[test]
fn one_refused_change_is_found_without_a_probe() {
    let mut gateway = Gateway::refusing(&[("plugin", "new", false)]);
    let mut search = started(&shop(4, 1), &mut gateway);
    let mut wanted = shop(4, 1);
    put(&mut wanted, Collection::Plugins, "new", &json!({"name": "cors", "route": "s1r0"}));
    search.want(Arc::new(wanted), false);
    settle(&mut search, &mut gateway);
    assert_eq!(names(&search), ["plugin new"]);
    assert!(gateway.posts <= 3, "{}", gateway.posts);
}

#[test]
fn a_refused_plugin_closes_what_it_was_bound_to() {
    let mut gateway = Gateway::refusing(&[("plugin", "auth2", true)]);
    let mut search = Search::new(Vec::new());
    search.want(Arc::new(shop(4, 1)), false);
    settle(&mut search, &mut gateway);
    let held = gateway.held.as_ref().unwrap();
    let closing = held.get(&key(Collection::Plugins, "auth2")).unwrap().rendered.value();
    assert_eq!((closing["name"].as_str(), closing["route"].as_str()), (Some("request-termination"), Some("s2r0")));
    assert!(search.quarantine()[0].closed);
    // A plugin that holds everywhere is left out alone, as one that cannot be translated is.
    let mut wanted = shop(4, 1);
    put(&mut wanted, Collection::Plugins, "all", &json!({"name": "cors"}));
    gateway.bad.insert(("plugin".into(), "all".into()), true);
    search.want(Arc::new(wanted), false);
    settle(&mut search, &mut gateway);
    assert!(!gateway.held.unwrap().contains_key(&key(Collection::Plugins, "all")));
}

#[test]
fn what_a_refused_plugin_was_bound_to_goes_on_without_it_where_that_is_wanted() {
    for named in [true, false] {
        let mut gateway = Gateway::refusing(&[("plugin", "auth2", named)]);
        let mut search = started(&shop(2, 1), &mut gateway);
        search.fail_open(true);
        search.want(Arc::new(shop(4, 1)), false);
        settle(&mut search, &mut gateway);
        let held = gateway.held.as_ref().unwrap();
        assert!(!held.contains_key(&key(Collection::Plugins, "auth2")), "named: {named}");
        assert_eq!(held.len(), shop(4, 1).len() - 1, "its route goes live");
        assert!(!search.quarantine()[0].closed);
        // It is closed once that is wanted again.
        search.fail_open(false);
        search.want(Arc::new(shop(4, 1)), false);
        settle(&mut search, &mut gateway);
        let closing = gateway.held.as_ref().unwrap().get(&key(Collection::Plugins, "auth2")).unwrap().rendered.value();
        assert_eq!(closing["name"].as_str(), Some("request-termination"));
        assert!(search.quarantine()[0].closed);
    }
}

#[test]
fn what_refers_to_what_is_left_out_goes_too() {
    let mut gateway = Gateway::refusing(&[("service", "s1", true)]);
    let mut search = Search::new(Vec::new());
    search.want(Arc::new(shop(3, 2)), false);
    settle(&mut search, &mut gateway);
    let held = gateway.held.unwrap();
    assert!(
        !held.contains_key(&key(Collection::Plugins, "auth1")) && held.contains_key(&key(Collection::Plugins, "auth0"))
    );
}

#[test]
fn it_ends_when_the_entity_is_mended_or_gone_or_gateways_are_other() {
    let mut gateway = Gateway::refusing(&[("route", "s1r0", true)]);
    let mut search = Search::new(Vec::new());
    search.want(Arc::new(shop(3, 1)), false);
    settle(&mut search, &mut gateway);
    let one = search.quarantine().to_vec();
    assert_eq!(one.len(), 1);
    // Something else changes: it stays, and nothing is tried again.
    gateway.posts = 0;
    search.want(Arc::new(shop(4, 1)), false);
    settle(&mut search, &mut gateway);
    assert_eq!((search.quarantine(), gateway.posts), (one.as_slice(), 1));
    // The object is gone.
    let mut without = shop(4, 1);
    without.remove(&key(Collection::Services, "s1"));
    without.remove(&key(Collection::Plugins, "auth1"));
    search.want(Arc::new(without), false);
    settle(&mut search, &mut gateway);
    assert!(search.quarantine().is_empty());
    // It is there again, and refused again; then it is mended.
    search.want(Arc::new(shop(4, 1)), false);
    settle(&mut search, &mut gateway);
    assert_eq!(search.quarantine().len(), 1);
    gateway.bad.clear();
    let mut mended = shop(4, 1);
    put(&mut mended, Collection::Services, "s1", &json!({"name": "s1", "host": "s1", "routes": [{"name": "s1r0"}]}));
    search.want(Arc::new(mended.clone()), false);
    settle(&mut search, &mut gateway);
    assert!(search.quarantine().is_empty());
    assert_eq!(**gateway.held.as_ref().unwrap(), mended);
    // Gateways of another kind are asked again.
    search.want(Arc::new(shop(4, 1)), false);
    search.adopt(one);
    search.answering(&kinds());
    assert_eq!(search.quarantine().len(), 1);
    search.answering(&[Digest(2)].into());
    assert!(search.quarantine().is_empty());
}

#[test]
fn nothing_is_built_up_from_nothing_where_gateways_have_something() {
    let mut gateway = Gateway::refusing(&[("upstream", "s1", false)]);
    gateway.held = Some(Arc::new(shop(2, 1)));
    let mut search = Search::new(Vec::new());
    search.want(Arc::new(shop(4, 1)), false);
    settle(&mut search, &mut gateway);
    assert!(search.stuck().is_some_and(|why| why.contains("keep what they have")), "{:?}", search.stuck());
    assert_eq!(gateway.posts, 2, "it asks in both forms and no more");
    // What was accepted is recalled: the search has ground to stand on.
    search.recall(Arc::new(shop(1, 1)));
    settle(&mut search, &mut gateway);
    assert_eq!(names(&search), ["upstream s1"]);
}

#[test]
fn a_gateway_that_takes_late_what_others_refused_is_believed() {
    let mut gateway = Gateway::refusing(&[("route", "s1r0", true)]);
    let mut search = Search::new(Vec::new());
    search.want(Arc::new(shop(3, 1)), false);
    let offered = search.offer().config.clone();
    settle(&mut search, &mut gateway);
    assert_eq!(search.quarantine().len(), 1);
    search.taken_late(&offered);
    assert!(search.quarantine().is_empty());
    assert_eq!(*search.offer().config, shop(3, 1));
    gateway.posts = 0;
    settle(&mut search, &mut gateway);
    assert_eq!((search.quarantine().len(), gateway.posts), (0, 1), "it is not quarantined again");
}

/// Good changes that come during a search go first, and are there before it ends.
#[test]
fn good_changes_pass_what_is_under_suspicion() {
    let mut gateway = Gateway::refusing(&[("upstream", "s40", false)]);
    let mut search = started(&shop(32, 1), &mut gateway);
    search.want(Arc::new(shop(64, 1)), false);
    for _ in 0..3 {
        let verdict = gateway.post(&search.offer().config.clone());
        search.judge(&verdict, &kinds(), false, Timestamp::UNIX_EPOCH);
    }
    assert!(search.suspects() > 1);
    let mut wanted = shop(64, 1);
    put(&mut wanted, Collection::Services, "urgent", &json!({"name": "urgent"}));
    search.want(Arc::new(wanted.clone()), false);
    let mut posts = 0;
    while !gateway.held.as_ref().unwrap().contains_key(&key(Collection::Services, "urgent")) {
        let verdict = gateway.post(&search.offer().config.clone());
        search.judge(&verdict, &kinds(), false, Timestamp::UNIX_EPOCH);
        posts += 1;
    }
    assert!(posts <= 2 && search.suspects() > 1, "{posts} posts");
    settle(&mut search, &mut gateway);
    assert_eq!(names(&search), ["upstream s40"]);
    assert_eq!(gateway.held.unwrap().len(), wanted.len() - 1);
}

fn any_bad() -> impl Strategy<Value = Vec<(String, String, bool)>> {
    let one = (0usize..12, 0usize..5, any::<bool>()).prop_map(|(at, what, named)| {
        let (kind, name) = match what {
            0 => ("service", format!("s{at}")),
            1 => ("route", format!("s{at}r1")),
            2 => ("upstream", format!("s{at}")),
            3 => ("consumer", format!("s{at}")),
            _ => ("plugin", format!("auth{at}")),
        };
        (kind.to_owned(), name, named)
    });
    proptest::collection::vec(one, 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever is bad, and however little is said of it: all that is good arrives, and nothing else is left out.
    #[test]
    fn all_that_is_good_arrives(bad in any_bad(), first in 0usize..12, meanwhile in 0usize..4) {
        let bad: Vec<_> = bad.iter().map(|(kind, name, named)| (kind.as_str(), name.as_str(), *named)).collect();
        let mut gateway = Gateway::refusing(&bad);
        let mut search = Search::new(Vec::new());
        search.want(Arc::new(shop(first, 2)), false);
        for _ in 0..meanwhile {
            let verdict = gateway.post(&search.offer().config.clone());
            search.judge(&verdict, &kinds(), gateway.held.is_none(), Timestamp::UNIX_EPOCH);
        }
        let wanted = shop(12, 2);
        search.want(Arc::new(wanted.clone()), false);
        settle(&mut search, &mut gateway);
        prop_assert!(search.stuck().is_none(), "{:?}", search.stuck());
        prop_assert_eq!(search.suspects(), 0);
        for found in search.quarantine() {
            prop_assert!(bad.iter().any(|(kind, name, _)| (*kind, *name) == (found.kind.as_str(), found.name.as_str())), "{found:?} is good");
        }
        let held = gateway.held.clone().unwrap();
        let out = by_piece(bad.iter().flat_map(|(kind, name, _)| {
            let all = wanted.iter().flat_map(|(key, piece)| parts(key, piece)).map(|(part, _)| part);
            all.filter(move |part| part.id.kind == **kind && part.id.name == *name)
        }));
        prop_assert_eq!(&*held, &leave_out(&wanted, &out, Bound::Closes).config);
    }

    /// One bad entity among any number of changes is found within the bound.
    #[test]
    fn one_bad_entity_costs_few_posts(old in 1usize..20, new in 1usize..20, at in 0usize..20, named in any::<bool>()) {
        let name = format!("s{}", old + at % new);
        let mut gateway = Gateway::refusing(&[("upstream", &name, named)]);
        let mut search = started(&shop(old, 1), &mut gateway);
        let wanted = shop(old + new, 1);
        let changes = changes(&wanted, &shop(old, 1)).len();
        search.want(Arc::new(wanted), false);
        settle(&mut search, &mut gateway);
        prop_assert_eq!(names(&search), [format!("upstream {name}")]);
        let bound = if named { 2 } else { most_posts(changes, 1) };
        prop_assert!(gateway.posts <= bound, "{} posts for {changes} changes", gateway.posts);
    }
}

/// The most posts that it takes until all that is good is there, the one that was refused first and the one that brings
/// the rest among them, when gateways name none of the `bad` ones among so many changes.
fn most_posts(changes: usize, bad: usize) -> usize {
    let halvings = changes.next_power_of_two().ilog2() as usize;
    bad * (2 + halvings) + 1
}

/// Posts until `changes` new upstreams are there but for the bad ones, which a gateway names in neither form.
fn posts_to_find(bad: &BTreeSet<usize>, changes: usize) -> usize {
    let upstreams = |range: std::ops::Range<usize>| {
        let mut config = Config::new();
        for at in range {
            let name = format!("u{at:04}");
            put(&mut config, Collection::Upstreams, &name, &json!({"name": name}));
        }
        config
    };
    let refused: Vec<_> = bad.iter().map(|at| key(Collection::Upstreams, &format!("u{:04}", at + 1))).collect();
    let mut search = Search::new(Vec::new());
    search.recall(Arc::new(upstreams(0..1)));
    search.want(Arc::new(upstreams(0..changes + 1)), false);
    let (mut posts, mut held) = (0, search.accepted().cloned().unwrap());
    loop {
        let offer = search.offer().clone();
        let good = !refused.iter().any(|key| offer.config.contains_key(key));
        posts += usize::from(held != offer.config);
        let verdict = if good { Verdict::Taken } else { Verdict::Refused(Refusal::default()) };
        if good {
            held = offer.config.clone();
        }
        search.judge(&verdict, &kinds(), false, Timestamp::UNIX_EPOCH);
        if Arc::ptr_eq(&search.offer().config, &offer.config) && search.offer().purpose == offer.purpose {
            break;
        }
    }
    assert_eq!(held.len(), changes + 1 - bad.len());
    assert_eq!(search.quarantine().len(), bad.len());
    posts
}

#[test]
fn up_to_a_thousand_changes_are_searched_within_the_bound() {
    let mut rng = 1_usize;
    let mut any = |below: usize| {
        rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (rng >> 33) % below
    };
    let powers = (7..10).flat_map(|power| [1 << power, (1 << power) + 1]);
    for changes in (1..=64).chain(powers).chain((100..=1_000).step_by(100)) {
        for bad in [[0].into(), [changes - 1].into(), BTreeSet::from([any(changes)])] {
            let posts = posts_to_find(&bad, changes);
            assert!(posts <= most_posts(changes, 1), "{posts} posts for {bad:?} of {changes}");
        }
        let several: BTreeSet<usize> = (0..5).map(|_| any(changes)).collect();
        let posts = posts_to_find(&several, changes);
        assert!(posts <= most_posts(changes, several.len()), "{posts} posts for {several:?} of {changes}");
    }
}

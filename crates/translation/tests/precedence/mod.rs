//! Which route takes a request where several match: the statements of the specification, against what Kong's routers do
//! with the routes that translation makes.
//!
//! `SILVERBACK_PRECEDENCE_CASES` says how many scenes are tried (default 40).

mod examples;
mod judge;
mod kong;
mod ranks;
mod routers;
mod scene;
mod spec;

use proptest::prelude::*;
use proptest::sample::select;
use silverback_translation::RouterFlavor;

use judge::{Judge, Promise};
use routers::{Compatible, Expressions, Routes, Traditional};
use scene::{Kind, Scene};

const EXPRESSIONS: Promise = Promise { told: false, ties: false };
const TRADITIONAL: Promise = Promise { told: true, ties: false };
const KINDS: [Kind; 3] = [Kind::Http, Kind::Http, Kind::Grpc];
/// How many routes a match may have at most, so that more can only be told of.
const BOUND: usize = 32;
/// Whether Kong's `traditional` router is taken with its shortcuts, by which routes that share a value with a request may
/// come before those that should be tried first.
const SHORTCUTS: bool = false;

/// Takes out of a scene what holds with neither flavour: Kong's routers do not look at protocols, so that the routes of
/// `http` and of `https` are in each other's way.
fn at_one_listener(mut scene: Scene) -> Scene {
    let listener = scene.routes[0].listener;
    scene.routes.iter_mut().for_each(|it| it.listener = listener);
    scene
}

fn cases() -> u32 {
    std::env::var("SILVERBACK_PRECEDENCE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40)
}

fn scenes(kinds: &'static [Kind]) -> impl Strategy<Value = Scene> {
    select(kinds).prop_flat_map(|kind| Scene::any(kind, 6)).prop_map(at_one_listener)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn expressions_keep_the_order_of_the_specification(scene in scenes(&KINDS)) {
        let judge = Judge::new(&scene, RouterFlavor::Expressions);
        let wrong = judge.wrong(&Expressions::new(&judge.routes), &EXPRESSIONS);
        prop_assert!(wrong.is_none(), "{}", wrong.unwrap());
    }

    #[test]
    fn traditional_routers_keep_the_order_or_it_is_told(scene in scenes(&KINDS)) {
        let judge = Judge::new(&scene, RouterFlavor::Traditional);
        let routers: [(&str, &dyn Routes); 2] = [
            ("traditional", &Traditional::new(&judge.routes, SHORTCUTS)),
            ("traditional_compatible", &Compatible::new(&judge.routes)),
        ];
        for (name, router) in routers {
            let wrong = judge.wrong(router, &TRADITIONAL);
            prop_assert!(wrong.is_none(), "{name}: {}", wrong.unwrap());
        }
        let needless = judge.told_without_need(BOUND);
        prop_assert!(needless.is_none(), "{}", needless.unwrap());
    }
}

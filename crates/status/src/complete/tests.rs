use silverback_kong::Collection;
use silverback_model::ObjectKey;

use super::*;
use crate::{ConditionKind, ParentReference, ParentStatus};

fn object(name: &str) -> ObjectRef {
    ObjectRef::new("HTTPRoute.gateway.networking.k8s.io", ObjectKey::new("shop", name))
}

fn service(name: &str) -> EntityKey {
    EntityKey::new(Collection::Services, name)
}

fn parent(accepted: bool) -> ParentStatus {
    let refused = (!accepted).then(|| (ConditionReason::NotAllowedByListeners, String::new()));
    let conditions = vec![Condition::of(Accepted, ConditionReason::Accepted, refused)];
    ParentStatus { parent_ref: ParentReference::default(), controller_name: String::new(), conditions }
}

fn route(entities: &[&str]) -> ObjectStatus {
    let entities = entities.iter().map(|name| service(name)).collect();
    let status = Status::Route(RouteStatus { parents: vec![parent(true), parent(false)], entities });
    ObjectStatus { observed_generation: 3, status }
}

fn listener(name: &str, decided: Option<ConditionReason>) -> ListenerStatus {
    let certificate = EntityKey::new(Collection::Certificates, name);
    ListenerStatus {
        name: name.to_owned(),
        supported_kinds: Vec::new(),
        attached_routes: 0,
        conditions: decided.into_iter().map(|reason| Condition::no(Programmed, reason, "")).collect(),
        entities: vec![certificate],
    }
}

fn progress(entities: &[(&EntityKey, Held)]) -> Progress {
    let entities = entities.iter().map(|(key, held)| ((*key).clone(), held.clone())).collect();
    Progress { gateways: 2, configured: true, entities }
}

fn refused(by: &str) -> Held {
    Held::Refused { objects: vec![object(by)], words: "no such path".to_owned() }
}

/// `Status/Reason` of what is said of `Programmed`.
fn said(conditions: &[Condition]) -> Option<String> {
    let found = conditions.iter().find(|it| it.kind == ConditionKind::Programmed)?;
    Some(format!("{:?}/{:?}", found.status, found.reason))
}

fn of_route(status: ObjectStatus, progress: Option<&Progress>) -> String {
    let Status::Route(route) = status.completed(&object("web"), progress).status else { unreachable!() };
    assert_eq!(said(&route.parents[1].conditions), None, "a parent that refuses the route programs nothing");
    said(&route.parents[0].conditions).unwrap()
}

#[test]
fn a_route_is_programmed_when_gateways_hold_all_that_it_makes() {
    let (a, b) = (service("a"), service("b"));
    let of = |all: &[(&EntityKey, Held)]| of_route(route(&["a", "b"]), Some(&progress(all)));
    assert_eq!(of(&[(&a, Held::AsWanted), (&b, Held::AsWanted)]), "True/Programmed");
    assert_eq!(of(&[(&a, Held::AsWanted), (&b, Held::NotYet)]), "False/Pending");
    assert_eq!(of(&[(&a, Held::AsWanted)]), "False/Pending", "of the other nothing is known");
    assert_eq!(of(&[(&a, refused("web")), (&b, Held::NotYet)]), "False/Invalid");
    // Kong services may be shared: what is refused of another route is no fault of this one.
    assert_eq!(of(&[(&a, refused("other")), (&b, Held::AsWanted)]), "True/Programmed");
    assert_eq!(of_route(route(&[]), None), "Unknown/Pending");
    assert_eq!(of_route(route(&[]), Some(&Progress::default())), "False/Pending");
    let empty = Progress { configured: false, ..progress(&[]) };
    assert_eq!(of_route(route(&[]), Some(&empty)), "False/Pending");
    assert_eq!(of_route(route(&[]), Some(&progress(&[]))), "True/Programmed", "nothing is needed");
}

/// What an owner comes to for what its listeners do: `y`es, `p`ending, `r`efused, or `i`nvalid already.
#[test]
fn listeners_make_up_their_owner() {
    let cases = [
        ("y", "True/Programmed"),
        ("yi", "True/Programmed"),
        ("yr", "True/Programmed"),
        ("yp", "False/Pending"),
        ("rp", "False/Pending"),
        ("rr", "False/Invalid"),
        ("i", "False/Invalid"),
    ];
    for (each, wanted) in cases {
        let mut known = Progress { gateways: 1, configured: true, ..Progress::default() };
        let mut some = Vec::new();
        for (at, what) in each.chars().enumerate() {
            let one = listener(&at.to_string(), (what == 'i').then_some(ConditionReason::Invalid));
            let held = match what {
                'y' => Held::AsWanted,
                'r' => refused("web"),
                _ => Held::NotYet,
            };
            known.entities.insert(one.entities[0].clone(), held);
            some.push(one);
        }
        let verdict = listeners(&mut some, Some(&known)).condition();
        assert_eq!(said(&[verdict]).unwrap(), wanted, "{each}");
        assert!(some.iter().all(|it| it.conditions.iter().filter(|it| it.kind == Programmed).count() == 1), "{each}");
    }
}

#[test]
fn texts_read_back_as_the_kind_they_are_of() {
    let gateway = crate::GatewayStatus {
        addresses: vec![crate::Address { kind: "IPAddress".into(), value: "10.0.0.1".into() }],
        conditions: vec![Condition::unknown(Accepted, "")],
        listeners: vec![listener("web", None)],
        attached_listener_sets: 1,
    };
    let set = crate::ListenerSetStatus { conditions: Vec::new(), listeners: vec![listener("web", None)] };
    let features = vec![crate::Feature { name: "Gateway".into() }];
    let class = crate::GatewayClassStatus { conditions: Vec::new(), supported_features: features };
    let ancestor = crate::AncestorStatus {
        ancestor_ref: ParentReference { name: "g".into(), port: Some(80), ..ParentReference::default() },
        controller_name: "c".into(),
        conditions: Vec::new(),
    };
    let kinds = [
        route(&["a"]).status,
        Status::Gateway(gateway),
        Status::ListenerSet(set),
        Status::GatewayClass(class),
        Status::Policy(crate::PolicyStatus { ancestors: vec![ancestor] }),
    ];
    for status in kinds {
        let status = ObjectStatus { observed_generation: 7, status };
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<ObjectStatus>(&text).unwrap(), status, "{text}");
    }
}

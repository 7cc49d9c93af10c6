use std::collections::BTreeSet;

use serde_json::{Value, json};
use silverback_gateway::State;
use silverback_isolation::Piece;
use silverback_kong::{Collection, Rendered};
use silverback_model::{Digest, ObjectKey, ObjectRef, Provenance};

use super::*;

fn key(name: &str) -> EntityKey {
    EntityKey::new(Collection::Services, name)
}

/// Services with these ports.
fn config(services: &[(&str, u16)]) -> Arc<Config> {
    let mut config = Config::default();
    for (name, port) in services {
        let value: Value = json!({"name": name, "host": "a.test", "port": port});
        config.insert(key(name), Piece::new(Rendered::of_value(&key(name), &value), Vec::<Provenance>::new()));
    }
    Arc::new(config)
}

fn hash(text: &str) -> ConfigHash {
    ConfigHash::of(text.as_bytes())
}

fn gateway(state: State, observed: ConfigHash) -> GatewayReport {
    GatewayReport { state, hash_observed: Some(observed), ..GatewayReport::default() }
}

fn left_out(within: &str) -> Quarantined {
    Quarantined {
        within: key(within),
        kind: "service".into(),
        name: within.into(),
        objects: vec![ObjectRef::new("Service", ObjectKey::new("shop", within))],
        reason: "no such port".into(),
        since: jiff::Timestamp::UNIX_EPOCH,
        closed: false,
        rendering: Digest::default(),
        refused_by: BTreeSet::new(),
    }
}

/// Which of these services are held (`a`), and which are refused and the rest of them is held (`a!`).
fn held(offers: &Offers, reports: &[GatewayReport], quarantine: &[Quarantined]) -> String {
    let names = ["a", "b", "c", "none"];
    let progress = offers.progress(names.map(key), reports.iter(), quarantine);
    assert_eq!(progress.gateways, reports.len());
    let each = names.map(|name| match &progress.entities[&key(name)] {
        Held::AsWanted => name.to_owned(),
        Held::NotYet => String::new(),
        Held::Refused { objects, words } => {
            assert_eq!((objects.len(), words.contains("no such port")), (1, true));
            format!("{name}!")
        }
    });
    let text = each.concat();
    assert!(progress.configured || text.is_empty());
    text
}

#[test]
fn an_entity_is_held_when_all_that_answer_have_it_as_it_is_wanted() {
    let (old, new) = (config(&[("a", 1), ("b", 1)]), config(&[("a", 1), ("b", 2), ("c", 1)]));
    let offers = Offers { wanted: new.clone(), offered: vec![(hash("old"), old), (hash("new"), new)] };
    let synced = gateway(State::Synced, hash("new"));
    let beside = |state, observed| held(&offers, &[synced.clone(), gateway(state, observed)], &[]);
    assert_eq!(held(&offers, &[], &[]), "", "there is none");
    assert_eq!(held(&offers, std::slice::from_ref(&synced), &[]), "abc");
    assert_eq!(beside(State::Synced, hash("new")), "abc");
    assert_eq!(beside(State::Pushing, hash("old")), "a", "that is as it was");
    assert_eq!(beside(State::Failing, hash("old")), "abc", "it does not answer");
    assert_eq!(beside(State::Pending, hash("unknown")), "", "nobody knows what it has");
    assert_eq!(beside(State::Pushing, ConfigHash::EMPTY), "", "it has nothing");
    assert_eq!(held(&offers, &[gateway(State::Failing, hash("new"))], &[]), "", "none answers");
}

#[test]
fn what_is_refused_is_told_and_the_rest_is_held() {
    let wanted = config(&[("a", 1), ("b", 0), ("c", 1)]);
    let offers = Offers { wanted, offered: vec![(hash("new"), config(&[("a", 1), ("c", 1)]))] };
    let reports = [gateway(State::Synced, hash("new"))];
    assert_eq!(held(&offers, &reports, &[]), "ac", "what is held back while it is searched is not there");
    assert_eq!(held(&offers, &reports, &[left_out("b")]), "ab!c");
    assert_eq!(held(&offers, &[gateway(State::Pushing, ConfigHash::EMPTY)], &[left_out("b")]), "");
    let told = wire(offers.progress([key("b"), key("a")], reports.iter(), &[left_out("b")]));
    let states: Vec<_> = told.entities.iter().map(|it| (it.state(), it.objects.len())).collect();
    assert_eq!(states, [(v1::entity_progress::State::Held, 0), (v1::entity_progress::State::Refused, 1)]);
}

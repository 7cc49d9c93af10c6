//! The rules: by example, and against the published ones on random objects.

use serde_json::{Map, Value, json};

use super::cel::{self, passes};
use super::parity::{name, published};
use super::{all, named, schema};

fn accepts(crd: &str, old: Option<Value>, new: &Value) -> bool {
    let crd = named(&format!("{crd}.configuration.konghq.com"));
    cel::rules(schema(&crd)).iter().all(|rule| passes(rule, old.as_ref(), new))
}

#[test]
fn rules_accept_and_refuse() {
    let secret = json!({"secretKeyRef": {"name": "s", "key": "k"}});
    let patches = json!([{"path": "", "valueFrom": secret}]);
    let accepted = [
        ("kongplugins", json!({"plugin": "a", "config": {}, "configPatches": patches})),
        ("kongplugins", json!({"plugin": "a", "configFrom": secret})),
        ("kongconsumers", json!({"custom_id": "a"})),
        ("kongconsumers", json!({"username": "a", "spec": {"controlPlaneRef": {"type": "kic"}}})),
        ("kongcustomentities", json!({"spec": {"type": "degraphql_routes"}})),
        ("kongingresses", json!({"upstream": {}})),
        (
            "kongupstreampolicies",
            json!({"spec": {"algorithm": "sticky-sessions", "hashOn": {"input": "none"}, "stickySessions": {"cookie": "c"}}}),
        ),
        (
            "kongupstreampolicies",
            json!({"spec": {"algorithm": "consistent-hashing", "hashOn": {"cookie": "c", "cookiePath": "/"}}}),
        ),
        ("kongupstreampolicies", json!({"spec": {"healthchecks": {"active": {"healthy": {"interval": 5}}}}})),
        ("kongupstreampolicies", json!({})),
    ];
    for (crd, object) in accepted {
        assert!(accepts(crd, None, &object), "{crd} {object}");
    }
    let refused = [
        ("kongclusterplugins", json!({"plugin": "a", "config": {}, "configFrom": secret})),
        ("kongplugins", json!({"plugin": "a", "configPatches": patches, "configFrom": secret})),
        ("kongconsumers", json!({"credentials": []})),
        (
            "kongconsumers",
            json!({"username": "a", "spec": {"controlPlaneRef": {"type": "konnectID", "konnectID": "x"}}}),
        ),
        ("kongconsumers", json!({"username": "a", "spec": {"controlPlaneRef": {"type": "konnectNamespacedRef"}}})),
        (
            "kongconsumers",
            json!({"username": "a", "spec": {"controlPlaneRef": {"type": "konnectNamespacedRef", "konnectNamespacedRef": {"name": "a", "namespace": "b"}}}}),
        ),
        ("kongvaults", json!({"spec": {"tags": [""]}})),
        ("kongcustomentities", json!({"spec": {"type": "services"}})),
        ("kongingresses", json!({"proxy": {}})),
        ("kongingresses", json!({"route": {}})),
        ("kongupstreampolicies", json!({"spec": {"algorithm": "round-robin", "hashOn": {"input": "ip"}}})),
        (
            "kongupstreampolicies",
            json!({"spec": {"algorithm": "consistent-hashing", "hashOn": {"input": "ip", "header": "h"}}}),
        ),
        ("kongupstreampolicies", json!({"spec": {"algorithm": "consistent-hashing", "hashOn": {"cookie": "c"}}})),
        ("kongupstreampolicies", json!({"spec": {"algorithm": "sticky-sessions", "stickySessions": {"cookie": "c"}}})),
        ("kongupstreampolicies", json!({"spec": {"healthchecks": {"passive": {"healthy": {"interval": 5}}}}})),
    ];
    for (crd, object) in refused {
        assert!(!accepts(crd, None, &object), "{crd} {object}");
    }
}

#[test]
fn some_fields_cannot_be_changed() {
    let plugin = |name: &str| json!({"plugin": name});
    assert!(accepts("kongplugins", Some(plugin("a")), &plugin("a")));
    assert!(!accepts("kongplugins", Some(plugin("a")), &plugin("b")));
    let vault = |prefix: &str| json!({"spec": {"backend": "env", "prefix": prefix}});
    assert!(!accepts("kongvaults", Some(vault("a")), &vault("b")));
    let entity = |kind: &str| json!({"spec": {"type": kind}});
    assert!(!accepts("kongcustomentities", Some(entity("a")), &entity("b")));

    let of = |name: &str| json!({"controlPlaneRef": {"type": "konnectNamespacedRef", "konnectNamespacedRef": {"name": name}}});
    let group = |spec: Value, programmed: &str| json!({"spec": spec, "status": {"conditions": [{"type": "Programmed", "status": programmed}]}});
    assert!(accepts("kongconsumergroups", Some(group(of("a"), "False")), &group(of("b"), "False")));
    assert!(!accepts("kongconsumergroups", Some(group(of("a"), "True")), &group(of("b"), "True")));
    assert!(!accepts("kongconsumergroups", Some(group(of("a"), "False")), &group(json!({}), "False")));
}

/// The same numbers in every run (xorshift), so that a failure can be looked at again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// Objects that a schema admits: of the fields that rules speak of, and of few different values, so that rules meet
/// equal ones.
struct Sampler<'s> {
    schema: &'s Value,
    spoken_of: String,
    random: Random,
    left: usize,
}

impl<'s> Sampler<'s> {
    fn new(schema: &'s Value, rules: &[cel::Rule]) -> Self {
        let spoken_of = rules.iter().map(|rule| format!("{} {}\n", rule.path.join(" "), rule.text)).collect();
        Self { schema, spoken_of, random: Random(0x9e37_79b9_7f4a_7c15), left: 5000 * rules.len() }
    }

    fn value(&mut self, schema: &Value) -> Value {
        if let Some(choices) = schema["enum"].as_array() {
            return self.random.pick(choices);
        }
        match schema["type"].as_str() {
            Some("object") => self.object(schema),
            Some("array") => (0..self.random.below(3)).map(|_| self.value(&schema["items"])).collect(),
            Some("boolean") => (self.random.below(2) == 0).into(),
            Some("integer" | "number") => (100 + self.random.below(2)).into(),
            Some("string") if schema["pattern"].is_string() => self.random.pick(&["Programmed", "Ready"]).into(),
            Some("string") => {
                let length = self.random.pick(&[128, 129]);
                self.random.pick(&["a", "b", "services", "", &"x".repeat(length)]).into()
            }
            _ => json!({}),
        }
    }

    fn object(&mut self, schema: &Value) -> Value {
        let mut fields = Map::new();
        for (name, below) in schema["properties"].as_object().into_iter().flatten() {
            // The spec is always there (without one every rule about it would fault), and conditions in a status.
            let required = schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
            let always = required || below.get("default").is_some() || matches!(name.as_str(), "spec" | "conditions");
            if self.spoken_of.contains(name.as_str()) && (always || self.random.below(5) < 2) {
                fields.insert(name.clone(), self.value(below));
            }
        }
        fields.into()
    }
}

/// Creations, and updates that change nothing, all, or all but the status.
impl Iterator for Sampler<'_> {
    type Item = (Option<Value>, Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let schema = self.schema;
        let (old, mut new) = (self.value(schema), self.value(schema));
        Some(match self.random.below(4) {
            0 => (None, new),
            1 => (Some(old.clone()), old),
            2 => (Some(old), new),
            _ => {
                if let (Some(status), Some(new)) = (old.get("status"), new.as_object_mut()) {
                    new.insert("status".into(), status.clone());
                }
                (Some(old), new)
            }
        })
    }
}

#[test]
fn rules_accept_what_the_published_ones_accept() {
    let Some(published) = published() else { return };
    for theirs in &published {
        let ours = named(name(theirs));
        let (our_rules, their_rules) = (cel::rules(schema(&ours)), cel::rules(schema(theirs)));
        assert_eq!(our_rules.is_empty(), their_rules.is_empty(), "{}", name(theirs));
        let (mut accepted, mut refused) = (0, 0);
        for (old, new) in Sampler::new(schema(theirs), &their_rules) {
            let judge = |rules: &[cel::Rule]| rules.iter().all(|rule| passes(rule, old.as_ref(), &new));
            let verdict = judge(&their_rules);
            assert_eq!(judge(&our_rules), verdict, "{}: {old:?} to {new}", name(theirs));
            *if verdict { &mut accepted } else { &mut refused } += 1;
        }
        let telling = their_rules.is_empty() || accepted.min(refused) > 50;
        assert!(telling, "{}: {accepted} accepted, {refused} refused", name(theirs));
    }
}

/// Proves that the samples would show a missing rule, and that no rule of ours says what the others say already.
#[test]
fn every_rule_refuses_something_by_itself() {
    for crd in all() {
        let rules = cel::rules(schema(&crd));
        let mut needed = vec![false; rules.len()];
        for (old, new) in Sampler::new(schema(&crd), &rules) {
            let mut failing = (0..rules.len()).filter(|at| !passes(&rules[*at], old.as_ref(), &new));
            if let (Some(at), None) = (failing.next(), failing.next()) {
                needed[at] = true;
            }
        }
        for (at, rule) in rules.iter().enumerate() {
            assert!(needed[at], "{}: nothing is refused by {} alone", name(&crd), rule.text);
        }
    }
}

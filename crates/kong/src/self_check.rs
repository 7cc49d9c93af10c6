//! The check made before anything leaves: no name, id or server name twice, no reference to what is not there.
//!
//! It keeps a table of what each entity claims, so that a change costs as much as the change. It knows nothing about
//! where entities come from; it is the last line that a mistake of ours, or a clash of names between objects, meets
//! before it would make a gateway refuse a whole config.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde_json::Value;
use silverback_model::Digest;

use crate::{Collection, EntityKey};

/// What [`Finding::Duplicate`] calls the name that tells plugins of one type apart.
pub const INSTANCE_NAME: &str = "plugin instance name";

/// Something wrong with a config as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Several entities claim what only one can have. In the order of their keys; an entity that claims a thing twice
    /// is there twice.
    Duplicate {
        /// What is claimed, e.g. `route name`.
        what: &'static str,
        /// The value.
        value: String,
        /// Who claims it.
        entities: Vec<EntityKey>,
    },
    /// An entity refers to one that is not there.
    Dangling {
        /// What is missing, e.g. `route name`.
        what: &'static str,
        /// The value.
        value: String,
        /// Who refers to it.
        entity: EntityKey,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { what, value, entities } => {
                let names: Vec<String> = entities.iter().map(EntityKey::to_string).collect();
                write!(f, "{what} {value:?} is claimed by {}", names.join(" and "))
            }
            Self::Dangling { what, value, entity } => {
                write!(f, "{entity} refers to {what} {value:?}, which is not there")
            }
        }
    }
}

/// Names what an entity defines or refers to: what it is and its value. The table stays small.
type Claim = Digest;

#[derive(Clone, Debug, Default)]
struct Claims {
    defines: Vec<(&'static str, String)>,
    refers: Vec<(&'static str, String)>,
}

/// The table of claims of a config.
#[derive(Debug, Default)]
pub struct SelfCheck {
    entities: HashMap<EntityKey, Known>,
    defined: HashMap<Claim, Definers>,
    referred: HashMap<Claim, BTreeSet<EntityKey>>,
    /// Claims with several definers, or with referrers and none.
    wrong: BTreeSet<Claim>,
}

/// The claims of an entity.
#[derive(Debug)]
struct Known {
    defines: Box<[Claim]>,
    refers: Box<[Claim]>,
}

/// Who defines a thing, in the order of their keys: one, unless something is wrong.
#[derive(Debug)]
enum Definers {
    One(EntityKey),
    Several(Vec<EntityKey>),
}

impl Definers {
    fn as_slice(&self) -> &[EntityKey] {
        match self {
            Self::One(key) => std::slice::from_ref(key),
            Self::Several(keys) => keys,
        }
    }

    fn with(self, key: &EntityKey) -> Self {
        let mut keys = self.as_slice().to_vec();
        keys.insert(keys.partition_point(|other| other <= key), key.clone());
        Self::Several(keys)
    }

    fn without(self, key: &EntityKey) -> Option<Self> {
        let mut left = self.as_slice().iter().filter(|other| *other != key).cloned();
        let first = left.next()?;
        let more: Vec<EntityKey> = left.collect();
        Some(if more.is_empty() { Self::One(first) } else { Self::Several([vec![first], more].concat()) })
    }
}

impl SelfCheck {
    /// Puts an entity in the place of the one that had its key; `None` takes it away.
    pub fn replace(&mut self, key: &EntityKey, entity: Option<&Value>) {
        if let Some(known) = self.entities.remove(key) {
            self.forget(key, &known);
        }
        let Some(entity) = entity else { return };
        let claims = claims(key, entity);
        let known = Known { defines: digested(&claims.defines), refers: digested(&claims.refers) };
        for claim in &known.defines {
            let definers = match self.defined.remove(claim) {
                None => Definers::One(key.clone()),
                Some(others) => others.with(key),
            };
            self.defined.insert(*claim, definers);
        }
        for claim in &known.refers {
            self.referred.entry(*claim).or_default().insert(key.clone());
        }
        self.judge(&known);
        if !(known.defines.is_empty() && known.refers.is_empty()) {
            self.entities.insert(key.clone(), known);
        }
    }

    fn forget(&mut self, key: &EntityKey, known: &Known) {
        for claim in &known.defines {
            let left = self.defined.remove(claim).and_then(|definers| definers.without(key));
            self.defined.extend(left.map(|definers| (*claim, definers)));
        }
        for claim in &known.refers {
            if let Some(referrers) = self.referred.get_mut(claim) {
                referrers.remove(key);
                if referrers.is_empty() {
                    self.referred.remove(claim);
                }
            }
        }
        self.judge(known);
    }

    fn judge(&mut self, known: &Known) {
        for claim in known.defines.iter().chain(&known.refers) {
            let definers = self.definers(claim).len();
            if definers > 1 || (definers == 0 && self.referred.contains_key(claim)) {
                self.wrong.insert(*claim);
            } else {
                self.wrong.remove(claim);
            }
        }
    }

    fn definers(&self, claim: &Claim) -> &[EntityKey] {
        self.defined.get(claim).map_or(&[], Definers::as_slice)
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Everything that is wrong. `look_up` gives the entities' values, from which the texts of the findings are read.
    pub fn findings(&self, look_up: impl Fn(&EntityKey) -> Option<Value>) -> Vec<Finding> {
        let told = |key: &EntityKey, claim: &Claim| {
            let found = look_up(key).map(|entity| claims(key, &entity)).unwrap_or_default();
            let mut all = found.defines.into_iter().chain(found.refers);
            all.find(|(what, value)| digest(what, value) == *claim).unwrap_or_default()
        };
        let mut findings = Vec::new();
        for claim in &self.wrong {
            let entities = self.definers(claim);
            if let [first, _, ..] = entities {
                let (what, value) = told(first, claim);
                findings.push(Finding::Duplicate { what, value, entities: entities.to_vec() });
            }
            for entity in self.referred.get(claim).into_iter().flatten().filter(|_| entities.is_empty()) {
                let (what, value) = told(entity, claim);
                findings.push(Finding::Dangling { what, value, entity: entity.clone() });
            }
        }
        findings.sort();
        findings
    }

    /// Number of entities known: nothing is left behind when all are taken away.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty() && self.defined.is_empty() && self.referred.is_empty() && self.wrong.is_empty()
    }
}

fn digest(what: &'static str, value: &str) -> Claim {
    Digest::of_parts([what.as_bytes(), value.as_bytes()])
}

fn digested(claims: &[(&'static str, String)]) -> Box<[Claim]> {
    claims.iter().map(|(what, value)| digest(what, value)).collect()
}

/// What an entity of each collection claims.
fn claims(key: &EntityKey, entity: &Value) -> Claims {
    let mut claims = Claims::default();
    match key.collection {
        Collection::Services => {
            claims.define(entity, "name", "service name");
            claims.define(entity, "id", "service id");
            claims.refer(entity, "client_certificate", "certificate id");
            claims.refer_each(entity, "ca_certificates", "CA certificate id");
            for route in list(entity, "routes") {
                claims.define(route, "name", "route name");
                claims.define(route, "id", "route id");
            }
        }
        Collection::Upstreams => claims.define(entity, "name", "upstream name"),
        Collection::Certificates => {
            claims.define(entity, "id", "certificate id");
            for sni in list(entity, "snis") {
                claims.define(sni, "name", "server name");
            }
        }
        Collection::CaCertificates => claims.define(entity, "id", "CA certificate id"),
        Collection::Consumers => consumer(&mut claims, entity),
        Collection::ConsumerGroups => claims.define(entity, "name", "consumer group name"),
        Collection::ConsumerGroupConsumers => {
            claims.refer(entity, "consumer", "consumer name");
            claims.refer(entity, "consumer_group", "consumer group name");
        }
        Collection::Plugins => {
            claims.define(entity, "id", "plugin id");
            claims.define(entity, "instance_name", INSTANCE_NAME);
            claims.refer(entity, "service", "service name");
            claims.refer(entity, "route", "route name");
            claims.refer(entity, "consumer", "consumer name");
            claims.refer(entity, "consumer_group", "consumer group name");
        }
        Collection::Vaults => claims.define(entity, "prefix", "vault prefix"),
        Collection::Licenses | Collection::Custom(_) => {}
    }
    claims
}

fn consumer(claims: &mut Claims, entity: &Value) {
    // A reference to a consumer may be by either; one that has no username goes by its custom_id.
    claims.define(entity, "username", "consumer name");
    claims.define(entity, "custom_id", "consumer custom_id");
    claims.define(entity, "id", "consumer id");
    let credentials = [
        ("keyauth_credentials", "key", "API key"),
        ("basicauth_credentials", "username", "basic-auth username"),
        ("hmacauth_credentials", "username", "hmac-auth username"),
        ("jwt_secrets", "key", "JWT key"),
        ("oauth2_credentials", "client_id", "OAuth2 client id"),
    ];
    for (field, unique, what) in credentials {
        for credential in list(entity, field) {
            claims.define(credential, unique, what);
        }
    }
}

fn list<'a>(entity: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    entity.get(field).and_then(Value::as_array).into_iter().flatten()
}

impl Claims {
    fn define(&mut self, entity: &Value, field: &str, what: &'static str) {
        if let Some(value) = entity.get(field).and_then(Value::as_str) {
            self.defines.push((what, value.to_owned()));
        }
    }

    fn refer(&mut self, entity: &Value, field: &str, what: &'static str) {
        if let Some(value) = entity.get(field).and_then(Value::as_str) {
            self.refers.push((what, value.to_owned()));
        }
    }

    fn refer_each(&mut self, entity: &Value, field: &str, what: &'static str) {
        self.refers.extend(list(entity, field).filter_map(Value::as_str).map(|value| (what, value.to_owned())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn check(entities: &[(&str, &str, Value)]) -> (SelfCheck, BTreeMap<EntityKey, Value>) {
        let mut check = SelfCheck::default();
        let mut all = BTreeMap::new();
        for (collection, name, entity) in entities {
            let key = EntityKey::new(Collection::from(*collection), *name);
            check.replace(&key, Some(entity));
            all.insert(key, entity.clone());
        }
        (check, all)
    }

    #[test]
    fn a_dangling_reference_is_named_until_it_resolves() {
        let (mut check, all) = check(&[("plugins", "p", json!({"name": "cors", "route": "r"}))]);
        let findings = check.findings(|key| all.get(key).cloned());
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].to_string(), r#"plugins/p refers to route name "r", which is not there"#);
        let service = EntityKey::new(Collection::Services, "s");
        check.replace(&service, Some(&json!({"name": "s", "routes": [{"name": "r"}]})));
        assert!(check.is_clean());
        check.replace(&service, None);
        assert!(!check.is_clean());
    }

    #[test]
    fn duplicates_name_all_who_claim() {
        let (mut check, all) = check(&[
            ("services", "a", json!({"name": "a", "routes": [{"name": "r"}]})),
            ("services", "b", json!({"name": "b", "routes": [{"name": "r"}]})),
            ("certificates", "c", json!({"id": "c", "snis": [{"name": "x"}, {"name": "x"}]})),
        ]);
        let texts: Vec<_> = check.findings(|key| all.get(key).cloned()).iter().map(Finding::to_string).collect();
        assert_eq!(
            texts,
            [
                r#"route name "r" is claimed by services/a and services/b"#,
                r#"server name "x" is claimed by certificates/c and certificates/c"#,
            ]
        );
        check.replace(&EntityKey::new(Collection::Services, "b"), None);
        check.replace(&EntityKey::new(Collection::Certificates, "c"), None);
        assert!(check.is_clean());
        check.replace(&EntityKey::new(Collection::Services, "a"), None);
        assert!(check.is_empty());
    }
}

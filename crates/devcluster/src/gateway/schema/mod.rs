//! Schemas of Kong's entities: fields with types and rules, records, checks across fields. A schema is data; what
//! is done with it (filling in defaults, validating) is in the files beside this one. It never knows which
//! entities there are.

pub(crate) mod check;
pub(crate) mod custom;
pub(crate) mod document;
pub(crate) mod errors;
pub(crate) mod fill;
pub(crate) mod hosts;
pub(crate) mod rule;
pub(crate) mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use check::Check;
use rule::Rule;

/// The type of a field's value.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    Array(Box<Field>),
    /// An array whose repetitions are dropped.
    Set(Box<Field>),
    Map(Box<Field>, Box<Field>),
    Record(Arc<Record>),
    /// A reference to an entity of this kind.
    Foreign(&'static str),
    /// Whatever it is, it is accepted.
    Any,
}

/// One field of a record, or the elements of a list.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Filled in by the gateway when absent: ids, times, secrets.
    pub(crate) auto: bool,
    pub(crate) unique: bool,
    pub(crate) default: Option<Value>,
    /// Must be null.
    pub(crate) null_only: bool,
    /// May be a reference to a vault, which is not looked at.
    pub(crate) referenceable: bool,
    /// In the order in which they are applied.
    pub(crate) rules: Vec<Rule>,
    /// Said instead of what a rule would say.
    pub(crate) error: Option<String>,
}

impl Field {
    pub(crate) fn new(kind: Kind) -> Self {
        let mut field = Self {
            kind,
            required: false,
            auto: false,
            unique: false,
            default: None,
            null_only: false,
            referenceable: false,
            rules: Vec::new(),
            error: None,
        };
        // Empty strings are not accepted by default.
        if matches!(field.kind, Kind::String) {
            field.rules.push(Rule::LenMin(1));
        }
        field
    }

    pub(crate) fn string() -> Self {
        Self::new(Kind::String)
    }

    pub(crate) fn integer() -> Self {
        Self::new(Kind::Integer)
    }

    pub(crate) fn number() -> Self {
        Self::new(Kind::Number)
    }

    pub(crate) fn boolean() -> Self {
        Self::new(Kind::Boolean)
    }

    pub(crate) fn array(mut elements: Self) -> Self {
        elements.required = true;
        Self::new(Kind::Array(Box::new(elements)))
    }

    pub(crate) fn set(mut elements: Self) -> Self {
        elements.required = true;
        Self::new(Kind::Set(Box::new(elements)))
    }

    pub(crate) fn map(mut keys: Self, mut values: Self) -> Self {
        (keys.required, values.required) = (true, true);
        Self::new(Kind::Map(Box::new(keys), Box::new(values)))
    }

    /// Records of entities are filled in even when absent.
    pub(crate) fn record(record: Record) -> Self {
        Self::new(Kind::Record(Arc::new(record))).required()
    }

    pub(crate) fn foreign(kind: &'static str) -> Self {
        Self::new(Kind::Foreign(kind))
    }

    pub(crate) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(crate) fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    pub(crate) fn auto(self) -> Self {
        Self { auto: true, ..self }
    }

    pub(crate) fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    pub(crate) fn referenceable(self) -> Self {
        Self { referenceable: true, ..self }
    }

    pub(crate) fn null_only(self, error: &str) -> Self {
        Self { null_only: true, error: Some(error.to_owned()), ..self }
    }

    pub(crate) fn default(self, value: impl Into<Value>) -> Self {
        Self { default: Some(value.into()), ..self }
    }

    /// Adds a rule, in place of one of its own sort.
    pub(crate) fn rule(mut self, rule: Rule) -> Self {
        self.rules.retain(|old| old.rank() != rule.rank());
        self.rules.push(rule);
        self.rules.sort_by_key(Rule::rank);
        self
    }

    pub(crate) fn between(self, from: i64, to: i64) -> Self {
        self.rule(Rule::Between(from as f64, to as f64))
    }

    pub(crate) fn one_of<const N: usize>(self, options: [&str; N]) -> Self {
        self.rule(Rule::OneOf(options.into_iter().map(Value::from).collect()))
    }
}

/// Other names for fields: `url` of a service, deprecated names in plugin configs.
#[derive(Debug, Clone)]
pub(crate) struct Shorthand {
    pub(crate) name: String,
    pub(crate) field: Field,
    pub(crate) effect: Effect,
}

/// What a shorthand field stands for.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// Computes the fields to set; they win over those given.
    Set(fn(&Value) -> Vec<(&'static str, Value)>),
    /// Is the deprecated name of another field, which wins over it.
    Renamed(Vec<String>),
}

/// Fields by name, shorthands and checks across fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) fields: IndexMap<String, Field>,
    pub(crate) shorthands: Vec<Shorthand>,
    pub(crate) checks: Vec<Check>,
}

impl Record {
    pub(crate) fn new<const N: usize>(fields: [(&str, Field); N]) -> Self {
        let fields = fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect();
        Self { fields, ..Self::default() }
    }

    pub(crate) fn check(mut self, mut check: Check) -> Self {
        check.bind(&self);
        self.checks.push(check);
        self
    }

    pub(crate) fn shorthand(mut self, name: &str, field: Field, set: fn(&Value) -> Vec<(&'static str, Value)>) -> Self {
        self.shorthands.push(Shorthand { name: name.to_owned(), field, effect: Effect::Set(set) });
        self
    }

    /// The field at a dotted path.
    pub(crate) fn field(&self, path: &str) -> Option<&Field> {
        match path.split_once('.') {
            None => self.fields.get(path),
            Some((head, tail)) => match &self.fields.get(head)?.kind {
                Kind::Record(record) => record.field(tail),
                _ => None,
            },
        }
    }

    /// This record with fields replaced and checks added.
    pub(crate) fn specialised(&self, by: &Self) -> Self {
        let mut record = self.clone();
        for (name, field) in &by.fields {
            record.fields.insert(name.clone(), field.clone());
        }
        for mut check in std::mem::take(&mut record.checks).into_iter().chain(by.checks.iter().cloned()) {
            check.bind(&record);
            record.checks.push(check);
        }
        record
    }
}

/// Variants of a record, told apart by one of its fields.
#[derive(Debug, Clone)]
pub(crate) struct Variants {
    /// The field that tells: its value, or the first known one in its list of values.
    pub(crate) key: &'static str,
    pub(crate) known: BTreeMap<String, Arc<Record>>,
    /// What is said of an unknown one; `%s` stands for it.
    pub(crate) unknown: &'static str,
}

/// One kind of entity.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    /// The collection's name, such as `services`.
    pub(crate) name: &'static str,
    pub(crate) record: Arc<Record>,
    pub(crate) variants: Option<Variants>,
    /// The field that names an entity in paths and references, beside its id.
    pub(crate) endpoint_key: Option<&'static str>,
    /// The fields whose values identify an entity, where that is not the endpoint key.
    pub(crate) cache_key: Option<&'static [&'static str]>,
    /// Accepts a field `ttl`.
    pub(crate) ttl: bool,
    /// In paths: `/key-auths`.
    pub(crate) admin_name: &'static str,
    /// In paths below the parent: `/consumers/x/key-auth`.
    pub(crate) nested_name: &'static str,
}

impl Schema {
    pub(crate) fn new(name: &'static str, record: Record) -> Self {
        Self {
            name,
            record: Arc::new(record),
            variants: None,
            endpoint_key: None,
            cache_key: None,
            ttl: false,
            admin_name: name,
            nested_name: name,
        }
    }

    pub(crate) fn endpoint_key(self, key: &'static str) -> Self {
        Self { endpoint_key: Some(key), ..self }
    }

    pub(crate) fn cache_key(self, key: &'static [&'static str]) -> Self {
        Self { cache_key: Some(key), ..self }
    }

    pub(crate) fn admin_names(self, admin_name: &'static str, nested_name: &'static str) -> Self {
        Self { admin_name, nested_name, ..self }
    }

    /// The endpoint key, where it names one entity among all.
    pub(crate) fn unique_key(&self) -> Option<&'static str> {
        self.endpoint_key.filter(|key| self.record.fields.get(*key).is_some_and(|field| field.unique))
    }

    /// Fields that refer to other entities, with the kind they refer to.
    pub(crate) fn references(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.record.fields.iter().filter_map(|(name, field)| match field.kind {
            Kind::Foreign(kind) => Some((name.as_str(), kind)),
            _ => None,
        })
    }
}

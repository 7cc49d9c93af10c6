//! Checks across the fields of a record, run after its fields were judged one by one.

use serde_json::{Map, Value};

use super::errors::{self, Errors, Key, Table};
use super::rule::{self, Rule};
use super::validate::{self, Context};
use super::{Field, Record};

/// A check across fields. Paths may be dotted.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    AtLeastOneOf(Vec<String>),
    OnlyOneOf(Vec<String>),
    Distinct(Vec<String>),
    MutuallyRequired(Vec<String>),
    MutuallyExclusive(Vec<String>),
    Conditional(Box<Conditional>),
    /// When a field passes, one of others must be set; of several branches the first that passes counts.
    OneOfWhen(Vec<Branch>),
    /// Runs when none of its fields is absent or in error.
    Custom(&'static [&'static str], CustomCheck),
}

/// A check written as a function, given the entity.
pub(crate) type CustomCheck = fn(&Map<String, Value>) -> Result<(), String>;

/// When one field passes, another must.
#[derive(Debug, Clone)]
pub(crate) struct Conditional {
    when: Test,
    then: Test,
    error: Option<String>,
}

/// One case of [`Check::OneOfWhen`].
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) when: Test,
    pub(crate) one_of: Vec<String>,
    /// `%s` stands for the fields.
    pub(crate) error: String,
}

/// A field and what is asked of it.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    path: String,
    asked: Match,
    /// The field as its record has it, with that asked of it too.
    field: Field,
}

impl Test {
    pub(crate) fn new(path: &str, asked: Match) -> Self {
        let field = asked.over(None);
        Self { path: path.to_owned(), asked, field }
    }

    fn bind(&mut self, record: &Record) {
        self.field = self.asked.over(record.field(&self.path));
    }
}

/// What a check asks of a field beyond what its schema does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Match {
    pub(crate) required: bool,
    pub(crate) null_only: bool,
    pub(crate) rules: Vec<Rule>,
    pub(crate) elements: Option<Box<Field>>,
}

impl Match {
    pub(crate) fn rule(rule: Rule) -> Self {
        Self { rules: vec![rule], ..Self::default() }
    }

    pub(crate) fn is<const N: usize>(options: [&str; N]) -> Self {
        Self::rule(Rule::OneOf(options.into_iter().map(Value::from).collect()))
    }

    pub(crate) fn is_not<const N: usize>(options: [&str; N]) -> Self {
        Self::rule(Rule::NotOneOf(options.into_iter().map(Value::from).collect()))
    }

    pub(crate) fn null() -> Self {
        Self { null_only: true, ..Self::default() }
    }

    pub(crate) fn required() -> Self {
        Self { required: true, ..Self::default() }
    }

    pub(crate) fn elements(elements: Field) -> Self {
        Self { elements: Some(Box::new(elements)), ..Self::default() }
    }

    /// The field with this asked of it too.
    fn over(&self, field: Option<&Field>) -> Field {
        let mut field = field.cloned().unwrap_or_else(|| Field::new(super::Kind::Any));
        field.required |= self.required;
        field.null_only |= self.null_only;
        for rule in &self.rules {
            field = field.rule(rule.clone());
        }
        if let Some(elements) = &self.elements {
            field.kind = super::Kind::Set(elements.clone());
        }
        field
    }
}

/// The value at a dotted path; `None` when absent.
pub(crate) fn get<'a>(entity: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => entity.get(path),
        Some((head, tail)) => get(entity.get(head)?.as_object()?, tail),
    }
}

pub(crate) fn is_nonempty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(values)) => !values.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    }
}

impl Check {
    pub(crate) fn when(if_field: &str, asked: Match, then_field: &str, wanted: Match) -> Self {
        Self::conditional(Test::new(if_field, asked), Test::new(then_field, wanted), None)
    }

    pub(crate) fn conditional(when: Test, then: Test, error: Option<String>) -> Self {
        Self::Conditional(Box::new(Conditional { when, then, error }))
    }

    /// Must be called with the record the check will run on, before it does.
    pub(crate) fn bind(&mut self, record: &Record) {
        match self {
            Self::Conditional(conditional) => {
                conditional.when.bind(record);
                conditional.then.bind(record);
            }
            Self::OneOfWhen(branches) => branches.iter_mut().for_each(|branch| branch.when.bind(record)),
            _ => {}
        }
    }

    /// Runs the check on a filled entity and adds what it finds.
    pub(crate) fn run(&self, context: &Context<'_>, record: &Record, entity: &Map<String, Value>, errors: &mut Table) {
        if let Some(error) = self.find(context, record, entity, errors) {
            errors::push_entity(errors, error);
        }
    }

    fn find(
        &self,
        context: &Context<'_>,
        record: &Record,
        entity: &Map<String, Value>,
        errors: &mut Table,
    ) -> Option<String> {
        let set = |fields: &[String]| fields.iter().filter(|path| is_nonempty(get(entity, path))).count();
        match self {
            Self::AtLeastOneOf(fields) if set(fields) == 0 && !any_vault(record, entity, fields) => {
                Some(format!("at least one of these fields must be non-empty: {}", names(fields)))
            }
            Self::OnlyOneOf(fields) if set(fields) != 1 => {
                Some(format!("exactly one of these fields must be non-empty: {}", names(fields)))
            }
            Self::Distinct(fields) if repeats(entity, fields) => {
                Some(format!("values of these fields must be distinct: {}", names(fields)))
            }
            Self::MutuallyRequired(fields)
                if !any_error(errors, fields) && (1..fields.len()).contains(&set(fields)) =>
            {
                Some(format!("all or none of these fields must be set: {}", names(fields)))
            }
            Self::MutuallyExclusive(fields) if !any_error(errors, fields) && set(fields) > 1 => {
                Some(format!("only one or none of these fields must be set: {}", names(fields)))
            }
            Self::Conditional(conditional) => conditional.find(context, entity, errors),
            Self::OneOfWhen(branches) => one_of_when(branches, context, entity),
            Self::Custom(fields, check) => {
                let judged = fields
                    .iter()
                    .all(|name| entity.contains_key(*name) && !errors.contains_key(&Key::Name((*name).to_owned())));
                if judged { check(entity).err() } else { None }
            }
            _ => None,
        }
    }
}

impl Conditional {
    fn find(&self, context: &Context<'_>, entity: &Map<String, Value>, errors: &mut Table) -> Option<String> {
        let (when, then) = (&self.when, &self.then);
        let Some(if_value) = get(entity, &when.path) else {
            if get(entity, &then.path).is_some() {
                errors::set(errors, &when.path, Errors::text("field required for entity check"));
            }
            return None;
        };
        let then_value = get(entity, &then.path).unwrap_or(&Value::Null);
        let is_secret = |test: &Test, value| test.field.referenceable && validate::is_vault_reference(value);
        if is_secret(when, if_value) || is_secret(then, then_value) {
            return None;
        }
        if validate::field(context, &when.field, if_value).is_err() {
            return None;
        }
        let error = validate::field(context, &then.field, then_value).err()?;
        errors::set(errors, &then.path, error);
        let standard = || format!("failed conditional validation given value of field '{}'", when.path);
        Some(self.error.clone().unwrap_or_else(standard))
    }
}

fn one_of_when(branches: &[Branch], context: &Context<'_>, entity: &Map<String, Value>) -> Option<String> {
    let passes = |branch: &&Branch| {
        get(entity, &branch.when.path).is_some_and(|value| validate::field(context, &branch.when.field, value).is_ok())
    };
    let branch = branches.iter().find(passes)?;
    let missing = !branch.one_of.iter().any(|path| is_nonempty(get(entity, path)));
    missing.then(|| branch.error.replace("%s", &names(&branch.one_of)))
}

fn names(fields: &[String]) -> String {
    rule::quoted(fields.iter().map(String::as_str))
}

fn any_error(errors: &Table, fields: &[String]) -> bool {
    fields.iter().any(|path| errors.contains_key(&Key::Name(path.clone())))
}

fn any_vault(record: &Record, entity: &Map<String, Value>, fields: &[String]) -> bool {
    fields.iter().any(|path| {
        record.field(path).is_some_and(|field| field.referenceable)
            && get(entity, path).is_some_and(validate::is_vault_reference)
    })
}

fn repeats(entity: &Map<String, Value>, fields: &[String]) -> bool {
    let mut seen: Vec<&Value> = Vec::new();
    fields.iter().filter_map(|path| get(entity, path)).filter(|value| is_nonempty(Some(value))).any(|value| {
        let repeated = seen.contains(&value);
        seen.push(value);
        repeated
    })
}

//! Judges a completed input by its schema. It never changes the input and never looks at other entities; what a
//! reference points at is checked elsewhere.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::errors::{Errors, Key, Table};
use super::{Field, Kind, Record, Rule, Schema};

/// What references look like in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum References {
    /// Text, at the top level of a declarative config.
    Text,
    /// Given by nesting, so they must not be set.
    Nested,
    /// `{"id": ...}`
    Keys,
}

/// What judging needs to know beside the schema.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) references: References,
    /// Finds the schema of a kind.
    pub(crate) schemas: &'a dyn Fn(&str) -> Option<&'a Schema>,
}

impl<'a> Context<'a> {
    pub(crate) fn with(self, references: References) -> Context<'a> {
        Context { references, ..self }
    }
}

/// The variant of a schema that an entity belongs to.
///
/// # Errors
/// When the entity does not tell, or tells an unknown one.
pub(crate) fn variant(schema: &Schema, entity: &Map<String, Value>) -> Result<Option<Arc<Record>>, Table> {
    let Some(variants) = &schema.variants else { return Ok(None) };
    let fail = |message: String| Err(Table::from([(Key::Name(variants.key.to_owned()), Errors::Text(message))]));
    let known = |name: &Value| variants.known.get(name.as_str()?);
    match entity.get(variants.key) {
        None | Some(Value::Null) => fail("required field missing".to_owned()),
        Some(name @ Value::String(text)) => match known(name) {
            Some(record) => Ok(Some(Arc::clone(record))),
            None => fail(variants.unknown.replace("%s", text)),
        },
        Some(Value::Array(names)) => match names.iter().find_map(known) {
            Some(record) => Ok(Some(Arc::clone(record))),
            None => {
                let first = names.first().map_or_else(|| "nil".to_owned(), super::rule::plain);
                fail(variants.unknown.replace("%s", &first))
            }
        },
        Some(_) => Err(Table::from([(Key::Name(variants.key.to_owned()), Errors::Crash)])),
    }
}

/// Judges an entity. `skip` names the keys of the input that are no fields but are judged elsewhere.
pub(crate) fn entity(
    context: &Context<'_>,
    schema: &Schema,
    entity: &Map<String, Value>,
    skip: &dyn Fn(&str) -> bool,
) -> Table {
    let variant = match variant(schema, entity) {
        Ok(variant) => variant,
        Err(errors) => return errors,
    };
    let skip = |name: &str| (name == "ttl" && schema.ttl) || skip(name);
    record(context, variant.as_deref().unwrap_or(&schema.record), entity, &skip)
}

fn record(context: &Context<'_>, record: &Record, input: &Map<String, Value>, skip: &dyn Fn(&str) -> bool) -> Table {
    let mut errors = Table::new();
    for (name, value) in input {
        // Kong never looks at the time of an update.
        if name == "updated_at" || skip(name) {
            continue;
        }
        let judged = match record.fields.get(name) {
            Some(of) => field(context, of, value),
            None => Err(Errors::text("unknown field")),
        };
        if let Err(error) = judged {
            errors.insert(Key::Name(name.clone()), error);
        }
    }
    for (name, field) in &record.fields {
        if is_required(context, field) && input.get(name).is_none_or(Value::is_null) {
            errors.insert(Key::Name(name.clone()), Errors::text("required field missing"));
        }
    }
    for check in &record.checks {
        check.run(context, record, input, &mut errors);
    }
    errors
}

fn is_required(context: &Context<'_>, field: &Field) -> bool {
    let given_by_nesting = context.references == References::Nested && matches!(field.kind, Kind::Foreign(_));
    field.required && !given_by_nesting
}

/// Judges one value.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn field(context: &Context<'_>, field: &Field, value: &Value) -> Result<(), Errors> {
    let say = |message: &str| Err(Errors::text(message));
    let forbidden = context.references == References::Nested && matches!(field.kind, Kind::Foreign(_));
    if value.is_null() {
        return if is_required(context, field) { say("required field missing") } else { Ok(()) };
    }
    if field.null_only || forbidden {
        return say(field.error.as_deref().unwrap_or("value must be null"));
    }
    match (&field.kind, value) {
        (Kind::Array(of) | Kind::Set(of), _) => {
            let Some(values) = sequence(value) else {
                return say(if matches!(field.kind, Kind::Set(_)) { "expected a set" } else { "expected an array" });
            };
            elements(context, of, &values)?;
        }
        (Kind::Map(keys, of), Value::Object(entries)) => {
            for (key, value) in entries {
                self::field(context, keys, &Value::String(key.clone()))?;
                self::field(context, of, value)?;
            }
        }
        (Kind::Map(..), Value::Array(values)) if values.is_empty() => {}
        (Kind::Map(..), _) => return say("expected a map"),
        (Kind::Record(of), Value::Object(fields)) => {
            let errors = record(context, of, fields, &|_| false);
            if !errors.is_empty() {
                return Err(Errors::Table(errors));
            }
        }
        (Kind::Record(_), _) => return say("expected a record"),
        (Kind::Foreign(kind), _) => reference(context, kind, value)?,
        (Kind::Integer, _) if !is_integer(value) => return say("expected an integer"),
        (Kind::Number, _) if !value.is_number() => return say("expected a number"),
        (Kind::Boolean, _) if !value.is_boolean() => return say("expected a boolean"),
        (Kind::String, _) if !value.is_string() => return say("expected a string"),
        (Kind::String, _) if field.referenceable && is_vault_reference(value) => return Ok(()),
        _ => {}
    }
    for rule in &field.rules {
        if let Err(message) = rule.apply(value) {
            return say(field.error.as_deref().unwrap_or(&message));
        }
    }
    Ok(())
}

/// Lua tells an empty list from an empty object as little as the gateway does.
fn sequence(value: &Value) -> Option<Cow<'_, [Value]>> {
    match value {
        Value::Array(values) => Some(Cow::Borrowed(values)),
        Value::Object(fields) if fields.is_empty() => Some(Cow::Owned(Vec::new())),
        _ => None,
    }
}

fn elements(context: &Context<'_>, of: &Field, values: &[Value]) -> Result<(), Errors> {
    let judged = (1..).map(Key::Index).zip(values.iter().map(|value| field(context, of, value)));
    let errors: Table = judged.filter_map(|(key, result)| Some((key, result.err()?))).collect();
    if errors.is_empty() { Ok(()) } else { Err(Errors::Table(errors)) }
}

fn reference(context: &Context<'_>, kind: &str, value: &Value) -> Result<(), Errors> {
    if context.references == References::Text {
        return match value {
            Value::String(text) if !text.is_empty() => Ok(()),
            Value::String(_) => Err(Errors::text("length must be at least 1")),
            _ => Err(Errors::text("expected a string")),
        };
    }
    let id_error = match value.get("id") {
        None | Some(Value::Bool(false)) => "missing primary key",
        Some(Value::Null) => "required field missing",
        Some(Value::String(id)) => match Rule::Uuid.apply(&Value::String(id.clone())) {
            Ok(()) => return Ok(()),
            Err(_) => "expected a valid UUID",
        },
        Some(_) => "expected a string",
    };
    // A whole entity in place of a reference is judged as one, as far as it goes.
    if let (Value::Object(fields), Some(schema)) = (value, (context.schemas)(kind)) {
        let errors = partial(context, schema, fields);
        if !errors.is_empty() {
            return Err(Errors::Table(errors));
        }
    }
    Err(Errors::Table(Table::from([(Key::Name("id".to_owned()), Errors::text(id_error))])))
}

/// Judges only the fields that are given.
pub(crate) fn partial(context: &Context<'_>, schema: &Schema, fields: &Map<String, Value>) -> Table {
    let record = match variant(schema, fields) {
        Ok(variant) => variant.unwrap_or_else(|| Arc::clone(&schema.record)),
        Err(_) if schema.variants.as_ref().is_some_and(|variants| !fields.contains_key(variants.key)) => {
            Arc::clone(&schema.record)
        }
        Err(errors) => return errors,
    };
    let judge = |(name, value): (&String, &Value)| {
        let judged = match record.fields.get(name) {
            Some(of) => field(context, of, value),
            None => Err(Errors::text("unknown field")),
        };
        Some((Key::Name(name.clone()), judged.err()?))
    };
    fields.iter().filter_map(judge).collect()
}

fn is_integer(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number.is_finite() && number.fract() == 0.0)
}

/// `{vault://...}`
pub(crate) fn is_vault_reference(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("{vault://") && text.ends_with('}'))
}

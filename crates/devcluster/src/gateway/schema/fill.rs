//! Completes an input by its schema as Kong does before it validates: shorthands, defaults, ids, times, nulls.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::errors::Errors;
use super::validate::{self, Context};
use super::{Effect, Field, Kind, Record, Rule, Schema, Shorthand};

/// The time that entities without one get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    millis: u64,
}

impl Now {
    pub(crate) fn read() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { millis: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }

    fn for_kind(self, kind: &Kind) -> Value {
        match kind {
            Kind::Number => Value::from(self.millis as f64 / 1000.0),
            _ => Value::from(self.millis / 1000),
        }
    }
}

/// Completes an entity.
///
/// # Errors
/// [`Errors::Crash`] where Kong gives up on a bad shorthand.
pub(crate) fn entity(
    context: &Context<'_>,
    schema: &Schema,
    entity: &mut Map<String, Value>,
    now: Now,
) -> Result<(), Errors> {
    let variant = validate::variant(schema, entity).ok().flatten();
    record(context, variant.as_deref().unwrap_or(&schema.record), entity, now)
}

pub(crate) fn record(
    context: &Context<'_>,
    record: &Record,
    input: &mut Map<String, Value>,
    now: Now,
) -> Result<(), Errors> {
    for shorthand in &record.shorthands {
        expand(context, shorthand, input)?;
    }
    for (name, field) in &record.fields {
        if field.auto
            && let Some(value) = automatic(name, field, input.get(name), now)
        {
            input.insert(name.clone(), value);
        }
        match input.get_mut(name) {
            Some(value) => within(context, field, value, now)?,
            None => {
                if let Some(mut value) = missing(field) {
                    within(context, field, &mut value, now)?;
                    input.insert(name.clone(), value);
                }
            }
        }
    }
    Ok(())
}

fn expand(context: &Context<'_>, shorthand: &Shorthand, input: &mut Map<String, Value>) -> Result<(), Errors> {
    let Some(value) = input.get(&shorthand.name) else { return Ok(()) };
    validate::field(context, &shorthand.field, value).map_err(|_| Errors::Crash)?;
    let Some(value) = input.remove(&shorthand.name) else { return Ok(()) };
    match &shorthand.effect {
        Effect::Set(set) => input.extend(set(&value).into_iter().map(|(name, value)| (name.to_owned(), value))),
        Effect::Renamed(path) => put(input, path, value),
    }
    Ok(())
}

/// Puts a value where there is none yet.
fn put(input: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((head, tail)) = path.split_first() else { return };
    let slot = input.entry(head.clone()).or_insert(Value::Null);
    if tail.is_empty() {
        if slot.is_null() {
            *slot = value;
        }
    } else {
        if slot.is_null() {
            *slot = Value::Object(Map::new());
        }
        if let Value::Object(below) = slot {
            put(below, tail, value);
        }
    }
}

fn automatic(name: &str, field: &Field, given: Option<&Value>, now: Now) -> Option<Value> {
    let absent = given.is_none();
    match (&field.kind, name) {
        (Kind::String, _) if absent && field.rules.iter().any(|rule| matches!(rule, Rule::Uuid)) => {
            Some(Uuid::new_v4().to_string().into())
        }
        (Kind::String, _) if absent => Some(random_string().into()),
        (kind @ (Kind::Integer | Kind::Number), "updated_at") => Some(now.for_kind(kind)),
        (kind @ (Kind::Integer | Kind::Number), "created_at") if given.is_none_or(Value::is_null) => {
            Some(now.for_kind(kind))
        }
        _ => None,
    }
}

/// 32 characters, as Kong makes keys and secrets.
fn random_string() -> String {
    Uuid::new_v4().simple().to_string()
}

fn within(context: &Context<'_>, field: &Field, value: &mut Value, now: Now) -> Result<(), Errors> {
    match (&field.kind, value) {
        (Kind::Record(of), Value::Object(fields)) => record(context, of, fields, now),
        (Kind::Set(elements), Value::Array(values)) => {
            dedup(values);
            each(context, elements, values, now)
        }
        (Kind::Array(elements), Value::Array(values)) => each(context, elements, values, now),
        (Kind::Map(_, of), Value::Object(entries)) => {
            entries.values_mut().try_for_each(|value| within(context, of, value, now))
        }
        _ => Ok(()),
    }
}

fn each(context: &Context<'_>, elements: &Field, values: &mut [Value], now: Now) -> Result<(), Errors> {
    values.iter_mut().try_for_each(|value| within(context, elements, value, now))
}

fn dedup(values: &mut Vec<Value>) {
    let mut seen: Vec<Value> = Vec::with_capacity(values.len());
    values.retain(|value| {
        let new = value.is_object() || !seen.contains(value);
        if new {
            seen.push(value.clone());
        }
        new
    });
}

fn missing(field: &Field) -> Option<Value> {
    if let Some(default) = &field.default {
        return Some(default.clone());
    }
    match (&field.kind, field.required) {
        (_, false) => Some(Value::Null),
        (Kind::Record(_), true) => Some(Value::Object(Map::new())),
        (_, true) => None,
    }
}

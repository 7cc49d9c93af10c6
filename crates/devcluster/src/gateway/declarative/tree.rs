//! Walks a declarative table through its nested lists of entities, to complete and to validate each of them.

use serde_json::{Map, Value};

use super::super::entities::Registry;
use super::super::schema::errors::{Errors, Key, Table};
use super::super::schema::fill::{self, Now};
use super::super::schema::validate::{self, Context, References};
use super::super::schema::{Field, Schema};
use super::name;

/// Completes every entity in place.
///
/// # Errors
/// [`Errors::Crash`].
pub(super) fn fill(registry: &Registry, table: &mut Map<String, Value>, now: Now) -> Result<(), Errors> {
    let schemas = |kind: &str| registry.get(kind);
    let context = Context { references: References::Text, schemas: &schemas };
    for schema in registry.all() {
        fill_list(registry, &context, schema, table.get_mut(schema.name), now)?;
    }
    Ok(())
}

fn fill_list(
    registry: &Registry,
    context: &Context<'_>,
    schema: &Schema,
    list: Option<&mut Value>,
    now: Now,
) -> Result<(), Errors> {
    for entity in list.and_then(Value::as_array_mut).into_iter().flatten() {
        let Value::Object(entity) = entity else { continue };
        fill::entity(context, schema, entity, now)?;
        for (kind, _) in registry.children(schema.name) {
            if let Some(child) = registry.get(kind) {
                fill_list(registry, context, child, entity.get_mut(*kind), now)?;
            }
        }
    }
    Ok(())
}

/// Validates a completed table.
pub(super) fn validate(registry: &Registry, table: &Map<String, Value>, references: References) -> Table {
    let mut errors = Table::new();
    let schemas = |kind: &str| registry.get(kind);
    let context = Context { references, schemas: &schemas };
    for (key, value) in table {
        let judged = match (registry.get(key), key.as_str()) {
            (Some(schema), _) => validate_list(registry, &context, schema, value),
            (None, "_format_version") => {
                let field = Field::string().required().one_of(["1.1", "2.1", "3.0"]);
                validate::field(&context, &field, value)
            }
            (None, "_transform") => validate::field(&context, &Field::boolean(), value),
            (None, "_comment" | "_ignore") => extra(&context, key, value),
            (None, _) => Err(Errors::text("unknown field")),
        };
        if let Err(error) = judged {
            errors.insert(name(key), error);
        }
    }
    if table.get("_format_version").is_none_or(Value::is_null) {
        errors.insert(name("_format_version"), Errors::text("required field missing"));
    }
    errors
}

/// The two fields that every entity may have and that mean nothing.
fn extra(context: &Context<'_>, key: &str, value: &Value) -> Result<(), Errors> {
    let field = match key {
        "_comment" => Field::string(),
        _ => Field::array(Field::new(super::super::schema::Kind::Any)),
    };
    validate::field(context, &field, value)
}

fn validate_list(registry: &Registry, context: &Context<'_>, schema: &Schema, list: &Value) -> Result<(), Errors> {
    let entities = match list {
        Value::Null => return Ok(()),
        Value::Object(fields) if fields.is_empty() => return Ok(()),
        Value::Array(entities) => entities,
        _ => return Err(Errors::text("expected an array")),
    };
    let judge = |(index, entity): (usize, &Value)| {
        let errors = match entity {
            Value::Object(entity) => Errors::Table(validate_entity(registry, context, schema, entity)),
            Value::Null => Errors::text("required field missing"),
            _ => Errors::text("expected a record"),
        };
        (errors != Errors::Table(Table::new())).then_some((Key::Index(index), errors))
    };
    let errors: Table = (1..).zip(entities).filter_map(judge).collect();
    if errors.is_empty() { Ok(()) } else { Err(Errors::Table(errors)) }
}

fn validate_entity(registry: &Registry, context: &Context<'_>, schema: &Schema, entity: &Map<String, Value>) -> Table {
    let is_extra = |key: &str| key == "_comment" || key == "_ignore";
    let skip = |key: &str| is_extra(key) || registry.link(schema.name, key).is_some();
    let mut errors = validate::entity(context, schema, entity, &skip);
    let unknown_variant = schema.variants.is_some() && validate::variant(schema, entity).is_err();
    if unknown_variant {
        return errors;
    }
    let nested = match context.references {
        References::Text => context.with(References::Nested),
        _ => *context,
    };
    for (key, value) in entity {
        let judged = match registry.link(schema.name, key).and_then(|_| registry.get(key)) {
            Some(child) => validate_list(registry, &nested, child, value),
            None if is_extra(key) => extra(context, key, value),
            None => Ok(()),
        };
        if let Err(error) = judged {
            errors.insert(name(key), error);
        }
    }
    errors
}

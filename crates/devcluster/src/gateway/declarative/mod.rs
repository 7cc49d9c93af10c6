//! From a posted table to entities, as Kong goes: names to ids, defaults, validation, references. It never touches
//! HTTP or what is loaded already.
//!
//! Kong validates twice: first with references as texts, and when that fails once more with references resolved;
//! the errors told are those of the second time. A config that passes the first time is validated once.

mod ids;
mod references;
pub(crate) mod report;
mod tree;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::entities::Registry;
use super::schema::errors::{self, Errors, Key, Table};
use super::schema::fill::Now;
use super::schema::validate::References;

/// Entities by kind and id. Each holds the fields of its schema alone; what was nested refers to its parent.
pub(crate) type Entities = BTreeMap<&'static str, BTreeMap<String, Map<String, Value>>>;

/// Why a config is refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The errors, and the input as Kong shows it beside them.
    Invalid { errors: Table, input: Map<String, Value> },
    /// Kong fails on it without a reason.
    Crash,
}

/// Judges a table. `again` yields the same table once more: it is needed only to tell errors, so that configs that
/// pass need not be copied.
pub(crate) fn judge(
    registry: &Registry,
    mut table: Map<String, Value>,
    now: Now,
    again: impl Fn() -> Map<String, Value>,
) -> Result<Entities, Refusal> {
    migrate(&mut table);
    let named = ids::assign(registry, &mut table);
    let filled = tree::fill(registry, &mut table, now);
    let first = match &filled {
        Ok(()) => tree::validate(registry, &table, References::Text),
        Err(crash) => Table::from([(Key::Index(1), crash.clone())]),
    };
    if !first.is_empty() {
        let mut input = again();
        migrate(&mut input);
        second_look(registry, &input, first, now)
            .map_err(|errors| errors.map_or(Refusal::Crash, |errors| Refusal::Invalid { errors, input }))?;
    }
    named.map_err(|_| Refusal::Crash)?;
    references::resolve(registry, table).map_err(|errors| match errors {
        Some(errors) => {
            let mut input = again();
            migrate(&mut input);
            // The ids that Kong gave are in what it shows.
            let _ = ids::assign(registry, &mut input);
            Refusal::Invalid { errors, input }
        }
        None => Refusal::Crash,
    })
}

/// Validates with references resolved. `Err(None)` is a crash.
fn second_look(registry: &Registry, input: &Map<String, Value>, first: Table, now: Now) -> Result<(), Option<Table>> {
    let mut resolved = input.clone();
    ids::populate(registry, &mut resolved).map_err(|_| None)?;
    tree::fill(registry, &mut resolved, now).map_err(|_| None)?;
    let mut second = tree::validate(registry, &resolved, References::Keys);
    if Errors::Table(second.clone()).has_crashed() {
        return Err(None);
    }
    if second.is_empty() {
        return Ok(());
    }
    errors::merge(&mut second, null_errors(first));
    Err(Some(second))
}

/// Of the errors of the first time only those are told that forbid a value: the second time forbids none.
fn null_errors(table: Table) -> Table {
    let keep = |(key, error)| match error {
        Errors::Text(text) if text == "value must be null" => Some((key, Errors::Text(text))),
        Errors::Table(table) => {
            let kept = null_errors(table);
            (!kept.is_empty()).then_some((key, Errors::Table(kept)))
        }
        _ => None,
    };
    table.into_iter().filter_map(keep).collect()
}

/// Turns the paths of formats 1.1 and 2.1, in which patterns had no mark, into those of 3.0.
fn migrate(table: &mut Map<String, Value>) {
    if !matches!(table.get("_format_version").and_then(Value::as_str), Some("1.1" | "2.1")) {
        return;
    }
    each_in(table.get_mut("routes"), migrate_route);
    each_in(table.get_mut("services"), |service| each_in(service.get_mut("routes"), migrate_route));
    table.insert("_format_version".to_owned(), "3.0".into());
}

fn each_in(list: Option<&mut Value>, change: impl Fn(&mut Map<String, Value>)) {
    list.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut).for_each(change);
}

fn migrate_route(route: &mut Map<String, Value>) {
    for path in route.get_mut("paths").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(text) = path.as_str() else { continue };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~/%".contains(&byte);
        *path = if text.bytes().all(plain) {
            super::schema::custom::normalize(text).into()
        } else {
            format!("~{text}").into()
        };
    }
}

/// What a place in an errors' tree is called.
fn name(name: &str) -> Key {
    Key::Name(name.to_owned())
}

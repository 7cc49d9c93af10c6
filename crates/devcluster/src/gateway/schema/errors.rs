//! What is wrong with an input, as the tree that Kong reports under `fields`. It never knows why it is wrong.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A step from an input to a part of it. Indexes count from 1, as in every path Kong tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Index(usize),
    Name(String),
}

/// An error or a tree of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Errors {
    Text(String),
    Table(Table),
    /// Kong fails on this input with an internal error and answers 500 without a reason.
    Crash,
}

pub(crate) type Table = BTreeMap<Key, Errors>;

/// The key under which errors of an entity as a whole are listed.
pub(crate) const ENTITY: &str = "@entity";

/// Above this index an array with gaps cannot be written as JSON by Kong: half of it must be filled.
const SPARSE_FROM: usize = 1 << 15;

impl Errors {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn has_crashed(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Table(table) => table.values().any(Self::has_crashed),
            Self::Crash => true,
        }
    }

    /// As JSON; `None` where Kong fails to write it.
    pub(crate) fn to_json(&self) -> Option<Value> {
        match self {
            Self::Text(text) => Some(Value::String(text.clone())),
            Self::Table(table) => table_to_json(table),
            Self::Crash => None,
        }
    }

    /// On one line as Kong's messages show it, a Lua table.
    pub(crate) fn to_lua(&self) -> String {
        match self {
            Self::Text(text) => quote(text),
            Self::Table(table) => table_to_lua(table),
            Self::Crash => "nil".to_owned(),
        }
    }
}

pub(crate) fn table_to_json(table: &Table) -> Option<Value> {
    let last = table.keys().filter_map(|key| if let Key::Index(index) = key { Some(*index) } else { None }).max();
    match last {
        Some(last) if table.keys().all(|key| matches!(key, Key::Index(_))) => {
            if last > SPARSE_FROM && last > 2 * table.len() {
                return None;
            }
            let mut array = vec![Value::Null; last];
            for (key, error) in table {
                if let (Key::Index(index), value) = (key, error.to_json()?)
                    && let Some(slot) = index.checked_sub(1).and_then(|place| array.get_mut(place))
                {
                    *slot = value;
                }
            }
            Some(Value::Array(array))
        }
        _ => {
            let fields: Option<Map<String, Value>> =
                table.iter().map(|(key, error)| Some((key_text(key), error.to_json()?))).collect();
            fields.map(Value::Object)
        }
    }
}

pub(crate) fn table_to_lua(table: &Table) -> String {
    let mut expected = 1;
    let mut entries = Vec::with_capacity(table.len());
    for (key, error) in table {
        let value = error.to_lua();
        entries.push(match key {
            Key::Index(index) if *index == expected => {
                expected += 1;
                value
            }
            Key::Index(index) => format!("[{index}]={value}"),
            Key::Name(name) if is_identifier(name) => format!("{name}={value}"),
            Key::Name(name) => format!("[{}]={value}", quote(name)),
        });
    }
    format!("{{{}}}", entries.join(","))
}

pub(crate) fn key_text(key: &Key) -> String {
    match key {
        Key::Index(index) => index.to_string(),
        Key::Name(name) => name.clone(),
    }
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    let head = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    head && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn quote(text: &str) -> String {
    if text.contains('\n') && !text.contains("]]") {
        // A long bracket swallows the line break right after it.
        let guard = if text.starts_with('\n') { "\n" } else { "" };
        return format!("[[{guard}{text}]]");
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Lays `top` over `bottom`, table by table.
pub(crate) fn merge(bottom: &mut Table, top: Table) {
    for (key, error) in top {
        match (bottom.get_mut(&key), error) {
            (Some(Errors::Table(below)), Errors::Table(above)) => merge(below, above),
            (_, error) => {
                bottom.insert(key, error);
            }
        }
    }
}

/// Sets an error at a dotted path, without disturbing what is a text on the way there.
pub(crate) fn set(table: &mut Table, path: &str, error: Errors) {
    match path.split_once('.') {
        None => {
            table.insert(Key::Name(path.to_owned()), error);
        }
        Some((head, tail)) => {
            let below = table.entry(Key::Name(head.to_owned())).or_insert_with(|| Errors::Table(Table::new()));
            if let Errors::Table(below) = below {
                set(below, tail, error);
            }
        }
    }
}

/// Adds an error of the entity as a whole.
pub(crate) fn push_entity(table: &mut Table, error: String) {
    let list = table.entry(Key::Name(ENTITY.to_owned())).or_insert_with(|| Errors::Table(Table::new()));
    if let Errors::Table(list) = list {
        list.insert(Key::Index(list.len() + 1), Errors::Text(error));
    }
}

//! What objects refer to: Secrets and ConfigMaps, by paths declared as data.
//!
//! The result is a superset: whether a reference is allowed, or has any effect, is not known here.

use std::collections::BTreeSet;

use serde_json::Value;
use silverback_model::ObjectKey;

use super::{Kind, KindId};

/// What a reference can point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

impl Target {
    /// The kind pointed at.
    pub fn kind(self) -> KindId {
        match self {
            Self::Secret => KindId::SECRET,
            Self::ConfigMap => KindId::CONFIG_MAP,
        }
    }
}

/// Where, and in which form, a kind refers to another object. Arrays on a path are passed through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The path leads to a name, or to an array of names, in the object's own namespace.
    Name {
        /// Where.
        path: &'static str,
        /// What.
        target: Target,
    },
    /// The path leads to an object with a `name`, and a `namespace` where it may differ from the object's own.
    Object {
        /// Where.
        path: &'static str,
        /// What.
        target: Target,
    },
    /// As [`Self::Object`], and `group` and `kind` say what is meant.
    Typed {
        /// Where.
        path: &'static str,
        /// What is meant where no kind is given.
        default: Target,
    },
    /// An annotation holds names, separated by commas, in the object's own namespace.
    Annotation {
        /// Which.
        name: &'static str,
        /// What.
        target: Target,
    },
}

/// A consumer names the Secrets of its credentials.
pub(super) const CREDENTIALS: &[Reference] = &[Reference::Name { path: "credentials", target: Target::Secret }];

/// The Secrets and ConfigMaps that `object` (whole or trimmed) refers to, existing or not.
pub fn references(kind: &Kind, object: &Value) -> BTreeSet<(KindId, ObjectKey)> {
    let home = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let mut found = BTreeSet::new();
    let mut add = |target: Target, namespace: &str, name: &str| {
        let name = name.trim();
        if !name.is_empty() && !namespace.is_empty() {
            found.insert((target.kind(), ObjectKey::new(namespace, name)));
        }
    };
    for reference in kind.references {
        match *reference {
            Reference::Name { path, target } => {
                at_path(object, path, &mut |name| add(target, home, name.as_str().unwrap_or_default()));
            }
            Reference::Object { path, target } => {
                at_path(object, path, &mut |found| {
                    add(target, text(found, "namespace").unwrap_or(home), name_of(found))
                });
            }
            Reference::Typed { path, default } => at_path(object, path, &mut |found| {
                if let Some(target) = typed(found, default) {
                    add(target, text(found, "namespace").unwrap_or(home), name_of(found));
                }
            }),
            Reference::Annotation { name, target } => {
                let annotations = object.pointer("/metadata/annotations");
                let names = annotations.and_then(|all| all.get(name)).and_then(Value::as_str).unwrap_or_default();
                names.split(',').for_each(|name| add(target, home, name));
            }
        }
    }
    found
}

/// Visits every value at a dotted path, through arrays, and the items of an array at its end.
fn at_path(value: &Value, path: &str, visit: &mut dyn FnMut(&Value)) {
    if let Value::Array(items) = value {
        items.iter().for_each(|item| at_path(item, path, visit));
    } else if path.is_empty() {
        visit(value);
    } else {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        if let Some(inner) = value.get(head) {
            at_path(inner, rest, visit);
        }
    }
}

fn text<'a>(reference: &'a Value, field: &str) -> Option<&'a str> {
    reference.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn name_of(reference: &Value) -> &str {
    text(reference, "name").unwrap_or_default()
}

fn typed(reference: &Value, default: Target) -> Option<Target> {
    if !matches!(text(reference, "group"), None | Some("core")) {
        return None;
    }
    match text(reference, "kind") {
        None => Some(default),
        Some("Secret") => Some(Target::Secret),
        Some("ConfigMap") => Some(Target::ConfigMap),
        Some(_) => None,
    }
}

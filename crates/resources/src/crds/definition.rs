//! A CustomResourceDefinition, put together from a type, the registry and what is left to say.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::structural::schema_of;
use crate::registry::{Kind, KindId, Scope};
use crate::types::Named;

/// What kinds are found under by `kubectl get`.
const CATEGORIES: [&str; 2] = ["kong-ingress-controller", "kong"];

/// What `kubectl get` prints.
pub(super) struct Column {
    name: &'static str,
    of: &'static str,
    path: &'static str,
    about: &'static str,
    wide: bool,
}

impl Column {
    /// When the object was made.
    pub(super) const AGE: Self = Self::new("Age", "date", ".metadata.creationTimestamp", "Time since it was created");
    /// Whether gateways have it.
    pub(super) const PROGRAMMED: Self = Self::new(
        "Programmed",
        "string",
        ".status.conditions[?(@.type==\"Programmed\")].status",
        "Whether gateways have accepted it",
    );

    /// A column of type `of`.
    pub(super) const fn new(name: &'static str, of: &'static str, path: &'static str, about: &'static str) -> Self {
        Self { name, of, path, about, wide: false }
    }

    /// Only with `-o wide`.
    pub(super) const fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    fn object(&self) -> Value {
        let mut column = json!({"name": self.name, "type": self.of, "jsonPath": self.path, "description": self.about});
        if self.wide {
            column["priority"] = 1.into();
        }
        column
    }
}

/// A definition in the making.
pub(super) struct Definition {
    kind: &'static Kind,
    schema: Value,
    short_names: &'static [&'static str],
    columns: &'static [Column],
    status: Option<Option<Value>>,
}

impl Definition {
    /// The definition of a type.
    pub(super) fn of<T: JsonSchema + Named>(id: KindId) -> Self {
        Self { kind: id.kind(), schema: schema_of::<T>(), short_names: &[], columns: &[], status: None }
    }

    /// Names for the impatient.
    pub(super) fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short_names = names;
        self
    }

    /// What `kubectl get` prints.
    pub(super) fn columns(mut self, columns: &'static [Column]) -> Self {
        self.columns = columns;
        self
    }

    /// It has a status of this schema.
    pub(super) fn status(mut self, schema: Value) -> Self {
        self.status = Some(Some(schema));
        self
    }

    /// It has a status subresource, and nothing in it.
    pub(super) fn empty_status(mut self) -> Self {
        self.status = Some(None);
        self
    }

    /// The object.
    pub(super) fn into_object(self) -> Value {
        let Self { kind, mut schema, short_names, columns, status } = self;
        let served = status.is_some();
        if let Some(properties) = schema["properties"].as_object_mut() {
            add_common(properties, status.flatten());
        }
        let mut names = json!({
            "kind": kind.kind, "listKind": format!("{}List", kind.kind),
            "plural": kind.plural, "singular": kind.kind.to_lowercase(), "categories": CATEGORIES,
        });
        if !short_names.is_empty() {
            names["shortNames"] = json!(short_names);
        }
        let mut version = json!({
            "name": kind.best_version(), "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
        });
        if served {
            version["subresources"] = json!({"status": {}});
        }
        if !columns.is_empty() {
            version["additionalPrinterColumns"] = columns.iter().map(Column::object).collect();
        }
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{}.{}", kind.plural, kind.group)},
            "spec": {
                "group": kind.group,
                "scope": if kind.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" },
                "names": names,
                "versions": [version],
            },
        })
    }
}

fn add_common(properties: &mut Map<String, Value>, status: Option<Value>) {
    let text = |about: &str| json!({"type": "string", "description": about});
    properties.insert("apiVersion".into(), text("Group and version of this object's schema."));
    properties.insert("kind".into(), text("Kind of this object."));
    properties.insert("metadata".into(), json!({"type": "object"}));
    if let Some(status) = status {
        properties.insert("status".into(), status);
    }
}

/// CEL rules, each with what is said when it does not hold.
pub(super) fn rules(rules: &[(&str, &str)]) -> Value {
    rules.iter().map(|(message, rule)| json!({"message": message, "rule": rule})).collect()
}

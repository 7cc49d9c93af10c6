//! gateway.networking.k8s.io: grants of references between namespaces.

use serde::Deserialize;

use super::super::core::named;
use super::super::meta::{Meta, null_as_default};

/// Allows objects of other namespaces to refer into its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ReferenceGrant {
    /// Metadata.
    pub metadata: Meta,
    /// Who may refer to what.
    pub spec: ReferenceGrantSpec,
}

/// Who may refer to what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ReferenceGrantSpec {
    /// Who: any of these.
    #[serde(deserialize_with = "null_as_default")]
    pub from: Vec<GrantFrom>,
    /// To what: any of these.
    #[serde(deserialize_with = "null_as_default")]
    pub to: Vec<GrantTo>,
}

/// Objects of a kind in a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GrantFrom {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
}

/// Objects of a kind, or one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GrantTo {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name; none: all of them.
    pub name: Option<String>,
}

named!("gateway.networking.k8s.io", "v1beta1": ReferenceGrant);

impl ReferenceGrant {
    /// Whether it lets an object of `from_kind` (and group) in namespace `from` refer to this object of its namespace.
    pub fn allows(&self, from: (&str, &str, &str), to: (&str, &str, &str)) -> bool {
        let (from_group, from_kind, from_namespace) = from;
        let (to_group, to_kind, to_name) = to;
        self.spec.from.iter().any(|it| it.group == from_group && it.kind == from_kind && it.namespace == from_namespace)
            && self.spec.to.iter().any(|it| {
                it.group == to_group
                    && it.kind == to_kind
                    && it.name.as_deref().is_none_or(|name| name.is_empty() || name == to_name)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_names_kinds_on_both_sides() {
        let grant: ReferenceGrant = serde_json::from_str(
            r#"{"spec":{"from":[{"group":"g","kind":"A","namespace":"n"}],"to":[{"group":"","kind":"Secret","name":"s"}]}}"#,
        )
        .unwrap();
        assert!(grant.allows(("g", "A", "n"), ("", "Secret", "s")));
        assert!(!grant.allows(("g", "A", "m"), ("", "Secret", "s")));
        assert!(!grant.allows(("g", "A", "n"), ("", "Secret", "t")));
        assert!(!grant.allows(("g", "A", "n"), ("", "ConfigMap", "s")));
    }
}

//! Object metadata.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use silverback_model::ObjectKey;

/// The part of an object's metadata that decides anything. The resourceVersion does not: it is kept beside the object,
/// so that a new version of an equal object changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta {
    /// Name within the namespace.
    pub name: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Empty where there is no API server to give one.
    pub uid: String,
    /// Counts changes of the spec, where the kind keeps count; statuses say which they are of.
    pub generation: i64,
    /// RFC 3339 in UTC, to the second, so that text order is time order. Empty sorts first.
    pub creation_timestamp: String,
    /// Set while the object waits for finalizers.
    pub deletion_timestamp: Option<String>,
    /// Labels.
    #[serde(deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

impl Meta {
    /// The object's key.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(self.namespace.clone(), self.name.clone())
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str)
    }

    /// A label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// What decides between objects that claim the same: the older first, then by namespace and name.
    pub fn seniority(&self) -> (&str, &str, &str) {
        (&self.creation_timestamp, &self.namespace, &self.name)
    }
}

/// An object of a known kind.
pub trait Named {
    /// API group; empty for the core group.
    const GROUP: &'static str;
    /// API version within the group.
    const VERSION: &'static str;
    /// Kind.
    const KIND: &'static str;
    /// Its metadata.
    fn meta(&self) -> &Meta;
}

/// Reads `null` as if the field were not there, as the API server does.
pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_needed_and_null_is_nothing() {
        let meta: Meta = serde_json::from_str(r#"{"name":"a","annotations":null}"#).unwrap();
        assert_eq!(meta, Meta { name: "a".into(), ..Meta::default() });
        assert!(serde_json::from_str::<Meta>(r#"{"annotations":{"a":1}}"#).is_err());
    }

    #[test]
    fn the_older_is_senior_then_the_name_decides() {
        let meta =
            |time: &str, name: &str| Meta { creation_timestamp: time.into(), name: name.into(), ..Meta::default() };
        let (old, new, tie) =
            (meta("2025-01-01T00:00:00Z", "z"), meta("2025-01-02T00:00:00Z", "b"), meta("2025-01-02T00:00:00Z", "c"));
        assert!(old.seniority() < new.seniority() && new.seniority() < tie.seniority());
    }
}

//! Tags that say which Kubernetes object an entity comes from: people find it in Kong Manager, and an error that names
//! an entity is traced back to the object.

/// What the tags of an object tell. Empty parts give no tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// metadata.name
    pub name: &'a str,
    /// metadata.namespace
    pub namespace: &'a str,
    /// kind
    pub kind: &'a str,
    /// metadata.uid
    pub uid: &'a str,
    /// API group; empty for the core group.
    pub group: &'a str,
    /// API version within the group.
    pub version: &'a str,
}

/// Stands in for the Service of an entity that has no usable one.
pub const UNKNOWN: Origin<'static> = Origin {
    name: "UNKNOWN",
    namespace: "UNKNOWN",
    kind: "Service",
    uid: "00000000-0000-0000-0000-000000000000",
    group: "core",
    version: "v1",
};

const NAME: &str = "k8s-name:";
const NAMESPACE: &str = "k8s-namespace:";
const KIND: &str = "k8s-kind:";
const UID: &str = "k8s-uid:";
const GROUP: &str = "k8s-group:";
const VERSION: &str = "k8s-version:";
const RULE: &str = "k8s-named-route-rule:";

/// The tags of an object, in the order name, namespace, kind, uid, group, version.
pub fn origin(of: Origin<'_>) -> Vec<String> {
    let parts = [
        (NAME, of.name),
        (NAMESPACE, of.namespace),
        (KIND, of.kind),
        (UID, of.uid),
        (GROUP, of.group),
        (VERSION, of.version),
    ];
    parts.into_iter().filter(|(_, value)| !value.is_empty()).map(|(prefix, value)| format!("{prefix}{value}")).collect()
}

/// The tag of a named rule of a route.
pub fn named_rule(name: &str) -> String {
    format!("{RULE}{name}")
}

/// Appends those of `more` that are not there yet.
pub fn extend(tags: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    for tag in more {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
}

/// Reads the object back from an entity's tags: the inverse of [`origin`]. `None` without name or kind.
pub fn read<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<Origin<'a>> {
    let mut of = Origin::default();
    for tag in tags {
        let parts = [
            (NAME, &mut of.name),
            (NAMESPACE, &mut of.namespace),
            (KIND, &mut of.kind),
            (UID, &mut of.uid),
            (GROUP, &mut of.group),
            (VERSION, &mut of.version),
        ];
        for (prefix, part) in parts {
            if let Some(value) = tag.strip_prefix(prefix)
                && part.is_empty()
            {
                *part = value;
            }
        }
    }
    (!of.name.is_empty() && !of.kind.is_empty()).then_some(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_read_back_and_empty_parts_leave_none() {
        let of = Origin { name: "a", namespace: "b", kind: "Service", uid: "u", group: "", version: "v1" };
        let tags = origin(of);
        assert_eq!(tags, ["k8s-name:a", "k8s-namespace:b", "k8s-kind:Service", "k8s-uid:u", "k8s-version:v1"]);
        assert_eq!(read(tags.iter().map(String::as_str)), Some(of));
        assert_eq!(read(["team:a"]), None);
    }

    #[test]
    fn user_tags_are_added_once() {
        let mut tags = vec!["a".to_owned()];
        extend(&mut tags, ["b".to_owned(), "a".to_owned(), "b".to_owned()]);
        assert_eq!(tags, ["a", "b"]);
    }
}

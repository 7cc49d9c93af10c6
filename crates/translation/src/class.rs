//! Classes: which objects are ours.

use silverback_model::ObjectKey;
use silverback_resources::crds::IngressClassParametersSpec;
use silverback_resources::types::{IngressClass, Meta};

use crate::annotations::{DEFAULT_CLASS, INGRESS_CLASS};

/// What our IngressClass and its parameters say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClassFacts {
    /// Objects that name no class are ours.
    pub is_default: bool,
    /// Requests go to Services, not to their pods.
    pub service_upstream: bool,
    /// Paths that look like regular expressions are such.
    pub legacy_regex_detection: bool,
}

impl ClassFacts {
    /// What the IngressClass of our name and its parameters say.
    pub(crate) fn new(class: &IngressClass, parameters: IngressClassParametersSpec) -> Self {
        Self {
            is_default: class.metadata.annotation(DEFAULT_CLASS) == Some("true"),
            service_upstream: parameters.service_upstream,
            legacy_regex_detection: parameters.enable_legacy_regex_detection,
        }
    }

    /// Whether an object of Kong's kinds is ours: by its annotation, or because it has none and ours is the default.
    pub(crate) fn owns(&self, meta: &Meta, class: &str) -> bool {
        match meta.annotation(INGRESS_CLASS) {
            None | Some("") => self.is_default,
            Some(named) => named == class,
        }
    }

    /// Whether an Ingress is ours: its annotation decides, else its class name.
    pub(crate) fn owns_ingress(&self, meta: &Meta, class_name: Option<&str>, class: &str) -> bool {
        match meta.annotation(INGRESS_CLASS) {
            Some(named) if !named.is_empty() => named == class,
            _ => class_name.map_or(self.is_default, |named| named == class),
        }
    }
}

/// Where a class has its parameters. Only IngressClassParameters of a namespace count.
pub(crate) fn parameters_of(class: &IngressClass) -> Option<ObjectKey> {
    let parameters = class.spec.parameters.as_ref()?;
    let ours = parameters.api_group.as_deref() == Some("configuration.konghq.com")
        && parameters.kind == "IngressClassParameters"
        && parameters.scope.as_deref() == Some("Namespace");
    let namespace = parameters.namespace.as_ref().filter(|_| ours)?;
    Some(ObjectKey::new(namespace.clone(), parameters.name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(annotation: Option<&str>) -> Meta {
        let annotations = annotation.map(|class| (INGRESS_CLASS.to_owned(), class.to_owned())).into_iter().collect();
        Meta { annotations, ..Meta::default() }
    }

    #[test]
    fn the_annotation_decides_then_the_name_then_the_default() {
        let none = ClassFacts::default();
        let default = ClassFacts { is_default: true, ..ClassFacts::default() };
        assert!(none.owns_ingress(&meta(Some("kong")), Some("nginx"), "kong"));
        assert!(!default.owns_ingress(&meta(Some("nginx")), Some("kong"), "kong"));
        assert!(none.owns_ingress(&meta(Some("")), Some("kong"), "kong"));
        assert!(!none.owns_ingress(&meta(None), None, "kong"));
        assert!(default.owns_ingress(&meta(None), None, "kong"));
        assert!(!default.owns_ingress(&meta(None), Some("nginx"), "kong"));
    }

    #[test]
    fn kongs_kinds_go_by_annotation_alone() {
        let default = ClassFacts { is_default: true, ..ClassFacts::default() };
        assert!(default.owns(&meta(Some("")), "kong") && default.owns(&meta(None), "kong"));
        assert!(!ClassFacts::default().owns(&meta(None), "kong"));
        assert!(ClassFacts::default().owns(&meta(Some("kong")), "kong"));
    }
}

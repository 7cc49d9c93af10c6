//! Which control plane an object belongs to: objects of other control planes share Kong's kinds with ours.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::definition::rules;

/// The object was accepted by gateways.
macro_rules! programmed {
    () => {
        "(has(self.status) && has(self.status.conditions) && \
         self.status.conditions.exists(c, c.type == 'Programmed' && c.status == 'True'))"
    };
}

/// A reference stays once it is there.
pub(super) const STAYS: (&str, &str) = (
    "spec.controlPlaneRef cannot be taken away",
    "!has(oldSelf.spec) || !has(oldSelf.spec.controlPlaneRef) || (has(self.spec) && has(self.spec.controlPlaneRef))",
);
/// Objects with a namespace refer within it.
pub(super) const SAME_NAMESPACE: (&str, &str) = (
    "spec.controlPlaneRef.konnectNamespacedRef.namespace can be given only by objects without a namespace",
    "!has(self.spec) || !has(self.spec.controlPlaneRef) || !has(self.spec.controlPlaneRef.konnectNamespacedRef) || \
     !has(self.spec.controlPlaneRef.konnectNamespacedRef.__namespace__)",
);
/// An accepted object's reference is neither added nor changed.
pub(super) const FIXED: (&str, &str) = (
    "spec.controlPlaneRef cannot be changed while the object is Programmed",
    concat!(
        "!",
        programmed!(),
        " || !has(self.spec) || !has(self.spec.controlPlaneRef) || (has(oldSelf.spec) && \
         has(oldSelf.spec.controlPlaneRef) && self.spec.controlPlaneRef == oldSelf.spec.controlPlaneRef)"
    ),
);
/// An accepted object's reference is not changed, but may be added.
pub(super) const FIXED_ONCE_SET: (&str, &str) = (
    "spec.controlPlaneRef cannot be changed while the object is Programmed",
    concat!(
        "!",
        programmed!(),
        " || !has(oldSelf.spec) || !has(oldSelf.spec.controlPlaneRef) || \
         self.spec.controlPlaneRef == oldSelf.spec.controlPlaneRef"
    ),
);

const RULES: &[(&str, &str)] = &[
    ("type konnectID is not supported", "self.type != 'konnectID'"),
    ("konnectID is not supported", "!has(self.konnectID)"),
    (
        "konnectNamespacedRef belongs to the type konnectNamespacedRef and to no other",
        "has(self.konnectNamespacedRef) == (self.type == 'konnectNamespacedRef')",
    ),
];

/// The control plane an object belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules(RULES)))]
pub struct ControlPlaneRef {
    /// Type of control plane: `kic` is the ingress controller.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["konnectID", "konnectNamespacedRef", "kic"], "default" = "kic"))]
    pub kind: Option<String>,
    /// A control plane in Konnect by its id; not supported.
    #[serde(rename = "konnectID")]
    #[schemars(extend("pattern" = r"^[0-9a-f]{8}(?:\-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))]
    pub konnect_id: Option<String>,
    /// A control plane in Konnect by the object that stands for it.
    #[serde(rename = "konnectNamespacedRef")]
    pub konnect_namespaced_ref: Option<KonnectNamespacedRef>,
}

impl ControlPlaneRef {
    /// Whether it means an ingress controller; objects of other control planes are none of our business.
    pub fn is_ingress_controller(&self) -> bool {
        self.kind.as_deref().is_none_or(|kind| kind == "kic")
    }
}

/// The object that stands for a control plane in Konnect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct KonnectNamespacedRef {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: Option<String>,
}

/// Tags for Konnect.
pub(super) fn tags(_: &mut SchemaGenerator) -> Schema {
    let lengths = rules(&[("a tag has 1 to 128 characters", "self.all(tag, tag != '' && size(tag) <= 128)")]);
    json_schema!({
        "type": "array", "maxItems": 20, "items": {"type": "string"}, "x-kubernetes-validations": lengths,
    })
}

//! IngressClassParameters.

use schemars::JsonSchema;
use serde::Deserialize;

use super::definition::Definition;
use super::kind;
use crate::registry::KindId;
use crate::types::Meta;

/// Settings for all Ingresses of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct IngressClassParameters {
    /// Metadata.
    #[serde(default)]
    #[schemars(skip)]
    pub metadata: Meta,
    /// The settings.
    pub spec: Option<IngressClassParametersSpec>,
}

/// Settings for all Ingresses of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressClassParametersSpec {
    /// Send requests to the address of the Service and leave the choice of a pod to Kubernetes.
    pub service_upstream: bool,
    /// Guess from its characters whether a path is a regular expression.
    pub enable_legacy_regex_detection: bool,
}

kind!(IngressClassParameters, "v1alpha1");

pub(super) fn definition() -> Definition {
    Definition::of::<IngressClassParameters>(KindId::INGRESS_CLASS_PARAMETERS)
}

//! KongServiceFacade.

use schemars::JsonSchema;
use serde::Deserialize;

use super::definition::Definition;
use super::{kind, status};
use crate::registry::KindId;
use crate::types::Meta;

/// A second face of a Service, with annotations of its own, for Ingresses to name as their backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct KongServiceFacade {
    /// Metadata.
    #[serde(default)]
    #[schemars(skip)]
    pub metadata: Meta,
    /// What is behind it.
    pub spec: KongServiceFacadeSpec,
}

/// What is behind a facade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KongServiceFacadeSpec {
    /// The Service.
    pub backend_ref: FacadeBackendRef,
}

/// A Service of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct FacadeBackendRef {
    /// Name of the Service.
    pub name: String,
    /// Port of the Service.
    pub port: i32,
}

kind!(KongServiceFacade, "incubator.ingress-controller.konghq.com", "v1alpha1");

pub(super) fn definition() -> Definition {
    Definition::of::<KongServiceFacade>(KindId::KONG_SERVICE_FACADE).status(status::programmed())
}

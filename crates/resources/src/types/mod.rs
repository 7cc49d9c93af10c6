//! The built-in kinds as translation reads them: only the fields it needs, every one of them optional.
//!
//! Decoding fails only where a field has the wrong type. No defaults are filled in: that is the API server's work.

mod core;
mod discovery;
mod extensions;
mod gateway;
mod meta;
mod networking;

pub use core::{ConfigMap, Secret, Service, ServicePort, ServiceSpec, TargetPort};
pub use discovery::{Address, Endpoint, EndpointPort, EndpointSlice};
pub use extensions::{BUNDLE_VERSION, CustomResourceDefinition};
pub use gateway::*;
pub use meta::{Meta, Named};
pub use networking::{
    HttpPath, Ingress, IngressBackend, IngressClass, IngressClassParametersRef, IngressClassSpec, IngressHttp,
    IngressRule, IngressServiceBackend, IngressSpec, IngressTls, ServiceBackendPort, TypedRef,
};

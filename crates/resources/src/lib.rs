//! The Kubernetes, Gateway API and Kong kinds Silverback reads: one registry of kinds, the trimmed form each
//! object keeps, the types translation reads them as, and the CRDs of Kong's kinds.
//!
//! Knows no API server, no gRPC and no Kong rule.
pub mod crds;
pub mod manifest;
pub mod projection;
pub mod registry;
pub mod types;

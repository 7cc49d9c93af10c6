//! The wire: types generated from `proto/`, the descriptors reflection serves, and conversions to `model`.
//!
//! Knows no transport and no rule.

#[cfg(test)]
mod compat;
mod convert;

pub use convert::{
    InvalidFrame, digests_from_wire, digests_to_wire, frontier_from_wire, key_from_wire, since_1970, timestamp,
};

/// Generated from `proto/silverback/v1`.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("silverback.v1");
}

/// The encoded `FileDescriptorSet` of every service, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

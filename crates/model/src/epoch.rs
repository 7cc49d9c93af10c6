//! Epochs and generations: which leadership, and which config of which translator.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Lineage, Version};

/// One leadership: the Lease write that acquired it. Rises with every acquisition within a lineage.
///
/// It travels in headers, reports and log lines, never in a config's body: Kong can check no token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Epoch {
    /// The version space of `version`.
    pub lineage: Lineage,
    /// resourceVersion of the write that acquired the Lease.
    pub version: Version,
}

impl PartialOrd for Epoch {
    /// Epochs of different lineages have no order.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.lineage == other.lineage).then(|| self.version.cmp(&other.version))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.version.fmt(f)
    }
}

/// Counts the commits of one translator process; compared only within that process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

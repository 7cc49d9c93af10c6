//! The words every Silverback service speaks and the rules they all keep.
//!
//! Keys, versions, frontiers, cursors, digests, commits, epochs, and — in [`rules`] and [`leadership`] — the
//! correctness rules of streaming and of pushing as predicates, so that tests, debug assertions and production
//! counters judge by the very same code. Knows no clock, no network, no Kubernetes client and no Kong.

pub mod canonical;
mod causes;
mod commit;
mod cursor;
mod digest;
mod epoch;
mod frontier;
mod key;
pub mod leadership;
mod provenance;
pub mod redact;
pub mod rules;
mod shared_map;
mod sources;
mod traces;
mod version;

pub use causes::with_causes;
pub use commit::{Commit, Inputs};
pub use cursor::{Cursor, Lineage};
pub use digest::{Digest, ParseDigestError, SetDigest};
pub use epoch::{Epoch, Generation};
pub use frontier::{Frontier, Frontiers};
pub use key::{CollectionId, ObjectKey, ObjectRef};
pub use provenance::Provenance;
pub use shared_map::SharedMap;
pub use sources::Sources;
pub use traces::Traces;
pub use version::{InvalidVersion, Version};

//! Incremental computation: collections derived from collections, recomputed in proportion to what changed.
//!
//! A [`Graph`] holds inputs, which are set from outside, and collections derived from them by pure functions. A
//! function reads other collections only through its [`Ctx`], which records every read, hits and misses alike; when
//! something it read changes, appears or vanishes, the function runs again for that one key. Where a rerun yields an
//! equal output, nothing behind it runs. Knows neither Kubernetes nor Kong, and no clock.
//!
//! ```
//! use silverback_incremental::Graph;
//!
//! let mut graph = Graph::new();
//! let prices = graph.input::<&str, u32>("prices");
//! let orders = graph.input::<u32, (&str, u32)>("orders");
//! let totals = graph.derive("totals", &orders, move |ctx, _, (item, count)| {
//!     ctx.get(&prices, item).map(|price| *price * count)
//! });
//! graph.update(|batch| batch.set(&orders, 1, ("tea", 3)));
//! assert_eq!(graph.get(&totals, &1), None); // no price yet: the miss is recorded
//! let report = graph.update(|batch| batch.set(&prices, "tea", 2));
//! assert_eq!(graph.get(&totals, &1).as_deref(), Some(&6));
//! assert_eq!(report.reran(&totals), [1]);
//! ```

mod context;
mod edges;
mod graph;
mod handle;
mod members;
mod node;
mod report;
mod table;
mod trace;

pub use context::Ctx;
pub use edges::Slot;
pub use graph::{Batch, Edits, Footprint, Graph, Mismatch};
pub use handle::{Collection, Derived, Index, Input};
pub use members::Members;
pub use report::{Changed, Report};
pub use trace::{Read, Trace};

#[cfg(test)]
mod tests;

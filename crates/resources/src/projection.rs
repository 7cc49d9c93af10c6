//! Projection: which fields of an object are kept.

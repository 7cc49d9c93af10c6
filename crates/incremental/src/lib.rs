//! silverback-incremental

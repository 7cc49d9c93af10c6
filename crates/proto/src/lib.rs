//! silverback-proto

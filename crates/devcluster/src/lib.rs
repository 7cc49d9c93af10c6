//! silverback-devcluster

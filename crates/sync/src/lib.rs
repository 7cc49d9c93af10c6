//! silverback-sync

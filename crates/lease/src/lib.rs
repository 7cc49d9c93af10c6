//! silverback-lease

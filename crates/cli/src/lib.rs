//! silverback-cli

//! silverback-model

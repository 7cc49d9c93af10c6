//! silverback-service

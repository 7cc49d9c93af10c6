//! silverback-gateway

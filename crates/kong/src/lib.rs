//! silverback-kong

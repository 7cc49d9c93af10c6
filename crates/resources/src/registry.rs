//! The one registry of kinds.

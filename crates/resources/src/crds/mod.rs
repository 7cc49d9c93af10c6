//! CustomResourceDefinitions of the kinds in Kong's API groups, generated from Rust types.

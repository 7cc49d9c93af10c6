//! Typed forms of the objects translation reads, trimmed to the fields it reads.

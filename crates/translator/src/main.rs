//! The `silverback-translator` binary.
fn main() {}

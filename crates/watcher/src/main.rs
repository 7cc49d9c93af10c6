//! The `silverback-watcher` binary.
fn main() {}

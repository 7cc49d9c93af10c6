//! The `silverback-pusher` binary.
fn main() {}

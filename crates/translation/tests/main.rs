//! Tests of translation as a whole: golden cases, what reruns, equality of incremental and from scratch, leaks.

#![allow(unreachable_pub, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod changes;
mod compare;
mod fuzz;
mod gateway_scene;
mod gateway_world;
mod golden;
mod held;
mod incremental;
mod judged;
mod parity;
mod precedence;
mod programs;
mod refused;
mod reruns;
mod statuses;
mod withheld;
mod world;

//! Tests of translation as a whole: golden cases, what reruns, equality of incremental and from scratch, leaks.

#![allow(unreachable_pub, missing_docs)]

mod compare;
mod golden;
mod incremental;
mod parity;
mod reruns;
mod world;

//! What gateways refuse: finding it, leaving it out, and telling of it.
//!
//! Pure: configurations, answers and time go in; what to offer the gateways next comes out. Knows how Kong names what it
//! refuses; knows nothing of how an entity came to be.

mod feedback;

pub use feedback::{Feedback, GatewayKind, LABEL as FEEDBACK_LABEL, Quarantined, UnreadableFeedback};

//! What gateways refuse: finding it, leaving it out, and telling of it.
//!
//! Pure: configurations, answers and time go in; what to offer the gateways next comes out. Knows how Kong names what it
//! refuses; knows nothing of how an entity came to be.

mod config;
mod feedback;
mod jury;
mod leave_out;
mod part;
mod refusal;
mod search;

pub use config::{Config, Piece};
pub use feedback::{Feedback, GatewayKind, LABEL as FEEDBACK_LABEL, Quarantined, UnreadableFeedback};
pub use jury::{Verdict, Vote, judge};
pub use refusal::{Named, Refusal, field_digest};
pub use search::{Offer, Search, is_rendered_so};

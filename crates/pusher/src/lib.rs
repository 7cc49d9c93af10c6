//! silverback-pusher

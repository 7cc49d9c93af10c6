//! Judges whether the server that is followed lags behind another one.
//!
//! A server that looks well may be silent: its own source hangs, or it lost the API server. Other servers are asked now
//! and then how far they are; the one that is followed gets some time to tell of what another has seen.

use std::time::{Duration, Instant};

use silverback_model::{Inputs, rules};

/// A server may be this much later than another one.
const GRACE: Duration = Duration::from_secs(2);

/// Remembers how far another server was.
#[derive(Debug)]
pub(crate) struct Patience<Server> {
    ahead: Option<Ahead<Server>>,
}

#[derive(Debug)]
struct Ahead<Server> {
    server: Server,
    inputs: Inputs,
    since: Instant,
}

impl<Server> Default for Patience<Server> {
    fn default() -> Self {
        Self { ahead: None }
    }
}

impl<Server> Patience<Server> {
    /// Another server says how far it is, while `held` is what we are told of.
    pub(crate) fn hear(&mut self, server: Server, head: Inputs, held: &Inputs, now: Instant) {
        let behind = !rules::may_follow(&head, held);
        if behind && self.ahead.is_none() {
            self.ahead = Some(Ahead { server, inputs: head, since: now });
        }
    }

    /// Whom to follow instead, if what another had seen long enough ago is still to come.
    pub(crate) fn leave_for(&mut self, held: &Inputs, now: Instant) -> Option<Server> {
        let ahead = self.ahead.take_if(|ahead| {
            rules::may_follow(&ahead.inputs, held) || now.saturating_duration_since(ahead.since) >= GRACE
        })?;
        (!rules::may_follow(&ahead.inputs, held)).then_some(ahead.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_model::{CollectionId, Frontier, Frontiers, Version};

    fn inputs(seen: u64, changed: u64) -> Inputs {
        let frontier = Frontier { seen: Version::from_counter(seen), changed: Version::from_counter(changed) };
        Inputs { frontiers: Frontiers([(CollectionId::all("Service"), frontier)].into()), ..Inputs::default() }
    }

    #[test]
    fn a_server_that_stays_behind_is_left_for_the_one_that_was_ahead() {
        let (mut patience, start) = (Patience::default(), Instant::now());
        patience.hear("b", inputs(9, 9), &inputs(7, 7), start);
        assert_eq!(patience.leave_for(&inputs(7, 7), start + GRACE / 2), None, "it may be on its way");
        patience.hear("c", inputs(12, 12), &inputs(8, 8), start + GRACE / 2);
        assert_eq!(patience.leave_for(&inputs(8, 8), start + GRACE), Some("b"), "9 is still to come");
        assert_eq!(patience.leave_for(&inputs(8, 8), start + GRACE * 9), None, "once");
    }

    #[test]
    fn a_server_that_catches_up_is_kept() {
        let (mut patience, start) = (Patience::default(), Instant::now());
        patience.hear("b", inputs(9, 9), &inputs(7, 7), start);
        assert_eq!(patience.leave_for(&inputs(9, 9), start + GRACE * 2), None);
    }

    #[test]
    fn having_seen_further_without_any_change_is_no_lead() {
        let (mut patience, start) = (Patience::default(), Instant::now());
        patience.hear("b", inputs(99, 7), &inputs(7, 7), start);
        assert_eq!(patience.leave_for(&inputs(7, 7), start + GRACE * 2), None);
    }
}

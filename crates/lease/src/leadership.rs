//! What the rest of the process sees of an election: who leads, and the leave to act that moves with each renewal.

use std::time::Duration;

use silverback_model::Epoch;
use silverback_model::leadership::may_push;
use tokio::sync::watch;

use crate::Clock;

/// Timers stand still while the machine is suspended, so nothing waits longer than this without looking at the clock.
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// Whether this process leads.
#[derive(Clone, Debug)]
pub enum Leadership {
    /// It does not.
    Standby {
        /// Who holds the Lease, as far as is known.
        holder: Option<String>,
    },
    /// It does, for as long as the permit says.
    Leading(Permit),
}

impl Leadership {
    /// The leave to act, if this process leads.
    pub fn permit(&self) -> Option<&Permit> {
        match self {
            Self::Leading(permit) => Some(permit),
            Self::Standby { .. } => None,
        }
    }
}

/// The leave of one leadership to act. Clones share the moving deadline; once ended it never comes back.
#[derive(Clone, Debug)]
pub struct Permit {
    epoch: Epoch,
    clock: Clock,
    deadline: watch::Receiver<Option<Duration>>,
}

impl Permit {
    /// A permit and the other end of it: the deadline by `clock`, or none when the leadership is over.
    pub fn new(epoch: Epoch, clock: Clock, deadline: Duration) -> (Self, watch::Sender<Option<Duration>>) {
        let (sender, deadline) = watch::channel(Some(deadline));
        (Self { epoch, clock, deadline }, sender)
    }

    /// Which leadership this is.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// May a push start, or one in flight go on, at this very moment?
    pub fn may_push_now(&self) -> bool {
        self.remaining().is_some()
    }

    /// Time left if no further renewal succeeds; none when the leave is over.
    pub fn remaining(&self) -> Option<Duration> {
        let (deadline, now) = (*self.deadline.borrow(), self.clock.now());
        if may_push(now, deadline) { deadline.map(|deadline| deadline.saturating_sub(now)) } else { None }
    }

    /// Resolves when the leave is over: the current deadline passed, or the leadership was lost or released.
    pub async fn ended(&self) {
        let mut moved = self.deadline.clone();
        while let Some(remaining) = self.remaining() {
            tokio::select! {
                () = tokio::time::sleep(remaining.min(LONGEST_SLEEP)) => {}
                gone = moved.changed() => {
                    if gone.is_err() {
                        // The elector is gone: nobody renews, the deadline stands.
                        tokio::time::sleep(remaining.min(LONGEST_SLEEP)).await;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn leave_moves_with_renewals_and_ends_when_they_stop() {
        let clock = Clock::start();
        let (permit, deadline) = Permit::new(Epoch::default(), clock, clock.now() + Duration::from_millis(60));
        let renewed = clock.now() + Duration::from_millis(200);
        deadline.send(Some(renewed)).unwrap();
        timeout(SOON, permit.ended()).await.expect("it ends");
        assert!(clock.now() >= renewed, "it ended at the old deadline");
        assert!(!permit.may_push_now());
    }

    #[tokio::test]
    async fn leave_ends_at_once_when_leadership_does() {
        let clock = Clock::start();
        let (permit, deadline) = Permit::new(Epoch::default(), clock, clock.now() + Duration::from_secs(3600));
        assert!(permit.may_push_now());
        let ended = tokio::spawn({
            let permit = permit.clone();
            async move { permit.ended().await }
        });
        deadline.send(None).unwrap();
        timeout(SOON, ended).await.expect("it ends").unwrap();
        assert_eq!(permit.remaining(), None);
    }

    #[tokio::test]
    async fn leave_outlives_its_elector_until_the_deadline_only() {
        let clock = Clock::start();
        let deadline = clock.now() + Duration::from_millis(80);
        let (permit, elector) = Permit::new(Epoch::default(), clock, deadline);
        drop(elector);
        timeout(SOON, permit.ended()).await.expect("it ends");
        assert!(clock.now() >= deadline);
        assert!(!permit.may_push_now());
    }
}

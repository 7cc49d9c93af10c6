//! The rules of leading and pushing, as predicates over times passed in.
//!
//! Times are durations since an arbitrary start of one process's monotonic clock, which must run while the machine is
//! suspended. A Lease does not fence: expiry is judged by what this process observed, never by a written timestamp.

use std::time::Duration;

/// Timing of a Lease, as client-go names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTiming {
    /// How long others wait after they last saw the holder renew.
    pub duration: Duration,
    /// How long after the start of its last successful renewal a holder still acts.
    pub renew_deadline: Duration,
    /// How often a holder renews.
    pub retry_period: Duration,
}

impl Default for LeaseTiming {
    /// 15 s, 10 s, 2 s: the defaults of client-go and of the Kong Ingress Controller.
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// A timing under which two processes could both believe that they lead, or under which nobody could renew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTiming {
    /// The holder would act after others may take over.
    #[error(
        "--election-lease-duration ({duration:?}) must be longer than --election-renew-deadline ({renew_deadline:?}), \
         else a holder would still push when another may already lead"
    )]
    DeadlineNotBeforeExpiry {
        /// Given lease duration.
        duration: Duration,
        /// Given renew deadline.
        renew_deadline: Duration,
    },
    /// A single slow renewal would end the leadership.
    #[error(
        "--election-renew-deadline ({renew_deadline:?}) must be longer than 1.2 times --election-retry-period \
         ({retry_period:?}), else one slow renewal ends the leadership"
    )]
    NoRoomForRetries {
        /// Given renew deadline.
        renew_deadline: Duration,
        /// Given retry period.
        retry_period: Duration,
    },
    /// The API server stores whole seconds.
    #[error("--election-lease-duration ({0:?}) must be at least 1s: a Lease stores whole seconds")]
    TooShort(Duration),
    /// A retry period of zero would spin.
    #[error("--election-retry-period must be longer than 0s")]
    NoRetryPeriod,
}

impl LeaseTiming {
    /// Checks that the three fit together.
    ///
    /// # Errors
    /// Names the two settings that contradict each other.
    pub fn validate(self) -> Result<Self, InvalidTiming> {
        let Self { duration, renew_deadline, retry_period } = self;
        if duration < Duration::from_secs(1) {
            Err(InvalidTiming::TooShort(duration))
        } else if retry_period.is_zero() {
            Err(InvalidTiming::NoRetryPeriod)
        } else if duration <= renew_deadline {
            Err(InvalidTiming::DeadlineNotBeforeExpiry { duration, renew_deadline })
        } else if renew_deadline <= retry_period.mul_f64(1.2) {
            Err(InvalidTiming::NoRoomForRetries { renew_deadline, retry_period })
        } else {
            Ok(self)
        }
    }

    /// Until when a holder may act, given when its last successful renewal *started*.
    pub fn deadline(&self, renewal_started: Duration) -> Duration {
        renewal_started + self.renew_deadline
    }

    /// When another may take over, given when it last *observed* the Lease change and the duration written in it.
    pub fn expiry(observed: Duration, written_duration: Duration) -> Duration {
        observed + written_duration
    }
}

/// A push may start, and one in flight may go on, only before the current deadline.
pub fn may_push(now: Duration, deadline: Option<Duration>) -> bool {
    deadline.is_some_and(|deadline| now < deadline)
}

/// A Lease may be taken when nobody holds it, or when its holder was not seen to renew for its whole duration.
pub fn may_take_over(held_by_other: bool, now: Duration, expiry: Duration) -> bool {
    !held_by_other || now >= expiry
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn refuses_timings_that_do_not_fence() {
        let good = LeaseTiming::default();
        assert_eq!(good.validate(), Ok(good));
        assert!(LeaseTiming { renew_deadline: secs(15), ..good }.validate().is_err());
        assert!(LeaseTiming { retry_period: secs(9), ..good }.validate().is_err());
        assert!(LeaseTiming { retry_period: secs(0), ..good }.validate().is_err());
        assert!(LeaseTiming { duration: Duration::from_millis(900), ..good }.validate().is_err());
    }

    proptest! {
        /// The holder stops before anybody else may start, however late the others observed its last renewal.
        #[test]
        fn deadlines_of_two_holders_never_overlap(
            started in 0u64..1000, answered in 0u64..10, observed_late in 0u64..100,
            duration in 1u64..60, deadline in 1u64..60,
        ) {
            let timing = LeaseTiming { duration: secs(duration), renew_deadline: secs(deadline), retry_period: Duration::from_millis(1) };
            prop_assume!(timing.validate().is_ok());
            // Others can see the renewal at the earliest when it started.
            let observed = secs(started + answered + observed_late);
            let takeover = LeaseTiming::expiry(observed, timing.duration);
            prop_assert!(!may_push(takeover, Some(timing.deadline(secs(started)))));
        }
    }
}

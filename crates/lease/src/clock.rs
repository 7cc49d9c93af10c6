//! A clock that runs while the machine is suspended, so that a deadline passes in a frozen virtual machine too.

use std::time::Duration;

/// Time since this clock was made. Clones share their start.
///
/// On Linux it is `CLOCK_BOOTTIME`; elsewhere `CLOCK_MONOTONIC`, which on macOS and the BSDs runs in suspend as well.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Duration,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: since_boot() }
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        since_boot().saturating_sub(self.start)
    }
}

fn since_boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(target_os = "linux")]
    let id = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let id = ClockId::Monotonic;
    let time = clock_gettime(id);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_forward_at_the_rate_of_other_clocks() {
        let (clock, std) = (Clock::start(), std::time::Instant::now());
        while std.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        let now = clock.now();
        assert!(now >= Duration::from_millis(20), "{now:?}");
        assert!(now < std.elapsed() + Duration::from_secs(1), "{now:?}");
    }
}

//! Waiting for conditions instead of sleeping.

use std::fmt::Display;
use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep, timeout_at};

const PAUSE: Duration = Duration::from_millis(10);

/// Looks again and again until `look` answers `Ok`, and gives what it found.
///
/// # Errors
/// After `deadline`: `what` was awaited, and what was seen last.
pub async fn eventually<T, E: Display>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> anyhow::Result<T> {
    let end = Instant::now() + deadline;
    let mut seen = String::from("nothing");
    loop {
        match timeout_at(end, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(other)) => seen = format!("{other:#}"),
            Err(_) => bail!("{what}: not within {deadline:?}; seen last, before a look that took too long: {seen}"),
        }
        if Instant::now() + PAUSE >= end {
            bail!("{what}: not within {deadline:?}; seen last: {seen}");
        }
        sleep(PAUSE).await;
    }
}

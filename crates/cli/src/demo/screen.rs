//! What the demo shows: one line an event, aligned, with the time since the start; colours on a terminal only. It never
//! knows what the lines are about.

use std::io::{IsTerminal, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Something the demo does.
    Step,
    /// Something that happens.
    Event,
    /// Something that was hoped for.
    Good,
    /// Something that was broken.
    Bad,
}

impl Tone {
    fn colour(self) -> &'static str {
        match self {
            Self::Step => "\x1b[1m",
            Self::Event => "",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
        }
    }
}

/// Where lines go: stdout.
pub(super) struct Screen {
    start: Instant,
    colours: bool,
    /// A line that is not final stands at the cursor.
    pending: Mutex<bool>,
}

impl Screen {
    pub(super) fn new() -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { start: Instant::now(), colours, pending: Mutex::new(false) }
    }

    /// Shows a line.
    pub(super) fn say(&self, tone: Tone, subject: &str, text: &str) {
        self.print(&line(self.start.elapsed(), tone, subject, text, self.colours));
    }

    /// Begins something else.
    pub(super) fn heading(&self, text: &str) {
        self.print(&if self.colours { format!("\n\x1b[1;36m{text}\x1b[0m") } else { format!("\n{text}") });
    }

    /// Shows text with commands in it, which are the lines that are indented.
    pub(super) fn commands(&self, text: &str) {
        if !self.colours {
            return self.print(text);
        }
        let lines = text.lines().map(|line| match line.strip_prefix("  ") {
            Some(command) => format!("  \x1b[1m{command}\x1b[0m"),
            None => line.to_owned(),
        });
        self.print(&lines.collect::<Vec<_>>().join("\n"));
    }

    /// Shows text as it is.
    pub(super) fn print(&self, text: &str) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = std::io::stdout().lock();
        if std::mem::take(&mut *pending) {
            let _ = write!(out, "\r\x1b[2K");
        }
        // Nobody is left to read where this fails.
        let _ = writeln!(out, "{text}");
    }

    /// Waits, and shows what for where that takes long: on a terminal in a line that goes again, else every 10 s.
    pub(super) async fn waiting<T>(&self, what: &str, wait: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let period = if self.colours { Duration::from_millis(200) } else { Duration::from_secs(10) };
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        tokio::pin!(wait);
        loop {
            tokio::select! {
                done = &mut wait => return done,
                _ = ticks.tick() => self.still(what, begun.elapsed()),
            }
        }
    }

    fn still(&self, what: &str, waited: Duration) {
        let text = format!("waiting for {what} … {:.1} s", waited.as_secs_f64());
        if !self.colours {
            return self.say(Tone::Event, "demo", &text);
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = std::io::stdout().lock();
        let _ = write!(out, "\r\x1b[2K\x1b[2m{:>10}  {text}\x1b[0m", "");
        let _ = out.flush();
        *pending = true;
    }
}

fn line(at: Duration, tone: Tone, subject: &str, text: &str, colours: bool) -> String {
    let at = format!("{:>7} ms", at.as_millis());
    if colours {
        format!("\x1b[2m{at}\x1b[0m  \x1b[36m{subject:<13}\x1b[0m {}{text}\x1b[0m", tone.colour())
    } else {
        format!("{at}  {subject:<13} {text}")
    }
}

/// A time span for people.
pub(super) fn span(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_aligned_and_plain_unless_colours_are_wanted() {
        let plain = |at, subject: &str| line(Duration::from_millis(at), Tone::Good, subject, "x", false);
        assert_eq!(plain(5, "a"), "      5 ms  a             x");
        assert_eq!(plain(12_345, "translator-b"), "  12345 ms  translator-b  x");
        assert!(line(Duration::ZERO, Tone::Good, "a", "x", true).contains("\x1b[32mx\x1b[0m"));
    }

    #[test]
    fn spans_are_short() {
        assert_eq!(span(Duration::from_micros(2_900)), "2 ms");
        assert_eq!(span(Duration::from_millis(3_140)), "3.1 s");
    }
}

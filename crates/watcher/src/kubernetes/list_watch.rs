//! The list/watch machine of one collection: which request comes next, and what an answer means.
//!
//! Pure: requests and pauses come out, answers go in. A list is told to consumers only when it is complete; an error
//! of any kind keeps what is known and says so.

use std::time::Duration;

use silverback_model::{ObjectKey, Version};
use silverback_sync::{Change, Item};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The request that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A page of the list, from the start where there is no token.
    List { continue_token: Option<String> },
    /// A watch from a version on.
    Watch { from: Version },
}

/// What came back.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A page; the last one has no token.
    Page { items: Vec<Item>, version: Version, continue_token: Option<String> },
    /// The watch is established.
    Watching,
    /// An object was added or altered.
    Upserted(Item),
    /// An object was deleted.
    Deleted { key: ObjectKey, version: Version },
    /// Nothing happened up to this version.
    Bookmark(Version),
    /// The version, or the continue token, is too old: 410.
    Expired,
    /// The watch ended by itself, or said nothing for too long.
    Ended,
    /// Anything else went wrong.
    Failed { reason: String, retry_after: Option<Duration> },
}

#[derive(Debug)]
enum Phase {
    Listing { continue_token: Option<String>, gathered: Vec<Item> },
    Watching { version: Version },
}

/// Follows one collection.
#[derive(Debug)]
pub(crate) struct ListWatch {
    phase: Phase,
    failures: u32,
    retry_after: Option<Duration>,
}

impl ListWatch {
    pub(crate) fn new() -> Self {
        Self { phase: Self::start(), failures: 0, retry_after: None }
    }

    fn start() -> Phase {
        Phase::Listing { continue_token: None, gathered: Vec::new() }
    }

    /// Lists again before anything else, e.g. because another history began.
    pub(crate) fn relist(&mut self) {
        self.phase = Self::start();
    }

    /// The request that is due, after a pause. `jitter` is between 0 and 1.
    pub(crate) fn next(&self, jitter: f64) -> (Duration, Request) {
        let request = match &self.phase {
            Phase::Listing { continue_token, .. } => Request::List { continue_token: continue_token.clone() },
            Phase::Watching { version } => Request::Watch { from: version.clone() },
        };
        (self.pause(jitter), request)
    }

    fn pause(&self, jitter: f64) -> Duration {
        let Some(exponent) = self.failures.checked_sub(1) else { return Duration::ZERO };
        let grown = FIRST_PAUSE.saturating_mul(1 << exponent.min(10)).min(LONGEST_PAUSE);
        self.retry_after.unwrap_or_default().max(grown.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0))
    }

    /// Takes in an answer; what comes out is what consumers are told.
    pub(crate) fn on(&mut self, answer: Answer) -> Option<Change> {
        match answer {
            Answer::Failed { reason, retry_after } => {
                (self.failures, self.retry_after) = (self.failures.saturating_add(1), retry_after);
                return Some(Change::Stale(reason));
            }
            Answer::Expired => {
                // Without a pause a server that says so for ever would be asked without end.
                self.failures = self.failures.saturating_add(1);
                self.relist();
                return None;
            }
            Answer::Ended => return None,
            _ => (self.failures, self.retry_after) = (0, None),
        }
        match answer {
            Answer::Page { items, version, continue_token } => self.page(items, version, continue_token),
            // Whatever was wrong is over.
            Answer::Watching => match &self.phase {
                Phase::Watching { version } => Some(Change::Bookmark(version.clone())),
                Phase::Listing { .. } => None,
            },
            Answer::Upserted(item) => {
                self.reach(&item.version);
                Some(Change::Upsert(item))
            }
            Answer::Deleted { key, version } => {
                self.reach(&version);
                Some(Change::Delete { key, version })
            }
            Answer::Bookmark(version) => {
                self.reach(&version);
                Some(Change::Bookmark(version))
            }
            Answer::Expired | Answer::Ended | Answer::Failed { .. } => None,
        }
    }

    fn page(&mut self, items: Vec<Item>, version: Version, next: Option<String>) -> Option<Change> {
        let Phase::Listing { continue_token, gathered } = &mut self.phase else { return None };
        gathered.extend(items);
        if next.is_some() {
            *continue_token = next;
            return None;
        }
        let items = std::mem::take(gathered);
        self.phase = Phase::Watching { version: version.clone() };
        Some(Change::Replace { items, version })
    }

    /// The next watch starts where this one got to.
    fn reach(&mut self, reached: &Version) {
        if let Phase::Watching { version } = &mut self.phase
            && reached > version
        {
            *version = reached.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(n: u64) -> Version {
        Version::from_counter(n)
    }

    fn item(name: &str, version: u64) -> Item {
        Item::new(ObjectKey::new("shop", name), v(version), "{}")
    }

    fn page(names: &[&str], version: u64, token: Option<&str>) -> Answer {
        let items = names.iter().map(|name| item(name, 1)).collect();
        Answer::Page { items, version: v(version), continue_token: token.map(str::to_owned) }
    }

    #[test]
    fn a_list_counts_only_when_its_last_page_is_there() {
        let mut machine = ListWatch::new();
        assert!(machine.on(page(&["a"], 5, Some("more"))).is_none());
        assert_eq!(machine.next(0.0).1, Request::List { continue_token: Some("more".into()) });
        let Some(Change::Replace { items, version }) = machine.on(page(&["b"], 5, None)) else { panic!("no list") };
        assert_eq!((items.len(), version), (2, v(5)));
        assert_eq!(machine.next(0.0).1, Request::Watch { from: v(5) });
    }

    #[test]
    fn a_watch_resumes_where_it_got_to() {
        let mut machine = ListWatch::new();
        machine.on(page(&[], 5, None));
        machine.on(Answer::Upserted(item("a", 7)));
        machine.on(Answer::Bookmark(v(9)));
        machine.on(Answer::Ended);
        assert_eq!(machine.next(0.0), (Duration::ZERO, Request::Watch { from: v(9) }));
    }

    #[test]
    fn an_expired_version_relists_and_says_nothing_is_gone() {
        let mut machine = ListWatch::new();
        machine.on(page(&["a"], 5, None));
        assert!(machine.on(Answer::Expired).is_none());
        assert_eq!(machine.next(0.0).1, Request::List { continue_token: None });
    }

    #[test]
    fn a_token_that_expires_between_pages_starts_the_list_over() {
        let mut machine = ListWatch::new();
        machine.on(page(&["a"], 5, Some("more")));
        machine.on(Answer::Expired);
        let Some(Change::Replace { items, .. }) = machine.on(page(&["b"], 6, None)) else { panic!("no list") };
        assert_eq!(items.len(), 1, "pages of two lists were mixed");
    }

    #[test]
    fn failures_keep_what_is_known_and_pause_longer_each_time() {
        let mut machine = ListWatch::new();
        machine.on(page(&["a"], 5, None));
        let mut last = Duration::ZERO;
        for _ in 0..4 {
            let failed = Answer::Failed { reason: "it answers 500".into(), retry_after: None };
            assert!(matches!(machine.on(failed), Some(Change::Stale(_))));
            let (pause, request) = machine.next(1.0);
            assert!(pause > last && request == Request::Watch { from: v(5) });
            last = pause;
        }
        let failed = Answer::Failed { reason: "429".into(), retry_after: Some(Duration::from_secs(30)) };
        machine.on(failed);
        assert_eq!(machine.next(0.5).0, Duration::from_secs(30));
        assert!(matches!(machine.on(Answer::Watching), Some(Change::Bookmark(_))), "it is not stale any more");
        assert_eq!(machine.next(1.0).0, Duration::ZERO);
    }
}

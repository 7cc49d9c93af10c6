//! The list/watch machine of one collection: which request comes next, and what an answer means.
//!
//! Pure: requests and pauses come out, answers go in. A list is told to consumers only when it is complete; an error
//! of any kind keeps what is known and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use silverback_model::{ObjectKey, Version};
use silverback_resources::registry::KindId;
use silverback_sync::Item;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// So that whatever was missed is caught up with soon after the API server is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// Whoever answers that it wants to be left alone for longer than this is asked again all the same.
const LONGEST_ASKED_FOR: Duration = Duration::from_secs(60);

/// An object that something names.
pub(crate) type Place = (KindId, ObjectKey);

/// An object, and the Secrets and ConfigMaps it names.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) item: Item,
    pub(crate) names: BTreeSet<Place>,
}

/// The request that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A watch that begins with every object there is, and goes on with what changes.
    Stream,
    /// A page of the list, from the start where there is no token.
    List { continue_token: Option<String> },
    /// The newest version there is.
    Newest,
    /// A watch from a version on.
    Watch { from: Version },
}

/// Why a collection is listed from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Nothing is known of it yet.
    Start,
    /// The version to go on from is too old.
    Expired,
    /// The server's newest version is older than what was seen.
    WentBack,
    /// Another collection saw that another history began.
    History,
    /// A consumer has seen more than this watcher.
    Behind,
    /// The list before this one did not come to its end.
    Broken,
    /// The server does not offer lists as streams.
    NotStreamed,
}

impl Cause {
    /// As a label of metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Expired => "expired",
            Self::WentBack => "went_back",
            Self::History => "history",
            Self::Behind => "behind",
            Self::Broken => "broken",
            Self::NotStreamed => "not_streamed",
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A page; the last one has no token.
    Page { found: Vec<Found>, version: Version, continue_token: Option<String> },
    /// The newest version.
    Newest(Version),
    /// The stream, or the watch, is established.
    Watching,
    /// An object was added or altered.
    Upserted(Found),
    /// An object that is not to be held was added or altered.
    Passed { key: ObjectKey, version: Version },
    /// An object was deleted.
    Deleted { key: ObjectKey, version: Version },
    /// Nothing happened up to this version.
    Bookmark(Version),
    /// The stream has told every object there is, as of this version.
    Whole(Version),
    /// The server does not offer lists as streams.
    NotStreamed,
    /// The version, or the continue token, is too old: 410.
    Expired,
    /// The watch ended by itself, or said nothing for too long.
    Ended,
    /// Anything else went wrong.
    Failed { reason: String, retry_after: Option<Duration> },
}

/// What is to be told of the collection.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// Every object, as of a version.
    Whole { found: Vec<Found>, version: Version },
    /// An object was added or altered.
    Upsert(Found),
    /// An object that is not to be held was added or altered.
    Pass { key: ObjectKey, version: Version },
    /// An object was deleted.
    Delete { key: ObjectKey, version: Version },
    /// Nothing happened up to this version.
    Bookmark(Version),
    /// The collection cannot be brought up to date.
    Stale(String),
}

#[derive(Debug)]
enum Phase {
    Start(Cause),
    Streaming {
        staged: BTreeMap<ObjectKey, Found>,
    },
    Listing {
        continue_token: Option<String>,
        gathered: Vec<Found>,
    },
    /// Known up to `version`. Whoever answers next may be a server whose store was put back in time meanwhile, and a
    /// watch from a version in its future would say nothing, ever: hence it is asked for its newest version first.
    Watching {
        version: Version,
        asked: bool,
    },
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
        Self { phase: Phase::Start(Cause::Start), failures: 0, retry_after: None }
    }

    /// Lists again before anything else.
    pub(crate) fn relist(&mut self, cause: Cause) {
        self.phase = Phase::Start(cause);
    }

    /// Why the list that is due now is due.
    pub(crate) fn cause(&self) -> Option<Cause> {
        match self.phase {
            Phase::Start(cause) => Some(cause),
            _ => None,
        }
    }

    /// Whether it has the whole collection, and follows what changes.
    pub(crate) fn is_watching(&self) -> bool {
        matches!(self.phase, Phase::Watching { .. })
    }

    /// The request that is due, after a pause. `jitter` is between 0 and 1; `streams` says whether the server is
    /// believed to offer lists as streams.
    pub(crate) fn next(&self, jitter: f64, streams: bool) -> (Duration, Request) {
        let request = match &self.phase {
            Phase::Start(_) | Phase::Streaming { .. } if streams => Request::Stream,
            Phase::Start(_) | Phase::Streaming { .. } => Request::List { continue_token: None },
            Phase::Listing { continue_token, .. } => Request::List { continue_token: continue_token.clone() },
            Phase::Watching { asked: false, .. } => Request::Newest,
            Phase::Watching { version, .. } => Request::Watch { from: version.clone() },
        };
        (self.pause(jitter), request)
    }

    fn pause(&self, jitter: f64) -> Duration {
        let Some(exponent) = self.failures.checked_sub(1) else { return Duration::ZERO };
        let grown = FIRST_PAUSE.saturating_mul(1 << exponent.min(10)).min(LONGEST_PAUSE);
        self.retry_after
            .unwrap_or_default()
            .min(LONGEST_ASKED_FOR)
            .max(grown.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0))
    }

    /// Takes in an answer; what comes out is to be told.
    pub(crate) fn on(&mut self, answer: Answer) -> Option<News> {
        match answer {
            Answer::Failed { reason, retry_after } => {
                (self.failures, self.retry_after) = (self.failures.saturating_add(1), retry_after);
                self.broke_off();
                return Some(News::Stale(reason));
            }
            Answer::Expired => {
                // Without a pause a server that says so for ever would be asked without end.
                self.failures = self.failures.saturating_add(1);
                self.relist(Cause::Expired);
                return None;
            }
            Answer::NotStreamed => {
                self.relist(Cause::NotStreamed);
                return None;
            }
            Answer::Ended => {
                if !self.is_watching() {
                    self.failures = self.failures.saturating_add(1);
                }
                self.broke_off();
                return None;
            }
            _ => (self.failures, self.retry_after) = (0, None),
        }
        match &mut self.phase {
            Phase::Start(_) | Phase::Listing { .. } => self.on_list(answer),
            Phase::Streaming { staged } => {
                match answer {
                    Answer::Upserted(found) => {
                        staged.insert(found.item.key.clone(), found);
                    }
                    Answer::Deleted { key, .. } | Answer::Passed { key, .. } => {
                        staged.remove(&key);
                    }
                    Answer::Whole(version) => {
                        let found = std::mem::take(staged).into_values().collect();
                        return Some(self.whole(found, version));
                    }
                    _ => (),
                }
                None
            }
            Phase::Watching { version, asked } => match on_watch(version, asked, answer) {
                Ok(news) => news,
                Err(cause) => {
                    self.relist(cause);
                    None
                }
            },
        }
    }

    /// A connection is gone: what was gathered is dropped, what was told stays.
    fn broke_off(&mut self) {
        match &mut self.phase {
            Phase::Streaming { .. } => self.phase = Phase::Start(Cause::Broken),
            Phase::Watching { asked, .. } => *asked = false,
            Phase::Start(_) | Phase::Listing { .. } => (),
        }
    }

    fn on_list(&mut self, answer: Answer) -> Option<News> {
        match answer {
            Answer::Watching => {
                self.phase = Phase::Streaming { staged: BTreeMap::new() };
                None
            }
            Answer::Page { found, version, continue_token: Some(token) } => {
                let mut all = self.take_gathered();
                all.extend(found);
                self.phase = Phase::Listing { continue_token: Some(token), gathered: all };
                drop(version); // that of the last page counts
                None
            }
            Answer::Page { found, version, continue_token: None } => {
                let mut all = self.take_gathered();
                all.extend(found);
                Some(self.whole(all, version))
            }
            _ => None,
        }
    }

    fn take_gathered(&mut self) -> Vec<Found> {
        match &mut self.phase {
            Phase::Listing { gathered, .. } => std::mem::take(gathered),
            _ => Vec::new(),
        }
    }

    fn whole(&mut self, found: Vec<Found>, version: Version) -> News {
        self.phase = Phase::Watching { version: version.clone(), asked: true };
        News::Whole { found, version }
    }
}

/// What an answer means for a watch that got to `reached`; or why everything must be listed again.
fn on_watch(reached: &mut Version, asked: &mut bool, answer: Answer) -> Result<Option<News>, Cause> {
    let reach = |version: &Version, reached: &mut Version| {
        if version > reached {
            *reached = version.clone();
        }
    };
    Ok(match answer {
        Answer::Newest(newest) if newest < *reached => return Err(Cause::WentBack),
        Answer::Newest(_) => {
            *asked = true;
            None
        }
        // Whatever was wrong is over.
        Answer::Watching => Some(News::Bookmark(reached.clone())),
        Answer::Upserted(found) => {
            reach(&found.item.version, reached);
            Some(News::Upsert(found))
        }
        Answer::Passed { key, version } => {
            reach(&version, reached);
            Some(News::Pass { key, version })
        }
        Answer::Deleted { key, version } => {
            reach(&version, reached);
            Some(News::Delete { key, version })
        }
        Answer::Bookmark(version) | Answer::Whole(version) => {
            if version < *reached {
                return Err(Cause::WentBack);
            }
            reach(&version, reached);
            Some(News::Bookmark(version))
        }
        Answer::Page { .. } | Answer::NotStreamed | Answer::Expired | Answer::Ended | Answer::Failed { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(n: u64) -> Version {
        Version::from_counter(n)
    }

    fn found(name: &str, version: u64) -> Found {
        Found { item: Item::new(ObjectKey::new("shop", name), v(version), "{}"), names: BTreeSet::new() }
    }

    fn page(names: &[&str], version: u64, token: Option<&str>) -> Answer {
        let found = names.iter().map(|name| found(name, 1)).collect();
        Answer::Page { found, version: v(version), continue_token: token.map(str::to_owned) }
    }

    fn failed(reason: &str, retry_after: Option<Duration>) -> Answer {
        Answer::Failed { reason: reason.into(), retry_after }
    }

    fn watching(version: u64) -> ListWatch {
        let mut machine = ListWatch::new();
        machine.on(page(&["a"], version, None));
        machine
    }

    const FIRST_PAGE: Request = Request::List { continue_token: None };

    #[test]
    fn a_list_counts_only_when_its_last_page_is_there() {
        let mut machine = ListWatch::new();
        assert!(machine.on(page(&["a"], 5, Some("more"))).is_none());
        assert_eq!(machine.next(0.0, false).1, Request::List { continue_token: Some("more".into()) });
        let Some(News::Whole { found, version }) = machine.on(page(&["b"], 5, None)) else { panic!("no list") };
        assert_eq!((found.len(), version), (2, v(5)));
        assert_eq!(machine.next(0.0, false).1, Request::Watch { from: v(5) });
    }

    #[test]
    fn a_streamed_list_counts_only_when_it_says_that_it_is_whole() {
        let mut machine = ListWatch::new();
        assert_eq!(machine.next(0.0, true).1, Request::Stream);
        machine.on(Answer::Watching);
        for answer in [
            Answer::Upserted(found("a", 1)),
            Answer::Upserted(found("b", 2)),
            Answer::Bookmark(v(3)),
            Answer::Deleted { key: ObjectKey::new("shop", "a"), version: v(4) },
        ] {
            assert!(machine.on(answer).is_none());
        }
        let Some(News::Whole { found, version }) = machine.on(Answer::Whole(v(4))) else { panic!("no list") };
        assert_eq!((found.len(), version), (1, v(4)));
        assert!(matches!(machine.on(Answer::Bookmark(v(6))), Some(News::Bookmark(_))), "it goes on as a watch");
    }

    #[test]
    fn a_stream_that_breaks_off_is_begun_again_and_a_server_without_streams_is_asked_for_pages() {
        let mut machine = ListWatch::new();
        machine.on(Answer::Watching);
        machine.on(Answer::Upserted(found("a", 1)));
        machine.on(Answer::Ended);
        assert_eq!(machine.cause(), Some(Cause::Broken));
        machine.on(Answer::Watching);
        let Some(News::Whole { found, .. }) = machine.on(Answer::Whole(v(4))) else { panic!("no list") };
        assert!(found.is_empty(), "two lists were mixed");

        let mut machine = ListWatch::new();
        assert!(machine.on(Answer::NotStreamed).is_none());
        assert_eq!(machine.next(0.0, false), (Duration::ZERO, FIRST_PAGE));
    }

    #[test]
    fn a_watch_resumes_where_it_got_to_once_the_server_has_got_there() {
        let mut machine = watching(5);
        machine.on(Answer::Upserted(found("a", 7)));
        machine.on(Answer::Bookmark(v(9)));
        machine.on(Answer::Ended);
        assert_eq!(machine.next(0.0, true), (Duration::ZERO, Request::Newest));
        assert!(machine.on(Answer::Newest(v(9))).is_none());
        assert_eq!(machine.next(0.0, true), (Duration::ZERO, Request::Watch { from: v(9) }));
    }

    #[test]
    fn a_server_that_was_put_back_in_time_is_listed_again() {
        let mut machine = watching(9);
        machine.on(Answer::Ended);
        assert!(machine.on(Answer::Newest(v(8))).is_none());
        assert_eq!((machine.cause(), machine.next(0.0, true).1), (Some(Cause::WentBack), Request::Stream));
        let mut machine = watching(9);
        assert!(machine.on(Answer::Bookmark(v(8))).is_none());
        assert_eq!(machine.cause(), Some(Cause::WentBack));
    }

    #[test]
    fn an_expired_version_relists_and_says_nothing_is_gone() {
        let mut machine = watching(5);
        assert!(machine.on(Answer::Expired).is_none());
        assert_eq!(machine.next(0.0, false).1, FIRST_PAGE);
    }

    #[test]
    fn a_token_that_expires_between_pages_starts_the_list_over() {
        let mut machine = ListWatch::new();
        machine.on(page(&["a"], 5, Some("more")));
        machine.on(Answer::Expired);
        let Some(News::Whole { found, .. }) = machine.on(page(&["b"], 6, None)) else { panic!("no list") };
        assert_eq!(found.len(), 1, "pages of two lists were mixed");
    }

    #[test]
    fn failures_keep_what_is_known_and_pause_longer_each_time() {
        let mut machine = watching(5);
        let mut last = Duration::ZERO;
        for _ in 0..4 {
            assert!(matches!(machine.on(failed("it answers 500", None)), Some(News::Stale(_))));
            let (pause, request) = machine.next(1.0, true);
            assert!(pause > last && request == Request::Newest);
            last = pause;
        }
        machine.on(failed("429", Some(Duration::from_secs(30))));
        assert_eq!(machine.next(0.5, true).0, Duration::from_secs(30));
        machine.on(failed("429", Some(Duration::MAX)));
        assert_eq!(machine.next(0.5, true).0, LONGEST_ASKED_FOR, "nobody is left alone for ever");
        machine.on(Answer::Newest(v(5)));
        assert!(matches!(machine.on(Answer::Watching), Some(News::Bookmark(_))), "it is not stale any more");
        assert_eq!(machine.next(1.0, true).0, Duration::ZERO);
    }

    #[test]
    fn pages_are_gone_on_with_after_a_failure() {
        let mut machine = ListWatch::new();
        machine.on(page(&["a"], 5, Some("more")));
        machine.on(failed("it answers 500", None));
        assert_eq!(machine.next(0.0, false).1, Request::List { continue_token: Some("more".into()) });
    }
}

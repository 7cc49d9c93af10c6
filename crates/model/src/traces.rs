//! Which changes are in what is passed on: their trace contexts, for whoever handles it next.

use std::sync::Arc;

/// W3C `traceparent` texts of sampled changes: the first leads, the others were coalesced into the same step. Empty
/// where nothing was sampled, which costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces(Vec<Arc<str>>);

impl Traces {
    /// More are not linked: whoever coalesces this many changes is not followed change by change.
    pub const MOST: usize = 32;

    /// One change, or none where the text is empty.
    pub fn of(traceparent: impl AsRef<str>) -> Self {
        let mut traces = Self::default();
        traces.add(traceparent.as_ref());
        traces
    }

    /// Adds a change, unless it is there already; the empty text is none.
    pub fn add(&mut self, traceparent: &str) {
        let known = || self.0.iter().any(|held| **held == *traceparent);
        if !traceparent.is_empty() && self.0.len() < Self::MOST && !known() {
            self.0.push(traceparent.into());
        }
    }

    /// Adds all of another step's.
    pub fn merge(&mut self, others: &Self) {
        others.0.iter().for_each(|other| self.add(other));
    }

    /// The leading one.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(AsRef::as_ref)
    }

    /// Those that were coalesced into it.
    pub fn linked(&self) -> impl Iterator<Item = &str> {
        self.0.iter().skip(1).map(AsRef::as_ref)
    }

    /// Whether nothing was sampled.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_leads_and_each_counts_once_up_to_a_bound() {
        let mut traces = Traces::default();
        traces.add("");
        assert!(traces.is_empty() && traces.first().is_none());
        traces.merge(&Traces::of("a"));
        traces.add("b");
        traces.add("a");
        assert_eq!((traces.first(), traces.linked().collect::<Vec<_>>()), (Some("a"), vec!["b"]));
        (0..100).for_each(|n| traces.add(&n.to_string()));
        assert_eq!(traces.linked().count(), Traces::MOST - 1);
    }
}

//! What all gateways together say of a configuration: what one takes is good, what all that answer refuse is not.

use std::time::Duration;

use crate::refusal::Refusal;

/// What one gateway says of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vote {
    /// It has it.
    Took,
    /// It refused it.
    Refused(Refusal),
    /// It was not heard yet.
    Silent,
    /// It does not answer, or cannot be given any such configuration.
    Out,
}

/// What all together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At least one took it: what others say of it is their own trouble.
    Taken,
    /// All that answered refused it.
    Refused(Refusal),
}

/// Judges votes. A gateway that is silent is waited for, but once one refused no longer than `patience`: a gateway that
/// hangs must not keep good changes from all others. `waited` is the time since the first refusal.
pub fn judge(votes: &[Vote], waited: Duration, patience: Duration) -> Option<Verdict> {
    if votes.contains(&Vote::Took) {
        return Some(Verdict::Taken);
    }
    let refusals: Vec<&Refusal> = votes
        .iter()
        .filter_map(|vote| match vote {
            Vote::Refused(refusal) => Some(refusal),
            _ => None,
        })
        .collect();
    let all_heard = !votes.contains(&Vote::Silent) || waited >= patience;
    (!refusals.is_empty() && all_heard).then(|| Verdict::Refused(together(&refusals)))
}

/// What all refuse. Where they refuse different things and would so get nothing at all, what any of them refuses.
fn together(refusals: &[&Refusal]) -> Refusal {
    let Some((first, others)) = refusals.split_first() else { return Refusal::default() };
    let same =
        |a: &crate::Named, b: &crate::Named| (&a.kind, &a.id, &a.name, &a.tags) == (&b.kind, &b.id, &b.name, &b.tags);
    let by_all = |named: &&crate::Named| others.iter().all(|other| other.named.iter().any(|it| same(it, named)));
    let mut named: Vec<_> = first.named.iter().filter(by_all).cloned().collect();
    if named.is_empty() {
        named = refusals.iter().flat_map(|refusal| refusal.named.clone()).collect();
    }
    Refusal { named, ..Refusal::clone(first) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Named;

    const PATIENCE: Duration = Duration::from_secs(3);

    fn refuses(names: &[&str]) -> Vote {
        let named = |name: &&str| Named { kind: "route".into(), name: Some((*name).into()), ..Named::default() };
        Vote::Refused(Refusal { named: names.iter().map(named).collect(), ..Refusal::default() })
    }

    fn judged(votes: &[Vote]) -> Option<Verdict> {
        judge(votes, Duration::ZERO, PATIENCE)
    }

    fn names(verdict: Option<Verdict>) -> Vec<String> {
        match verdict {
            Some(Verdict::Refused(refusal)) => refusal.named.into_iter().filter_map(|named| named.name).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_one_takes_is_good_whatever_others_say() {
        assert_eq!(judged(&[refuses(&["a"]), Vote::Took, Vote::Silent]), Some(Verdict::Taken));
    }

    #[test]
    fn who_does_not_answer_has_no_vote_and_who_is_silent_is_waited_for() {
        assert_eq!(judged(&[]), None);
        assert_eq!(judged(&[Vote::Out, Vote::Silent]), None);
        assert_eq!(judged(&[Vote::Out, refuses(&["a"]), Vote::Silent]), None);
        assert_eq!(names(judged(&[Vote::Out, refuses(&["a"])])), ["a"]);
        assert_eq!(names(judge(&[refuses(&["a"]), Vote::Silent], PATIENCE, PATIENCE)), ["a"], "it may hang for long");
    }

    #[test]
    fn only_what_all_refuse_counts_unless_that_is_nothing() {
        assert_eq!(names(judged(&[refuses(&["a", "b"]), refuses(&["b", "c"])])), ["b"]);
        assert_eq!(names(judged(&[refuses(&["a"]), refuses(&["c"])])), ["a", "c"], "else no change reached anybody");
    }
}

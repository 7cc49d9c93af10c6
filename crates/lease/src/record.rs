//! What a Lease says: the fields client-go's leader election reads and writes, and one annotation of ours.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use silverback_model::{InvalidVersion, Version};

/// Annotation in which each renewal records the `changed` frontier of the last config pushed.
pub const PUSHED_ANNOTATION: &str = "silverback.konghq.com/pushed";

/// What a Lease says about its holder; a Lease whose record stays equal was not renewed.
///
/// The timestamps are written for people and for client-go; nothing is ever judged by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Identity of the holder; empty when the Lease was released.
    pub holder: String,
    /// How long others wait after they last saw a renewal; zero when the Lease does not say.
    pub duration: Duration,
    /// How often the holder changed.
    pub transitions: i32,
    /// When the holder acquired it, by the holder's wall clock.
    pub acquired: Option<Timestamp>,
    /// When the holder last renewed it, by the holder's wall clock.
    pub renewed: Option<Timestamp>,
}

impl Record {
    /// Reads a Lease; fields that are missing or negative count as empty, as client-go has it.
    pub fn of(lease: &Lease) -> Self {
        let Some(spec) = &lease.spec else { return Self::default() };
        let seconds = spec.lease_duration_seconds.unwrap_or(0);
        Self {
            holder: spec.holder_identity.clone().unwrap_or_default(),
            duration: Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
            transitions: spec.lease_transitions.unwrap_or(0),
            acquired: spec.acquire_time.as_ref().map(|time| time.0),
            renewed: spec.renew_time.as_ref().map(|time| time.0),
        }
    }

    /// Writes the record into a Lease and leaves every other field of it alone.
    pub fn write_to(&self, lease: &mut Lease) {
        let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
        spec.holder_identity = Some(self.holder.clone());
        spec.lease_duration_seconds = Some(whole_seconds(self.duration));
        spec.lease_transitions = Some(self.transitions);
        spec.acquire_time = self.acquired.map(MicroTime);
        spec.renew_time = self.renewed.map(MicroTime);
    }
}

/// Rounded up: others that wait longer do no harm, others that wait less do.
fn whole_seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_nanos().div_ceil(1_000_000_000)).unwrap_or(i32::MAX)
}

/// The resourceVersion of a Lease.
///
/// # Errors
/// When the server sent one that has no order.
pub(crate) fn version(lease: &Lease) -> Result<Version, InvalidVersion> {
    Version::parse(lease.metadata.resource_version.as_deref().unwrap_or_default())
}

/// What the holder recorded as pushed.
pub(crate) fn pushed(lease: &Lease) -> Option<String> {
    lease.metadata.annotations.as_ref()?.get(PUSHED_ANNOTATION).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let time = "2026-01-02T03:04:05.678901Z".parse().ok();
        Record { holder: "a".into(), duration: Duration::from_secs(15), transitions: 3, acquired: time, renewed: time }
    }

    #[test]
    fn reads_back_what_it_writes_and_leaves_the_rest_alone() {
        let mut lease = Lease::default();
        lease.spec.get_or_insert_default().strategy = Some("kept".into());
        record().write_to(&mut lease);
        assert_eq!(Record::of(&lease), record());
        assert_eq!(lease.spec.and_then(|spec| spec.strategy).as_deref(), Some("kept"));
    }

    #[test]
    fn odd_leases_count_as_empty() {
        assert_eq!(Record::of(&Lease::default()), Record::default());
        let negative = LeaseSpec { lease_duration_seconds: Some(-5), ..LeaseSpec::default() };
        let lease = Lease { spec: Some(negative), ..Lease::default() };
        assert_eq!(Record::of(&lease), Record::default());
    }

    #[test]
    fn durations_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1500)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(15)), 15);
        assert_eq!(whole_seconds(Duration::MAX), i32::MAX);
    }
}

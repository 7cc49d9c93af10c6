//! What is left out and what is kept, for people: the isolation's part of the gRPC service.

use jiff::Timestamp;
use silverback_isolation::Quarantined;
use silverback_model::Generation;
use silverback_proto::v1;

/// What people can ask about isolation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shown {
    /// What is left out.
    pub(crate) quarantine: Vec<Quarantined>,
    /// Changes under suspicion.
    pub(crate) suspects: usize,
    /// The configuration that gateways accepted last, and when.
    pub(crate) accepted: Option<(Generation, Timestamp)>,
}

/// What became of keeping the last good configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Kept {
    /// Where it is kept; empty: nowhere but in memory.
    pub(crate) place: String,
    /// When it was kept last.
    pub(crate) at: Option<Timestamp>,
    /// Why it could not be kept the last time.
    pub(crate) trouble: String,
}

/// The answer to `GetIsolation`.
pub(crate) fn answer(shown: &Shown, kept: &Kept) -> v1::Isolation {
    v1::Isolation {
        quarantine: shown.quarantine.iter().map(quarantined).collect(),
        suspects: u32::try_from(shown.suspects).unwrap_or(u32::MAX),
        last_good: Some(v1::LastGood {
            generation: shown.accepted.map_or(0, |(generation, _)| generation.0),
            accepted: shown.accepted.map(|(_, at)| timestamp(at)),
            kept: kept.at.map(timestamp),
            place: kept.place.clone(),
            trouble: kept.trouble.clone(),
        }),
    }
}

fn quarantined(entry: &Quarantined) -> v1::Quarantined {
    let within = v1::EntityKey { collection: entry.within.collection.to_string(), name: entry.within.name.to_string() };
    v1::Quarantined {
        within: Some(within),
        kind: entry.kind.clone(),
        name: entry.name.clone(),
        objects: entry.objects.iter().map(Into::into).collect(),
        reason: entry.reason.clone(),
        since: Some(timestamp(entry.since)),
        closed: entry.closed,
    }
}

fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

//! What proves objects programmed: which entities gateways hold as they are wanted. Pure.

use std::sync::Arc;

use silverback_gateway::{ConfigHash, GatewayReport};
use silverback_isolation::{Config, Quarantined};
use silverback_kong::EntityKey;
use silverback_proto::v1::{self, entity_progress::State};
use silverback_status::{Held, Progress};

use crate::votes;

/// The configurations that gateways may hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offers {
    /// What translation wants.
    pub(crate) wanted: Arc<Config>,
    /// What was offered, by its hash; the last one at the end.
    pub(crate) offered: Vec<(ConfigHash, Arc<Config>)>,
}

impl Offers {
    /// How far these entities are, at the gateways of these reports.
    pub(crate) fn progress<'a>(
        &self,
        entities: impl IntoIterator<Item = EntityKey>,
        reports: impl Iterator<Item = &'a GatewayReport> + Clone,
        quarantine: &[Quarantined],
    ) -> Progress {
        let answering = reports.clone().filter(|report| votes::answers(report));
        // Of one nobody knows what it holds: then of none is anything proved.
        let held: Option<Vec<&Config>> = answering.map(|report| self.held_by(report)).collect();
        let held = held.unwrap_or_default();
        Progress {
            gateways: reports.count(),
            configured: !held.is_empty(),
            entities: entities.into_iter().map(|key| (key.clone(), self.of(&key, &held, quarantine))).collect(),
        }
    }

    /// What a gateway has, if that was offered here.
    fn held_by(&self, report: &GatewayReport) -> Option<&Config> {
        let hash = report.hash_observed?;
        self.offered.iter().rev().find(|(offered, _)| *offered == hash).map(|(_, config)| &**config)
    }

    /// What these configurations have of an entity: it, or what is left of it without what is refused.
    fn of(&self, key: &EntityKey, held: &[&Config], quarantine: &[Quarantined]) -> Held {
        let refused: Vec<&Quarantined> = quarantine.iter().filter(|entry| entry.within == *key).collect();
        let whole = self.wanted.get(key);
        let left = self.offered.last().and_then(|(_, offer)| offer.get(key));
        let expected = if refused.is_empty() { whole } else { left };
        let has = |config: &&Config| config.get(key).map(|it| &it.rendered) == expected.map(|it| &it.rendered);
        if whole.is_none() || held.is_empty() || !held.iter().all(has) {
            return Held::NotYet;
        }
        if refused.is_empty() {
            return Held::AsWanted;
        }
        let words: Vec<String> = refused.iter().map(|it| format!("{} {}: {}", it.kind, it.name, it.reason)).collect();
        Held::Refused {
            objects: refused.iter().flat_map(|it| it.objects.iter().cloned()).collect(),
            words: words.join("; "),
        }
    }
}

/// The answer to `GetProgress`.
pub(crate) fn wire(progress: Progress) -> v1::GetProgressResponse {
    let entity = |(key, held): (EntityKey, Held)| {
        let key = v1::EntityKey { collection: key.collection.to_string(), name: key.name.to_string() };
        let (state, objects, reason) = match held {
            Held::AsWanted => (State::Held, Vec::new(), String::new()),
            Held::NotYet => (State::Pending, Vec::new(), String::new()),
            Held::Refused { objects, words } => (State::Refused, objects.iter().map(Into::into).collect(), words),
        };
        v1::EntityProgress { key: Some(key), state: state.into(), objects, reason }
    };
    v1::GetProgressResponse {
        gateways: u32::try_from(progress.gateways).unwrap_or(u32::MAX),
        configured: progress.configured,
        entities: progress.entities.into_iter().map(entity).collect(),
    }
}

#[cfg(test)]
mod tests;

//! What the pusher tells back: what the gateways are, and what they refuse. Its text form is the data of a ConfigMap,
//! made to be read by people: one YAML text a key, and nothing secret in it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use silverback_kong::EntityKey;
use silverback_model::{Digest, Epoch, ObjectRef, canonical};

/// The label by which watchers find the ConfigMap; its value is `true`.
pub const LABEL: &str = "silverback.konghq.com/feedback";

/// What the pusher tells back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// The leadership that wrote it; none without an election.
    pub epoch: Option<Epoch>,
    /// How routes are to match, `traditional` or `expressions`: one configuration serves one router flavour, so that
    /// somebody has to choose where gateways differ. Empty: no gateway said anything yet.
    pub router_flavor: String,
    /// The different kinds of gateways there are, each once; in order.
    pub gateways: Vec<GatewayKind>,
    /// What is left out; in order.
    pub quarantine: Vec<Quarantined>,
}

/// What some gateways say about themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GatewayKind {
    /// E.g. `3.9.3`.
    pub version: String,
    /// `community` or `enterprise`.
    pub edition: String,
    /// `traditional`, `traditional_compatible` or `expressions`.
    pub router_flavor: String,
    /// Longest config it takes, in bytes; none: it does not say, or there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_limit: Option<u64>,
    /// Names of the plugins that it can run.
    pub plugins: BTreeSet<String>,
    /// Digests of the schemas of those of them that do not follow from the version, as far as they are told.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub schemas: BTreeMap<String, Digest>,
}

impl GatewayKind {
    /// Names the kind.
    pub fn digest(&self) -> Digest {
        // Plain data has a JSON form.
        Digest::of(canonical::of(self).unwrap_or_default().as_bytes())
    }
}

/// An entity that all answering gateways refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantined {
    /// The top-level entity it is, or is within.
    pub within: EntityKey,
    /// Kong's singular word for it, e.g. `route`.
    pub kind: String,
    /// As Kong names it; for what has no name, what identifies it and is no secret.
    pub name: String,
    /// The objects it was made from.
    pub objects: Vec<ObjectRef>,
    /// The gateways' words.
    pub reason: String,
    /// When it was first left out.
    pub since: Timestamp,
    /// Requests that it concerned are answered with 500.
    #[serde(default)]
    pub closed: bool,
    /// Digest of its rendering, without what is nested in it: another rendering is another entity.
    pub rendering: Digest,
    /// Digests of the kinds of gateways that refused it: another kind is asked again.
    pub refused_by: BTreeSet<Digest>,
}

/// A text that is no feedback.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("data key {key:?} cannot be read: {reason}; delete the ConfigMap or file: it is written anew")]
pub struct UnreadableFeedback {
    /// The key.
    pub key: &'static str,
    /// Why.
    pub reason: String,
}

const LEADER: &str = "leader";
const FLAVOR: &str = "routerFlavor";
const GATEWAYS: &str = "gateways";
const QUARANTINE: &str = "quarantine";

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Leader {
    epoch: Option<Epoch>,
}

impl Feedback {
    /// As the data of a ConfigMap.
    pub fn to_data(&self) -> BTreeMap<String, String> {
        let leader = Leader { epoch: self.epoch.clone() };
        let texts = [(LEADER, yaml(&leader)), (GATEWAYS, yaml(&self.gateways)), (QUARANTINE, yaml(&self.quarantine))];
        let flavor = (FLAVOR, self.router_flavor.clone());
        texts.into_iter().chain([flavor]).map(|(key, text)| (key.to_owned(), text)).collect()
    }

    /// The inverse of [`Feedback::to_data`]; what is missing is empty.
    ///
    /// # Errors
    /// Names the key that cannot be read.
    pub fn from_data(data: &BTreeMap<String, String>) -> Result<Self, UnreadableFeedback> {
        let leader: Leader = read(data, LEADER)?;
        let router_flavor = data.get(FLAVOR).map(|text| text.trim().to_owned()).unwrap_or_default();
        let (gateways, quarantine) = (read(data, GATEWAYS)?, read(data, QUARANTINE)?);
        Ok(Self { epoch: leader.epoch, router_flavor, gateways, quarantine })
    }

    /// Names what translation makes of it: who wrote it does not count.
    pub fn digest(&self) -> Digest {
        if self.router_flavor.is_empty() && self.gateways.is_empty() && self.quarantine.is_empty() {
            return Digest::default();
        }
        let text = canonical::of(&(&self.router_flavor, &self.gateways, &self.quarantine)).unwrap_or_default();
        Digest::of(text.as_bytes())
    }
}

fn yaml(value: &impl Serialize) -> String {
    // Plain data with string keys has a YAML form.
    serde_saphyr::to_string(value).unwrap_or_default()
}

fn read<T: DeserializeOwned + Default>(
    data: &BTreeMap<String, String>,
    key: &'static str,
) -> Result<T, UnreadableFeedback> {
    let Some(text) = data.get(key).filter(|text| !text.trim().is_empty()) else { return Ok(T::default()) };
    serde_saphyr::from_str(text).map_err(|error| UnreadableFeedback { key, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_kong::Collection;
    use silverback_model::{Lineage, ObjectKey, Version};

    fn feedback() -> Feedback {
        let kind = GatewayKind {
            version: "3.9.3".into(),
            edition: "community".into(),
            plugins: ["cors".to_owned(), "house".to_owned()].into(),
            schemas: [("house".to_owned(), Digest(9))].into(),
            ..GatewayKind::default()
        };
        let refused_by = [kind.digest()].into();
        let quarantined = Quarantined {
            within: EntityKey::new(Collection::Services, "shop.web.80"),
            kind: "route".into(),
            name: "shop.web.00".into(),
            objects: vec![ObjectRef::new("Ingress.networking.k8s.io", ObjectKey::new("shop", "web"))],
            reason: "paths.1: \"should start with: / \"\nor: so".into(),
            since: Timestamp::from_second(1_700_000_000).unwrap(),
            closed: false,
            rendering: Digest(7),
            refused_by,
        };
        let epoch = Epoch { lineage: Lineage("a".into()), version: Version::from_counter(12) };
        let router_flavor = "traditional".to_owned();
        Feedback { epoch: Some(epoch), router_flavor, gateways: vec![kind], quarantine: vec![quarantined] }
    }

    #[test]
    fn reads_back_and_is_readable() {
        let data = feedback().to_data();
        assert_eq!(Feedback::from_data(&data), Ok(feedback()));
        assert!(data["quarantine"].contains("kind: route"), "{}", data["quarantine"]);
        assert!(data["quarantine"].contains("2023-11-14T22:13:20Z"), "{}", data["quarantine"]);
        assert_eq!(Feedback::from_data(&BTreeMap::new()), Ok(Feedback::default()));
        let broken = BTreeMap::from([("quarantine".to_owned(), "- {".to_owned())]);
        assert!(Feedback::from_data(&broken).unwrap_err().to_string().contains("quarantine"));
    }

    #[test]
    fn gateways_with_another_schema_are_another_kind() {
        let kind = feedback().gateways.remove(0);
        let other = GatewayKind { schemas: [("house".to_owned(), Digest(10))].into(), ..kind.clone() };
        assert_ne!(kind.digest(), other.digest());
    }

    #[test]
    fn the_writer_does_not_count_in_the_digest() {
        let anonymous = Feedback { epoch: None, ..feedback() };
        assert_eq!(anonymous.digest(), feedback().digest());
        assert_ne!(feedback().digest(), Feedback { quarantine: Vec::new(), ..feedback() }.digest());
        assert_ne!(feedback().digest(), Feedback { router_flavor: "expressions".into(), ..feedback() }.digest());
        assert_eq!(Feedback::default().digest(), Digest::default());
    }
}

//! Which bundle of the Gateway API is installed, and whether it is one that is known: "If implementations detect any
//! Gateway API CRDs that either do not have this annotation set, or have it set to a version that is not recognized or
//! supported by the implementation, this condition MUST be set to false." What is there is read as well as can be.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use silverback_resources::types::CustomResourceDefinition;
use silverback_status::{Condition, ConditionKind, ConditionReason};

/// The minor versions of `v1` whose kinds are read, and whose fields are translated or refused.
const KNOWN: RangeInclusive<u32> = 3..=7;

/// The bundles that the CRDs of the Gateway API came with; `None` for those that do not say.
pub(crate) type Bundles = BTreeSet<Option<String>>;

/// The bundles of these CRDs.
pub(crate) fn bundles<'a>(definitions: impl IntoIterator<Item = &'a CustomResourceDefinition>) -> Bundles {
    definitions.into_iter().map(|it| it.bundle_version().map(str::to_owned)).collect()
}

fn is_known(version: &str) -> bool {
    let minor = version.strip_prefix("v1.").and_then(|rest| rest.split('.').next());
    minor.and_then(|minor| minor.parse().ok()).is_some_and(|minor: u32| KNOWN.contains(&minor))
}

/// What a GatewayClass says of them.
pub(crate) fn condition(bundles: &Bundles) -> Condition {
    let installed: Vec<&str> = bundles.iter().map(|it| it.as_deref().unwrap_or("CRDs of no bundle")).collect();
    let message = format!("installed: {}; known: v1.{} to v1.{}", installed.join(", "), KNOWN.start(), KNOWN.end());
    let kind = ConditionKind::SupportedVersion;
    if bundles.iter().all(|it| it.as_deref().is_some_and(is_known)) {
        return Condition::yes(kind, ConditionReason::SupportedVersion, message);
    }
    Condition::no(kind, ConditionReason::UnsupportedVersion, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_are_known_by_their_minor_version() {
        for known in ["v1.3.0", "v1.7.1", "v1.5.0-rc.2"] {
            assert!(is_known(known), "{known}");
        }
        for unknown in ["v1.2.1", "v1.8.0", "v0.8.1", "v2.3.0", "v1.x", "v0.0.0-dev", "monthly-2026.01", ""] {
            assert!(!is_known(unknown), "{unknown}");
        }
    }
}

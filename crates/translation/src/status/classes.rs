//! Statuses of GatewayClasses.

use silverback_resources::types::GatewayClass;
use silverback_status::ConditionKind::Accepted;
use silverback_status::{Condition, ConditionReason, Feature, GatewayClassStatus, ObjectStatus, Status};

use super::bundle::{self, Bundles};
use crate::features;
use crate::settings::Settings;

/// The status of a GatewayClass; `None`: it is not ours. Without CRDs to be seen nothing is said of bundles.
pub(crate) fn status(class: &GatewayClass, bundles: Option<&Bundles>, settings: &Settings) -> Option<ObjectStatus> {
    if class.spec.controller_name != settings.gateway_controller_name {
        return None;
    }
    let parameters = class.spec.parameters_ref.as_ref().map(|_| {
        let message = "spec.parametersRef: there are no parameters of a GatewayClass; leave it out".to_owned();
        (ConditionReason::InvalidParameters, message)
    });
    let mut conditions = vec![Condition::of(Accepted, ConditionReason::Accepted, parameters)];
    conditions.extend(bundles.map(bundle::condition));
    let supported_features =
        features::supported(settings).into_iter().map(|name| Feature { name: name.into() }).collect();
    let status = Status::GatewayClass(GatewayClassStatus { conditions, supported_features });
    Some(ObjectStatus { observed_generation: class.metadata.generation, status })
}

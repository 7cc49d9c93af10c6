//! Statuses of GatewayClasses.

use silverback_resources::types::GatewayClass;

use super::ConditionKind::Accepted;
use super::{Condition, ConditionReason, Feature, GatewayClassStatus, ObjectStatus, Status};
use crate::features;
use crate::settings::Settings;

/// The status of a GatewayClass; `None`: it is not ours.
pub(crate) fn status(class: &GatewayClass, settings: &Settings) -> Option<ObjectStatus> {
    if class.spec.controller_name != settings.gateway_controller_name {
        return None;
    }
    let parameters = class.spec.parameters_ref.as_ref().map(|_| {
        let message = "spec.parametersRef: there are no parameters of a GatewayClass; leave it out".to_owned();
        (ConditionReason::InvalidParameters, message)
    });
    let conditions = vec![Condition::of(Accepted, ConditionReason::Accepted, parameters)];
    let supported_features = features::supported(settings).into_iter().map(|name| Feature { name }).collect();
    let status = Status::GatewayClass(GatewayClassStatus { conditions, supported_features });
    Some(ObjectStatus { observed_generation: class.metadata.generation, status })
}

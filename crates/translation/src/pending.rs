//! Statuses of objects whose newest version is withheld: whether it is accepted is not decided yet.

use std::sync::Arc;

use serde::Deserialize;
use silverback_resources::types::{GatewayClass, Meta};
use silverback_status::ObjectStatus;

use crate::output::ObjectChange;
use crate::settings::Settings;
use crate::status::classes;

const WHY: &str = "the last version stays in force: this one names what is not known, and may be there";

/// The status of an object whose change is withheld; `in_force` is that of the version before. `None`: it has none.
pub(crate) fn status(
    change: &ObjectChange,
    in_force: Option<&Arc<ObjectStatus>>,
    settings: &Settings,
) -> Option<Arc<ObjectStatus>> {
    #[derive(Deserialize)]
    struct Object {
        metadata: Meta,
    }
    let text = change.content.as_deref()?;
    let object: Object = serde_json::from_str(text).ok()?;
    let before = match in_force {
        Some(status) => ObjectStatus::clone(status),
        // A class is ours by what it says itself; the parents of a route are ours only as far as Gateways are known.
        None if change.object.kind == "GatewayClass.gateway.networking.k8s.io" => {
            classes::status(&serde_json::from_str::<GatewayClass>(text).ok()?, None, settings)?
        }
        None => return None,
    };
    Some(Arc::new(before.undecided(object.metadata.generation, WHY)))
}

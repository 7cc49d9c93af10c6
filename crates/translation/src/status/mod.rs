//! Statuses of Gateway API objects: all that objects alone decide of them, with the entities that prove them programmed.
//! Their shape, and what gateways decide, is in `silverback_status`.

pub(crate) mod bundle;
mod certified;
pub(crate) mod classes;
pub(crate) mod gateways;
pub(crate) mod policies;
pub(crate) mod routes;

use silverback_resources::types::ParentRef;
use silverback_status::ParentReference;

/// A reference to a parent, for a status.
fn reference(parent: &ParentRef) -> ParentReference {
    let ParentRef { group, kind, namespace, name, section_name, port } = parent.clone();
    ParentReference { group, kind, namespace, name, section_name, port }
}

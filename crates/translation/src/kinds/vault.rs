//! KongVault: a store of secrets that gateways read by themselves.

use std::sync::Arc;

use serde_json::Value;
use silverback_kong::ids::{self, IdKind};
use silverback_kong::{Collection, EntityKey, Vault, limits};
use silverback_model::ObjectKey;
use silverback_resources::crds::KongVault;

use crate::inputs::View;
use crate::output::Reason;
use crate::product::{Made, Product};
use crate::source::Source;

/// The prefix of a vault, if it is ours.
pub(crate) fn prefix(object: &KongVault, view: &View<'_>) -> Option<String> {
    let elsewhere = object.spec.control_plane_ref.as_ref().is_some_and(|it| !it.is_ingress_controller());
    let ours = !elsewhere && view.class().owns(&object.metadata, &view.settings.ingress_class);
    ours.then(|| object.spec.prefix.clone())
}

/// The vault of a prefix: of several the oldest.
pub(crate) fn product(vaults: &[(ObjectKey, Arc<KongVault>)], view: &View<'_>) -> Option<Product> {
    let mut vaults: Vec<_> = vaults.iter().collect();
    vaults.sort_by_key(|(key, vault)| (&vault.metadata.creation_timestamp, key));
    let mut product = Product::default();
    vaults.retain(|(_, vault)| {
        let problem = problem(vault);
        if let Some((field, problem)) = problem {
            let message = format!("the vault is left out: {problem}");
            product.notes.error(&Source::of(&**vault).reference(), field, Reason::InvalidValue, message);
        }
        problem.is_none()
    });
    let Some(((first, vault), losers)) = vaults.split_first() else { return Some(product) };
    product.notes.bad_tags(&Source::of(&**vault));
    product.entities.push(entity(vault, view));
    for (_, loser) in losers {
        let message = format!("the vault is left out: KongVault {first} has the prefix {:?} too", vault.spec.prefix);
        product.notes.error(&Source::of(&**loser).reference(), "spec.prefix", Reason::Conflict, message);
    }
    Some(product)
}

/// Why Kong would not take a vault.
fn problem(vault: &KongVault) -> Option<(&'static str, &'static str)> {
    let spec = &vault.spec;
    if spec.config.as_ref().is_some_and(|config| !config.is_object() && !config.is_null()) {
        Some(("spec.config", "its config is no object"))
    } else if !limits::is_vault_prefix(&spec.prefix) {
        Some(("spec.prefix", "a prefix is of lower case letters, digits and -, and no name of a kind of vault"))
    } else {
        None
    }
}

fn entity(object: &KongVault, view: &View<'_>) -> Made {
    let (source, spec, settings) = (Source::of(object), &object.spec, view.settings);
    let fill = settings.feature_gates.fill_ids;
    let vault = Vault {
        id: fill.then(|| ids::id(IdKind::Vault, &settings.workspace, &spec.prefix)),
        name: spec.backend.clone(),
        prefix: spec.prefix.clone(),
        description: spec.description.clone().filter(|text| !text.is_empty()),
        config: spec.config.as_ref().and_then(Value::as_object).cloned().unwrap_or_default(),
        tags: source.tags(),
    };
    Made::new(EntityKey::new(Collection::Vaults, &*spec.prefix), &vault, [source.maker()])
}

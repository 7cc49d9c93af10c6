//! KongVault: a store of secrets that gateways read by themselves.

use std::sync::Arc;

use serde_json::{Map, Value};
use silverback_kong::ids::{self, IdKind};
use silverback_kong::{Collection, EntityKey, Vault, limits};
use silverback_model::ObjectKey;
use silverback_resources::crds::KongVault;

use crate::inputs::View;
use crate::output::Reason;
use crate::product::{Made, Product};
use crate::source::Source;

/// The kind of vault that every Kong has: environment variables.
const ENV: &str = "env";

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
        let problem = problem(vault, view.settings.enterprise());
        let fine = problem.is_none();
        if let Some((field, problem)) = problem {
            let message = format!("the vault is left out: {problem}");
            product.notes.error(&Source::of(&**vault).reference(), field, Reason::InvalidValue, message);
        }
        fine
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
fn problem(vault: &KongVault, enterprise: bool) -> Option<(&'static str, String)> {
    let spec = &vault.spec;
    let config = spec.config.as_ref().filter(|config| !config.is_null());
    if config.is_some_and(|config| !config.is_object()) {
        Some(("spec.config", "its config is no object".to_owned()))
    } else if !limits::is_vault_prefix(&spec.prefix) {
        let problem =
            "a prefix is two or more lower case letters, digits and -, and no name of a kind of vault".to_owned();
        Some(("spec.prefix", problem))
    } else if enterprise {
        None
    } else if spec.backend != ENV {
        let backend = &spec.backend;
        Some(("spec.backend", format!("only Kong Enterprise has {backend:?} vaults; say so with --edition enterprise")))
    } else {
        Some(("spec.config", env_problem(config.and_then(Value::as_object)?)?))
    }
}

/// What Kong does not take as the configuration of a vault of environment variables.
fn env_problem(config: &Map<String, Value>) -> Option<String> {
    if let Some(field) = config.keys().find(|field| *field != "prefix") {
        return Some(format!("an env vault has no field {field:?}"));
    }
    let prefix = config.get("prefix").filter(|prefix| !prefix.is_null())?;
    let start = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b'-');
    let fine = prefix.as_str().is_some_and(|prefix| {
        prefix.bytes().next().is_some_and(start) && prefix.bytes().all(|b| start(b) || b.is_ascii_digit())
    });
    (!fine).then(|| format!("the prefix of an env vault is letters, digits, _ and -, not {prefix}"))
}

fn entity(object: &KongVault, view: &View<'_>) -> Made {
    let (source, spec, settings) = (Source::of(object), &object.spec, &view.settings);
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

//! KongLicense: the licence of Enterprise gateways. The newest enabled one counts.

use std::cmp::Reverse;
use std::sync::Arc;

use silverback_kong::{Collection, EntityKey, License, ids};
use silverback_model::ObjectKey;
use silverback_resources::crds::KongLicense;

use crate::product::{Made, Product};
use crate::source::Source;

/// The licence among all that are enabled.
pub(crate) fn product(licenses: &[(ObjectKey, Arc<KongLicense>)]) -> Option<Product> {
    let newest = |(key, license): &&(ObjectKey, Arc<KongLicense>)| {
        (Reverse(license.metadata.creation_timestamp.clone()), key.clone())
    };
    let (key, license) = licenses.iter().min_by_key(newest)?;
    let entity = License { id: Some(ids::license_id(&key.name)), payload: license.raw_license_string.clone() };
    let made = Made::new(EntityKey::new(Collection::Licenses, &*key.name), &entity, [Source::of(&**license).maker()]);
    Some(Product { entities: vec![made], ..Product::default() })
}

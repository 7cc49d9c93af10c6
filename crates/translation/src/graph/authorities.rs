//! Certificate authorities: those that are labelled, by the id they give, and those that policies name.
//!
//! Kong takes no certificate twice: an authority that a policy names and that is labelled as well is the labelled one.

use std::sync::Arc;

use silverback_incremental::{Ctx, Derived, Graph, Index};
use silverback_model::{Digest, ObjectKey};
use silverback_resources::types::BackendTLSPolicy;

use super::Scope;
use crate::kinds::backend_tls_policy;
use crate::kinds::ca_certificate::{self, Authority, Held, Holder, Trusted};
use crate::product::Product;

/// The collections of authorities.
#[derive(Clone, Copy)]
pub(crate) struct Authorities {
    /// Labelled ones by id.
    pub labelled: Derived<String, Product>,
    /// What policies trust, by the object they name.
    pub trusted: Derived<(Holder, ObjectKey), Trusted>,
    /// Those of them that are not labelled, by certificate.
    pub named: Derived<Digest, Product>,
}

/// Adds them.
pub(super) fn add(graph: &mut Graph, scope: &Scope) -> Authorities {
    let now = scope.inputs.minute;
    let minute = move |ctx: &Ctx<'_>| ctx.get(&now, &()).map_or(0, |minute| *minute);
    let read = graph.derive("authorities as written", &scope.inputs.authorities, move |ctx, _, held: &Held| {
        Some(held.authority(minute(ctx)))
    });
    let by_id = graph.index("authorities by id", &read, |_, it: &Authority| vec![it.id.clone()]);
    let labelled = graph.group("authorities", &by_id, move |ctx, id: &String, keys| {
        let found = keys.iter().filter_map(|key| Some((key, ctx.get(&read, key)?)));
        let all: Vec<(&(Holder, ObjectKey), Arc<Authority>)> = found.collect();
        ca_certificate::product(id, all.iter().map(|(key, it)| (*key, &**it)))
    });
    let by_certificate: Index<Digest, (Holder, ObjectKey)> =
        graph.index("authorities by certificate", &read, |_, it: &Authority| it.digest().into_iter().collect());
    let by_holder = graph.index("policies by authority", &scope.inputs.tls_policies, |_, it: &BackendTLSPolicy| {
        backend_tls_policy::authorities(it).filter_map(Result::ok).collect()
    });
    let at = scope.clone();
    let trusted = graph.group("trusted by policies", &by_holder, move |ctx, (holder, key), _| {
        let view = at.view(ctx);
        let held = match holder {
            Holder::Secret => view.secret(key).map(|it| Held::Secret((*it).clone())),
            Holder::ConfigMap => view.config_map(key).map(|it| Held::ConfigMap((*it).clone())),
        };
        let authority = held.map(|held| held.authority(minute(ctx)));
        let same = authority.as_ref().and_then(Authority::digest).map(|digest| ctx.members(&by_certificate, &digest));
        let same = same.iter().flat_map(|keys| keys.iter()).filter_map(|key| ctx.get(&read, key));
        Some(Trusted::of(authority, same.map(|it| it.id.clone())))
    });
    let own = graph.index("trusted by certificate", &trusted, |_, it: &Trusted| it.own.iter().map(|it| it.0).collect());
    let named = graph.group("authorities of policies", &own, move |ctx, digest: &Digest, keys| {
        let all: Vec<Arc<Trusted>> = keys.iter().filter_map(|key| ctx.get(&trusted, key)).collect();
        ca_certificate::named(*digest, all.iter().map(|it| &**it))
    });
    Authorities { labelled, trusted, named }
}

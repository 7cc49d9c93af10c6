//! Certificates: who owns which server name, which Secrets are used, which of them are the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use silverback_incremental::{Ctx, Derived, Graph, Index, Members};
use silverback_model::{Digest, ObjectKey};

use super::Scope;
use crate::certificates::{self, Used};
use crate::claimant::ClaimantKey;
use crate::claims::Claims;
use crate::product::Product;
use crate::service::Plan;
use crate::source::Notes;

/// The collections of certificates.
#[derive(Clone, Copy)]
pub(super) struct Certificates {
    /// What is wrong with Secrets that are claimed.
    pub(super) problems: Derived<ObjectKey, Notes>,
    /// The certificates.
    pub(super) products: Derived<Digest, Product>,
    /// Their ids.
    pub(super) ids: CertificateIds,
}

/// Ids of certificates, for those who refer to them by Secret.
#[derive(Clone, Copy)]
pub(super) struct CertificateIds {
    used: Derived<ObjectKey, Used>,
    by_pair: Index<Digest, ObjectKey>,
}

impl CertificateIds {
    fn secrets(&self, ctx: &Ctx<'_>, secrets: &Members<ObjectKey>) -> Vec<Arc<Used>> {
        secrets.iter().filter_map(|secret| ctx.get(&self.used, secret)).collect()
    }

    pub(super) fn of(&self, ctx: &Ctx<'_>, secret: &ObjectKey) -> Option<String> {
        let digest = ctx.get(&self.used, secret)?.digest;
        let same = self.secrets(ctx, &ctx.members(&self.by_pair, &digest));
        certificates::id(same.iter().map(|used| &**used))
    }
}

/// Adds the collections of certificates.
pub(super) fn add(
    graph: &mut Graph,
    scope: &Scope,
    claims: Derived<ClaimantKey, Claims>,
    plans: Derived<String, Plan>,
) -> Certificates {
    let read = move |ctx: &Ctx<'_>, claimants: &Members<ClaimantKey>| -> Vec<(ClaimantKey, Arc<Claims>)> {
        claimants.iter().filter_map(|key| Some((key.clone(), ctx.get(&claims, key)?))).collect()
    };
    let by_host = graph.index("claims by server name", &claims, |_, claims: &Claims| {
        claims.tls.iter().flat_map(|tls| tls.hosts.iter().cloned()).collect()
    });
    let owners = graph.group("owners of server names", &by_host, move |ctx, host: &String, claimants| {
        let claims = read(ctx, claimants);
        certificates::owner(host, claims.iter().map(|(key, claims)| (key, &**claims)))
    });
    let hosts_by_secret = graph.index("server names by secret", &owners, |_, secret: &ObjectKey| vec![secret.clone()]);
    let by_secret = graph.index("claims by secret", &claims, |_, claims: &Claims| {
        claims.tls.iter().map(|tls| tls.secret.clone()).collect()
    });
    let shown_by = graph.index("plans by client certificate", &plans, |_, plan: &Plan| {
        plan.client_certificate.iter().cloned().collect()
    });

    let at = scope.clone();
    let problems = graph.group("tls problems", &by_secret, move |ctx, secret, claimants| {
        let claims = read(ctx, claimants);
        certificates::problems(secret, claims.iter().map(|(_, claims)| &**claims), &at.view(ctx))
    });

    let secrets = scope.inputs.secrets;
    let used = graph.derive("used key pairs", &scope.inputs.key_pairs, move |ctx, key, ()| {
        let wanted = !ctx.members(&by_secret, key).is_empty() || !ctx.members(&shown_by, key).is_empty();
        // Only a Secret that is wanted is looked at: others change without anything to be done.
        wanted.then(|| ctx.get(&secrets, key).and_then(|secret| certificates::used(&secret))).flatten()
    });
    let by_pair = graph.index("secrets by key pair", &used, |_, used: &Used| vec![used.digest]);
    let ids = CertificateIds { used, by_pair };
    let products = graph.group("certificates", &by_pair, move |ctx, _, secrets| {
        let hosts =
            secrets.iter().flat_map(|secret| ctx.members(&hosts_by_secret, secret).iter().cloned().collect::<Vec<_>>());
        let hosts: BTreeSet<String> = hosts.collect();
        let claimants: Members<ClaimantKey> = secrets
            .iter()
            .flat_map(|secret| ctx.members(&by_secret, secret).iter().cloned().collect::<Vec<_>>())
            .collect();
        let makers = read(ctx, &claimants).into_iter().map(|(_, claims)| claims.maker.clone()).collect();
        let used = ids.secrets(ctx, secrets);
        certificates::certificate(&used.iter().map(|used| &**used).collect::<Vec<_>>(), hosts, makers)
    });
    Certificates { problems, products, ids }
}

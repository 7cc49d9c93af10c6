//! The graph of collections: which rule reads what.
//!
//! ```text
//! claimants ─ claims ┬─ by service ─ plans ┬─ services      (routes, plans, certificates)
//!                    │                     └─ by host ─ upstreams   (plans, endpoints)
//!                    └─ by server name ─ owners ─ certificates
//! ```
//!
//! The order here is the order of work in a batch. An endpoint touches upstreams only; a route touches its service and,
//! where its plan stays the same, nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use silverback_incremental::{Ctx, Derived, Graph, Index};
use silverback_model::{Digest, ObjectKey};

use crate::certificates::{self, Used};
use crate::claimant::ClaimantKey;
use crate::claims::Claims;
use crate::inputs::{Inputs, View};
use crate::product::Product;
use crate::service::{self, Claimed, Plan};
use crate::settings::Settings;
use crate::source::Notes;
use crate::upstream;

/// The collections whose values are looked at from outside.
#[derive(Clone, Copy)]
pub struct Outputs {
    /// What objects claim.
    pub claims: Derived<ClaimantKey, Claims>,
    /// What services come to, by name.
    pub plans: Derived<String, Plan>,
    /// What is wrong with Secrets that are claimed as certificates.
    pub tls_problems: Derived<ObjectKey, Notes>,
    /// Certificates by key pair.
    pub certificates: Derived<Digest, Product>,
    /// Services by name.
    pub services: Derived<String, Product>,
    /// Upstreams by name.
    pub upstreams: Derived<String, Product>,
}

/// What all rules need.
#[derive(Clone)]
struct Scope {
    inputs: Inputs,
    settings: Arc<Settings>,
}

impl Scope {
    fn view<'a>(&'a self, ctx: &'a Ctx<'a>) -> View<'a> {
        View { ctx, inputs: &self.inputs, settings: &self.settings }
    }
}

/// Adds all collections to an empty graph.
pub fn build(graph: &mut Graph, settings: Arc<Settings>) -> (Inputs, Outputs) {
    let inputs = Inputs::new(graph);
    let scope = Scope { inputs, settings };

    let slices_by_service =
        graph.index("slices by service", &inputs.slices, |_, slice| slice.owner().into_iter().collect());

    let at = scope.clone();
    let claims = graph.derive("claims", &inputs.claimants, move |ctx, _, claimant| claimant.claims(&at.view(ctx)));
    let services = ServiceClaims::new(graph, claims);

    let at = scope.clone();
    let plans = graph.group("plans", &services.by_name, move |ctx, name, claimants| {
        service::plan(&services.of(ctx, name, claimants), &at.view(ctx))
    });

    let (tls_problems, certificates, ids) = certificates(graph, &scope, claims, plans);

    let at = scope.clone();
    let products = graph.derive("services", &plans, move |ctx, name, plan: &Plan| {
        let claimants = ctx.members(&services.by_name, name);
        let certificate = plan.client_certificate.as_ref().and_then(|secret| ids.of(ctx, secret));
        service::product(plan, &services.of(ctx, name, &claimants), certificate, &at.settings)
    });

    let plans_by_host = graph.index("plans by host", &plans, |_, plan: &Plan| vec![plan.upstream.name.clone()]);
    let at = scope;
    let upstreams = graph.group("upstreams", &plans_by_host, move |ctx, _, names| {
        let plans: Vec<Arc<Plan>> = names.iter().filter_map(|name| ctx.get(&plans, name)).collect();
        upstream::product(&plans, &slices_by_service, &at.view(ctx))
    });

    (inputs, Outputs { claims, plans, tls_problems, certificates, services: products, upstreams })
}

/// Claims to services, by the name of the service.
#[derive(Clone, Copy)]
struct ServiceClaims {
    claims: Derived<ClaimantKey, Claims>,
    by_name: Index<String, ClaimantKey>,
    /// Whose default backend counts; there is one key, and it is there only if somebody has one.
    default_backend: Derived<(), ClaimantKey>,
}

impl ServiceClaims {
    fn new(graph: &mut Graph, claims: Derived<ClaimantKey, Claims>) -> Self {
        let by_name = graph.index("claims by service", &claims, |_, claims: &Claims| {
            claims.services.iter().chain(&claims.default_backend).map(|claim| claim.name().to_owned()).collect()
        });
        let with_default = graph.index("claims with default backend", &claims, |_, claims: &Claims| {
            claims.default_backend.iter().map(|_| ()).collect()
        });
        let default_backend = graph.group("default backend", &with_default, move |ctx, (), claimants| {
            let claimed = claimants.iter().filter_map(|key| Some((ctx.get(&claims, key)?, key)));
            let oldest = claimed.min_by(|(a, _), (b, _)| a.seniority().cmp(&b.seniority()));
            oldest.map(|(_, key)| key.clone())
        });
        Self { claims, by_name, default_backend }
    }

    /// The claims to a service, the senior first.
    fn of(&self, ctx: &Ctx<'_>, name: &str, claimants: &BTreeSet<ClaimantKey>) -> Vec<Claimed> {
        let found = claimants.iter().filter_map(|key| Some((key, ctx.get(&self.claims, key)?)));
        let mut found: Vec<(&ClaimantKey, Arc<Claims>)> = found.collect();
        found.sort_by(|(a, x), (b, y)| (a.kind, x.seniority()).cmp(&(b.kind, y.seniority())));
        let mut claimed = Vec::new();
        for (_, claims) in &found {
            let claim = claims.services.iter().filter(|claim| claim.name() == name);
            claimed.extend(claim.map(|claim| Claimed { maker: claims.maker.clone(), claim: claim.clone() }));
        }
        // Default backends come last: a service that rules lead to as well is as the rules have it.
        for (key, claims) in &found {
            if let Some(claim) = claims.default_backend.as_ref().filter(|claim| claim.name() == name)
                && ctx.get(&self.default_backend, &()).as_deref() == Some(key)
            {
                claimed.push(Claimed { maker: claims.maker.clone(), claim: claim.clone() });
            }
        }
        claimed
    }
}

/// Ids of certificates, for those who refer to them by Secret.
#[derive(Clone, Copy)]
struct CertificateIds {
    used: Derived<ObjectKey, Used>,
    by_pair: Index<Digest, ObjectKey>,
}

impl CertificateIds {
    fn secrets(&self, ctx: &Ctx<'_>, secrets: &BTreeSet<ObjectKey>) -> Vec<Arc<Used>> {
        secrets.iter().filter_map(|secret| ctx.get(&self.used, secret)).collect()
    }

    fn of(&self, ctx: &Ctx<'_>, secret: &ObjectKey) -> Option<String> {
        let digest = ctx.get(&self.used, secret)?.digest;
        let same = self.secrets(ctx, &ctx.members(&self.by_pair, &digest));
        certificates::id(same.iter().map(|used| &**used))
    }
}

fn certificates(
    graph: &mut Graph,
    scope: &Scope,
    claims: Derived<ClaimantKey, Claims>,
    plans: Derived<String, Plan>,
) -> (Derived<ObjectKey, Notes>, Derived<Digest, Product>, CertificateIds) {
    let read = move |ctx: &Ctx<'_>, claimants: &BTreeSet<ClaimantKey>| -> Vec<(ClaimantKey, Arc<Claims>)> {
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
    let tls_problems = graph.group("tls problems", &by_secret, move |ctx, secret, claimants| {
        let claims = read(ctx, claimants);
        certificates::problems(secret, claims.iter().map(|(_, claims)| &**claims), &at.view(ctx))
    });

    let used = graph.derive("used key pairs", &scope.inputs.secrets, move |ctx, key, secret| {
        let wanted = !ctx.members(&by_secret, key).is_empty() || !ctx.members(&shown_by, key).is_empty();
        wanted.then(|| certificates::used(secret)).flatten()
    });
    let by_pair = graph.index("secrets by key pair", &used, |_, used: &Used| vec![used.digest]);
    let ids = CertificateIds { used, by_pair };
    let certificates = graph.group("certificates", &by_pair, move |ctx, _, secrets| {
        let hosts =
            secrets.iter().flat_map(|secret| ctx.members(&hosts_by_secret, secret).iter().cloned().collect::<Vec<_>>());
        let hosts: BTreeSet<String> = hosts.collect();
        let claimants: BTreeSet<ClaimantKey> = secrets
            .iter()
            .flat_map(|secret| ctx.members(&by_secret, secret).iter().cloned().collect::<Vec<_>>())
            .collect();
        let makers = read(ctx, &claimants).into_iter().map(|(_, claims)| claims.maker.clone()).collect();
        let used = ids.secrets(ctx, secrets);
        certificates::certificate(&used.iter().map(|used| &**used).collect::<Vec<_>>(), hosts, makers)
    });
    (tls_problems, certificates, ids)
}

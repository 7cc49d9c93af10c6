//! What each ServiceAccount may do, asked of a real API server's RBAC: exactly what it needs, and nothing else.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;
use serde_json::Value;
use silverback_resources::registry;

use super::{NAMESPACE, SERVICES, base, list, of_kind, overlay, text};
use crate::story::Cluster;

const VERBS: [&str; 9] =
    ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "escalate"];
/// Resources that nobody needs, beside those of the registry; with a group after the dot.
const OTHERS: [&str; 19] = [
    "pods",
    "pods/exec",
    "pods/log",
    "nodes",
    "serviceaccounts",
    "serviceaccounts/token",
    "events",
    "endpoints",
    "persistentvolumes",
    "deployments.apps",
    "ingresses/status.networking.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "leases.coordination.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "*.*",
];
/// Objects that the pusher may read and write by name.
const LEASE: &str = "5b374a9e.konghq.com-kong";

/// One thing that one might do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Deed {
    verb: String,
    /// `plural.group`.
    resource: String,
    namespace: String,
    name: String,
}

fn deed(verb: &str, resource: &str, namespace: &str, name: &str) -> Deed {
    let own = str::to_owned;
    Deed { verb: own(verb), resource: own(resource), namespace: own(namespace), name: own(name) }
}

fn resource(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

/// Everything that is asked about: each verb on each resource, in the namespace, in another and in none.
fn all() -> BTreeSet<Deed> {
    let watched = registry::KINDS.iter().map(|kind| resource(kind.plural, kind.group));
    let resources: BTreeSet<String> = watched.chain(OTHERS.iter().map(|other| (*other).to_owned())).collect();
    let named = [("leases.coordination.k8s.io", LEASE), ("configmaps", "silverback-feedback")];
    let kept = kept_secrets().into_iter().map(|name| ("secrets".to_owned(), name));
    let named = named.iter().map(|(resource, name)| ((*resource).to_owned(), (*name).to_owned())).chain(kept);
    let named: Vec<_> = named.chain([("namespaces".to_owned(), "kube-system".to_owned())]).collect();
    let mut all = BTreeSet::new();
    for verb in VERBS {
        for namespace in [NAMESPACE, "other", ""] {
            all.extend(resources.iter().map(|resource| deed(verb, resource, namespace, "")));
            all.extend(named.iter().map(|(resource, name)| deed(verb, resource, namespace, name)));
        }
    }
    all
}

fn kept_secrets() -> Vec<String> {
    let parts = ["a", "b"].into_iter().flat_map(|set| (0..8).map(move |at| format!("silverback-last-good-{set}{at}")));
    parts.chain(["silverback-last-good".to_owned()]).collect()
}

/// What a service needs.
fn needs(service: &str, one_namespace: bool, all: &BTreeSet<Deed>) -> BTreeSet<Deed> {
    let may = |deed: &&Deed| match service {
        "watcher" => {
            let reads = ["list", "watch"].contains(&deed.verb.as_str());
            let kind = registry::KINDS.iter().find(|kind| resource(kind.plural, kind.group) == deed.resource);
            let Some(kind) = kind else { return false };
            if one_namespace {
                reads && kind.namespaced() && deed.namespace == NAMESPACE
            } else {
                let cluster = deed.verb == "get" && deed.resource == "namespaces" && deed.name == "kube-system";
                reads || cluster
            }
        }
        "pusher" if deed.namespace == NAMESPACE => {
            let (verb, name) = (deed.verb.as_str(), deed.name.as_str());
            match deed.resource.as_str() {
                "leases.coordination.k8s.io" => {
                    verb == "create" || (name == LEASE && ["get", "list", "watch", "update"].contains(&verb))
                }
                "configmaps" => {
                    verb == "create"
                        || (name == "silverback-feedback" && ["get", "list", "watch", "update"].contains(&verb))
                }
                "secrets" => !name.is_empty() && ["get", "update"].contains(&verb),
                "endpointslices.discovery.k8s.io" => ["list", "watch"].contains(&verb),
                _ => false,
            }
        }
        _ => false,
    };
    all.iter().filter(may).cloned().collect()
}

/// What a user may do of all this.
async fn allowed(client: &kube::Client, all: &BTreeSet<Deed>) -> anyhow::Result<BTreeSet<Deed>> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let asked = futures::stream::iter(all).map(|deed| {
        let reviews = reviews.clone();
        async move {
            let (plural, group) = deed.resource.split_once('.').unwrap_or((&deed.resource, ""));
            let (plural, subresource) = plural.split_once('/').unwrap_or((plural, ""));
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let attributes = ResourceAttributes {
                verb: some(&deed.verb),
                group: some(group),
                resource: some(plural),
                subresource: some(subresource),
                namespace: some(&deed.namespace),
                name: some(&deed.name),
                ..ResourceAttributes::default()
            };
            let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
            let review = SelfSubjectAccessReview { spec, ..Default::default() };
            let answer = reviews.create(&PostParams::default(), &review).await?;
            let allowed = answer.status.is_some_and(|status| status.allowed);
            anyhow::Ok(allowed.then(|| deed.clone()))
        }
    });
    asked.buffer_unordered(32).try_filter_map(async |deed| Ok(deed)).try_collect().await
}

/// Whether each service may do what it needs, and nothing else.
pub(super) async fn check(cluster: &Cluster, one_namespace: bool) -> anyhow::Result<()> {
    let all = all();
    for service in SERVICES {
        let user = format!("system:serviceaccount:{NAMESPACE}:silverback-{service}");
        let client = cluster.api.client_for(&user, &["system:serviceaccounts", "system:serviceaccounts:kong"]).await?;
        let (allowed, needed) = (allowed(&client, &all).await?, needs(service, one_namespace, &all));
        let missing: Vec<_> = needed.difference(&allowed).collect();
        let excess: Vec<_> = allowed.difference(&needed).collect();
        ensure!(missing.is_empty() && excess.is_empty(), "{service} lacks {missing:#?} and has too much: {excess:#?}");
        ensure!(needed.is_empty() == (service == "translator"), "{service} needs {} things", needed.len());
    }
    Ok(())
}

#[test]
fn every_binding_is_of_the_services_own_account() -> anyhow::Result<()> {
    for objects in [base()?, overlay("one-namespace")?] {
        for kind in ["RoleBinding", "ClusterRoleBinding"] {
            for binding in of_kind(&objects, kind) {
                let name = text(binding, "/metadata/name");
                ensure!(text(binding, "/roleRef/name") == name, "{binding}");
                let subjects: Vec<&Value> = list(binding, "/subjects").collect();
                let [subject] = subjects.as_slice() else { anyhow::bail!("{name} binds {} subjects", subjects.len()) };
                ensure!(text(subject, "/name") == name && text(subject, "/namespace") == NAMESPACE, "{binding}");
                let role = kind.trim_end_matches("Binding");
                of_kind(&objects, role)
                    .find(|role| text(role, "/metadata/name") == name)
                    .context("a Role is missing")?;
            }
        }
    }
    Ok(())
}

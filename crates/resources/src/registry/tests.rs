use std::collections::HashSet;

use serde_json::json;

use super::*;

#[test]
fn identities_are_unique_and_say_kind_and_group() {
    let mut seen = HashSet::new();
    for kind in KINDS {
        let expected =
            if kind.group.is_empty() { kind.kind.to_owned() } else { format!("{}.{}", kind.kind, kind.group) };
        assert_eq!(kind.id.to_string(), expected);
        assert!(seen.insert(kind.id), "{} is listed twice", kind.id);
        assert!(!kind.versions.is_empty() && !kind.plural.is_empty(), "{}", kind.id);
    }
    assert_eq!(seen, kinds::IDS.iter().copied().collect());
}

#[test]
fn every_way_of_looking_up_leads_back() {
    for kind in KINDS {
        assert_eq!(KindId::parse(kind.id.as_str()), Some(kind.id));
        assert_eq!(kind.id.kind(), kind);
        assert_eq!(by_kind(kind.group, kind.kind), Some(kind));
        assert_eq!(by_name(kind.kind).map(|found| found.id), Some(kind.id));
        assert_eq!(by_name(&kind.plural.to_uppercase()).map(|found| found.id), Some(kind.id));
        assert_eq!(by_name(kind.id.as_str()).map(|found| found.id), Some(kind.id));
    }
    assert_eq!(KindId::parse("Ingress"), None);
    assert_eq!(by_kind("extensions", "Ingress"), None);
    assert_eq!(by_name("Pod"), None);
}

#[test]
fn built_in_kinds_are_required_and_have_no_definition() {
    assert!(KindId::SERVICE.kind().required());
    assert_eq!(KindId::SERVICE.kind().crd_name(), None);
    assert!(!KindId::HTTP_ROUTE.kind().required());
    assert_eq!(KindId::KONG_PLUGIN.kind().crd_name().as_deref(), Some("kongplugins.configuration.konghq.com"));
}

#[test]
fn paths_are_those_of_the_api_server() {
    let service = KindId::SERVICE.kind();
    assert_eq!(service.path("v1", Some("shop")), "/api/v1/namespaces/shop/services");
    assert_eq!(service.path("v1", None), "/api/v1/services");
    assert_eq!(service.api_version(None), "v1");
    let class = KindId::GATEWAY_CLASS.kind();
    assert_eq!(class.path("v1", Some("shop")), "/apis/gateway.networking.k8s.io/v1/gatewayclasses");
    assert_eq!(class.api_version(Some("v1beta1")), "gateway.networking.k8s.io/v1beta1");
}

#[test]
fn the_best_served_version_is_taken() {
    let route = KindId::TLS_ROUTE.kind();
    assert_eq!(route.served_version(["v1alpha2", "v1alpha3"]), Some("v1alpha3"));
    assert_eq!(route.served_version(["v1alpha2", "v1"]), Some("v1"));
    assert_eq!(route.served_version(["v2"]), None);
}

/// What the bundles of the Gateway API serve, from their definitions at v1.3.0, v1.4.1, v1.5.1 and v1.6.1: the first bundle
/// of a row, its versions in the order of the definition, and the one to read.
#[test]
fn each_bundle_of_the_gateway_api_is_read_in_its_best_version() {
    let rows = [
        (KindId::HTTP_ROUTE, "1.3", "v1 v1beta1", "v1"),
        (KindId::GRPC_ROUTE, "1.3", "v1", "v1"),
        (KindId::GATEWAY, "1.3", "v1 v1beta1", "v1"),
        (KindId::GATEWAY_CLASS, "1.3", "v1 v1beta1", "v1"),
        (KindId::REFERENCE_GRANT, "1.3", "v1beta1", "v1beta1"),
        (KindId::REFERENCE_GRANT, "1.5", "v1 v1beta1", "v1"),
        (KindId::BACKEND_TLS_POLICY, "1.3 experimental", "v1alpha3", "v1alpha3"),
        (KindId::BACKEND_TLS_POLICY, "1.4", "v1", "v1"),
        (KindId::BACKEND_TLS_POLICY, "1.4 experimental", "v1 v1alpha3", "v1"),
        (KindId::TLS_ROUTE, "1.3 experimental", "v1alpha2", "v1alpha2"),
        (KindId::TLS_ROUTE, "1.4 experimental", "v1alpha2 v1alpha3", "v1alpha3"),
        (KindId::TLS_ROUTE, "1.5", "v1", "v1"),
        (KindId::TLS_ROUTE, "1.5 experimental", "v1 v1alpha2 v1alpha3", "v1"),
        (KindId::TCP_ROUTE, "1.3 experimental", "v1alpha2", "v1alpha2"),
        (KindId::TCP_ROUTE, "1.6", "v1", "v1"),
        (KindId::TCP_ROUTE, "1.6 experimental", "v1 v1alpha2", "v1"),
        (KindId::UDP_ROUTE, "1.3 experimental", "v1alpha2", "v1alpha2"),
        (KindId::UDP_ROUTE, "1.6", "v1", "v1"),
        (KindId::UDP_ROUTE, "1.6 experimental", "v1 v1alpha2", "v1"),
    ];
    for (kind, bundle, served, best) in rows {
        assert_eq!(kind.kind().served_version(served.split(' ')), Some(best), "{kind} of {bundle}");
    }
}

#[test]
fn what_a_reference_needs_is_kept() {
    for kind in KINDS {
        for reference in kind.references {
            let path = match reference {
                Reference::Name { path, .. } | Reference::Object { path, .. } | Reference::Typed { path, .. } => path,
                Reference::Annotation { name, .. } => {
                    assert!(matches!(kind.annotations, Entries::Except(dropped) if !dropped.contains(name)));
                    continue;
                }
            };
            let kept = kind.fields.iter().any(|field| *field == *path || path.starts_with(&format!("{field}.")));
            assert!(kept, "{} refers at {path}, which is not kept", kind.id);
        }
    }
}

fn named(kind: KindId, object: serde_json::Value) -> Vec<String> {
    references(kind.kind(), &object).into_iter().map(|(kind, key)| format!("{kind} {key}")).collect()
}

#[test]
fn references_are_found_in_every_form() {
    let home = json!({"namespace": "shop", "name": "it"});
    assert_eq!(
        named(
            KindId::INGRESS,
            json!({"metadata": home, "spec": {"tls": [{"secretName": "a"}, {"hosts": []}, {"secretName": "b"}]}})
        ),
        ["Secret shop/a", "Secret shop/b"]
    );
    assert_eq!(
        named(KindId::KONG_CONSUMER, json!({"metadata": home, "credentials": ["key", "", 7]})),
        ["Secret shop/key"]
    );
    assert_eq!(
        named(
            KindId::KONG_CLUSTER_PLUGIN,
            json!({"metadata": {"name": "it"}, "configFrom": {"secretKeyRef": {"name": "a", "key": "k", "namespace": "vault"}},
                "configPatches": [{"path": "/x", "valueFrom": {"secretKeyRef": {"name": "nowhere", "key": "k"}}}]})
        ),
        ["Secret vault/a"]
    );
    assert_eq!(
        named(
            KindId::SERVICE,
            json!({"metadata": {"namespace": "shop", "name": "it", "annotations": {
                "konghq.com/client-cert": "mine", "konghq.com/ca-certificates-configmaps": "one, two,"}}})
        ),
        ["ConfigMap shop/one", "ConfigMap shop/two", "Secret shop/mine"]
    );
    assert_eq!(
        named(
            KindId::GATEWAY,
            json!({"metadata": home, "spec": {"listeners": [
                {"tls": {"certificateRefs": [{"name": "a"}, {"name": "b", "namespace": "certs", "kind": "Secret", "group": ""}]}},
                {"tls": {"certificateRefs": [{"name": "c", "group": "acme.io", "kind": "Vault"}]}},
                {"name": "plain"}]}})
        ),
        ["Secret certs/b", "Secret shop/a"]
    );
    assert_eq!(
        named(
            KindId::BACKEND_TLS_POLICY,
            json!({"metadata": home, "spec": {"validation": {"caCertificateRefs": [
                {"group": "", "kind": "ConfigMap", "name": "ca"}, {"group": "", "kind": "Secret", "name": "ca"}]}}})
        ),
        ["ConfigMap shop/ca", "Secret shop/ca"]
    );
    assert_eq!(named(KindId::KONG_VAULT, json!({"metadata": home})), Vec::<String>::new());
}

#[test]
fn a_collection_is_named_after_its_kind() {
    assert_eq!(KindId::INGRESS.collection(), CollectionId::all("Ingress.networking.k8s.io"));
}

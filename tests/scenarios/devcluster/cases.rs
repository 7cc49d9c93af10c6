//! The requests that are put to both. They are asked in order, in a namespace of their own, and build on each other.

use serde_json::{Value, json};

use super::ask::Case;

/// The namespace all this happens in.
pub(super) const NAMESPACE: &str = "parity";
const MAPS: &str = "/api/v1/namespaces/parity/configmaps";
const SECRETS: &str = "/api/v1/namespaces/parity/secrets";
const SERVICES: &str = "/api/v1/namespaces/parity/services";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/parity/leases";
const INGRESSES: &str = "/apis/networking.k8s.io/v1/namespaces/parity/ingresses";
const WIDGETS: &str = "/apis/parity.example.com/v1/namespaces/parity/widgets";

/// A kind of its own, with a status.
pub(super) fn definition() -> Value {
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let version = |name: &str, storage: bool| {
        json!({
            "name": name, "served": true, "storage": storage, "schema": { "openAPIV3Schema": schema },
            "subresources": { "status": {} },
        })
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.parity.example.com" },
        "spec": {
            "group": "parity.example.com", "scope": "Namespaced",
            "names": { "kind": "Widget", "plural": "widgets", "singular": "widget", "shortNames": ["wg"] },
            "versions": [version("v1", true), version("v1beta1", false)],
        },
    })
}

fn map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "labels": { "app": name } }, "data": { "a": "1" } })
}

fn widget(name: &str) -> Value {
    json!({
        "apiVersion": "parity.example.com/v1", "kind": "Widget", "metadata": { "name": name }, "spec": { "size": 1 },
        "status": { "ready": true },
    })
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    if let Some(parent) = object.pointer_mut(parent) {
        parent[name] = value;
    }
    object
}

fn at(collection: &str, name: &str) -> String {
    format!("{collection}/{name}")
}

/// All of them.
pub(super) fn all() -> Vec<Case> {
    [discovery(), creating(), reading(), watching(), updating(), patching(), leases(), custom(), deleting(), not_done()]
        .into_iter()
        .flatten()
        .collect()
}

fn discovery() -> Vec<Case> {
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    vec![
        Case::get("readiness", "/readyz"),
        Case::get("the version", "/version").showing(&["/major"]),
        Case::get("core versions", "/api").showing(&["/versions/0"]),
        Case::get("core resources", "/api/v1").showing(&["/groupVersion"]),
        Case::get("groups", "/apis"),
        Case::get("one group", "/apis/networking.k8s.io").showing(&["/preferredVersion/groupVersion"]),
        Case::get("resources of a group", "/apis/coordination.k8s.io/v1").showing(&["/groupVersion"]),
        Case::get("resources of a defined group", "/apis/parity.example.com/v1").showing(&["/resources/0/shortNames"]),
        Case::get("groups, aggregated", "/apis").accepting(aggregated),
        Case::get("a group that is not there", "/apis/nothing.example.com"),
        Case::get("a kind that is not there", "/api/v1/namespaces/parity/nothings"),
        Case::get("a version that is not there", "/apis/networking.k8s.io/v1beta9/ingresses"),
        Case::get("the schema of everything", "/openapi/v2").differing("says what is not done: use --validate=false"),
    ]
}

fn creating() -> Vec<Case> {
    let named = |name: &str| with(map("x"), "/metadata/name", name.into());
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": { "k": "v" },
    });
    vec![
        Case::post("an object", MAPS, map("a")).keeping("first").showing(&["/metadata/namespace", "/data/a"]),
        Case::post("the same again", MAPS, map("a")),
        Case::post("another one", MAPS, map("b")),
        Case::post("one with a generated name", MAPS, with(map("x"), "/metadata", json!({ "generateName": "g-" }))),
        Case::post("one without a name", MAPS, with(map("x"), "/metadata", json!({}))),
        Case::post("one with a bad name", MAPS, named("Not_A_Name")),
        Case::post("one for another namespace", MAPS, with(map("x"), "/metadata/namespace", "elsewhere".into())),
        Case::post("one in a namespace that is not there", "/api/v1/namespaces/gone/configmaps", map("x")),
        Case::post("one of another kind", MAPS, with(map("x"), "/kind", "Secret".into())),
        Case::post("one that says no kind", MAPS, json!({ "metadata": { "name": "untyped" } })),
        Case::post("one with a version", MAPS, with(named("versioned"), "/metadata/resourceVersion", "5".into())),
        Case::post("nothing readable", MAPS, json!("text")),
        Case::post("one outside any namespace", "/api/v1/configmaps", map("x")),
        Case::post("a trial", &format!("{MAPS}?dryRun=All"), named("dry")),
        Case::get("what was tried", &at(MAPS, "dry")),
        Case::post("a secret in plain text", SECRETS, secret).showing(&["/data/k", "/stringData", "/type"]),
        Case::post("a namespace", "/api/v1/namespaces", json!({ "metadata": { "name": "parity-other" } }))
            .showing(&["/status/phase", "/metadata/labels/kubernetes.io~1metadata.name"]),
    ]
}

fn reading() -> Vec<Case> {
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let maps = |query: &str| format!("{MAPS}?{query}");
    vec![
        Case::get("an object", &at(MAPS, "a")).showing(&["/data"]),
        Case::get("one that is not there", &at(MAPS, "nothing")),
        Case::get("the namespace of the system", "/api/v1/namespaces/kube-system"),
        Case::get("by label", &maps("labelSelector=app%3Da")),
        Case::get("by a set of labels", &maps("labelSelector=app%20in%20(a,b),app")),
        Case::get("by an unreadable label", &maps("labelSelector=a%20b")),
        Case::get("by name", &maps("fieldSelector=metadata.name%3Db")),
        Case::get("by type", &format!("{SECRETS}?fieldSelector=type%21%3Dhelm.sh%2Frelease.v1")),
        Case::get("by a field that cannot be selected by", &maps("fieldSelector=spec.x%3Db")),
        Case::get("the first page", &maps("labelSelector=app&limit=1")).keeping("more"),
        Case::get("the second page", &maps("labelSelector=app&limit=1&continue={more}")),
        Case::get("a page of nonsense", &maps("continue=nonsense")),
        Case::get("a bad version", &maps("resourceVersion=x")),
        Case::get(
            "not older than what there is",
            &maps("labelSelector=app&resourceVersion={first}&resourceVersionMatch=NotOlderThan"),
        ),
        Case::get("exactly as it was", &maps("labelSelector=app&resourceVersion={first}&resourceVersionMatch=Exact")),
        Case::get("a match without a version", &maps("resourceVersionMatch=Exact")),
        Case::get(
            "a version of the future",
            &maps("resourceVersion=99999999&resourceVersionMatch=NotOlderThan&timeoutSeconds=1"),
        ),
        Case::get("a table", &maps("labelSelector=app"))
            .accepting(table)
            .showing(&["/columnDefinitions/0/name", "/rows/0/cells/0"]),
        Case::get("metadata alone", &at(MAPS, "a"))
            .accepting("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")
            .showing(&["/data"]),
        Case::get("what nobody speaks", &at(MAPS, "a")).accepting("text/html"),
    ]
}

fn watching() -> Vec<Case> {
    let maps = |query: &str| format!("{MAPS}?watch=1&timeoutSeconds=1&labelSelector=app&{query}");
    vec![
        Case::get("from the state there is", &maps("resourceVersion=0")),
        Case::get("from a version on", &maps("resourceVersion={first}")),
        Case::get(
            "by name",
            &format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={{first}}&fieldSelector=metadata.name%3Db"),
        ),
        Case::get(
            "the state, streamed",
            &maps("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"),
        ),
        Case::get("the state, streamed, without a match", &maps("sendInitialEvents=true")),
        Case::get("a match without a stream", &maps("resourceVersion={first}&resourceVersionMatch=NotOlderThan")),
        Case::get("a bad version", &maps("resourceVersion=x")),
        Case::get("a version of the future", &maps("resourceVersion=99999999")),
    ]
}

fn updating() -> Vec<Case> {
    vec![
        Case::put("an object, whatever its version", &at(MAPS, "a"), with(map("a"), "/data/a", "2".into()))
            .showing(&["/data/a"])
            .keeping("second"),
        Case::put("from an old version", &at(MAPS, "a"), with(map("a"), "/metadata/resourceVersion", "{first}".into())),
        Case::put(
            "from the newest version",
            &at(MAPS, "a"),
            with(map("a"), "/metadata/resourceVersion", "{second}".into()),
        ),
        Case::put("one that is not there", &at(MAPS, "nothing"), map("nothing")),
        Case::put("one of another name", &at(MAPS, "a"), map("b")),
        Case::put("another individual", &at(MAPS, "a"), with(map("a"), "/metadata/uid", "other".into())),
        Case::put("without a name", &at(MAPS, "a"), json!({ "data": {} })),
        Case::put("a collection", MAPS, map("a")),
        Case::get(
            "watched from before to after",
            &format!("{MAPS}?watch=1&timeoutSeconds=1&labelSelector=app%3Da&resourceVersion={{first}}"),
        ),
    ]
}

fn patching() -> Vec<Case> {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "w" },
        "spec": { "clusterIP": "None", "ports": [
            { "name": "http", "port": 80, "targetPort": 80, "protocol": "TCP" },
            { "name": "tls", "port": 443, "targetPort": 443, "protocol": "TCP" },
        ] },
    });
    let ports =
        json!({ "spec": { "ports": [{ "port": 443, "$patch": "delete" }, { "port": 80, "targetPort": 8080 }] } });
    let operations = |path: &str| json!([{ "op": "replace", "path": path, "value": "5" }]);
    vec![
        Case::patch("merged", "merge", &at(MAPS, "a"), json!({ "data": { "a": null, "b": "2" } })).showing(&["/data"]),
        Case::patch(
            "merged from an old version",
            "merge",
            &at(MAPS, "a"),
            json!({ "metadata": { "resourceVersion": "{first}" } }),
        ),
        Case::patch("merged into another name", "merge", &at(MAPS, "a"), json!({ "metadata": { "name": "z" } })),
        Case::patch("merged into what is not there", "merge", &at(MAPS, "nothing"), json!({})),
        Case::patch("by operations", "json", &at(MAPS, "a"), operations("/data/b")).showing(&["/data"]),
        Case::patch("by operations that do not fit", "json", &at(MAPS, "a"), operations("/data/nothing/x")),
        Case::patch("by no operations", "json", &at(MAPS, "a"), json!({ "a": 1 })),
        Case::patch("in a form nobody knows", "application/json", &at(MAPS, "a"), json!({})),
        Case::post("a service", SERVICES, service).showing(&["/spec/ports/1/port"]).differing("says what is not done"),
        Case::patch("merged strategically", "strategic-merge", &at(SERVICES, "w"), ports).showing(&[
            "/spec/ports/0/targetPort",
            "/spec/ports/0/name",
            "/spec/ports/1",
        ]),
        Case::patch("a map, strategically", "strategic-merge", &at(MAPS, "a"), json!({ "data": { "c": "3" } }))
            .showing(&["/data"]),
    ]
}

fn leases() -> Vec<Case> {
    let lease = |holder: &str, version: Option<&str>| {
        let mut lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "l" },
            "spec": { "holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z" },
        });
        if let Some(version) = version {
            lease["metadata"]["resourceVersion"] = version.into();
        }
        lease
    };
    vec![
        Case::post("a lease", LEASES, lease("a", None)).keeping("lease"),
        Case::post("the same lease", LEASES, lease("b", None)),
        Case::put("renewed", &at(LEASES, "l"), lease("a", Some("{lease}"))),
        Case::put("taken", &at(LEASES, "l"), lease("b", Some("{lease}"))).showing(&["/spec/holderIdentity"]),
        Case::put("taken by one who missed it", &at(LEASES, "l"), lease("c", Some("{lease}"))),
        Case::put("taken blindly", &at(LEASES, "l"), lease("d", None)),
        Case::put("created by an update", &at(LEASES, "m"), with(lease("a", None), "/metadata/name", "m".into())),
    ]
}

fn custom() -> Vec<Case> {
    let beta = "/apis/parity.example.com/v1beta1/namespaces/parity/widgets/x";
    let resized = |size: i32| json!({ "spec": { "size": size }, "status": { "ready": false } });
    vec![
        Case::post("an object", WIDGETS, widget("x")).showing(&["/metadata/generation", "/status"]).keeping("widget"),
        Case::post("one that says no kind", WIDGETS, json!({ "metadata": { "name": "y" } })),
        Case::get("in its other version", beta).showing(&["/apiVersion", "/spec/size"]),
        Case::put("without a version", &at(WIDGETS, "x"), widget("x")),
        Case::put(
            "from its version",
            &at(WIDGETS, "x"),
            with(widget("x"), "/metadata/resourceVersion", "{widget}".into()),
        )
        .showing(&["/metadata/generation"]),
        Case::patch("resized", "merge", &at(WIDGETS, "x"), resized(2)).showing(&["/metadata/generation", "/status"]),
        Case::patch("its status", "merge", &at(WIDGETS, "x/status"), resized(9))
            .showing(&["/metadata/generation", "/status", "/spec/size"])
            .keeping("status"),
        Case::patch("its status, the same again", "merge", &at(WIDGETS, "x/status"), resized(9)).keeping("again"),
        Case::get(
            "no version between the two",
            &format!("{WIDGETS}?watch=1&timeoutSeconds=1&resourceVersion={{status}}"),
        ),
        Case::get("its status", &at(WIDGETS, "x/status")).showing(&["/status"]),
        Case::patch("strategically", "strategic-merge", &at(WIDGETS, "x"), resized(3)),
        Case::get("its scale", &at(WIDGETS, "x/scale")).differing("says what is not done"),
        Case::get(
            "its definition",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.parity.example.com",
        )
        .showing(&["/status/acceptedNames/kind", "/status/storedVersions"]),
        Case::post(
            "an ingress",
            INGRESSES,
            json!({
                "metadata": { "name": "i" },
                "spec": { "defaultBackend": { "service": { "name": "w", "port": { "number": 80 } } } },
            }),
        )
        .showing(&["/metadata/generation", "/status/loadBalancer"])
        .differing("nothing is defaulted"),
        Case::patch(
            "the status of an ingress",
            "merge",
            &at(INGRESSES, "i/status"),
            json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "10.0.0.1" }] } } }),
        )
        .showing(&["/metadata/generation", "/status/loadBalancer/ingress/0/ip"]),
    ]
}

fn deleting() -> Vec<Case> {
    let kept = with(map("kept"), "/metadata/finalizers", json!(["example.com/wait"]));
    vec![
        Case::delete("an object", &at(MAPS, "b")),
        Case::delete("one that is not there", &at(MAPS, "b")),
        Case::delete("another individual", &at(MAPS, "a")).body(json!({ "preconditions": { "uid": "other" } })),
        Case::delete("another version", &at(MAPS, "a")).body(json!({ "preconditions": { "resourceVersion": "1" } })),
        Case::post("one with a finalizer", MAPS, kept),
        Case::delete("it waits", &at(MAPS, "kept")).showing(&["/metadata/finalizers"]),
        Case::get("it is still there", &at(MAPS, "kept")),
        Case::patch("what it waited for", "merge", &at(MAPS, "kept"), json!({ "metadata": { "finalizers": null } })),
        Case::get("it is gone", &at(MAPS, "kept")),
        Case::delete("a service", &at(SERVICES, "w")),
        Case::delete("a lease", &at(LEASES, "m")),
        Case::delete("a defined object", &at(WIDGETS, "x")),
        Case::delete("a namespace that stays", "/api/v1/namespaces/kube-system"),
        Case::delete("every namespace", "/api/v1/namespaces"),
        Case::delete("a selection", &format!("{MAPS}?labelSelector=app%3Da")),
        Case::get("the selection", &format!("{MAPS}?labelSelector=app%3Da")),
        Case::get(
            "a deletion, watched",
            &format!("{MAPS}?watch=1&timeoutSeconds=1&labelSelector=app%3Da&resourceVersion={{second}}"),
        ),
    ]
}

/// A definition that asks for what an API server does by itself.
fn demanding() -> Value {
    let schema = json!({
        "type": "object", "properties": { "spec": { "type": "object", "required": ["size"], "properties": {
            "size": { "type": "integer", "default": 1 } }, "x-kubernetes-validations": [{ "rule": "self.size > 0" }] } },
    });
    let mut definition = with(definition(), "/metadata/name", "gadgets.parity.example.com".into());
    definition["spec"]["names"] = json!({ "kind": "Gadget", "plural": "gadgets" });
    definition["spec"]["versions"] =
        json!([{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }]);
    definition
}

fn not_done() -> Vec<Case> {
    const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const SAYS: &str = "says what is not done";
    let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {
        "resourceAttributes": { "verb": "get", "resource": "secrets" } } });
    let owner = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone" }]);
    let owned = with(map("owned"), "/metadata/ownerReferences", owner);
    let mut converted = with(demanding(), "/metadata/name", "gizmos.parity.example.com".into());
    converted["spec"]["names"] = json!({ "kind": "Gizmo", "plural": "gizmos" });
    converted["spec"]["conversion"] = json!({ "strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": { "url": "https://127.0.0.1:1/convert" } } });
    let mut service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "plain" } });
    service["spec"] = json!({ "ports": [{ "port": 80 }] });
    let watch = "/api/v1/watch/namespaces/parity/configmaps?timeoutSeconds=1&labelSelector=app%3Da";
    let wrong = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "wrong" }, "unknown": 1 });
    vec![
        Case::patch("server-side apply", "apply", &format!("{MAPS}/applied?fieldManager=x"), map("applied"))
            .differing(SAYS),
        Case::post("validation of fields", &format!("{MAPS}?fieldValidation=Strict"), map("validated")).differing(SAYS),
        Case::post("warnings of fields", &format!("{MAPS}?fieldValidation=Warn"), wrong).differing(SAYS),
        Case::post("fields that are let be", &format!("{MAPS}?fieldValidation=Ignore"), map("ignored")),
        Case::post("schema, defaults and CEL rules", DEFINITIONS, demanding()).differing(SAYS),
        Case::post("conversion of versions", &format!("{DEFINITIONS}?dryRun=All"), converted).differing(SAYS),
        Case::post("defaults of a service", &format!("{SERVICES}?dryRun=All"), service)
            .showing(&["/spec/type", "/spec/ports/0/protocol"])
            .differing(SAYS),
        Case::post("an owner", &format!("{MAPS}?dryRun=All"), owned).differing(SAYS),
        Case::delete("garbage collection", &at(MAPS, "ignored"))
            .body(json!({ "propagationPolicy": "Foreground" }))
            .differing(SAYS),
        Case::delete("garbage collection as it was asked for once", &at(MAPS, "ignored"))
            .body(json!({ "orphanDependents": true }))
            .differing(SAYS),
        Case::post("may I?", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
            .differing("says what is not done: everybody may do everything"),
        Case::get("a watch by path", watch).differing(SAYS),
        Case::get("kinds of workloads", "/api/v1/namespaces/parity/pods").differing(SAYS),
        Case::get("logs", "/api/v1/namespaces/parity/pods/p/log").differing(SAYS),
        Case::get("deployments", "/apis/apps/v1/namespaces/parity/deployments").differing(SAYS),
        Case::get("roles", "/apis/rbac.authorization.k8s.io/v1/namespaces/parity/roles").differing(SAYS),
        Case::get("the schema of a group", "/openapi/v3/apis/coordination.k8s.io/v1?x=1").differing(SAYS),
    ]
}

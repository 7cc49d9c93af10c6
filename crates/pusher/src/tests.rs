//! A real API server, with what `deploy/base` lays down for the pusher, and a user with its rights.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use silverback_test_support::{KubeApi, eventually};

/// The API server, and the client of that user in a namespace of its own. None where there is no API server.
pub(crate) async fn deployed(namespace: &str) -> Option<(Arc<KubeApi>, kube::Client)> {
    let server = KubeApi::shared().await.unwrap()?;
    let admin = server.client().await.unwrap();
    let user = format!("pusher-{namespace}");
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let subject = json!({"apiGroup": group, "kind": "User", "name": user});
    let role = json!({"apiGroup": group, "kind": "Role", "name": "pusher"});
    let about = json!({"name": "pusher", "namespace": namespace});
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        json!({"apiVersion": version, "kind": "Role", "metadata": about, "rules": rules()}),
        json!({"apiVersion": version, "kind": "RoleBinding", "metadata": about, "roleRef": role, "subjects": [subject]}),
    ];
    objects.extend(read("kept.yaml").into_iter().map(|mut secret| {
        secret["metadata"]["namespace"] = namespace.into();
        secret
    }));
    for object in objects {
        create(&admin, object).await;
    }
    let client = server.client_for(&user, &[]).await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    // Rights count a little after they were given.
    eventually("the rights count", Duration::from_secs(30), async || {
        secrets.get_opt("silverback-last-good").await.map(drop)
    })
    .await
    .unwrap();
    Some((server, client))
}

async fn create(admin: &kube::Client, object: Value) {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let types = object.types.clone().unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types).unwrap());
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(admin.clone(), namespace, &resource),
        None => Api::all_with(admin.clone(), &resource),
    };
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// The rules of the Role in the deployment.
fn rules() -> Value {
    read("pusher.yaml").into_iter().find(|object| object["kind"] == "Role").unwrap()["rules"].take()
}

/// The objects of a file of the deployment.
fn read(file: &str) -> Vec<Value> {
    let path = format!("{}/../../deploy/base/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

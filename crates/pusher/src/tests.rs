//! A real API server, and a user with the rights that `deploy/base/pusher.yaml` gives the pusher.

use std::sync::Arc;

use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use silverback_test_support::KubeApi;

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
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        json!({"apiVersion": version, "kind": "Role", "metadata": about, "rules": rules()}),
        json!({"apiVersion": version, "kind": "RoleBinding", "metadata": about, "roleRef": role, "subjects": [subject]}),
    ];
    for object in objects {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let types = object.types.clone().unwrap();
        let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types).unwrap());
        let api: Api<DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(admin.clone(), namespace, &resource),
            None => Api::all_with(admin.clone(), &resource),
        };
        api.create(&PostParams::default(), &object).await.unwrap();
    }
    let client = server.client_for(&user, &[]).await.unwrap();
    Some((server, client))
}

/// The rules of the Role in the deployment.
fn rules() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/base/pusher.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let role = text.split("\n---\n").find(|part| part.contains("kind: Role\n")).unwrap();
    let role: Value = serde_saphyr::from_str(role).unwrap();
    role["rules"].clone()
}

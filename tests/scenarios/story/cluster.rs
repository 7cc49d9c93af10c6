//! A namespace of its own at the API server.

use std::sync::Arc;

use anyhow::Context as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams, TypeMeta};
use serde_json::{Value, json};
use silverback_test_support::KubeApi;

/// A namespace, named as the scenario, at an API server.
pub(crate) struct Cluster {
    pub(crate) api: Arc<KubeApi>,
    pub(crate) client: kube::Client,
    pub(crate) namespace: String,
}

impl Cluster {
    /// At the API server all scenarios share. `None` where there is no API server on this machine.
    pub(crate) async fn shared(scenario: &str) -> anyhow::Result<Option<Self>> {
        match KubeApi::shared().await? {
            Some(api) => Self::at(api, scenario).await.map(Some),
            None => Ok(None),
        }
    }

    /// At an API server of its own, for scenarios that stop it or change what it serves.
    pub(crate) async fn own(scenario: &str) -> anyhow::Result<Option<Self>> {
        match KubeApi::start().await? {
            Some(api) => Self::at(Arc::new(api), scenario).await.map(Some),
            None => Ok(None),
        }
    }

    async fn at(api: Arc<KubeApi>, scenario: &str) -> anyhow::Result<Self> {
        let cluster = Self { client: api.client().await?, api, namespace: scenario.to_owned() };
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": scenario } });
        cluster.put(namespace).await?;
        Ok(cluster)
    }

    /// Creates an object, or makes it so.
    pub(crate) async fn put(&self, object: Value) -> anyhow::Result<()> {
        put(&self.client, &self.namespace, &object).await
    }

    /// Creates an object that is not there, which costs less than making it so.
    pub(crate) async fn create(&self, object: Value) -> anyhow::Result<()> {
        let (api, _) = find(&self.client, &self.namespace, &object)?;
        api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(())
    }

    /// Creates objects, or makes them so.
    pub(crate) async fn put_all(&self, objects: impl IntoIterator<Item = Value>) -> anyhow::Result<()> {
        for object in objects {
            self.put(object).await?;
        }
        Ok(())
    }

    /// Deletes an object.
    pub(crate) async fn delete(&self, object: Value) -> anyhow::Result<()> {
        let (api, name) = find(&self.client, &self.namespace, &object)?;
        api.delete(&name, &DeleteParams::default()).await.with_context(|| format!("{object}"))?;
        Ok(())
    }

    /// A user who may do this in the whole cluster, and nothing else. Gives the kubeconfig.
    pub(crate) async fn user(&self, name: &str, rules: Value) -> anyhow::Result<String> {
        self.put_all(role("ClusterRole", "ClusterRoleBinding", name, rules)).await?;
        Ok(self.api.kubeconfig_for(name, &[])?.display().to_string())
    }

    /// A user who may do this in the scenario's namespace, and nothing else. Gives the kubeconfig.
    pub(crate) async fn namespaced_user(&self, name: &str, rules: Value) -> anyhow::Result<String> {
        self.put_all(role("Role", "RoleBinding", name, rules)).await?;
        Ok(self.api.kubeconfig_for(name, &[])?.display().to_string())
    }

    /// Kubeconfig of a user who may do everything.
    pub(crate) fn admin(&self) -> String {
        self.api.admin_kubeconfig().display().to_string()
    }

    /// Name of who holds the Lease of that name; empty when nobody does.
    pub(crate) async fn holder(&self, lease: &str) -> anyhow::Result<String> {
        holder(&self.client, &self.namespace, lease).await
    }
}

/// Creates an object, or makes it so. It is refused where it has a field that the API server does not know.
pub(crate) async fn put(client: &kube::Client, namespace: &str, object: &Value) -> anyhow::Result<()> {
    let (api, name) = find(client, namespace, object)?;
    let apply = PatchParams::apply("scenario").force();
    api.patch(&name, &apply, &Patch::Apply(object)).await.with_context(|| format!("{object}"))?;
    Ok(())
}

/// A replica's name, without the random part of its identity.
pub(crate) fn name_of(identity: &str) -> &str {
    identity.rsplit_once('_').map_or(identity, |(name, _)| name)
}

/// Name of who holds the Lease of that name; empty when nobody does.
pub(crate) async fn holder(client: &kube::Client, namespace: &str, lease: &str) -> anyhow::Result<String> {
    let lease = Api::<Lease>::namespaced(client.clone(), namespace).get_opt(lease).await?;
    let holder = lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default();
    Ok(name_of(&holder).to_owned())
}

fn find(client: &kube::Client, namespace: &str, object: &Value) -> anyhow::Result<(Api<DynamicObject>, String)> {
    let (resource, name) = resource_of(object)?;
    let wide = ["Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "GatewayClass"];
    let api = if wide.contains(&resource.kind.as_str()) {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource)
    };
    Ok((api, name))
}

/// What an object is one of, and its name.
pub(crate) fn resource_of(object: &Value) -> anyhow::Result<(ApiResource, String)> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let types = TypeMeta {
        api_version: text("/apiVersion").context("no apiVersion")?,
        kind: text("/kind").context("no kind")?,
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types)?);
    Ok((resource, text("/metadata/name").context("no name")?))
}

fn role(role: &str, binding: &str, user: &str, rules: Value) -> [Value; 2] {
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    [
        json!({ "apiVersion": version, "kind": role, "metadata": { "name": user }, "rules": rules }),
        json!({
            "apiVersion": version, "kind": binding, "metadata": { "name": user },
            "roleRef": { "apiGroup": group, "kind": role, "name": user },
            "subjects": [{ "apiGroup": group, "kind": "User", "name": user }],
        }),
    ]
}

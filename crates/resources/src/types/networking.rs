//! networking.k8s.io: Ingress and IngressClass.

use serde::Deserialize;

use super::core::named;
use super::meta::{Meta, null_as_default};

/// An Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Ingress {
    /// Metadata.
    pub metadata: Meta,
    /// What it asks for.
    pub spec: IngressSpec,
}

/// What an Ingress asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressSpec {
    /// Name of its class.
    pub ingress_class_name: Option<String>,
    /// Where requests go that no rule of any Ingress matches.
    pub default_backend: Option<IngressBackend>,
    /// Certificates.
    #[serde(deserialize_with = "null_as_default")]
    pub tls: Vec<IngressTls>,
    /// Rules.
    #[serde(deserialize_with = "null_as_default")]
    pub rules: Vec<IngressRule>,
}

/// A certificate for some hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressTls {
    /// Server names.
    #[serde(deserialize_with = "null_as_default")]
    pub hosts: Vec<String>,
    /// Name of the Secret.
    pub secret_name: String,
}

/// The rules of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IngressRule {
    /// Empty: any host.
    pub host: String,
    /// `None`: no rule at all.
    pub http: Option<IngressHttp>,
}

/// Paths of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IngressHttp {
    /// The paths.
    #[serde(deserialize_with = "null_as_default")]
    pub paths: Vec<HttpPath>,
}

/// One path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpPath {
    /// Empty counts as `/`.
    pub path: String,
    /// Exact, Prefix or ImplementationSpecific.
    pub path_type: Option<String>,
    /// Where matching requests go.
    pub backend: IngressBackend,
}

/// Where requests go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IngressBackend {
    /// A Service.
    pub service: Option<IngressServiceBackend>,
    /// Any other object.
    pub resource: Option<TypedRef>,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IngressServiceBackend {
    /// Name of the Service.
    pub name: String,
    /// Its port.
    pub port: ServiceBackendPort,
}

/// A port by name or number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ServiceBackendPort {
    /// By name; wins over the number.
    pub name: String,
    /// By number; 0: none.
    pub number: u16,
}

/// A reference to an object of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TypedRef {
    /// API group.
    pub api_group: Option<String>,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// An IngressClass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IngressClass {
    /// Metadata.
    pub metadata: Meta,
    /// Whose it is.
    pub spec: IngressClassSpec,
}

/// Whose an IngressClass is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IngressClassSpec {
    /// Name of the controller.
    pub controller: String,
    /// Parameters for it.
    pub parameters: Option<IngressClassParametersRef>,
}

/// Where a class has its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressClassParametersRef {
    /// API group.
    pub api_group: Option<String>,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace or Cluster.
    pub scope: Option<String>,
    /// Namespace, for scope Namespace.
    pub namespace: Option<String>,
}

named!("networking.k8s.io", "v1": Ingress, IngressClass);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ingress_reads_as_the_api_writes_it() {
        let ingress: Ingress = serde_json::from_str(
            r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"a"},
                "spec":{"ingressClassName":"kong","rules":[{"http":{"paths":[{"pathType":"Prefix",
                "backend":{"service":{"name":"s","port":{"number":80}}}}]}}]},"status":{"loadBalancer":{}}}"#,
        )
        .unwrap();
        let path = &ingress.spec.rules[0].http.as_ref().unwrap().paths[0];
        assert_eq!(path.path, "");
        assert_eq!(path.backend.service.as_ref().unwrap().port.number, 80);
        assert!(serde_json::from_str::<Ingress>(r#"{"spec":{"rules":"no"}}"#).is_err());
    }
}

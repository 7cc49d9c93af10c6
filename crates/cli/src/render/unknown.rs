//! Fields and kinds that nobody knows, typing errors most likely: what `kubectl --validate=strict` would refuse. Knows
//! nothing of what the fields mean.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use silverback_resources::crds;
use silverback_resources::registry::{KINDS, Kind, KindId, Origin};
use silverback_resources::types::{
    BackendTLSPolicy, GRPCRoute, Gateway, GatewayClass, HTTPRoute, ListenerSet, ReferenceGrant, TCPRoute, TLSRoute,
    UDPRoute,
};

/// Fields of the Gateway API that are right, though our types leave them out, by how their paths end.
const NOT_READ: [&str; 7] = [
    "spec.description",
    "spec.infrastructure.annotations",
    "spec.infrastructure.labels",
    ".externalAuth",
    ".requestMirror.fraction",
    ".requestMirror.percent",
    ".sessionPersistence.header",
];

/// Paths of the fields of an object that its kind does not have, e.g. `spec.rules[0].backend`. None of an object that
/// is of another shape than its kind: translation says what is wrong with it.
pub(super) fn fields(kind: &Kind, object: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    if let Some(metadata) = object.get("metadata") {
        lost::<ObjectMeta>(metadata, "metadata", &mut unknown);
    }
    let mut below = match kind.id {
        KindId::NAMESPACE => left_out::<Namespace>(object),
        KindId::SERVICE => left_out::<Service>(object),
        KindId::SECRET => left_out::<Secret>(object),
        KindId::CONFIG_MAP => left_out::<ConfigMap>(object),
        KindId::ENDPOINT_SLICE => left_out::<EndpointSlice>(object),
        KindId::INGRESS => left_out::<Ingress>(object),
        KindId::INGRESS_CLASS => left_out::<IngressClass>(object),
        KindId::CUSTOM_RESOURCE_DEFINITION => left_out::<CustomResourceDefinition>(object),
        KindId::GATEWAY_CLASS => ignored::<GatewayClass>(object),
        KindId::GATEWAY => ignored::<Gateway>(object),
        KindId::LISTENER_SET | KindId::X_LISTENER_SET => ignored::<ListenerSet>(object),
        KindId::HTTP_ROUTE => ignored::<HTTPRoute>(object),
        KindId::GRPC_ROUTE => ignored::<GRPCRoute>(object),
        KindId::TCP_ROUTE => ignored::<TCPRoute>(object),
        KindId::UDP_ROUTE => ignored::<UDPRoute>(object),
        KindId::TLS_ROUTE => ignored::<TLSRoute>(object),
        KindId::REFERENCE_GRANT => ignored::<ReferenceGrant>(object),
        KindId::BACKEND_TLS_POLICY => ignored::<BackendTLSPolicy>(object),
        _ => beside_definition(kind, object),
    };
    below.retain(|path| !["apiVersion", "kind", "metadata", "status"].contains(&first(path)));
    unknown.extend(below);
    unknown
}

/// What is odd about a kind that is not read; nothing where it is the business of others.
pub(super) fn kind(api_version: &str, kind: &str) -> Option<String> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    // Where Ingresses were once.
    let ours = group == "extensions" || KINDS.iter().any(|known| known.group == group);
    let distance = |known: &&Kind| strsim::osa_distance(&known.kind.to_lowercase(), &kind.to_lowercase());
    let nearest = KINDS.iter().filter(|known| distance(known) <= 2);
    let nearest = nearest.min_by_key(|known| (distance(known), known.group != group)).filter(|_| ours);
    let all_known = KINDS.iter().any(|known| known.group == group && known.origin == Origin::Crd);
    match nearest {
        Some(known) => {
            Some(format!("is of no kind that is read; is {} of {} meant?", known.kind, known.api_version(None)))
        }
        None if all_known => Some("is of no kind that is read".to_owned()),
        None => None,
    }
}

/// The first field of a path.
fn first(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or_default()
}

// ---- kinds of Kubernetes, whose types are whole: what does not come out again was not known

fn left_out<T: DeserializeOwned + Serialize>(object: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    lost::<T>(object, "", &mut unknown);
    unknown
}

fn lost<T: DeserializeOwned + Serialize>(given: &Value, path: &str, unknown: &mut Vec<String>) {
    if let Ok(kept) = T::deserialize(given).and_then(serde_json::to_value) {
        compare(given, &kept, path, unknown);
    }
}

fn compare(given: &Value, kept: &Value, path: &str, unknown: &mut Vec<String>) {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
                match kept.get(name) {
                    Some(kept) => compare(value, kept, &below(path, name), unknown),
                    None => unknown.push(below(path, name)),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (at, (given, kept)) in given.iter().zip(kept).enumerate() {
                compare(given, kept, &format!("{path}[{at}]"), unknown);
            }
        }
        _ => {}
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

// ---- kinds of the Gateway API, whose types are ours: what is passed over when they are read

fn ignored<T: DeserializeOwned>(object: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let read: Result<T, _> = serde_ignored::deserialize(object, |path| unknown.push(in_words(&path)));
    unknown.retain(|path| !NOT_READ.iter().any(|end| path.ends_with(end)));
    if read.is_ok() { unknown } else { Vec::new() }
}

/// A path as diagnostics have it.
fn in_words(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", in_words(parent)),
        Path::Map { parent, key } => below(&in_words(parent), key),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => in_words(parent),
    }
}

// ---- Kong's kinds, whose definitions are at hand

fn beside_definition(kind: &Kind, object: &Value) -> Vec<String> {
    static DEFINITIONS: LazyLock<Vec<Value>> = LazyLock::new(crds::all);
    let name = kind.crd_name();
    let definition = DEFINITIONS.iter().find(|it| it["metadata"]["name"].as_str() == name.as_deref());
    let version = object["apiVersion"].as_str().and_then(|text| text.split('/').next_back());
    let versions = definition.and_then(|it| it["spec"]["versions"].as_array()).into_iter().flatten();
    let schema = versions.filter(|it| it["name"].as_str() == version).map(|it| &it["schema"]["openAPIV3Schema"]).next();
    let mut unknown = Vec::new();
    if let Some(schema) = schema {
        beside(schema, object, "", &mut unknown);
    }
    unknown
}

fn beside(schema: &Value, given: &Value, path: &str, unknown: &mut Vec<String>) {
    let is_open = schema["x-kubernetes-preserve-unknown-fields"] == true;
    match given {
        Value::Object(fields) if schema["type"] == "object" => {
            let any = schema.get("additionalProperties");
            for (name, value) in fields {
                match schema["properties"].get(name).or(any) {
                    Some(schema) => beside(schema, value, &below(path, name), unknown),
                    None if is_open => {}
                    None => unknown.push(below(path, name)),
                }
            }
        }
        Value::Array(items) if schema["type"] == "array" => {
            for (at, item) in items.iter().enumerate() {
                beside(&schema["items"], item, &format!("{path}[{at}]"), unknown);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::{Map, json};
    use silverback_resources::{manifest, registry};

    use super::*;

    fn unknown(text: &str) -> Vec<String> {
        let manifest = manifest::load_as_written("f", text).remove(0).unwrap();
        fields(manifest.kind.unwrap(), &manifest.object)
    }

    #[test]
    fn fields_that_a_kind_has_not_are_found_wherever_they_are() {
        let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, anotations: {b: c}}\n\
            spec: {rules: [{}, {http: {paths: [{path: /, pathTyp: Exact, backend: {}}]}}]}\nspecs: {}\n";
        let fields = ["metadata.anotations", "spec.rules[1].http.paths[0].pathTyp", "specs"];
        let mut found = unknown(ingress);
        found.sort();
        assert_eq!(found, fields);
        let plugin = "apiVersion: configuration.konghq.com/v1\nkind: KongPlugin\nmetadata: {name: a}\nplugin: cors\n\
            config: {anything: {goes: 1}}\nconfgFrom: {}\nordering: {before: {access: [b]}, during: {}}\n";
        assert_eq!(unknown(plugin), ["confgFrom", "ordering.during"]);
        let policy = "apiVersion: configuration.konghq.com/v1beta1\nkind: KongUpstreamPolicy\nmetadata: {name: a}\n\
            spec: {slots: 100, healthchecks: {active: {httpPath: /, headers: {a: [b]}, http_path: /}}}\n";
        assert_eq!(unknown(policy), ["spec.healthchecks.active.http_path"]);
        let route = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\n\
            spec: {rules: [{timeouts: {request: 1s, backend: 1s}, filters: [{type: CORS, cors: {allowOrigin: []}}]}]}\n";
        let found = ["spec.rules[0].filters[0].cors.allowOrigin", "spec.rules[0].timeouts.backend"];
        let mut told = unknown(route);
        told.sort();
        assert_eq!(told, found);
    }

    #[test]
    fn what_an_api_server_gave_out_has_none() {
        let exported = "apiVersion: v1\nkind: Service\nmetadata: {name: a, creationTimestamp: 2026-01-01T00:00:00Z, \
            managedFields: [{manager: m, fieldsV1: {\"f:spec\": {}}}]}\n\
            spec: {clusterIPs: [10.0.0.1], ports: [{port: 80, targetPort: http}], selector: null}\nstatus: {loadBalancer: {}}";
        assert_eq!(unknown(exported), Vec::<String>::new());
    }

    #[test]
    fn kinds_that_are_almost_ours_are_told() {
        let meant = |api_version: &str, kind: &str| super::kind(api_version, kind).unwrap_or_default();
        for (api_version, kind, wanted) in [
            ("networking.k8s.io/v1", "Ingres", "Ingress of networking.k8s.io/v1"),
            ("extensions/v1beta1", "Ingress", "Ingress of networking.k8s.io/v1"),
            ("v1", "service", "Service of v1"),
            ("gateway.networking.k8s.io/v1", "HttpRoute", "HTTPRoute of gateway.networking.k8s.io/v1"),
            ("configuration.konghq.com/v1", "KongPlugins", "KongPlugin of configuration.konghq.com/v1"),
        ] {
            assert!(meant(api_version, kind).contains(wanted), "{kind}: {}", meant(api_version, kind));
        }
        assert_eq!(meant("configuration.konghq.com/v1", "KongRoute"), "is of no kind that is read");
        for (api_version, kind) in [
            ("apps/v1", "Deployment"),
            ("v1", "Pod"),
            ("networking.k8s.io/v1", "NetworkPolicy"),
            ("serving.knative.dev/v1", "Service"),
        ] {
            assert_eq!(super::kind(api_version, kind), None, "{kind}");
        }
    }

    // ---- against the published definitions of the Gateway API

    /// Where any field is taken, since our types hold what is below as it comes, or not at all.
    const OPEN: [&str; 6] = [
        "/externalAuth",
        "/listeners/0/filters",
        "/requestMirror/fraction",
        "/selector",
        "/sessionPersistence/header",
        "/subjectAltNames",
    ];

    /// An object with every field of a schema.
    fn whole(schema: &Value) -> Value {
        match schema["type"].as_str() {
            Some("object") => {
                let fields = schema["properties"].as_object().into_iter().flatten();
                let mut object: Map<String, Value> = fields.map(|(name, below)| (name.clone(), whole(below))).collect();
                if let Some(below) = schema.get("additionalProperties") {
                    object.insert("any".into(), whole(below));
                }
                object.into()
            }
            Some("array") => json!([whole(&schema["items"])]),
            Some("integer") => json!(1),
            Some("boolean") => json!(true),
            Some("string") => "1".into(),
            _ => json!(1),
        }
    }

    /// Places of a whole object where a field that nobody knows must be found.
    fn closed(schema: &Value, path: &str, all: &mut Vec<String>) {
        match schema["type"].as_str() {
            _ if OPEN.iter().any(|end| path.ends_with(end)) => {}
            Some("object") if schema.get("properties").is_some() => {
                all.push(path.to_owned());
                for (name, schema) in schema["properties"].as_object().unwrap() {
                    closed(schema, &format!("{path}/{name}"), all);
                }
            }
            Some("array") => closed(&schema["items"], &format!("{path}/0"), all),
            _ => {}
        }
    }

    /// Every kind that a folder of definitions has of ours, by version, with the schema of its `spec`.
    fn definitions(folder: &str) -> Vec<(String, &'static Kind, Value)> {
        let shared = std::env::var_os("SILVERBACK_SHARED")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
        let Ok(files) = std::fs::read_dir(shared.join(format!("crds/gateway-api-{folder}"))) else {
            eprintln!("skipped: no definitions of {folder} in {} (see SILVERBACK_SHARED)", shared.display());
            return Vec::new();
        };
        let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        let mut found = Vec::new();
        for crd in texts.flat_map(|text| manifest::parse("f", &text)).map(|entry| entry.object.unwrap()) {
            let text = |field: &str| crd["spec"].pointer(field).and_then(Value::as_str).unwrap_or_default();
            let Some(kind) = registry::by_kind(text("/group"), text("/names/kind")) else { continue };
            for version in crd["spec"]["versions"].as_array().unwrap() {
                if kind.versions.iter().any(|ours| version["name"] == *ours) {
                    let about = format!("{folder} {} {}", version["name"], kind.kind);
                    found.push((about, kind, version["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()));
                }
            }
        }
        found
    }

    #[test]
    fn the_gateway_api_is_known_field_by_field() {
        let mut wrong = Vec::new();
        let folders = ["v1.3.0/standard", "v1.3.0/experimental", "v1.7.0/standard", "v1.7.0/experimental"];
        for (about, kind, schema) in folders.iter().flat_map(|folder| definitions(folder)) {
            let good = json!({ "spec": whole(&schema) });
            wrong.extend(fields(kind, &good).into_iter().map(|it| format!("{about}: {it} is not known")));
            let mut places = Vec::new();
            closed(&schema, "/spec", &mut places);
            for place in places {
                let mut bad = good.clone();
                bad.pointer_mut(&place).unwrap()["tpyo"] = 1.into();
                if !fields(kind, &bad).iter().any(|path| path.ends_with(".tpyo")) {
                    wrong.push(format!("{about}: {place}/tpyo is not found"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

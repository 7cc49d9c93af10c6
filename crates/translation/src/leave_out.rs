//! What depends on an object, for leaving out what a gateway refuses together with all that makes no sense without it.
//!
//! A reference counts where the object would be translated to something else without its target. Works on plain JSON,
//! so that it holds for manifests and for what is streamed alike.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use silverback_model::{ObjectKey, ObjectRef};

use crate::annotations::{INGRESS_CLASS, PLUGINS};
use crate::render::object_ref;

const KONG: &str = "configuration.konghq.com";
const FACADE: &str = "KongServiceFacade.incubator.ingress-controller.konghq.com";

/// The objects named as `Kind/namespace/name` (`Kind//name` or `Kind/name` without a namespace) and all that depends
/// on them, directly or not.
pub(crate) fn closure(objects: &[Value], named: &[String]) -> BTreeSet<ObjectRef> {
    let mut left_out: BTreeSet<ObjectRef> = objects.iter().map(object_ref).filter(|it| is_named(it, named)).collect();
    if left_out.is_empty() {
        return left_out;
    }
    let mut dependants: BTreeMap<ObjectRef, Vec<ObjectRef>> = BTreeMap::new();
    for object in objects {
        let dependant = object_ref(object);
        for target in references(object) {
            dependants.entry(target).or_default().push(dependant.clone());
        }
    }
    let mut open: Vec<ObjectRef> = left_out.iter().cloned().collect();
    while let Some(target) = open.pop() {
        for dependant in dependants.get(&target).into_iter().flatten() {
            if left_out.insert(dependant.clone()) {
                open.push(dependant.clone());
            }
        }
    }
    left_out
}

fn is_named(object: &ObjectRef, named: &[String]) -> bool {
    let kind = object.kind.split('.').next().unwrap_or_default();
    named.iter().any(|name| {
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            [k, namespace, name] => *k == kind && *namespace == object.key.namespace && *name == object.key.name,
            [k, name] => *k == kind && object.key.namespace.is_empty() && *name == object.key.name,
            _ => false,
        }
    })
}

/// What an object refers to and cannot do without.
fn references(object: &Value) -> Vec<ObjectRef> {
    let reference = object_ref(object);
    let scope = Scope { object, namespace: &reference.key.namespace };
    let mut found = Vec::new();
    match reference.kind.as_str() {
        "Ingress.networking.k8s.io" => {
            scope.ingress(&mut found);
            scope.plugins(&mut found);
            scope.policy(&mut found);
        }
        "Service" | FACADE => {
            scope.plugins(&mut found);
            scope.policy(&mut found);
        }
        "TCPIngress.configuration.konghq.com" | "UDPIngress.configuration.konghq.com" => {
            scope.services("/spec/rules", "/backend/serviceName", &mut found);
            scope.plugins(&mut found);
        }
        kind if kind.ends_with("Route.gateway.networking.k8s.io") => {
            for rule in scope.list("/spec/rules") {
                for backend in list(rule, "/backendRefs") {
                    let namespace = text(backend, "/namespace").unwrap_or(scope.namespace);
                    let service = matches!(text(backend, "/kind"), None | Some("Service"));
                    let name = text(backend, "/name").filter(|_| service);
                    found.extend(name.map(|name| ObjectRef::new("Service", ObjectKey::new(namespace, name))));
                }
            }
            scope.plugins(&mut found);
        }
        "KongConsumer.configuration.konghq.com" => {
            let secrets = scope.list("/credentials").iter().filter_map(Value::as_str);
            found.extend(secrets.map(|name| scope.here("Secret", name)));
            scope.plugins(&mut found);
        }
        "KongConsumerGroup.configuration.konghq.com" => scope.plugins(&mut found),
        "KongPlugin.configuration.konghq.com" | "KongClusterPlugin.configuration.konghq.com" => {
            scope.plugin_secrets(&mut found);
        }
        "KongCustomEntity.configuration.konghq.com" => {
            if let (Some(kind), Some(name)) =
                (text(object, "/spec/parentRef/kind"), text(object, "/spec/parentRef/name"))
            {
                let namespace = if kind == "KongClusterPlugin" { "" } else { scope.namespace };
                found.push(ObjectRef::new(format!("{kind}.{KONG}"), ObjectKey::new(namespace, name)));
            }
        }
        _ => {}
    }
    found
}

struct Scope<'a> {
    object: &'a Value,
    namespace: &'a str,
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl<'a> Scope<'a> {
    fn list(&self, pointer: &str) -> &'a [Value] {
        list(self.object, pointer)
    }

    fn annotation(&self, name: &str) -> Option<&'a str> {
        self.object.pointer("/metadata/annotations")?.get(name)?.as_str()
    }

    fn here(&self, kind: &str, name: &str) -> ObjectRef {
        ObjectRef::new(kind, ObjectKey::new(self.namespace, name))
    }

    fn services(&self, rules: &str, name: &str, found: &mut Vec<ObjectRef>) {
        let named = self.list(rules).iter().filter_map(|rule| text(rule, name));
        found.extend(named.map(|name| self.here("Service", name)));
    }

    /// The default backend does not count: it belongs to all Ingresses together.
    fn ingress(&self, found: &mut Vec<ObjectRef>) {
        for path in self.list("/spec/rules").iter().flat_map(|rule| list(rule, "/http/paths")) {
            found.extend(text(path, "/backend/service/name").map(|name| self.here("Service", name)));
            if text(path, "/backend/resource/kind") == Some("KongServiceFacade") {
                found.extend(text(path, "/backend/resource/name").map(|name| self.here(FACADE, name)));
            }
        }
        let class = text(self.object, "/spec/ingressClassName").or_else(|| self.annotation(INGRESS_CLASS));
        let class = class.map(|name| ObjectRef::new("IngressClass.networking.k8s.io", ObjectKey::new("", name)));
        found.extend(class);
    }

    /// Those of the own namespace and of the cluster; which of the two counts is not asked here.
    fn plugins(&self, found: &mut Vec<ObjectRef>) {
        let named = crate::annotations::items(self.annotation(PLUGINS).unwrap_or_default(), ",");
        for name in named.iter().filter(|name| !name.contains(':')) {
            found.push(self.here(&format!("KongPlugin.{KONG}"), name));
            found.push(ObjectRef::new(format!("KongClusterPlugin.{KONG}"), ObjectKey::new("", name.clone())));
        }
    }

    fn policy(&self, found: &mut Vec<ObjectRef>) {
        let named = self.annotation(crate::annotations::service::UPSTREAM_POLICY);
        found.extend(named.map(|name| self.here(&format!("KongUpstreamPolicy.{KONG}"), name)));
    }

    fn plugin_secrets(&self, found: &mut Vec<ObjectRef>) {
        let from = self.object.pointer("/configFrom/secretKeyRef");
        let patches = self.list("/configPatches").iter().filter_map(|patch| patch.pointer("/valueFrom/secretKeyRef"));
        for secret in from.into_iter().chain(patches) {
            let namespace = text(secret, "/namespace").unwrap_or(self.namespace);
            let name = text(secret, "/name").map(|name| ObjectRef::new("Secret", ObjectKey::new(namespace, name)));
            found.extend(name);
        }
    }
}

//! Small random clusters: few names, so that objects meet, refer to each other, clash, and miss each other.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};
use silverback_model::ObjectRef;
use silverback_translation::{ObjectChange, object_ref, upsert};

use crate::gateway_world::gateway_object;

/// One edit of a cluster.
#[derive(Clone, Debug)]
pub enum Edit {
    /// The object is now this.
    Set(Value),
    /// The object is gone, if it was there.
    Delete(Value),
}

impl Edit {
    fn object(&self) -> &Value {
        match self {
            Self::Set(object) | Self::Delete(object) => object,
        }
    }

    /// The edit as a change.
    pub fn change(&self) -> ObjectChange {
        match self {
            Self::Set(object) => upsert(object),
            Self::Delete(object) => ObjectChange { content: None, ..upsert(object) },
        }
    }
}

/// What is left of a sequence of edits.
pub fn survivors<'a>(edits: impl IntoIterator<Item = &'a Edit>) -> BTreeMap<ObjectRef, Value> {
    let mut objects = BTreeMap::new();
    for edit in edits {
        match edit {
            Edit::Set(object) => objects.insert(object_ref(object), object.clone()),
            Edit::Delete(_) => objects.remove(&object_ref(edit.object())),
        };
    }
    objects
}

/// A stream of choices from one number.
pub struct Dice(u64);

impl Dice {
    /// The choices of a number.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// One of `0..sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % sides
    }

    pub fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    pub fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.roll(most + 1)).map(|_| make(self)).collect()
    }
}

pub const NAMES: [&str; 3] = ["a", "b", "c"];
pub const NAMESPACES: [&str; 2] = ["n", "m"];
pub const HOSTS: [&str; 4] = ["a.test", "b.test", "*.c.test", ""];

fn annotations(dice: &mut Dice, choices: &[(&str, &str)]) -> BTreeMap<String, String> {
    dice.some(2, |dice| choices[dice.roll(choices.len())])
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub fn metadata(dice: &mut Dice, namespaced: bool, choices: &[(&str, &str)]) -> Value {
    let (name, namespace) = (dice.one(&NAMES), dice.one(&NAMESPACES));
    let age = dice.roll(3);
    let mut metadata = json!({
        "name": name,
        "uid": format!("uid-{namespace}-{name}"),
        "resourceVersion": dice.roll(100).to_string(),
        "creationTimestamp": format!("2026-01-0{}T00:00:00Z", age + 1),
        "annotations": annotations(dice, choices),
    });
    if namespaced {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

pub const ROUTE_ANNOTATIONS: [(&str, &str); 10] = [
    ("konghq.com/strip-path", "true"),
    ("konghq.com/methods", "get"),
    ("konghq.com/methods", "g-t"),
    ("konghq.com/host-aliases", "z.test"),
    ("konghq.com/protocols", "https"),
    ("konghq.com/tags", "t"),
    ("kubernetes.io/ingress.class", "other"),
    ("konghq.com/plugins", "a"),
    ("konghq.com/plugins", "b,m:c"),
    ("konghq.com/rewrite", "/x"),
];

const SERVICE_ANNOTATIONS: [(&str, &str); 9] = [
    ("konghq.com/protocol", "https"),
    ("konghq.com/read-timeout", "0"),
    ("konghq.com/path", "/p"),
    ("konghq.com/client-cert", "a"),
    ("konghq.com/host-header", "h.test"),
    ("ingress.kubernetes.io/service-upstream", "true"),
    ("konghq.com/plugins", "a"),
    ("konghq.com/upstream-policy", "a"),
    ("konghq.com/override", "b"),
];

fn backend(dice: &mut Dice) -> Value {
    match dice.roll(8) {
        0 => json!({"service": {"name": dice.one(&NAMES), "port": {"name": "http"}}}),
        1 => json!({"resource": {"apiGroup": "x", "kind": "Bucket", "name": "a"}}),
        2 => json!({"service": {"name": dice.one(&NAMES), "port": {"number": 81}}}),
        _ => json!({"service": {"name": dice.one(&NAMES), "port": {"number": 80}}}),
    }
}

fn ingress(dice: &mut Dice) -> Value {
    let metadata = metadata(dice, true, &ROUTE_ANNOTATIONS);
    let rules = dice.some(2, |dice| {
        let paths = dice.some(2, |dice| {
            let kind = dice.one(&["Exact", "Prefix", "ImplementationSpecific"]);
            json!({"path": dice.one(&["/", "/x", "/~/r.*", ""]), "pathType": kind, "backend": backend(dice)})
        });
        json!({"host": dice.one(&HOSTS), "http": {"paths": paths}})
    });
    let tls = dice.some(1, |dice| json!({"hosts": [dice.one(&HOSTS)], "secretName": dice.one(&NAMES)}));
    let mut spec = json!({"rules": rules, "tls": tls});
    if dice.roll(4) > 0 {
        spec["ingressClassName"] = dice.one(&["kong", "kong", "kong", "other"]).into();
    }
    if dice.roll(3) == 0 {
        spec["defaultBackend"] = backend(dice);
    }
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec})
}

fn service(dice: &mut Dice) -> Value {
    let metadata = metadata(dice, true, &SERVICE_ANNOTATIONS);
    let spec = match dice.roll(4) {
        0 => json!({"type": "ExternalName", "externalName": "e.test"}),
        _ => json!({"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}),
    };
    json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
}

fn slice(dice: &mut Dice) -> Value {
    let mut metadata = metadata(dice, true, &[("x", "y")]);
    metadata["labels"] = json!({"kubernetes.io/service-name": dice.one(&NAMES)});
    let endpoints = dice.some(
        3,
        |dice| json!({"addresses": [format!("10.0.0.{}", dice.roll(4))], "conditions": {"ready": dice.roll(3) > 0}}),
    );
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints,
    })
}

/// Two key pairs in base64, so that Secrets can hold equal ones.
pub static PAIRS: LazyLock<[(String, String); 2]> = LazyLock::new(|| {
    [(); 2].map(|()| {
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = rcgen::CertificateParams::new(vec!["a.test".into()]).unwrap().self_signed(&key).unwrap();
        (STANDARD.encode(cert.pem()), STANDARD.encode(key.serialize_pem()))
    })
});

fn secret(dice: &mut Dice) -> Value {
    let metadata = metadata(dice, true, &[("x", "y")]);
    let data = match dice.roll(4) {
        0 => json!({"tls.crt": PAIRS[0].0, "tls.key": PAIRS[1].1}),
        1 => json!({"id": "Y2E=", "config": "eyJrIjogMX0="}),
        at => json!({"tls.crt": PAIRS[at - 2].0, "tls.key": PAIRS[at - 2].1}),
    };
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
}

fn class(dice: &mut Dice) -> Value {
    let mut metadata = metadata(dice, false, &[("ingressclass.kubernetes.io/is-default-class", "true")]);
    metadata["name"] = "kong".into();
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": metadata, "spec": {}})
}

fn nonsense(dice: &mut Dice) -> Value {
    let metadata = metadata(dice, true, &[("x", "y")]);
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": "nothing"})
}

/// A random object.
pub fn object(seed: u64) -> Value {
    let mut dice = Dice(seed);
    let dice = &mut dice;
    match dice.roll(28) {
        0..=5 => ingress(dice),
        6..=8 => service(dice),
        9..=11 => slice(dice),
        12..=13 => secret(dice),
        14 => class(dice),
        15 => nonsense(dice),
        _ => gateway_object(dice),
    }
}

/// An application of its own: Service, endpoints, Ingress with a plugin, and that plugin.
pub fn application(at: usize, endpoints: usize) -> [Value; 4] {
    let meta = |name: &str| json!({"name": format!("{name}{at}"), "namespace": format!("n{}", at % 100), "uid": format!("{name}-{at}")});
    let mut ingress = meta("app");
    ingress["annotations"] = json!({"konghq.com/plugins": format!("limit{at}")});
    let mut slice = meta("app");
    slice["labels"] = json!({"kubernetes.io/service-name": format!("app{at}")});
    let endpoints: Vec<Value> =
        (0..endpoints).map(|e| json!({"addresses": [format!("10.{}.{}.{e}", at / 250, at % 250)]})).collect();
    let backend = json!({"service": {"name": format!("app{at}"), "port": {"number": 80}}});
    let path = json!({"path": format!("/p{at}"), "pathType": "Prefix", "backend": backend});
    [
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("app"),
            "spec": {"ports": [{"name": "http", "port": 80}]}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": slice,
            "ports": [{"name": "http", "port": 8080}], "endpoints": endpoints}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": ingress, "spec": {
            "ingressClassName": "kong", "rules": [{"host": format!("h{at}.test"), "http": {"paths": [path]}}]}}),
        json!({"apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin", "metadata": meta("limit"),
            "plugin": "rate-limiting", "config": {"minute": 5}}),
    ]
}

/// Batches of edits.
pub fn history() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let edit = (any::<u64>(), 0..4u8)
        .prop_map(|(seed, kind)| if kind == 0 { Edit::Delete(object(seed)) } else { Edit::Set(object(seed)) });
    proptest::collection::vec(proptest::collection::vec(edit, 1..6), 1..14)
}

//! How objects come in: each kind's text is decoded into the inputs that rules read.

use std::fmt::Debug;
use std::hash::Hash;

use serde::de::DeserializeOwned;
use silverback_incremental::{Batch, Input};
use silverback_model::{ObjectKey, ObjectRef};
use silverback_resources::crds::{TCPIngress, UDPIngress};
use silverback_resources::types::{
    CustomResourceDefinition, EndpointSlice, GRPCRoute, Gateway, HTTPRoute, Ingress, ListenerSet, Meta, Named,
    TCPRoute, TLSRoute, UDPRoute,
};

use crate::claimant::{Claimant, ClaimantKey, ClaimantKind};
use crate::inputs::Inputs;
use crate::kinds::ca_certificate::{self, Held, Holder};
use crate::kinds::gateway_api::SetKey;
use crate::output::{Diagnostic, ObjectChange, Reason, Severity};

/// Endpoints are found through their Services: nothing is ever said to be made from a slice.
const SLICES: &str = "EndpointSlice.discovery.k8s.io";

/// Takes a change into the inputs. `None` for an object of a kind that is not translated.
pub(crate) fn take_change(
    inputs: &Inputs,
    batch: &mut Batch<'_>,
    change: &ObjectChange,
) -> Option<Result<(), serde_json::Error>> {
    let (_, take) = KINDS.iter().find(|(kind, _)| *kind == change.object.kind)?;
    Some(take(inputs, batch, &change.object.key, change.content.as_deref()))
}

/// The place of a kind among those that entities are made from.
pub(crate) fn kind_of_maker(kind: &str) -> Option<u8> {
    let at = KINDS.iter().position(|(known, _)| *known == kind && *known != SLICES)?;
    u8::try_from(at).ok()
}

/// How a change is taken into the graph.
type Take = fn(&Inputs, &mut Batch<'_>, &ObjectKey, Option<&str>) -> Result<(), serde_json::Error>;

/// The kinds that are translated. Objects of other kinds are ignored.
const KINDS: &[(&str, Take)] = &[
    ("Service", |inputs, batch, key, text| take(&inputs.services, batch, key, text)),
    (SLICES, take_slice),
    ("Secret", |inputs, batch, key, text| {
        mark_pair(inputs, batch, key, text);
        take_holder(inputs, &inputs.secrets, batch, Holder::Secret, key, text)
    }),
    ("ConfigMap", |inputs, batch, key, text| {
        take_holder(inputs, &inputs.config_maps, batch, Holder::ConfigMap, key, text)
    }),
    ("IngressClass.networking.k8s.io", |inputs, batch, key, text| take(&inputs.classes, batch, key, text)),
    ("ReferenceGrant.gateway.networking.k8s.io", |inputs, batch, key, text| take(&inputs.grants, batch, key, text)),
    ("IngressClassParameters.configuration.konghq.com", |inputs, batch, key, text| {
        take(&inputs.class_parameters, batch, key, text)
    }),
    ("KongPlugin.configuration.konghq.com", |inputs, batch, key, text| take(&inputs.plugins, batch, key, text)),
    ("KongClusterPlugin.configuration.konghq.com", |inputs, batch, key, text| {
        take(&inputs.cluster_plugins, batch, key, text)
    }),
    ("KongConsumer.configuration.konghq.com", |inputs, batch, key, text| take(&inputs.consumers, batch, key, text)),
    ("KongConsumerGroup.configuration.konghq.com", |inputs, batch, key, text| {
        take(&inputs.consumer_groups, batch, key, text)
    }),
    ("KongUpstreamPolicy.configuration.konghq.com", |inputs, batch, key, text| {
        take(&inputs.upstream_policies, batch, key, text)
    }),
    ("KongIngress.configuration.konghq.com", |inputs, batch, key, text| take(&inputs.kong_ingresses, batch, key, text)),
    ("KongServiceFacade.incubator.ingress-controller.konghq.com", |inputs, batch, key, text| {
        take(&inputs.facades, batch, key, text)
    }),
    ("KongVault.configuration.konghq.com", |inputs, batch, key, text| take(&inputs.vaults, batch, key, text)),
    ("KongLicense.configuration.konghq.com", |inputs, batch, key, text| take(&inputs.licenses, batch, key, text)),
    ("KongCustomEntity.configuration.konghq.com", |inputs, batch, key, text| {
        take(&inputs.custom_entities, batch, key, text)
    }),
    ("TCPIngress.configuration.konghq.com", |inputs, batch, key, text| {
        claim::<TCPIngress>(inputs, batch, ClaimantKind::TcpIngress, key, text, Claimant::Tcp)
    }),
    ("UDPIngress.configuration.konghq.com", |inputs, batch, key, text| {
        claim::<UDPIngress>(inputs, batch, ClaimantKind::UdpIngress, key, text, Claimant::Udp)
    }),
    ("HTTPRoute.gateway.networking.k8s.io", |inputs, batch, key, text| {
        claim::<HTTPRoute>(inputs, batch, ClaimantKind::HttpRoute, key, text, Claimant::HttpRoute)
    }),
    ("GRPCRoute.gateway.networking.k8s.io", |inputs, batch, key, text| {
        claim::<GRPCRoute>(inputs, batch, ClaimantKind::GrpcRoute, key, text, Claimant::GrpcRoute)
    }),
    ("TCPRoute.gateway.networking.k8s.io", |inputs, batch, key, text| {
        claim::<TCPRoute>(inputs, batch, ClaimantKind::TcpRoute, key, text, Claimant::TcpRoute)
    }),
    ("UDPRoute.gateway.networking.k8s.io", |inputs, batch, key, text| {
        claim::<UDPRoute>(inputs, batch, ClaimantKind::UdpRoute, key, text, Claimant::UdpRoute)
    }),
    ("TLSRoute.gateway.networking.k8s.io", |inputs, batch, key, text| {
        claim::<TLSRoute>(inputs, batch, ClaimantKind::TlsRoute, key, text, Claimant::TlsRoute)
    }),
    ("Gateway.gateway.networking.k8s.io", |inputs, batch, key, text| {
        take(&inputs.gateways, batch, key, text)?;
        let wrap = |gateway| Claimant::Gateway(Box::new(gateway));
        claim::<Gateway>(inputs, batch, ClaimantKind::Gateway, key, text, wrap)
    }),
    ("ListenerSet.gateway.networking.k8s.io", |inputs, batch, key, text| take_set(inputs, batch, false, key, text)),
    ("XListenerSet.gateway.networking.x-k8s.io", |inputs, batch, key, text| take_set(inputs, batch, true, key, text)),
    ("GatewayClass.gateway.networking.k8s.io", |inputs, batch, key, text| {
        take(&inputs.gateway_classes, batch, key, text)
    }),
    ("BackendTLSPolicy.gateway.networking.k8s.io", |inputs, batch, key, text| {
        take(&inputs.tls_policies, batch, key, text)
    }),
    ("CustomResourceDefinition.apiextensions.k8s.io", take_definition),
    ("Namespace", take_namespace),
    ("Ingress.networking.k8s.io", |inputs, batch, key, text| {
        claim::<Ingress>(inputs, batch, ClaimantKind::Ingress, key, text, Claimant::Ingress)
    }),
];

/// Decodes an object; one that waits for finalizers counts as gone.
fn decode<T: DeserializeOwned + Named>(text: Option<&str>) -> Result<Option<T>, serde_json::Error> {
    let object: Option<T> = text.map(serde_json::from_str).transpose()?;
    Ok(object.filter(|object| !deleting(object.meta())))
}

fn deleting(meta: &Meta) -> bool {
    meta.deletion_timestamp.is_some()
}

fn take<T>(
    input: &Input<ObjectKey, T>,
    batch: &mut Batch<'_>,
    key: &ObjectKey,
    text: Option<&str>,
) -> Result<(), serde_json::Error>
where
    T: DeserializeOwned + Named + PartialEq + Send + Sync + 'static,
{
    put(input, batch, key, decode(text))
}

fn put<K, T>(
    input: &Input<K, T>,
    batch: &mut Batch<'_>,
    key: &K,
    decoded: Result<Option<T>, serde_json::Error>,
) -> Result<(), serde_json::Error>
where
    K: Ord + Hash + Clone + Debug + Send + Sync + 'static,
    T: PartialEq + Send + Sync + 'static,
{
    match decoded {
        Ok(Some(object)) => batch.set(input, key.clone(), object),
        Ok(None) => batch.remove(input, key),
        Err(error) => {
            // What cannot be read cannot be honoured; keeping the last reading would hide that after a restart.
            batch.remove(input, key);
            return Err(error);
        }
    }
    Ok(())
}

/// Marks Secrets that may hold a key pair: no other concerns the rules of certificates at all.
fn mark_pair(inputs: &Inputs, batch: &mut Batch<'_>, key: &ObjectKey, text: Option<&str>) {
    if text.is_some_and(|text| text.contains("\"tls.crt\"")) {
        batch.set(&inputs.key_pairs, key.clone(), ());
    } else {
        batch.remove(&inputs.key_pairs, key);
    }
}

/// A Secret or ConfigMap; one that is labelled as an authority is one as well.
fn take_holder<T>(
    inputs: &Inputs,
    input: &Input<ObjectKey, T>,
    batch: &mut Batch<'_>,
    holder: Holder,
    key: &ObjectKey,
    text: Option<&str>,
) -> Result<(), serde_json::Error>
where
    T: DeserializeOwned + Named + Clone + Into<Held> + PartialEq + Send + Sync + 'static,
{
    let object: Result<Option<T>, _> = decode(text);
    let held = object.as_ref().ok().and_then(Option::as_ref).filter(|it| ca_certificate::is_labelled(it.meta()));
    put(&inputs.authorities, batch, &(holder, key.clone()), Ok(held.cloned().map(Into::into)))?;
    put(input, batch, key, object)
}

/// A set of listeners, under its old name or the new.
fn take_set(
    inputs: &Inputs,
    batch: &mut Batch<'_>,
    experimental: bool,
    key: &ObjectKey,
    text: Option<&str>,
) -> Result<(), serde_json::Error> {
    let set_key = SetKey { key: key.clone(), experimental };
    let set: Result<Option<ListenerSet>, _> = decode(text);
    let kind = if experimental { ClaimantKind::XListenerSet } else { ClaimantKind::ListenerSet };
    let held = set.as_ref().ok().and_then(Option::as_ref).cloned();
    let claimant = held.map(|set| Claimant::ListenerSet(set_key.clone(), Box::new(set)));
    put(&inputs.claimants, batch, &ClaimantKey { kind, key: key.clone() }, Ok(claimant))?;
    put(&inputs.listener_sets, batch, &set_key, set)
}

/// Of CRDs only those of the Gateway API count.
fn take_definition(
    inputs: &Inputs,
    batch: &mut Batch<'_>,
    key: &ObjectKey,
    text: Option<&str>,
) -> Result<(), serde_json::Error> {
    let definition: Result<Option<CustomResourceDefinition>, _> = decode(text);
    let ours = definition.map(|it| it.filter(CustomResourceDefinition::is_of_gateway_api));
    put(&inputs.definitions, batch, key, ours)
}

/// Of namespaces only the labels count.
fn take_namespace(
    inputs: &Inputs,
    batch: &mut Batch<'_>,
    key: &ObjectKey,
    text: Option<&str>,
) -> Result<(), serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Namespace {
        #[serde(default)]
        metadata: Meta,
    }
    let namespace: Result<Option<Namespace>, _> = text.map(serde_json::from_str).transpose();
    put(&inputs.namespaces, batch, &key.name, namespace.map(|it| it.map(|it| it.metadata.labels)))
}

fn take_slice(
    inputs: &Inputs,
    batch: &mut Batch<'_>,
    key: &ObjectKey,
    text: Option<&str>,
) -> Result<(), serde_json::Error> {
    let slice: Result<Option<EndpointSlice>, _> = text.map(serde_json::from_str).transpose();
    put(&inputs.slices, batch, key, slice.map(|slice| slice.filter(|slice| !slice.deleting)))
}

fn claim<T: DeserializeOwned + Named>(
    inputs: &Inputs,
    batch: &mut Batch<'_>,
    kind: ClaimantKind,
    key: &ObjectKey,
    text: Option<&str>,
    wrap: fn(T) -> Claimant,
) -> Result<(), serde_json::Error> {
    let key = ClaimantKey { kind, key: key.clone() };
    put(&inputs.claimants, batch, &key, decode(text).map(|object| object.map(wrap)))
}

/// What is said of an object that cannot be decoded.
pub(crate) fn undecodable(object: &ObjectRef, error: &serde_json::Error) -> Diagnostic {
    Diagnostic {
        object: object.clone(),
        field: String::new(),
        severity: Severity::Error,
        reason: Reason::Undecodable,
        message: format!("the object is ignored: it is not as its kind should be: {}", without_value(error)),
    }
}

/// What is wrong, without the value that it is wrong with, which may be a secret, and without the place, which is one in
/// the trimmed text.
fn without_value(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    match (text.find(['"', '`']), text.rfind(", expected ")) {
        (Some(value), Some(expected)) if value < expected => {
            format!("{}{}", text[..value].trim_end(), &text[expected..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_resources::types::Secret;

    #[test]
    fn no_value_is_told_of_what_cannot_be_decoded() {
        let told = |text: &str| without_value(&serde_json::from_str::<Secret>(text).unwrap_err());
        let text = r#"{"data":"hush, expected \"hush\" at line 7"}"#;
        assert_eq!(told(text), "invalid type: string, expected a map");
        assert_eq!(told(r#"{"data":{"key":31337}}"#), "invalid type: integer, expected a string");
        assert_eq!(told(r#"{"data":{"key":"#), "EOF while parsing a value");
    }
}

//! Annotations of Services and KongServiceFacades that change the Kong service in front of them.
//!
//! What refers to other objects (certificates, policies, plugins) is read elsewhere.

use silverback_kong::{Service, limits};

use super::go_bool;
use crate::source::{Notes, Source};

pub(crate) const PROTOCOL: &str = "konghq.com/protocol";
const PATH: &str = "konghq.com/path";
const CONNECT_TIMEOUT: &str = "konghq.com/connect-timeout";
const READ_TIMEOUT: &str = "konghq.com/read-timeout";
const WRITE_TIMEOUT: &str = "konghq.com/write-timeout";
const RETRIES: &str = "konghq.com/retries";
pub(crate) const TLS_VERIFY: &str = "konghq.com/tls-verify";
pub(crate) const TLS_VERIFY_DEPTH: &str = "konghq.com/tls-verify-depth";
/// Name of the Secret with the certificate shown to the servers.
pub(crate) const CLIENT_CERT: &str = "konghq.com/client-cert";
/// Names of Secrets with the authorities trusted.
pub(crate) const CA_SECRETS: &str = "konghq.com/ca-certificates-secrets";
/// Names of ConfigMaps with the authorities trusted.
pub(crate) const CA_CONFIG_MAPS: &str = "konghq.com/ca-certificates-configmaps";
/// The Host header sent to the servers.
pub(crate) const HOST_HEADER: &str = "konghq.com/host-header";
/// Name of a KongUpstreamPolicy.
pub(crate) const UPSTREAM_POLICY: &str = "konghq.com/upstream-policy";
/// Name of a KongIngress.
pub(crate) const OVERRIDE: &str = "konghq.com/override";
/// Send requests to the Service, not to its pods.
pub(crate) const SERVICE_UPSTREAM: &str = "ingress.kubernetes.io/service-upstream";

/// Takes the annotations into a service.
pub(crate) fn apply(source: &Source<'_>, service: &mut Service, notes: &mut Notes) {
    let meta = source.meta;
    if let Some(path) = meta.annotation(PATH) {
        if path.starts_with('/') {
            service.path = Some(path.to_owned());
        } else {
            notes.bad_annotation(source, PATH, "a path that starts with /");
        }
    }
    if let Some(protocol) = meta.annotation(PROTOCOL).filter(|text| !text.is_empty()) {
        if limits::is_protocol(protocol, true) {
            service.protocol = Some(protocol.to_owned());
        } else {
            notes.bad_annotation(source, PROTOCOL, "a protocol of Kong's services, such as https or grpc");
        }
    }
    let numbers = [
        (CONNECT_TIMEOUT, &mut service.connect_timeout),
        (READ_TIMEOUT, &mut service.read_timeout),
        (WRITE_TIMEOUT, &mut service.write_timeout),
        (RETRIES, &mut service.retries),
        (TLS_VERIFY_DEPTH, &mut service.tls_verify_depth),
    ];
    for (name, field) in numbers {
        match meta.annotation(name).map(str::parse) {
            Some(Ok(number)) => *field = Some(number),
            Some(Err(_)) => notes.bad_annotation(source, name, "an integer"),
            None => {}
        }
    }
    match meta.annotation(TLS_VERIFY).map(go_bool) {
        Some(Some(verify)) => service.tls_verify = Some(verify),
        Some(None) => notes.bad_annotation(source, TLS_VERIFY, "true or false"),
        None => {}
    }
    if matches!(service.protocol.as_deref(), Some("grpc" | "grpcs")) {
        service.path = None;
    }
}

/// Kong's annotations of an object. Services behind one Kong service must agree on them.
pub(crate) fn kong_annotations<'a>(source: &Source<'a>) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    let annotations = source.meta.annotations.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    annotations.filter(|(name, _)| name.starts_with(super::PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_resources::types::{Meta, Service as K8sService};

    fn applied(annotations: &[(&str, &str)]) -> (Service, Notes) {
        let annotations = annotations.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let object = K8sService { metadata: Meta { annotations, ..Meta::default() }, ..K8sService::default() };
        let (mut service, mut notes) = (Service::default(), Notes::default());
        apply(&Source::of(&object), &mut service, &mut notes);
        (service, notes)
    }

    #[test]
    fn values_are_taken_and_nonsense_is_named() {
        let (service, notes) = applied(&[(PROTOCOL, "https"), (RETRIES, "0"), (READ_TIMEOUT, "5000"), (PATH, "/a")]);
        let wanted = Service {
            protocol: Some("https".into()),
            retries: Some(0),
            read_timeout: Some(5000),
            path: Some("/a".into()),
            ..Service::default()
        };
        assert_eq!((service, notes.0.len()), (wanted, 0));
        let (service, notes) = applied(&[(PROTOCOL, "ftp"), (RETRIES, "many"), (PATH, "a"), (TLS_VERIFY, "yes")]);
        assert_eq!((service, notes.0.len()), (Service::default(), 4));
    }

    #[test]
    fn grpc_has_no_path() {
        assert_eq!(applied(&[(PATH, "/a"), (PROTOCOL, "grpcs")]).0.path, None);
    }
}

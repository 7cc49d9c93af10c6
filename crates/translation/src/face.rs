//! What a backend shows of itself: a Service with its annotations, under a BackendTLSPolicy perhaps, or a
//! KongServiceFacade whose annotations lie over those of the Service behind it.

use std::sync::Arc;

use silverback_resources::crds::KongServiceFacade;
use silverback_resources::types::{BackendTLSPolicy, Meta, Service};

use crate::annotations::service as annotations;
use crate::output::Reason;
use crate::source::{Maker, Notes, Source};

/// The option of a policy that says how long chains of certificates may be.
const DEPTH_OPTION: &str = "tls-verify-depth";

/// A Service, or a facade of one.
#[derive(Clone, Debug)]
pub(crate) enum Face {
    /// The Service itself.
    Service(Arc<Service>),
    /// A Service with what policies make of its annotations. Several policies contradict each other: none counts.
    Policed(Box<Service>, Vec<Arc<BackendTLSPolicy>>),
    /// A facade, with the annotations of both.
    Facade(Box<KongServiceFacade>, Arc<Service>),
}

impl Face {
    /// A Service under these policies.
    pub(crate) fn service(service: Arc<Service>, policies: &[Arc<BackendTLSPolicy>]) -> Self {
        if policies.is_empty() {
            return Self::Service(service);
        }
        let mut policed = (*service).clone();
        if let [policy] = policies {
            apply(policy, &mut policed.metadata);
        }
        Self::Policed(Box::new(policed), policies.to_vec())
    }

    /// The facade of a Service.
    pub(crate) fn facade(facade: &KongServiceFacade, service: Arc<Service>) -> Self {
        let mut annotations = service.metadata.annotations.clone();
        annotations.extend(facade.metadata.annotations.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut facade = facade.clone();
        facade.metadata = Meta { annotations, ..facade.metadata };
        Self::Facade(Box::new(facade), service)
    }

    /// The object whose annotations and tags count.
    pub(crate) fn source(&self) -> Source<'_> {
        match self {
            Self::Service(service) => Source::of(&**service),
            Self::Policed(service, _) => Source::of(&**service),
            Self::Facade(facade, _) => Source::of(&**facade),
        }
    }

    /// The objects it consists of.
    pub(crate) fn makers(&self) -> impl Iterator<Item = Maker> + use<> {
        let more: Vec<Maker> = match self {
            Self::Service(_) => Vec::new(),
            Self::Policed(_, policies) => policies.iter().map(|policy| Source::of(&**policy).maker()).collect(),
            Self::Facade(_, service) => vec![Source::of(&**service).maker()],
        };
        [self.source().maker()].into_iter().chain(more)
    }

    /// What is wrong with its policies.
    pub(crate) fn problems(&self) -> Notes {
        let mut notes = Notes::default();
        let Self::Policed(service, policies) = self else { return notes };
        for policy in policies {
            let (reference, spec) = (Source::of(&**policy).reference(), &policy.spec.validation);
            if policies.len() > 1 {
                let service = service.metadata.key();
                let message = format!("the policy has no effect on Service {service}: another policy targets it too");
                notes.error(&reference, "spec.targetRefs", Reason::Conflict, message);
            }
            if spec.well_known.is_some() {
                let message = "it has no effect: name the authorities in caCertificateRefs";
                let field = "spec.validation.wellKnownCACertificates";
                notes.error(&reference, field, Reason::UnsupportedFeature, message);
            }
            if !spec.subject_alt_names.is_empty() {
                let message = "it has no effect: Kong verifies no other names";
                notes.error(&reference, "spec.validation.subjectAltNames", Reason::UnsupportedFeature, message);
            }
        }
        notes
    }
}

/// A policy says what annotations of the Service could say.
fn apply(policy: &BackendTLSPolicy, meta: &mut Meta) {
    let validation = &policy.spec.validation;
    let mut set = |name: &str, value: &str| meta.annotations.insert(name.to_owned(), value.to_owned());
    set(annotations::PROTOCOL, "https");
    set(annotations::TLS_VERIFY, "true");
    set(annotations::HOST_HEADER, &validation.hostname);
    if let Some(depth) = policy.spec.options.get(DEPTH_OPTION)
        && depth.parse::<u16>().is_ok()
    {
        set(annotations::TLS_VERIFY_DEPTH, depth);
    }
    for authority in &validation.ca_certificate_refs {
        let name = match authority.kind.as_deref() {
            Some("Secret") => annotations::CA_SECRETS,
            Some("ConfigMap") => annotations::CA_CONFIG_MAPS,
            _ => continue,
        };
        let list = meta.annotations.entry(name.to_owned()).or_default();
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&authority.name);
    }
}

//! What a backend shows of itself: a Service with its annotations, under a BackendTLSPolicy perhaps, or a
//! KongServiceFacade whose annotations lie over those of the Service behind it.

use std::sync::Arc;

use silverback_resources::crds::KongServiceFacade;
use silverback_resources::types::{BackendTLSPolicy, Meta, Service};

use crate::annotations::service as annotations;
use crate::backends::Port;
use crate::kinds::backend_tls_policy;
use crate::source::{Maker, Source};

/// A Service, or a facade of one.
#[derive(Clone, Debug)]
pub(crate) enum Face {
    /// The Service itself.
    Service(Arc<Service>),
    /// A Service with what a policy makes of its annotations.
    Policed(Box<Service>, Arc<BackendTLSPolicy>),
    /// A facade, with the annotations of both.
    Facade(Box<KongServiceFacade>, Arc<Service>),
}

impl Face {
    /// A port of a Service, under the policy of these that counts for it.
    pub(crate) fn service(service: Arc<Service>, port: Option<&Port>, policies: &[Arc<BackendTLSPolicy>]) -> Self {
        let port = port.map(|port| port.name.as_str()).unwrap_or_default();
        match backend_tls_policy::effective(policies, &service.metadata.name, port) {
            None => Self::Service(service),
            Some(policy) => {
                let mut policed = (*service).clone();
                apply(policy, &mut policed.metadata);
                Self::Policed(Box::new(policed), policy.clone())
            }
        }
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
            Self::Policed(_, policy) => vec![Source::of(&**policy).maker()],
            Self::Facade(_, service) => vec![Source::of(&**service).maker()],
        };
        [self.source().maker()].into_iter().chain(more)
    }

    /// The policy that counts for it.
    pub(crate) fn policy(&self) -> Option<&Arc<BackendTLSPolicy>> {
        match self {
            Self::Policed(_, policy) => Some(policy),
            Self::Service(_) | Self::Facade(..) => None,
        }
    }
}

/// A policy says what annotations of the Service could say.
fn apply(policy: &BackendTLSPolicy, meta: &mut Meta) {
    let validation = &policy.spec.validation;
    let mut set = |name: &str, value: &str| meta.annotations.insert(name.to_owned(), value.to_owned());
    set(annotations::PROTOCOL, "https");
    set(annotations::TLS_VERIFY, "true");
    set(annotations::HOST_HEADER, &validation.hostname);
    if let Some(Ok(depth)) = backend_tls_policy::depth(policy) {
        set(annotations::TLS_VERIFY_DEPTH, &depth.to_string());
    }
}
